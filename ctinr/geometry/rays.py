"""Rays: lines through the object, one for every measured value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.geometry.angles import as_index


@dataclass(frozen=True, eq=False)
class Rays:
    """Straight lines, each given by a point on it and its direction.

    Parameters
    ----------
    points : ndarray, shape (..., axes)
        A point on every line, mm, in the order (x, y) or (x, y, z).
    directions : ndarray, shape (..., axes)
        The unit vector along every line.
    begins : ndarray, shape (...), optional
        How far along the direction from the point a line begins, mm (the source of a fan);
        without it lines are infinite on both sides.

    Raises
    ------
    ValueError
        If the shapes differ or a direction is not a unit vector.
    """

    points: np.ndarray
    directions: np.ndarray
    begins: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.points)
        checks.require(len(shape) > 0, "points", "have an axis of coordinates", "one number")
        same = np.shape(self.directions) == shape
        checks.require(same, "directions", f"have the shape {shape} of the points", self.directions)
        lengths = np.linalg.norm(self.directions, axis=-1)
        unit = bool((np.abs(lengths - 1) < 1e-9).all())
        checks.require(unit, "directions", "be unit vectors", f"lengths {lengths.ravel()[:4]}")
        if self.begins is not None:
            same = np.shape(self.begins) == shape[:-1]
            checks.require(same, "begins", f"have the shape {shape[:-1]} of the rays", self.begins)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of rays."""
        return self.points.shape[:-1]

    def __getitem__(self, selection: Any) -> Rays:
        """Return the selected rays, by what numpy takes for an array of the shape of the rays.

        An index, a slice, a boolean mask, a list, or one of these for each axis. Two lists are
        pairs: ``rays[views, bins]`` is a flat list of rays, one for each view and its bin.

        Raises
        ------
        IndexError
            If there are no such rays.
        """
        parts = selection if isinstance(selection, tuple) else (selection,)
        index = tuple(as_index(part) for part in parts)
        try:
            np.empty(self.shape, dtype=bool)[index]
        except IndexError as error:
            rule = f"pick some of the rays of shape {self.shape}"
            given = checks.describe(selection)
            raise IndexError(checks.message("selection", rule, given, f"{error}.")) from None
        begins = None if self.begins is None else np.asarray(self.begins[index])
        return Rays(self.points[index], self.directions[index], begins)
