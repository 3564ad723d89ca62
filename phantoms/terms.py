"""The summands of a phantom: a cut shape of constant value, and a smooth bump."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from phantoms import checks
from phantoms.shapes import Array, Bounded, Ellipse, HalfPlane, Pair, clip, mapped, nearest_approach

# how many points are worked on at a time: temporary arrays stay in the cache, memory is bounded
BLOCK = 1 << 16


@dataclass(frozen=True)
class Term(ABC):
    """A function of the plane that vanishes outside a bounded convex set.

    Parameters
    ----------
    weight : float
        The attenuation in 1/mm that the term adds where it is at its full height.
    """

    weight: float

    @abstractmethod
    def values(self, points: Array) -> Array:
        """Return the values (...) in 1/mm at points (..., 2)."""

    @abstractmethod
    def line_integrals(self, points: Array, directions: Array) -> Array:
        """Return the integrals (...) along full lines, for unit directions (..., 2)."""

    @abstractmethod
    def outline(self) -> Array:
        """Return a convex polygon (n, 2) that contains the support; n = 0 where that is empty."""

    @abstractmethod
    def mapped(self, matrix: Array, shift: Array) -> Term:
        """Return the term carried along by p ↦ matrix · p + shift."""

    @property
    def radius(self) -> float:
        """The radius in mm of an origin-centred circle around the support."""
        return float(np.linalg.norm(self.outline(), axis=-1).max(initial=0.0))

    def weighted(self, factor: float) -> Term:
        """Return the term with its values multiplied."""
        return replace(self, weight=self.weight * factor)

    def averages(self, centers: Array, spacing: Pair, supersampling: int) -> Array:
        """Return the means (n,) over cells with centres (n, 2) and sides spacing = (x, y) in mm."""
        return supersampled(self.values, centers, spacing, supersampling)


@dataclass(frozen=True)
class Solid(Term):
    """A shape of constant value, cut by half planes."""

    shape: Bounded
    cuts: tuple[HalfPlane, ...] = ()

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Return which of the points (..., 2) lie in the shape and on the kept side of each cut."""
        inside = self.shape.contains(points)
        for cut in self.cuts:
            inside &= cut.contains(points)
        return inside

    def values(self, points: Array) -> Array:
        """Return the weight inside, zero outside."""
        return np.where(self.contains(points), self.weight, 0.0)

    def line_integrals(self, points: Array, directions: Array) -> Array:
        """Return the weighted lengths of the chords: the intersection of one interval per part."""
        entry, exit_ = self.shape.crossing(points, directions)
        for cut in self.cuts:
            first, last = cut.crossing(points, directions)
            entry, exit_ = np.maximum(entry, first), np.minimum(exit_, last)
        # a miss of one part is an empty interval at infinity, whose length is minus infinity
        return self.weight * np.maximum(exit_ - entry, 0)

    def outline(self) -> Array:
        """Return the outline of the shape without what is cut off."""
        polygon = self.shape.outline()
        for cut in self.cuts:
            polygon = clip(polygon, cut.level)
        return polygon

    @property
    def radius(self) -> float:
        """The radius in mm of an origin-centred circle around the support; exact for disks."""
        outer = super().radius
        if isinstance(self.shape, Ellipse):
            longest = float(np.linalg.norm(self.shape.matrix, 2))
            outer = min(outer, math.hypot(*self.shape.center) + longest)
        return outer

    def mapped(self, matrix: Array, shift: Array) -> Solid:
        """Return the term with its shape and its cuts carried along."""
        return replace(
            self,
            shape=mapped(self.shape, matrix, shift),
            cuts=tuple(mapped(cut, matrix, shift) for cut in self.cuts),
        )

    def averages(self, centers: Array, spacing: Pair, supersampling: int) -> Array:
        """Return the covered parts of cells times the weight.

        Only cells that the edge may pass through are sampled: elsewhere all samples agree.
        """
        parts = (self.shape, *self.cuts)
        half_sides = (spacing[0] / 2, spacing[1] / 2)
        # 1e-9 keeps cells that only touch the edge among the sampled ones, whatever the rounding
        slacks = [part.slack(half_sides) + 1e-9 for part in parts]
        levels = [part.level(centers) for part in parts]
        inside = np.all([lev <= -slack for lev, slack in zip(levels, slacks, strict=True)], axis=0)
        beyond = np.any([lev > slack for lev, slack in zip(levels, slacks, strict=True)], axis=0)
        means = np.where(inside, self.weight, 0.0)
        edge = ~inside & ~beyond
        means[edge] = supersampled(self.values, centers[edge], spacing, supersampling)
        return means


@dataclass(frozen=True)
class Bump(Term):
    """The smooth function weight · (1 − q)^power inside an ellipse, where q runs from 0 to 1.

    q is the squared distance from the centre in units of the semi-axes; the function has
    power − 1 continuous derivatives. A chord of half length h in units of the semi-axes adds
    up to h^(2·power+1) · √π Γ(power+1) / Γ(power+3/2).
    """

    shape: Ellipse
    power: int = 3

    def __post_init__(self) -> None:
        checks.count(self.power, "power")

    def values(self, points: Array) -> Array:
        """Return the values (...) in 1/mm at points (..., 2)."""
        across, along = self.shape.local(points)
        return self.weight * np.maximum(1 - across**2 - along**2, 0) ** self.power

    def line_integrals(self, points: Array, directions: Array) -> Array:
        """Return the integrals (...) in closed form."""
        distance, _, speed = nearest_approach(
            self.shape.local(points), self.shape.local(directions, direction=True)
        )
        area = math.sqrt(math.pi) * math.gamma(self.power + 1) / math.gamma(self.power + 1.5)
        height = np.maximum(1 - distance**2, 0) ** (self.power + 0.5)
        return self.weight * area * height / speed

    def outline(self) -> Array:
        """Return the outline of the ellipse."""
        return self.shape.outline()

    @property
    def radius(self) -> float:
        """The radius in mm of an origin-centred circle around the ellipse; exact for disks."""
        return Solid(self.weight, self.shape).radius

    def mapped(self, matrix: Array, shift: Array) -> Bump:
        """Return the bump with its ellipse carried along."""
        return replace(self, shape=mapped(self.shape, matrix, shift))


def supersampled(
    values: Callable[[Array], Array], centers: Array, spacing: Pair, supersampling: int
) -> Array:
    """Return the means (n,) of supersampling² samples in each cell around centers (n, 2)."""
    ticks = (np.arange(supersampling) - (supersampling - 1) / 2) / supersampling
    offsets = np.stack(np.meshgrid(ticks * spacing[0], ticks * spacing[1]), axis=-1).reshape(-1, 2)
    means = np.empty(len(centers))
    step = max(1, BLOCK // len(offsets))
    for start in range(0, len(centers), step):
        block = slice(start, start + step)
        means[block] = values(centers[block, None] + offsets).mean(axis=-1)
    return means


def blocks(length: int, size: int) -> Iterator[slice]:
    """Yield the slices that cover range(length) in pieces of at most `size`."""
    return (slice(start, min(start + size, length)) for start in range(0, length, size))
