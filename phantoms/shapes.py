"""Convex shapes in the plane, and where a straight line enters and leaves them.

Every shape is the image of a simple set (the unit disk, the square [−1, 1]², the half plane u ≤ 0)
under an affine map. A point or a ray is taken back through the map, and the answer is worked out
there once, whatever the size, place and rotation. A ray keeps its parameter on the way, so what
comes out is the parameter in mm.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phantoms import checks

Array = NDArray[np.float64]
Pair = tuple[float, float]
Interval = tuple[Array, Array]

VERTICES = 360
"""The corners of the polygon that stands for an ellipse where only its extent matters."""


def rotation(angle: float) -> Array:
    """Return the matrix that turns +x towards +y by `angle` radians."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


@dataclass(frozen=True)
class Shape(ABC):
    """The set {matrix · w + center : w in the simple set of the class}.

    Parameters
    ----------
    center : tuple of float
        (x, y) in mm.
    matrix : tuple of tuple of float
        The two rows of an invertible matrix, in mm.
    """

    center: Pair
    matrix: tuple[Pair, Pair]

    @abstractmethod
    def _size(self, across: Array, along: Array) -> Array:
        """Return the norm whose unit ball is the simple set (for a half plane, of its depth)."""

    @abstractmethod
    def _crossing(self, start: tuple[Array, Array], step: tuple[Array, Array]) -> Interval:
        """Return (entry, exit) of the rays start + t · step through the simple set."""

    def local(self, points: Array, *, direction: bool = False) -> tuple[Array, Array]:
        """Return the two coordinates of points (or directions) before the affine map."""
        (first, second), (third, fourth) = self.matrix
        determinant = first * fourth - second * third
        x, y = points[..., 0], points[..., 1]
        if not direction:
            x, y = x - self.center[0], y - self.center[1]
        return (fourth * x - second * y) / determinant, (first * y - third * x) / determinant

    def level(self, points: Array) -> Array:
        """Return a convex function of the points (..., 2), at most zero inside the shape."""
        return self._size(*self.local(points)) - 1

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Return which of the points (..., 2) lie in the shape."""
        return self.level(points) <= 0

    def slack(self, half_sides: Pair) -> float:
        """Return by how much `level` can differ between the centre of a cell and its corners."""
        diagonals = np.array([half_sides, (half_sides[0], -half_sides[1])])
        return float(self._size(*self.local(diagonals, direction=True)).max())

    def crossing(self, points: Array, directions: Array) -> Interval:
        """Return the parameters at which the lines points + t · directions enter and leave.

        Parameters
        ----------
        points, directions : array of shape (..., 2)
            A point of each line and its direction, in mm.

        Returns
        -------
        tuple of array
            (entry, exit), each of shape (...); a line that misses has exit ≤ entry.
        """
        return self._crossing(self.local(points), self.local(directions, direction=True))


class Bounded(Shape):
    """A shape of finite extent."""

    @abstractmethod
    def outline(self) -> Array:
        """Return a convex polygon (n, 2) that contains the shape and all but coincides with it."""

    def _image(self, corners: Array) -> Array:
        """Return the images of points (n, 2) given before the affine map."""
        return corners @ np.array(self.matrix).T + self.center


class Ellipse(Bounded):
    """The image of the unit disk."""

    @classmethod
    def of(cls, center: Pair, semi_axes: Pair, angle: float = 0.0) -> Ellipse:
        """Return the ellipse whose first semi-axis is turned by `angle` from +x towards +y (mm)."""
        semi_axes = checks.positive_pair(semi_axes, "semi_axes", "(first, second)")
        return cls(checks.pair(center, "center", "(x, y)"), _turned(semi_axes, angle))

    @property
    def area(self) -> float:
        """The area in mm²."""
        return math.pi * abs(float(np.linalg.det(self.matrix)))

    def _size(self, across: Array, along: Array) -> Array:
        return np.sqrt(across**2 + along**2)

    def _crossing(self, start: tuple[Array, Array], step: tuple[Array, Array]) -> Interval:
        distance, middle, speed = nearest_approach(start, step)
        half = np.sqrt(np.maximum(1 - distance**2, 0)) / speed
        return middle - half, middle + half

    def outline(self) -> Array:
        """Return a polygon of tangents, at most 4e-5 of a semi-axis outside."""
        turn = 2 * math.pi * np.arange(VERTICES) / VERTICES
        circle = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        return self._image(circle / math.cos(math.pi / VERTICES))


class Box(Bounded):
    """The image of the square [−1, 1]²: a rectangle (or a parallelogram)."""

    @classmethod
    def of(cls, center: Pair, half_sides: Pair, angle: float = 0.0) -> Box:
        """Return the rectangle whose first side is turned by `angle` from +x towards +y (mm)."""
        half_sides = checks.positive_pair(half_sides, "half_sides", "(first, second)")
        return cls(checks.pair(center, "center", "(x, y)"), _turned(half_sides, angle))

    def _size(self, across: Array, along: Array) -> Array:
        return np.maximum(np.abs(across), np.abs(along))

    def _crossing(self, start: tuple[Array, Array], step: tuple[Array, Array]) -> Interval:
        first, second = (_strip(*pair) for pair in zip(start, step, strict=True))
        return np.maximum(first[0], second[0]), np.minimum(first[1], second[1])

    def outline(self) -> Array:
        """Return the four corners."""
        return self._image(np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], dtype=np.float64))


@dataclass(frozen=True)
class HalfPlane(Shape):
    """The image of the half plane u ≤ 0, or of u < 0 if it is open: a cut for other shapes."""

    open: bool = False

    @classmethod
    def facing(cls, normal_angle: float, offset: float, origin: Pair = (0.0, 0.0)) -> HalfPlane:
        """Return {p : n · (p − origin) ≤ offset} with n = (cos, sin) of normal_angle (mm)."""
        origin = checks.pair(origin, "origin", "(x, y)")
        turned = rotation(checks.finite(normal_angle, "normal_angle"))
        center = np.array(origin) + checks.finite(offset, "offset") * turned[:, 0]
        return cls((float(center[0]), float(center[1])), _rows(turned))

    def complement(self) -> HalfPlane:
        """Return the rest of the plane; a point of the common line lies in exactly one of the two.

        Two shapes that share a side are cut by a half plane and by its complement: then no ray
        along the side counts double.
        """
        return replace(self, matrix=_rows(-np.array(self.matrix)), open=not self.open)

    def _size(self, across: Array, along: Array) -> Array:
        return np.abs(across)

    def level(self, points: Array) -> Array:
        """Return the signed depth of the points (..., 2), at most zero inside."""
        return self.local(points)[0]

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Return which of the points (..., 2) lie in the half plane."""
        return self.level(points) < 0 if self.open else self.level(points) <= 0

    def _crossing(self, start: tuple[Array, Array], step: tuple[Array, Array]) -> Interval:
        depth, speed = start[0], step[0]
        inside = depth < 0 if self.open else depth <= 0
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            meeting = -depth / speed
        entry = np.where(speed < 0, meeting, -np.inf)
        exit_ = np.where(speed > 0, meeting, np.inf)
        return np.where((speed == 0) & ~inside, np.inf, entry), exit_


