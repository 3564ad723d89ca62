"""How much memory a fit takes, told beforehand, and how many points at once a budget is enough for.

Two things take memory: images and sinograms, whose number follows from the methods on pixels, and
the activations of the points that a network is evaluated at. The first is as large as the problem
is. Of the second a fit holds those of as many points as it is allowed, and computes the others
again on the way back: the same result, but for rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ctinr import checks

FLOAT = 4
# Points whose activations are held at once where nobody says how much memory there is: about 3 GB
# at a width of 256. More are taken in parts, of which the backward pass computes them again.
POINTS_AT_ONCE = 1 << 18
# Points at once where there is no gradient, and so no gain from more.
POINTS_OF_IMAGE = 1 << 15
# The part of the cells that a step of splitting sees. Steps on fewer cells than the second number
# cost hardly less, and their noise is large.
PART, LEAST_CELLS = 1 / 16, 2048
# Images and sinograms in float32 that filtering, total variation and the splitting take at once,
# with what the C library holds back of those that were freed; as measured on 256² and 512² cells.
IMAGES, SINOGRAMS = 120, 24
# Bytes taken at a point, for each that is kept for the way back: the gradients and what is
# computed for a moment come on top.
PASSING = 1.5
# Parameters, gradients, moments of optimisers, the mean network and the last good one.
COPIES = 8
# With fewer points at once a step is mostly spent on calls.
LEAST_POINTS = 1024
PROBE = 64


@dataclass(frozen=True)
class Needs:
    """The memory of a fit beside that of the program itself, bytes.

    Parameters
    ----------
    fixed : int
        Whatever the number of points at once.
    point : int
        For each of them.
    """

    fixed: int
    point: int

    @property
    def least(self) -> int:
        """What it cannot do without."""
        return self.fixed + LEAST_POINTS * self.point

    def bytes_of(self, points: int) -> int:
        """Return what it takes with so many points at once."""
        return self.fixed + points * self.point

    def points_within(self, budget: int, argument: str = "memory_budget") -> int:
        """Return how many points at once a budget is enough for.

        Raises
        ------
        ValueError
            If it is not enough for `LEAST_POINTS`; the message says what is.
        """
        checks.count(budget, argument)
        rule = f"be at least {self.least / 1e6:.0f} MB, for a fit of this size"
        remedy = "Take larger cells, fewer views or a smaller network, or more memory."
        checks.require(budget >= self.least, argument, rule, f"{budget / 1e6:.0f} MB", remedy)
        return (budget - self.fixed) // self.point


def points_at_once(
    network: nn.Module,
    cells: Sequence[int],
    rays: Sequence[int],
    *,
    memory_budget: int | None,
    members: int = 1,
) -> int:
    """Return of how many points activations are to be held, within a memory in bytes if any.

    Raises
    ------
    ValueError
        If the memory is too little; see `Needs.points_within`.
    """
    most = max(1, POINTS_AT_ONCE // members)
    if memory_budget is None:
        return most
    return min(most, needs_of(network, cells, rays, members=members).points_within(memory_budget))


def splitting_bytes(network: nn.Module, cells: Sequence[int], rays: Sequence[int]) -> int:
    """Return about what `inr` takes where nobody limits it, bytes; arguments as for `needs_of`.

    An image that is drawn takes about half as much a point as a step does.
    """
    count = math.prod(cells)
    points = min(count, max(LEAST_CELLS, round(PART * count)), POINTS_AT_ONCE)
    return needs_of(network, cells, rays).bytes_of(max(points, min(count, POINTS_OF_IMAGE) // 2))


def needs_of(
    network: nn.Module, cells: Sequence[int], rays: Sequence[int], *, members: int = 1
) -> Needs:
    """Return what the fit of a network, or of an ensemble of so many like it, takes.

    Parameters
    ----------
    network : nn.Module
        As it will be fitted, in the format of its products. It is evaluated at some points.
    cells, rays : sequence of int
        Shapes of an image and of a sinogram, float32.
    members : int
        Networks that are fitted at once.
    """
    pixels = FLOAT * (IMAGES * math.prod(cells) + SINOGRAMS * math.prod(rays))
    own = COPIES * FLOAT * sum(each.numel() for each in network.parameters())
    kept = (_kept_bytes(network, 2 * PROBE) - _kept_bytes(network, PROBE)) / PROBE
    return Needs(members * (pixels + own), max(1, round(members * PASSING * kept)))


def _kept_bytes(network: nn.Module, count: int) -> int:
    """Return the bytes that an evaluation at so many points keeps for the way back."""
    like = next(network.parameters())
    axes = getattr(network, "axes", 2)
    points = torch.zeros(count, axes, dtype=like.dtype, device=like.device)
    found: dict[int, int] = {}

    def count_in(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count_in, lambda tensor: tensor):
        value = network(points)
    # Kept until here, so that no two storages have one address.
    del value
    return sum(found.values())
