"""Stand-ins of ASTRA's CUDA kernels, that compute on the CPU what their sources say.

They know nothing of ctinr: geometries are those that ASTRA itself made of what it was told. In the
plane y points up, in space it grows with the row. A bin (j, i) is the detector's middle and as many
steps away as it is from the middle of the counts. Textures are read with weights of 8 bits and are
zero outside. Rays are sampled line by line of cells along one axis: a parallel view and a cone's
have one, that of the direction or of the central ray; the rays of a fan have one each.
"""

from __future__ import annotations

from itertools import product
from types import ModuleType

import astra
import numpy as np
import torch
from torch import Tensor


def read(texture: np.ndarray, *places: np.ndarray) -> np.ndarray:
    """The values of a texture at places in the order of its axes; cell k is centred at k + 1/2."""
    padded = np.pad(texture, 1)
    first = [np.floor(place - 0.5) for place in places]
    weights = [np.round((p - 0.5 - k) * 256) / 256 for p, k in zip(places, first, strict=True)]
    total = np.zeros(np.broadcast(*places).shape)
    for corner in product((0, 1), repeat=len(places)):
        index, weight = [], 1.0
        for axis, side in enumerate(corner):
            index.append(np.clip(first[axis] + 1 + side, 0, texture.shape[axis] + 1).astype(int))
            weight = weight * (weights[axis] if side else 1 - weights[axis])
        total += padded[tuple(index)] * weight
    return total


class Scan:
    """What ASTRA knows of a projector."""

    def __init__(self, kernels: ModuleType, number: int) -> None:
        assert kernels.is_cuda(number)
        rays, cells = (f(number) for f in (kernels.projection_geometry, kernels.volume_geometry))
        self.seen, self.shape = (tuple(map(int, astra.geom_size(g))) for g in (rays, cells))
        self.parallel = rays["type"].startswith("parallel")
        self.axes = len(self.shape)
        parts = np.asarray(rays["Vectors"]).reshape(-1, 2 + self.axes - 1, self.axes)
        self.starts, self.middles, *self.steps = np.moveaxis(parts, 1, 0)
        self.size = np.array(self.shape[::-1])
        half = [cells["options"][f"WindowMax{name}"] for name in "XYZ"[: self.axes]]
        assert np.allclose(half, self.size / 2), "cells must be told as units"

    def bins(self, view: int, back: float = 0.5) -> np.ndarray:
        """Where the bins of a view lie: ([v,] u, axes)."""
        counts = (self.seen[-1],) if self.axes == 2 else (self.seen[-1], self.seen[0])
        away = [np.arange(n) - n / 2 + back for n in counts]
        grids = np.meshgrid(*away[::-1], indexing="ij")[::-1]
        steps = (step[view] for step in self.steps)
        return self.middles[view] + sum(
            grid[..., None] * step for grid, step in zip(grids, steps, strict=True)
        )

    def texture_places(self, points: np.ndarray) -> list[np.ndarray]:
        """Points (x, y[, z]) in the texture of a volume, in the order of its axes."""
        upright = np.array((1, -1) if self.axes == 2 else (1, 1, 1))
        return list(np.moveaxis(points * upright + self.size / 2, -1, 0))[::-1]

    def view_of(self, volume: np.ndarray, view: int) -> np.ndarray:
        """The sums of a view."""
        bins = self.bins(view)
        start = self.starts[view]
        ways = np.broadcast_to(start if self.parallel else bins - start, bins.shape)
        central = np.abs(start if self.parallel else self.middles[view] - start)
        axis = np.full(bins.shape[:-1], int(np.argmax(central)))
        if self.axes == 2 and not self.parallel:
            dx, dy = np.moveaxis(np.abs(self.bins(view, 0.0) + 0.5 - start), -1, 0)
            axis = (dy > dx).astype(int)
        elif self.axes == 2:
            axis[:] = int(central[0] <= central[1])
        total = np.zeros(bins.shape[:-1])
        for driving in range(self.axes):
            way = ways / np.where(axis == driving, ways[..., driving], 1.0)[..., None]
            for number in range(self.size[driving]):
                at = number - self.size[driving] / 2 + 0.5
                points = bins + (at - bins[..., driving])[..., None] * way
                values = read(volume, *self.texture_places(points))
                total += np.where(axis == driving, values * np.linalg.norm(way, axis=-1), 0.0)
        return total

    def spread(self, sums: np.ndarray, view: int) -> np.ndarray:
        """What a view adds to every cell."""
        centers = [np.arange(n) - n / 2 + 0.5 for n in self.shape]
        cells = np.stack(np.meshgrid(*centers, indexing="ij")[::-1], axis=-1)
        if self.axes == 2:
            cells[..., 1] *= -1
        start, steps = self.starts[view], [step[view] for step in self.steps]
        ways = np.broadcast_to(start if self.parallel else cells - start, cells.shape)
        columns = [np.broadcast_to(step, cells.shape) for step in steps]
        system = np.stack([*columns, -ways], axis=-1)
        *places, near = np.moveaxis(
            np.linalg.solve(system, (cells - self.middles[view])[..., None])[..., 0], -1, 0
        )
        counts = (self.seen[-1],) if self.axes == 2 else (self.seen[-1], self.seen[0])
        places = [place + n / 2 for place, n in zip(places, counts, strict=True)]
        return read(sums, *places[::-1]) * self.density(view, near)

    def density(self, view: int, near: np.ndarray) -> np.ndarray | float:
        """The number of rays a cell, if they met the detector at right angles."""
        steps = [step[view] for step in self.steps]
        if self.axes == 3:
            area = np.linalg.norm(np.cross(*steps))
            # How far behind the cell the detector is, in ways from the source to the cell.
            return 1 / area if self.parallel else (1 + near) ** 2 / area
        if self.parallel:
            across = np.linalg.det(np.stack([steps[0], self.starts[view]]))
            return np.linalg.norm(self.starts[view]) / abs(across)
        return (1 + near) / np.linalg.norm(steps[0])


def taken(tensor: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor as ASTRA takes one, or refuses to."""
    assert isinstance(tensor, Tensor)
    assert tensor.dtype == torch.float32
    assert tensor.shape == shape
    assert tensor.is_contiguous()
    return tensor.numpy().astype(np.float64)


def direct(kernels: ModuleType, calls: list[str]):
    """Stand-ins of `direct_FP` and `direct_BP` of a module, `projector` or `projector3d`."""

    def forward(number, volume, *, out):
        calls.append("FP")
        scan = Scan(kernels, number)
        given = taken(volume, scan.shape)
        taken(out, scan.seen)
        for view in range(scan.seen[-2]):
            out[..., view, :] = torch.as_tensor(scan.view_of(given, view))
        return out

    def back(number, projection, *, out):
        calls.append("BP")
        scan = Scan(kernels, number)
        given = taken(projection, scan.seen)
        taken(out, scan.shape)
        total = sum(scan.spread(given[..., v, :], v) for v in range(scan.seen[-2]))
        out.copy_(torch.as_tensor(total))
        return out

    return forward, back