AnyShape = TypeVar("AnyShape", bound=Shape)


def mapped(shape: AnyShape, matrix: Array, shift: Array) -> AnyShape:
    """Return the image of a shape under p ↦ matrix · p + shift."""
    moved = matrix @ np.array(shape.center) + shift
    return replace(
        shape,
        center=(float(moved[0]), float(moved[1])),
        matrix=_rows(matrix @ np.array(shape.matrix)),
    )


def nearest_approach(
    start: tuple[Array, Array], step: tuple[Array, Array]
) -> tuple[Array, Array, Array]:
    """Return how near to the origin lines pass, the parameter where they do, and their speed."""
    square = step[0] ** 2 + step[1] ** 2
    speed = np.sqrt(square)
    distance = (start[0] * step[1] - start[1] * step[0]) / speed
    return distance, -(start[0] * step[0] + start[1] * step[1]) / square, speed


def clip(polygon: Array, level: Callable[[Array], Array]) -> Array:
    """Return the part of a convex polygon (n, 2) where a linear function is at most zero."""
    ahead = np.roll(polygon, -1, axis=0)
    here, there = level(polygon)[:, None], level(ahead)[:, None]
    crossed = here * there < 0
    part = np.divide(here, here - there, out=np.zeros_like(here), where=crossed)
    candidates = np.stack([polygon, polygon + part * (ahead - polygon)], axis=1)
    return candidates[np.concatenate([here <= 0, crossed], axis=1)]


def _strip(start: Array, step: Array) -> Interval:
    """Return (entry, exit) of the strip |start + t · step| ≤ 1; a ray along it has no ends."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ends = np.stack([(-1 - start) / step, (1 - start) / step])
    outside = np.where(np.abs(start) <= 1, -np.inf, np.inf)
    entry = np.where(step == 0, outside, ends.min(axis=0))
    return entry, np.where(step == 0, np.inf, ends.max(axis=0))


def _turned(lengths: Pair, angle: float) -> tuple[Pair, Pair]:
    """Return the matrix whose columns are axes of these lengths, turned by `angle`."""
    return _rows(rotation(checks.finite(angle, "angle")) * lengths)


def _rows(matrix: ArrayLike) -> tuple[Pair, Pair]:
    """Return a 2 × 2 array as two tuples of floats, which can be compared and hashed."""
    (first, second), (third, fourth) = np.asarray(matrix, dtype=np.float64).tolist()
    return (first, second), (third, fourth)
