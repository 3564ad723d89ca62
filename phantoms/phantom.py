"""Phantom: an object whose image and whose line integrals are both known exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from phantoms import checks
from phantoms.shapes import Array, Pair, rotation
from phantoms.terms import BLOCK, Term, blocks


@dataclass(frozen=True)
class Phantom:
    """A sum of terms, each of which knows its values and its line integrals.

    Points and directions are (x, y) in mm with x to the right and y *down* the picture, the order
    in which rays are written. What describes a raster (shape, spacing, centre) is in the order of
    the array's axes, (y, x). Values are attenuations in 1/mm, so line integrals carry no unit.

    Parameters
    ----------
    terms : tuple of Term
        The summands, at least one.
    """

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        checks.require(
            isinstance(self.terms, tuple)
            and len(self.terms) > 0
            and all(isinstance(term, Term) for term in self.terms),
            "terms",
            "be a tuple of at least one Term",
            self.terms,
        )

    def __add__(self, other: Phantom) -> Phantom:
        """Return the phantom whose values are the sums."""
        return Phantom(self.terms + other.terms)

    @property
    def radius(self) -> float:
        """The radius in mm of an origin-centred circle that holds every term.

        Exact for disks and boxes and where an ellipse is longest away from the origin; at most
        4e-5 of a semi-axis too large, and never too small, elsewhere.
        """
        return max(term.radius for term in self.terms)

    def values(self, points: ArrayLike) -> Array:
        """Return the attenuation at points.

        Parameters
        ----------
        points : array of shape (..., 2)
            (x, y) in mm.

        Returns
        -------
        array of shape (...)
            In 1/mm, float64. On an edge the value is that of one of the two sides.

        Raises
        ------
        ValueError
            If the last axis is not (x, y) or a number is not finite.
        """
        points = checks.vectors(points, "points")
        flat = points.reshape(-1, 2)
        result = np.zeros(len(flat))
        for block in blocks(len(flat), BLOCK):
            for term in self.terms:
                result[block] += term.values(flat[block])
        return result.reshape(points.shape[:-1])

    def line_integrals(self, points: ArrayLike, directions: ArrayLike) -> Array:
        """Return the exact integrals along full lines.

        Parameters
        ----------
        points : array of shape (..., 2)
            One point (x, y) of each line, in mm; any other point of the line will do as well.
        directions : array of shape (..., 2)
            The direction of each line, of any length and either sign. Broadcast against `points`.

        Returns
        -------
        array of shape (...)
            Without unit, float64. A line that misses gives exactly 0.

        Raises
        ------
        ValueError
            If the last axes are not (x, y), the shapes do not broadcast, a number is not finite or
            a direction is zero.
        """
        points = checks.vectors(points, "points")
        directions = checks.vectors(directions, "directions")
        shape = _common_shape(points, directions)
        lengths = np.hypot(directions[..., 0], directions[..., 1])
        checks.require(bool((lengths > 0).all()), "directions", "not be zero", directions)
        units = np.broadcast_to(directions / lengths[..., None], shape).reshape(-1, 2)
        flat = np.broadcast_to(points, shape).reshape(-1, 2)
        result = np.zeros(len(flat))
        for block in blocks(len(flat), BLOCK):
            for term in self.terms:
                result[block] += term.line_integrals(flat[block], units[block])
        return result.reshape(shape[:-1])

    def raster(
        self,
        shape: tuple[int, int],
        spacing: float | Pair,
        center: Pair = (0.0, 0.0),
        *,
        supersampling: int = 8,
    ) -> Array:
        """Return the mean of the phantom over each cell of a grid.

        Cell k of n along an axis is centred at (k − (n−1)/2) · spacing + center.

        Parameters
        ----------
        shape : tuple of int
            (rows, columns); row 0 is the top of the picture.
        spacing : float or tuple of float
            The sides of a cell in mm, one number or (y, x).
        center : tuple of float
            The centre of the grid in mm, (y, x).
        supersampling : int
            Samples per cell along each axis: the area that an edge cuts from a cell is counted in
            this many squared parts.

        Returns
        -------
        array of shape (rows, columns)
            In 1/mm, float64.

        Raises
        ------
        TypeError, ValueError
            If an argument is not of the stated kind or not positive.
        """
        rows, columns = _whole_pair(shape, "shape")
        sides = (spacing, spacing) if np.ndim(spacing) == 0 else spacing
        high, wide = checks.positive_pair(sides, "spacing", "(y, x)")
        middle = checks.pair(center, "center", "(y, x)")
        supersampling = checks.count(supersampling, "supersampling")
        y = (np.arange(rows, dtype=np.float64) - (rows - 1) / 2) * high + middle[0]
        x = (np.arange(columns, dtype=np.float64) - (columns - 1) / 2) * wide + middle[1]
        image = np.zeros((rows, columns))
        for term in self.terms:
            for window in _windows(term, y, x, (high, wide)):
                grid = np.stack(np.meshgrid(x[window[1]], y[window[0]]), axis=-1)
                means = term.averages(grid.reshape(-1, 2), (wide, high), supersampling)
                image[window] += means.reshape(grid.shape[:-1])
        return image

    def mapped(self, matrix: ArrayLike, shift: Pair = (0.0, 0.0)) -> Phantom:
        """Return the phantom carried along by p ↦ matrix · p + shift; its values move unchanged.

        Parameters
        ----------
        matrix : array of shape (2, 2)
            Any invertible matrix.
        shift : tuple of float
            (x, y) in mm.
        """
        array = checks.matrix(matrix, "matrix")
        offset = np.array(checks.pair(shift, "shift", "(x, y)"))
        return replace(self, terms=tuple(term.mapped(array, offset) for term in self.terms))

    def rotated(self, angle: float) -> Phantom:
        """Return the phantom turned about the origin from +x towards +y by `angle` radians.

        As y runs down the picture, a positive angle turns the picture clockwise, and the parallel
        projection at θ becomes that at θ + angle.
        """
        return self.mapped(rotation(checks.finite(angle, "angle")))

    def shifted(self, shift: Pair) -> Phantom:
        """Return the phantom moved by (x, y) mm."""
        return self.mapped(np.eye(2), shift)

    def scaled(self, factor: float) -> Phantom:
        """Return the phantom with all lengths multiplied and its values kept.

        Line integrals therefore grow by the same factor.
        """
        return self.mapped(checks.positive(factor, "factor") * np.eye(2))

    def mirrored(self) -> Phantom:
        """Return the phantom turned upside down, y ↦ −y."""
        return self.mapped(np.diag([1.0, -1.0]))

    def weighted(self, factor: float) -> Phantom:
        """Return the phantom with its values multiplied."""
        factor = checks.finite(factor, "factor")
        return replace(self, terms=tuple(term.weighted(factor) for term in self.terms))


def _whole_pair(value: Any, argument: str) -> tuple[int, int]:
    """Return value as two whole numbers of at least one."""
    checks.require(
        isinstance(value, tuple | list) and len(value) == 2, argument, "be a pair (y, x)", value
    )
    return checks.count(value[0], argument), checks.count(value[1], argument)


def _common_shape(points: Array, directions: Array) -> tuple[int, ...]:
    """Return the shape that both arrays broadcast to."""
    try:
        return np.broadcast_shapes(points.shape, directions.shape)
    except ValueError:
        raise ValueError(
            f"`directions` must broadcast against `points` of shape {points.shape}; "
            f"got an array of shape {directions.shape}."
        ) from None


def _windows(term: Term, y: Array, x: Array, sides: Pair) -> Iterator[tuple[slice, slice]]:
    """Yield (rows, columns) that together hold each cell the term reaches, in bounded blocks."""
    outline = term.outline()
    if len(outline) == 0:
        return
    (left, top), (right, bottom) = outline.min(axis=0), outline.max(axis=0)
    first_row, last_row = np.searchsorted(y, [top - sides[0], bottom + sides[0]])
    columns = slice(*np.searchsorted(x, [left - sides[1], right + sides[1]]).tolist())
    step = max(1, math.ceil(BLOCK / max(1, columns.stop - columns.start)))
    for rows in blocks(int(last_row - first_row), step):
        yield slice(int(first_row) + rows.start, int(first_row) + rows.stop), columns
