"""The reference engine: Joseph's model in plain torch, on any device, exact.

It is the documentation and the oracle of the fast engines. Both directions gather, so the result
does not depend on the order of threads. Positions are computed in float64 whatever the dtype of
the image, which leaves only the rounding of weights and sums.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import torch
from torch import Tensor

from ctinr.geometry import Beam, Grid
from ctinr.projectors.backends.joseph import JosephTable, joseph_model

# Crossings, times images of the batch, handled at once: bounds the memory at about 100 MB.
CROSSINGS = 1 << 21


class TorchJoseph:
    """Forward and transposed kernels for one geometry and grid."""

    def __init__(self, geometry: Beam, grid: Grid) -> None:
        num_views, num_bins = geometry.shape
        self._sinogram_shape = (num_views, num_bins)
        self._shape = grid.shape
        model = joseph_model(geometry, grid)
        self._tables, self._lengths = (model.along_y, model.along_x), model.lengths

    def forward(self, image: Tensor) -> Tensor:
        """Project images (batch, y, x) to sinograms (batch, angle, u)."""
        sinogram = image.new_zeros(image.shape[0], *self._sinogram_shape)
        for table, lines in zip(self._tables, (image, image.mT), strict=True):
            for part in _parts(table, lines.shape[:2].numel() * table.places.shape[1]):
                index, measured = _rays(part, self._sinogram_shape, image.device)
                sums = _project(lines, part)
                sinogram.flatten(1)[:, index[measured]] = sums[:, measured]
        return sinogram * self._lengths_like(image)

    def transposed(self, sinogram: Tensor) -> Tensor:
        """Apply the exact transpose: sinograms (batch, angle, u) to images (batch, y, x)."""
        rows, columns = self._shape
        image = sinogram.new_zeros(sinogram.shape[0], rows, columns)
        flat = (sinogram * self._lengths_like(sinogram)).flatten(1)
        shapes = ((rows, columns), (columns, rows))
        for table, lines, shape in zip(self._tables, (image, image.mT), shapes, strict=True):
            for part in _parts(table, sinogram.shape[0] * rows * columns):
                index, measured = _rays(part, self._sinogram_shape, image.device)
                lines += _backproject(torch.where(measured, flat[:, index], 0), part, shape)
        return image

    def _lengths_like(self, values: Tensor) -> Tensor:
        return torch.as_tensor(self._lengths, dtype=values.dtype, device=values.device)


def _parts(table: JosephTable, crossings: int) -> list[JosephTable]:
    """Return the table as tables of few runs, each with its own row of places."""
    size, num_runs = max(1, CROSSINGS // max(1, crossings)), len(table.views)
    parts = []
    for first in range(0, num_runs, size):
        runs = slice(first, min(first + size, num_runs))
        chosen = {field.name: getattr(table, field.name)[runs] for field in fields(table)[:-2]}
        rows = np.arange(len(chosen["views"]))
        parts.append(replace(table, **chosen, rows=rows, places=table.places[table.rows[runs]]))
    return parts


def _rays(
    table: JosephTable, shape: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the place in the sinogram of every bin (run, bin), and whether the run has it."""
    bins = table.bins[:, :1] + np.arange(table.places.shape[1])
    index = table.views[:, None] * shape[1] + np.minimum(bins, shape[1] - 1)
    measured = bins < table.bins[:, 1:]
    return torch.as_tensor(index, device=device), torch.as_tensor(measured, device=device)


def _project(lines: Tensor, table: JosephTable) -> Tensor:
    """Interpolate every line (batch, line, cell) at its crossings and add up: (batch, run, bin)."""
    batch, num_lines, num_cells = lines.shape
    base, step, crossed = _crossings(table, num_lines, lines.device)
    along = torch.arange(num_lines, device=lines.device)[:, None]
    places = torch.as_tensor(table.places, device=lines.device)[:, None]
    position = base + step * places.nan_to_num(posinf=0.0)
    cell = position.floor()
    result = 0
    for index, weight in ((cell, cell + 1 - position), (cell + 1, position - cell)):
        inside = (index >= 0) & (index < num_cells) & crossed
        flat = index.clamp(0, num_cells - 1).long() + num_cells * along
        values = lines.reshape(batch, -1)[:, flat.flatten()].reshape(batch, *flat.shape)
        weighted = torch.where(inside, values * weight.to(lines.dtype), 0)
        result = result + weighted.sum(2)
    return result  # type: ignore[return-value]


def _backproject(values: Tensor, table: JosephTable, shape: tuple[int, int]) -> Tensor:
    """Give every cell the bins whose crossing lies less than one cell away: (batch, line, cell).

    Which bins may do is looked up in the places, which rise, with one more on either side; the
    weight of each is then computed as in the projection.
    """
    num_bins = values.shape[-1]
    base, step, crossed = _crossings(table, shape[0], values.device)
    cells = torch.arange(shape[1], device=values.device, dtype=torch.float64)
    places = torch.as_tensor(table.places, device=values.device)
    ends = torch.stack([(cells + side - base) / step for side in (-1, 1)]).sort(dim=0).values
    first, last = (torch.searchsorted(places, end.flatten(1)) for end in ends)
    offset = torch.arange(len(places), device=values.device)[:, None] * num_bins
    result = 0
    for tap in range(-1, int((last - first).max()) + 1):
        index = (first + tap).clamp(0, num_bins - 1)
        place = places.gather(1, index).nan_to_num(posinf=0.0).unflatten(1, shape)
        weight = (1 - (base + step * place - cells).abs()).clamp(min=0)
        inside = (first + tap == index).unflatten(1, shape) & crossed & (weight > 0)
        taken = values.flatten(1)[:, (index + offset).flatten()].reshape(-1, *weight.shape)
        result = result + torch.where(inside, taken * weight.to(values.dtype), 0).sum(1)
    return result  # type: ignore[return-value]


def _crossings(
    table: JosephTable, num_lines: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Return base and step on every line, and whether it is crossed, each (run, line, 1)."""
    along = np.arange(num_lines)
    base = table.base[:, :1] + table.base[:, 1:] * along
    step = table.step[:, :1] + table.step[:, 1:] * along
    crossed = (along >= table.lines[:, :1]) & (along < table.lines[:, 1:])
    arrays = (base, np.where(crossed, step, 1.0), crossed)
    base, step, crossed = (torch.as_tensor(array, device=device)[..., None] for array in arrays)
    return base, step, crossed
