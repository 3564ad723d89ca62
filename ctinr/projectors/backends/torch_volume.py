"""The reference engine in three dimensions: Joseph's model in plain torch, on any device, exact.

It is the documentation and the oracle of the fast engines. Positions are computed in float64
whatever the dtype of the volume. The transpose adds the same products to the same cells, in an
order that does not change from call to call.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ctinr.geometry import Beam, Grid
from ctinr.projectors.backends.joseph_volume import AXES, Crossings, crossings

# Rays handled at once, and crossings, times volumes of the batch: bounds the memory at 150 MB.
RAYS, CROSSINGS = 1 << 17, 1 << 20


class TorchVolume:
    """Forward and transposed kernels for one geometry and grid."""

    def __init__(self, geometry: Beam, grid: Grid) -> None:
        self._geometry, self._grid = geometry, grid

    def forward(self, volume: Tensor) -> Tensor:
        """Project volumes (batch, z, y, x) to sinograms (batch, view, v, u)."""
        sinogram = volume.new_zeros(len(volume), math.prod(self._geometry.shape))
        cells = volume.flatten(1)
        for first, axis, part in self._tables():
            rays = torch.as_tensor(part.rays, device=volume.device) + first
            sums = volume.new_zeros(len(volume), len(part.rays))
            for index, weight in self._taps(part, axis, volume):
                taken = cells.index_select(1, index.flatten()).unflatten(1, index.shape)
                sums += _weighted(taken, weight).sum(-1)
            sinogram[:, rays] = sums * torch.as_tensor(part.lengths).to(sums)
        return sinogram.unflatten(1, self._geometry.shape)

    def transposed(self, sinogram: Tensor) -> Tensor:
        """Apply the exact transpose: sinograms (batch, view, v, u) to volumes (batch, z, y, x)."""
        volume = sinogram.new_zeros(len(sinogram), math.prod(self._grid.shape))
        flat = sinogram.flatten(1)
        for first, axis, part in self._tables():
            rays = torch.as_tensor(part.rays, device=volume.device) + first
            values = flat[:, rays] * torch.as_tensor(part.lengths).to(flat)
            for index, weight in self._taps(part, axis, sinogram):
                given = _weighted(values[..., None], weight).flatten(1)
                for item, parts in zip(volume, given, strict=True):
                    _add(item, index.flatten(), parts)
        return volume.unflatten(1, self._grid.shape)

    def _tables(self) -> Iterator[tuple[int, int, Crossings]]:
        """Yield tables of some rays each, with the place of the first view's first ray."""
        per_view = math.prod(self._geometry.shape[1:])
        step = max(1, RAYS // per_view)
        for view in range(0, self._geometry.shape[0], step):
            frames = self._geometry.frames(slice(view, view + step))
            for axis, table in enumerate(crossings(frames, self._grid)):
                size = max(1, CROSSINGS // self._grid.shape[AXES[axis][0]])
                for start in range(0, len(table.rays), size):
                    yield view * per_view, axis, _part(table, slice(start, start + size))

    def _taps(self, table: Crossings, axis: int, like: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the four cells of every crossing and their weights, each (ray, plane)."""
        driving, *across = AXES[axis]
        shape = self._grid.shape
        strides = (shape[1] * shape[2], shape[2], 1)
        plane = torch.arange(shape[driving], device=like.device)
        begin, end = torch.as_tensor(table.planes, device=like.device).T[..., None]
        crossed = (plane >= begin) & (plane < end)
        sides = []
        for k, other in enumerate(across):
            base, slope = (
                torch.as_tensor(part[k], device=like.device)[:, None]
                for part in (table.base, table.slope)
            )
            position = base + slope * plane
            cell = position.floor()
            pairs = ((cell, cell + 1 - position), (cell + 1, position - cell))
            sides.append([_within(*pair, shape[other]) for pair in pairs])
        for index_a, weight_a in sides[0]:
            for index_b, weight_b in sides[1]:
                weight = torch.where(crossed, weight_a * weight_b, 0.0).to(like.dtype)
                cells = index_a * strides[across[0]] + index_b * strides[across[1]]
                yield cells + plane * strides[driving], weight


def _within(cell: Tensor, weight: Tensor, num_cells: int) -> tuple[Tensor, Tensor]:
    """Return cells as whole numbers, and no weight for those that are not in the grid."""
    inside = (cell >= 0) & (cell < num_cells)
    return cell.clamp(0, num_cells - 1).long(), torch.where(inside, weight, 0.0)


def _weighted(values: Tensor, weight: Tensor) -> Tensor:
    """Return the products; nothing where there is no weight, not even of NaN."""
    return torch.where(weight > 0, values * weight, 0.0)


def _part(table: Crossings, chosen: slice) -> Crossings:
    return Crossings(
        rays=table.rays[chosen],
        planes=table.planes[chosen],
        base=table.base[:, chosen],
        slope=table.slope[:, chosen],
        lengths=table.lengths[chosen],
    )


def _add(sums: Tensor, index: Tensor, values: Tensor) -> None:
    """Add values to the places of an index, in an order that is always the same.

    On the CPU `index_add_` goes through them one by one. On other devices it is in no order, and
    `index_put_` sorts.
    """
    if sums.device.type == "cpu":
        sums.index_add_(0, index, values)
    else:
        sums.index_put_((index,), values, accumulate=True)
