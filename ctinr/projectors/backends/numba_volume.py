"""The CPU engine in three dimensions: Joseph's model in loops that numba compiles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor

from ctinr.geometry import Beam, Grid
from ctinr.projectors.backends import numba_rays as loops
from ctinr.projectors.backends.joseph_volume import AXES, in_cells

# Columns of bins whose frames are made at once: bounds the memory at half a MB.
COLUMNS = 1 << 11


class NumbaVolume:
    """Forward and transposed kernels for one geometry and grid."""

    def __init__(self, geometry: Beam, grid: Grid) -> None:
        self._geometry, self._domain = geometry, grid
        self._grid = grid.shape, grid.spacing

    def forward(self, volume: Tensor) -> Tensor:
        """Project volumes (batch, z, y, x) to sinograms (batch, view, v, u)."""
        sinogram = volume.new_empty(len(volume), *self._geometry.shape)
        for views, frames in self._frames():
            for item, result in zip(volume, sinogram, strict=True):
                loops.project(_flat(item), self._grid, frames, result[views].numpy())
        return sinogram

    def transposed(self, sinogram: Tensor) -> Tensor:
        """Apply the exact transpose: sinograms (batch, view, v, u) to volumes (batch, z, y, x)."""
        volume = sinogram.new_zeros(len(sinogram), *self._domain.shape)
        for views, frames in self._frames():
            for item, result in zip(sinogram, volume, strict=True):
                values = item[views].contiguous().numpy()
                for axis, *_ in AXES:
                    loops.backproject(values, self._grid, frames, axis, _flat(result))
        return volume

    def _frames(self) -> Iterator[tuple[slice, tuple[Any, ...]]]:
        """Yield some views at a time, and where their rays are, counted in cells."""
        num_views, num_columns = self._geometry.shape[0], self._geometry.shape[-1]
        step = max(1, COLUMNS // num_columns)
        for first in range(0, num_views, step):
            views = slice(first, min(first + step, num_views))
            cells = in_cells(self._geometry.frames(views), self._domain)
            parts = cells.origins, cells.columns, cells.upward, cells.rows
            yield views, (*(np.ascontiguousarray(part) for part in parts), cells.parallel)


def _flat(volume: Tensor) -> np.ndarray:
    return volume.reshape(math.prod(volume.shape)).numpy()
