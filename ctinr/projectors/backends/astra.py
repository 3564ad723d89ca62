"""The ASTRA toolbox on the CPU, as an engine: Joseph's model, and lengths in cells for a fan.

ASTRA's y points up and its numbers are single precision. It is told of the scan in cells, with the
middle of the grid as origin and y reversed, so row 0 stays at the top and no array is flipped. Its
sums then count cells along the ray, and each ray is multiplied by the length of its step in mm. A
grid that is off centre or whose cells are not square, and an offset detector, are so no case apart.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ctinr.geometry import FanBeam, Grid, ParallelBeam


class Astra:
    """Forward and transposed kernels for one geometry and grid, float32."""

    def __init__(self, geometry: ParallelBeam | FanBeam, grid: Grid) -> None:
        import astra

        self._scan = geometry, grid
        kind, rays, vectors = _vectors(geometry, grid)
        number = astra.create_projector(
            kind,
            astra.create_proj_geom(rays, geometry.shape[1], vectors),
            astra.create_vol_geom(*grid.shape),
        )
        weakref.finalize(self, astra.projector.delete, number)
        self._operator = astra.OpTomo(number)
        spacing = np.asarray(grid.spacing)[::-1]
        steps = np.linalg.norm(geometry.rays().directions / spacing, axis=-1)
        self._lengths = torch.as_tensor(1 / steps, dtype=torch.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        """Make a copy anew: two engines must not free the same projector."""
        return type(self), self._scan

    def forward(self, image: Tensor) -> Tensor:
        """Project images (batch, y, x) to sinograms (batch, angle, u)."""
        return _each(self._operator.FP, image) * self._lengths

    def transposed(self, sinogram: Tensor) -> Tensor:
        """Apply the transpose: sinograms (batch, angle, u) to images (batch, y, x)."""
        return _each(self._operator.BP, sinogram * self._lengths)


def _each(kernel: Callable[[np.ndarray], np.ndarray], batch: Tensor) -> Tensor:
    """Apply a kernel of ASTRA, which makes its own result, to each of a batch."""
    arrays = batch.detach().contiguous().numpy()
    return torch.stack([torch.as_tensor(kernel(array)) for array in arrays])


def _vectors(geometry: ParallelBeam | FanBeam, grid: Grid) -> tuple[str, str, np.ndarray]:
    """Return ASTRA's names of the model and of the rays, and its six numbers a view, in cells.

    They are the direction of the rays or where the source is, the middle of the detector, and the
    step from bin to bin.
    """
    spacing, center = (np.asarray(pair)[::-1] for pair in (grid.spacing, grid.center))
    angles, detector = np.asarray(geometry.angles), geometry.detector
    across = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    along = np.stack([-np.sin(angles), np.cos(angles)], axis=-1)
    if isinstance(geometry, FanBeam):
        kind, rays = "line_fanflat", "fanflat_vec"
        start = geometry.sources() - center
        middle = geometry.detector_distance * along + detector.offset[0] * across - center
    else:
        kind, rays = "linear", "parallel_vec"
        start = along
        # Where along the ray it lies is free: beside the grid, numbers are small and round little.
        middle = (detector.offset[0] - across @ center)[:, None] * across
    parts = start, middle, detector.pitch[0] * across
    vectors = np.concatenate([part / spacing * (1, -1) for part in parts], axis=1)
    return kind, rays, vectors
