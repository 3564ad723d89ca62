"""The ASTRA toolbox on the CPU, as an engine: Joseph's model, and lengths in cells for a fan.

It is told of the scan in cells, see `astra_views`. Its numbers are single precision.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ctinr.geometry import FanBeam, Grid, ParallelBeam, VectorBeam
from ctinr.projectors.backends.astra_views import views_in_cells


class Astra:
    """Forward and transposed kernels for one geometry and grid, float32."""

    def __init__(self, geometry: ParallelBeam | FanBeam | VectorBeam, grid: Grid) -> None:
        import astra

        self._scan = geometry, grid
        views = views_in_cells(geometry, grid)
        kind, rays = ("linear", "parallel") if views.parallel else ("line_fanflat", "fanflat")
        number = astra.create_projector(
            kind,
            astra.create_proj_geom(f"{rays}_vec", geometry.shape[1], views.vectors),
            astra.create_vol_geom(*grid.shape),
        )
        weakref.finalize(self, astra.projector.delete, number)
        self._operator = astra.OpTomo(number)
        self._lengths = torch.as_tensor(views.lengths, dtype=torch.float32)

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


def obstacle(geometry: ParallelBeam | FanBeam | VectorBeam) -> str | None:
    """Return what ASTRA's projectors on the CPU cannot do, or None."""
    if isinstance(geometry, VectorBeam) and geometry.v_axes is not None:
        return "It has no projector for rays through a volume; on CUDA, astra_cuda has."
    return None
