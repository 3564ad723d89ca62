"""The CPU engine: Joseph's model in loops that numba compiles.

Images of a batch are handled side by side, eight at a time, and share the arithmetic of positions;
a few that are left over are filled up to eight, or go one by one. The compiled code is cached on
disk on first use.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ctinr.geometry import Beam, Grid
from ctinr.projectors.backends import numba_loops as loops
from ctinr.projectors.backends.joseph import JosephTable, joseph_model
from ctinr.projectors.backends.numba_loops import BLOCK, SIDE_BY_SIDE

# With fewer images than that, one by one is faster than side by side with empty places.
FEWEST = 3


class NumbaJoseph:
    """Forward and transposed kernels for one geometry and grid."""

    def __init__(self, geometry: Beam, grid: Grid) -> None:
        self._sinogram_shape = geometry.shape
        self._shape = grid.shape
        model = joseph_model(geometry, grid)
        self._tables, self._lengths = (model.along_y, model.along_x), model.lengths
        self._arrays: dict[torch.dtype, list[tuple[np.ndarray, ...]]] = {}

    def forward(self, image: Tensor) -> Tensor:
        """Project images (batch, y, x) to sinograms (batch, angle, u)."""
        sinogram = image.new_empty(image.shape[0], *self._sinogram_shape)
        for items in groups(len(image)):
            part = image[items]
            if len(part) == 1:
                self._project_one(part[0], sinogram[items.start])
            else:
                sinogram[items] = self._project_side_by_side(part)
        return sinogram.mul_(self._lengths_like(image))

    def transposed(self, sinogram: Tensor) -> Tensor:
        """Apply the exact transpose: sinograms (batch, angle, u) to images (batch, y, x)."""
        image = sinogram.new_empty(sinogram.shape[0], *self._shape)
        lengths = self._lengths_like(sinogram)
        for items in groups(len(sinogram)):
            part = sinogram[items] * lengths
            if len(part) == 1:
                image[items.start] = self._backproject_one(part[0])
            else:
                image[items] = self._backproject_side_by_side(part)
        return image

    def _project_one(self, image: Tensor, sinogram: Tensor) -> None:
        for arrays, lines in zip(self._arrays_like(image), (image, image.T), strict=True):
            padded = pad(lines, (1, 2)).contiguous()
            loops.project(padded.numpy(), sinogram.numpy(), *arrays)

    def _backproject_one(self, sinogram: Tensor) -> Tensor:
        rows, columns = self._shape
        parts = []
        for arrays, shape in zip(
            self._arrays_like(sinogram), ((rows, columns), (columns, rows)), strict=True
        ):
            lines = sinogram.new_empty(shape)
            loops.backproject(sinogram.numpy(), lines.numpy(), *arrays)
            parts.append(lines)
        return parts[0].add_(parts[1].T)

    def _project_side_by_side(self, image: Tensor) -> Tensor:
        images = image.new_zeros(*self._shape, SIDE_BY_SIDE)
        images[..., : len(image)] = image.movedim(0, -1)
        sinogram = image.new_empty(*self._sinogram_shape, SIDE_BY_SIDE)
        for arrays, lines in zip(
            self._arrays_like(image), (images, images.transpose(0, 1)), strict=True
        ):
            padded = pad(lines, (0, 0, 1, 2)).contiguous()
            loops.project_images(padded.numpy(), sinogram.numpy(), *arrays)
        return sinogram.movedim(-1, 0)[: len(image)]

    def _backproject_side_by_side(self, sinogram: Tensor) -> Tensor:
        views = sinogram.new_zeros(*self._sinogram_shape, SIDE_BY_SIDE)
        views[..., : len(sinogram)] = sinogram.movedim(0, -1)
        rows, columns = self._shape
        parts = []
        for arrays, shape in zip(
            self._arrays_like(sinogram), ((rows, columns), (columns, rows)), strict=True
        ):
            lines = sinogram.new_empty(*shape, SIDE_BY_SIDE)
            loops.backproject_images(views.numpy(), lines.numpy(), *arrays)
            parts.append(lines)
        image = parts[0].add_(parts[1].transpose(0, 1))
        return image.movedim(-1, 0)[: len(sinogram)]

    def _arrays_like(self, values: Tensor) -> list[tuple[np.ndarray, ...]]:
        if values.dtype not in self._arrays:
            self._arrays[values.dtype] = [_arrays(table, values.dtype) for table in self._tables]
        return self._arrays[values.dtype]

    def _lengths_like(self, values: Tensor) -> Tensor:
        return torch.as_tensor(self._lengths, dtype=values.dtype)


def groups(batch: int, fewest: int = FEWEST) -> list[slice]:
    """Return the images that are handled together: eight, or one, or a few filled up to eight."""
    whole = batch - batch % SIDE_BY_SIDE
    groups = [slice(first, first + SIDE_BY_SIDE) for first in range(0, whole, SIDE_BY_SIDE)]
    if batch - whole >= fewest:
        return [*groups, slice(whole, batch)]
    return groups + [slice(item, item + 1) for item in range(whole, batch)]


def _arrays(table: JosephTable, dtype: torch.dtype) -> tuple[np.ndarray, ...]:
    """Return the table as the kernels take it: runs, crossings, places and offsets.

    Offsets are places counted from the first of their block, small enough for any dtype.
    """
    runs = np.concatenate(
        [table.views[:, None], table.bins, table.lines, table.rows[:, None]], axis=1
    )
    crossings = np.concatenate([table.base, table.step], axis=1)
    num_bins = table.places.shape[1]
    starts = np.arange(num_bins) // BLOCK * BLOCK
    finite = np.where(np.isfinite(table.places), table.places, 0.0)
    offsets = finite - finite[:, starts]
    return runs, crossings, table.places, torch.as_tensor(offsets, dtype=dtype).numpy()
