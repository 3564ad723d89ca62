"""A volume as a stack of slices: what makes engines of two dimensions do a parallel beam in three.

Rays of a parallel beam run within planes at right angles to the axis of rotation. So the slices of
the volume are projected one by one, side by side as a batch, and the rows of the detector are
interpolated linearly between them: this is Joseph's model in three dimensions, in which a ray's
position between two slices never changes. Both steps are linear and the transpose is exact.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ctinr.geometry import Grid, ParallelBeam


class Stack:
    """Forward and transposed kernels of a stack, by an engine for its slices."""

    def __init__(self, engine: type[Any], geometry: ParallelBeam, grid: Grid) -> None:
        self._engine = engine(geometry.slice, grid.slice)
        weights = row_weights(geometry, grid)
        self._aligned = np.array_equal(weights, np.eye(*weights.shape))
        self._weights = lru_cache(maxsize=4)(lambda kind: as_sparse(weights, kind))

    def forward(self, volume: Tensor) -> Tensor:
        """Project volumes (batch, z, y, x) to sinograms (batch, angle, v, u)."""
        planes = self._engine.forward(volume.flatten(0, 1)).unflatten(0, volume.shape[:2])
        return self._rows(planes, transposed=False).transpose(1, 2).contiguous()

    def transposed(self, sinogram: Tensor) -> Tensor:
        """Apply the exact transpose: sinograms (batch, angle, v, u) to volumes (batch, z, y, x)."""
        planes = self._rows(sinogram.transpose(1, 2).contiguous(), transposed=True)
        return self._engine.transposed(planes.flatten(0, 1)).unflatten(0, planes.shape[:2])

    def _rows(self, planes: Tensor, *, transposed: bool) -> Tensor:
        """Go from sinograms of the slices to rows of the detector, (batch, z or v, angle, u)."""
        if self._aligned:
            return planes
        # Sums are of single precision at least, whatever the planes are stored in.
        dtype = torch.promote_types(planes.dtype, torch.float32)
        weights = self._weights((planes.device, dtype))
        rows = along_first(weights.t() if transposed else weights, planes.to(dtype))
        return rows.to(planes.dtype)


def row_weights(geometry: ParallelBeam, grid: Grid) -> np.ndarray:
    """Return the weight of every slice in every row, by linear interpolation: (v, z), float64.

    Beyond the centres of the outermost slices the volume fades to zero within one slice.
    """
    rows, slices = geometry.detector.bin_centers(0), grid.cell_centers(0)
    weights = np.maximum(0.0, 1.0 - np.abs(rows[:, None] - slices) / grid.spacing[0])
    # Rows that lie on slices but for their rounding.
    return np.where(weights < 1e-12, 0.0, np.where(weights > 1 - 1e-12, 1.0, weights))


def as_sparse(weights: np.ndarray, kind: tuple[torch.device, torch.dtype]) -> Tensor:
    """Return a matrix as a sparse tensor of a device and dtype."""
    device, dtype = kind
    full = torch.as_tensor(weights, dtype=dtype)
    index = full.nonzero().T
    values = full[index[0], index[1]]
    matrix = torch.sparse_coo_tensor(index, values, full.shape, check_invariants=True)
    return matrix.coalesce().to(device)


def along_first(matrix: Tensor, planes: Tensor) -> Tensor:
    """Apply a sparse matrix along axis 1 of (batch, n, …)."""
    rest = planes.shape[2:]
    return torch.stack([torch.sparse.mm(matrix, item.flatten(1)) for item in planes]).unflatten(
        2, rest
    )
