"""Very many small bumps or ellipses as one term: what textures are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from phantoms import checks
from phantoms.shapes import VERTICES, Array, Ellipse
from phantoms.terms import Term, blocks

Indices = NDArray[np.int64]

# Rays are held against all members at once: so many pairs at a time.
PAIRS = 1 << 20
# Points are held against the members of their bucket alone, some dozens of pairs each.
POINTS = 1 << 13
# Buckets along each side for every root of the number of members.
FINENESS = 2


@dataclass(frozen=True)
class Swarm(Term):
    """The sum of height · (1 − q)^power over many ellipses, times the weight.

    q is the squared distance from an ellipse's centre in units of its semi-axes; with the power 0
    the ellipses are solid, with a higher one they are bumps of power − 1 continuous derivatives.
    The same sum of single terms costs as much for every member as for a large ellipse; here a
    point meets only members that are near.

    Parameters
    ----------
    weight : float
        1/mm.
    heights : tuple of float
        One a member, without unit, of either sign.
    shapes : tuple of Ellipse
        The members, at least one.
    power : int
        At least 0.
    """

    heights: tuple[float, ...]
    shapes: tuple[Ellipse, ...]
    power: int = 0

    def __post_init__(self) -> None:
        checks.count(self.power, "power", least=0)
        checks.require(len(self.shapes) > 0, "shapes", "not be empty", self.shapes)
        rule = f"be one for each of the {len(self.shapes)} shapes"
        checks.require(len(self.heights) == len(self.shapes), "heights", rule, self.heights)
        checks.require(bool(np.isfinite(self.heights).all()), "heights", "be finite", self.heights)

    @cached_property
    def _heights(self) -> Array:
        return self.weight * np.array(self.heights)

    @cached_property
    def _centers(self) -> Array:
        return np.array([shape.center for shape in self.shapes])

    @cached_property
    def _matrices(self) -> Array:
        return np.array([shape.matrix for shape in self.shapes])

    @cached_property
    def _squares(self) -> Array:
        """The squared half width of every member's shadow on a unit vector n is nᵀ square n."""
        return self._matrices @ self._matrices.swapaxes(1, 2)

    @cached_property
    def _buckets(self) -> _Buckets:
        half_sides = np.sqrt(np.diagonal(self._squares, axis1=1, axis2=2))
        return _Buckets(self._centers - half_sides, self._centers + half_sides)

    def values(self, points: Array) -> Array:
        """Return the values (...) in 1/mm at points (..., 2)."""
        flat = points.reshape(-1, 2)
        result = np.zeros(len(flat))
        inverses = np.linalg.inv(self._matrices)
        for block in blocks(len(flat), POINTS):
            point, member = self._buckets.pairs(flat[block])
            away = flat[block][point] - self._centers[member]
            local = np.einsum("pij,pj->pi", inverses[member], away)
            rest = 1 - local[:, 0] ** 2 - local[:, 1] ** 2
            parts = np.where(rest >= 0, np.maximum(rest, 0) ** self.power, 0)
            parts = parts * self._heights[member]
            result[block] = np.bincount(point, parts, minlength=len(flat[block]))
        return result.reshape(points.shape[:-1])

    def line_integrals(self, points: Array, directions: Array) -> Array:
        """Return the integrals (...) in closed form, for unit directions (..., 2).

        A line that passes a member at the distance d, whose shadow along it is 2 w wide, adds
        |det| / w · (1 − d²/w²)^(power + ½) · √π Γ(power + 1) / Γ(power + 3/2).
        """
        flat, ways = points.reshape(-1, 2), directions.reshape(-1, 2)
        result = np.zeros(len(flat))
        area = math.sqrt(math.pi) * math.gamma(self.power + 1) / math.gamma(self.power + 1.5)
        heights = area * self._heights * np.abs(np.linalg.det(self._matrices))
        for block in blocks(len(flat), max(1, PAIRS // len(self.shapes))):
            ray, member, distances, widths = self._met(flat[block], ways[block])
            rest = 1 - distances / widths
            parts = heights[member] * rest ** (self.power + 0.5) / np.sqrt(widths)
            result[block] = np.bincount(ray, parts, minlength=len(flat[block]))
        return result.reshape(points.shape[:-1])

    def _met(self, points: Array, ways: Array) -> tuple[Indices, Indices, Array, Array]:
        """Return which rays meet which members, the squared distances and half widths."""
        normals = np.stack([-ways[:, 1], ways[:, 0]], axis=1)
        offsets = (normals * points).sum(axis=1, keepdims=True)
        products = normals[:, [0, 0, 1]] * normals[:, [0, 1, 1]] * [1.0, 2.0, 1.0]
        distances = (normals @ self._centers.T - offsets) ** 2
        widths = products @ self._squares[:, [0, 0, 1], [0, 1, 1]].T
        ray, member = np.nonzero(distances < widths)
        return ray, member, distances[ray, member], widths[ray, member]

    def outline(self) -> Array:
        """Return the upright rectangle around all members."""
        (left, top), (right, bottom) = self._buckets.low, self._buckets.high
        return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])

    @cached_property
    def radius(self) -> float:
        """The radius in mm of an origin-centred circle around all members."""
        turn = 2 * math.pi * np.arange(VERTICES) / VERTICES
        corners = np.stack([np.cos(turn), np.sin(turn)]) / math.cos(math.pi / VERTICES)
        far = [
            np.linalg.norm(self._matrices[block] @ corners + self._centers[block, :, None], axis=1)
            for block in blocks(len(self.shapes), PAIRS // VERTICES)
        ]
        return max(float(distances.max()) for distances in far)

    def mapped(self, matrix: Array, shift: Array) -> Swarm:
        """Return the term with all members carried along."""
        moved = ellipses(self._centers @ matrix.T + shift, matrix @ self._matrices)
        return replace(self, shapes=moved)


def ellipses(centers: Array, matrices: Array) -> tuple[Ellipse, ...]:
    """Return the images of the unit disk under maps with these centres (n, 2), matrices (n, 2, 2).

    Lengths are in mm.
    """
    pairs = zip(centers.tolist(), matrices.tolist(), strict=True)
    return tuple(Ellipse((x, y), ((a, b), (c, d))) for (x, y), ((a, b), (c, d)) in pairs)


class _Buckets:
    """A table of square buckets, each with the boxes that reach into it.

    Parameters
    ----------
    lows, highs : array of shape (box, 2)
        Opposite corners of upright boxes, mm.
    """

    def __init__(self, lows: Array, highs: Array) -> None:
        self.low, self.high = lows.min(axis=0), highs.max(axis=0)
        self._side = math.ceil(FINENESS * math.sqrt(len(lows)))
        first, last = self._places(lows), self._places(highs)
        spans = last - first + 1
        box, within = _spread(spans.prod(axis=1))
        column = first[box, 0] + within % spans[box, 0]
        row = first[box, 1] + within // spans[box, 0]
        bucket = row * self._side + column
        self._boxes = box[np.argsort(bucket, kind="stable")]
        self._counts = np.bincount(bucket, minlength=self._side**2)
        self._starts = np.cumsum(self._counts) - self._counts

    def pairs(self, points: Array) -> tuple[Indices, Indices]:
        """Return which points (point, 2) may lie in which boxes, as two lists of indices."""
        inside = np.flatnonzero(((points >= self.low) & (points <= self.high)).all(axis=1))
        places = self._places(points[inside])
        bucket = places[:, 1] * self._side + places[:, 0]
        near, within = _spread(self._counts[bucket])
        return inside[near], self._boxes[self._starts[bucket][near] + within]

    def _places(self, points: Array) -> Indices:
        """Return column and row of the bucket of every point; those on the far edge are inside."""
        parts = (points - self.low) / (self.high - self.low)
        return np.minimum((parts * self._side).astype(np.int64), self._side - 1)


def _spread(counts: Indices) -> tuple[Indices, Indices]:
    """Return every index as often as its count says, and a number from 0 for each time."""
    index = np.repeat(np.arange(len(counts)), counts)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
