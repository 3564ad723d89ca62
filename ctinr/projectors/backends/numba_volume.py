"""The CPU engine in three dimensions: Joseph's model in loops that numba compiles.

Volumes of a batch are handled side by side, eight at a time, and share the arithmetic of positions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor

from ctinr.geometry import Beam, Grid
from ctinr.projectors.backends import numba_batches as batches
from ctinr.projectors.backends import numba_rays as loops
from ctinr.projectors.backends.joseph_volume import AXES, in_cells
from ctinr.projectors.backends.numba_joseph import groups
from ctinr.projectors.backends.numba_loops import SIDE_BY_SIDE

# Columns of bins whose frames are made at once: bounds the memory at half a MB.
COLUMNS = 1 << 11


# With fewer volumes than that, one by one is faster than side by side with empty places.
FEWEST_FORWARD, FEWEST_TRANSPOSED = 7, 4


class NumbaVolume:
    """Forward and transposed kernels for one geometry and grid."""

    def __init__(self, geometry: Beam, grid: Grid) -> None:
        self._geometry, self._domain = geometry, grid
        self._grid = grid.shape, grid.spacing

    def forward(self, volume: Tensor) -> Tensor:
        """Project volumes (batch, z, y, x) to sinograms (batch, view, v, u)."""
        sinogram = volume.new_empty(len(volume), *self._geometry.shape)
        for items in groups(len(volume), FEWEST_FORWARD):
            together = items.stop - items.start > 1
            cells = _flat(_side_by_side(volume[items]) if together else volume[items])
            for views, frames in self._frames():
                if together:
                    part = volume.new_empty(*sinogram[0, views].shape, SIDE_BY_SIDE)
                    batches.project_volumes(cells, self._grid, frames, part.numpy())
                    sinogram[items, views] = part.movedim(-1, 0)[: items.stop - items.start]
                else:
                    result = sinogram[items.start, views].numpy()
                    loops.project(cells, self._grid, frames, result)
        return sinogram

    def transposed(self, sinogram: Tensor) -> Tensor:
        """Apply the exact transpose: sinograms (batch, view, v, u) to volumes (batch, z, y, x)."""
        volume = sinogram.new_zeros(len(sinogram), *self._domain.shape)
        for items in groups(len(sinogram), FEWEST_TRANSPOSED):
            together = items.stop - items.start > 1
            shape = (*self._domain.shape, SIDE_BY_SIDE)
            sums = sinogram.new_zeros(shape) if together else volume[items.start]
            backproject = batches.backproject_volumes if together else loops.backproject
            for views, frames in self._frames():
                part = sinogram[items, views]
                values = _side_by_side(part) if together else part[0].contiguous()
                for axis, *_ in AXES:
                    backproject(values.numpy(), self._grid, frames, axis, _flat(sums))
            if together:
                volume[items] = sums.movedim(-1, 0)[: items.stop - items.start]
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


def _side_by_side(items: Tensor) -> Tensor:
    """Return a few of a batch on the last axis, filled up with zeros."""
    filled = items.new_zeros(*items.shape[1:], SIDE_BY_SIDE)
    filled[..., : len(items)] = items.movedim(0, -1)
    return filled


def _flat(volume: Tensor) -> np.ndarray:
    return volume.reshape(math.prod(volume.shape)).numpy()
