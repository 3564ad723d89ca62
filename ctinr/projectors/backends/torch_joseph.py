"""The reference engine: Joseph's model in plain torch, on any device, exact.

It is the documentation and the oracle of the fast engines. Both directions gather, so the result
does not depend on the order of threads. Positions are computed in float64 whatever the dtype of
the image, which leaves only the rounding of weights and sums.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ctinr.geometry import Grid, ParallelBeam
from ctinr.projectors.backends.joseph import JosephTable, joseph_tables

# Crossings, times images of the batch, handled at once: bounds the memory at about 100 MB.
CROSSINGS = 1 << 21


class TorchJoseph:
    """Forward and transposed kernels for one geometry and grid."""

    def __init__(self, geometry: ParallelBeam, grid: Grid) -> None:
        self._num_views, self._num_bins = geometry.shape
        self._shape = grid.shape
        self._tables = joseph_tables(geometry, grid)

    def forward(self, image: Tensor) -> Tensor:
        """Project images (batch, y, x) to sinograms (batch, angle, u)."""
        sinogram = image.new_zeros(image.shape[0], self._num_views, self._num_bins)
        for table, lines in zip(self._tables, (image, image.mT), strict=True):
            for part in self._parts(table, lines.shape[:2].numel() * self._num_bins):
                views = torch.as_tensor(table.views[part], device=image.device)
                sinogram[:, views] = _project(lines, table, part, self._num_bins)
        return sinogram

    def transposed(self, sinogram: Tensor) -> Tensor:
        """Apply the exact transpose: sinograms (batch, angle, u) to images (batch, y, x)."""
        rows, columns = self._shape
        image = sinogram.new_zeros(sinogram.shape[0], rows, columns)
        shapes = ((rows, columns), (columns, rows))
        for table, lines, shape in zip(self._tables, (image, image.mT), shapes, strict=True):
            for part in self._parts(table, sinogram.shape[0] * rows * columns):
                views = torch.as_tensor(table.views[part], device=image.device)
                lines += _backproject(sinogram[:, views], table, part, shape)
        return image

    @staticmethod
    def _parts(table: JosephTable, crossings: int) -> list[slice]:
        size = max(1, CROSSINGS // max(1, crossings))
        return [slice(first, first + size) for first in range(0, len(table.views), size)]


def _project(lines: Tensor, table: JosephTable, part: slice, num_bins: int) -> Tensor:
    """Interpolate every line (batch, line, cell) at its crossings and add up: (batch, v, bin)."""
    batch, num_lines, num_cells = lines.shape
    bins = torch.arange(num_bins, device=lines.device, dtype=torch.float64)
    start, per_bin, per_line, length = _columns(table, part, lines.device)
    along = torch.arange(num_lines, device=lines.device, dtype=torch.float64)[:, None]
    position = start + per_line * along + per_bin * bins
    cell = position.floor()
    result = 0
    for index, weight in ((cell, cell + 1 - position), (cell + 1, position - cell)):
        inside = (index >= 0) & (index < num_cells)
        flat = index.clamp(0, num_cells - 1).long() + num_cells * along.long()
        values = lines.reshape(batch, -1)[:, flat.flatten()].reshape(batch, *flat.shape)
        result = result + (values * (weight * inside * length).to(lines.dtype)).sum(2)
    return result  # type: ignore[return-value]


def _backproject(
    sinogram: Tensor, table: JosephTable, part: slice, shape: tuple[int, int]
) -> Tensor:
    """Give every cell the bins whose crossing lies less than one cell away: (batch, line, cell)."""
    num_bins = sinogram.shape[-1]
    start, per_bin, per_line, length = _columns(table, part, sinogram.device)
    along = torch.arange(shape[0], device=sinogram.device, dtype=torch.float64)[:, None]
    cells = torch.arange(shape[1], device=sinogram.device, dtype=torch.float64)
    center = (cells - start - per_line * along) / per_bin
    reach = 1 / per_bin.abs()
    first = (center - reach).ceil()
    offset = torch.arange(len(reach), device=sinogram.device)[:, None, None] * num_bins
    flat_sinogram = sinogram.reshape(sinogram.shape[0], -1)
    result = 0
    for tap in range(int(2 * float(reach.max())) + 2):
        index = first + tap
        weight = (1 - (index - center).abs() * per_bin.abs()).clamp(min=0)
        inside = (index >= 0) & (index < num_bins)
        flat = index.clamp(0, num_bins - 1).long() + offset
        values = flat_sinogram[:, flat.flatten()].reshape(-1, *flat.shape)
        result = result + (values * (weight * inside * length).to(sinogram.dtype)).sum(1)
    return result  # type: ignore[return-value]


def _columns(table: JosephTable, part: slice, device: torch.device) -> list[Tensor]:
    """Return start, per_bin, per_line and length of some views, each of shape (view, 1, 1)."""
    arrays = (table.start, table.per_bin, table.per_line, table.length)
    return [torch.as_tensor(array[part], device=device)[:, None, None] for array in arrays]
