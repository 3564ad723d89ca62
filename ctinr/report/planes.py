"""Pictures of volumes: the three planes through the middle of a grid, each as an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ctinr.geometry import Grid
from ctinr.report import wording

AXES = "zyx"


@dataclass(frozen=True)
class Plane:
    """A plane of cells at right angles to one axis of a grid; of a picture, all of it.

    Parameters
    ----------
    axis : int or None
        The axis of the array that it is at right angles to; None for a picture.
    index : int
        Which cell of that axis it goes through.
    grid : Grid
        The cells in the plane; two axes.
    name : str
        Where it is: "z = 1.5 mm"; empty for a picture.
    """

    axis: int | None
    index: int
    grid: Grid
    name: str = ""

    @property
    def placement(self) -> dict[str, Any]:
        """How matplotlib's imshow places the plane: mm, z upwards where it is an axis."""
        (low, left), (high, right) = (
            [
                c + side * length / 2
                for c, length in zip(self.grid.center, self.grid.extent, strict=True)
            ]
            for side in (-1, 1)
        )
        if self.axis in (1, 2):
            return {"extent": (left, right, low, high), "origin": "lower"}
        return {"extent": (left, right, high, low), "origin": "upper"}

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return the values of an image or volume in the plane, in the order of the array."""
        return values if self.axis is None else np.take(values, self.index, axis=self.axis)


def planes(grid: Grid) -> tuple[Plane, ...]:
    """Return the planes to show of a grid: the one of a picture, or the middle three of a volume.

    The first of three is a slice, at right angles to the axis of rotation.
    """
    if len(grid.shape) == 2:
        return (Plane(None, 0, grid),)
    return tuple(_middle(grid, axis) for axis in range(3))


def shown_plane(grid: Grid) -> Plane:
    """Return the plane that stands for a volume where there is room for one."""
    return planes(grid)[0]


def _middle(grid: Grid, axis: int) -> Plane:
    index, kept = grid.shape[axis] // 2, [k for k in range(3) if k != axis]
    parts = ([getattr(grid, of)[k] for k in kept] for of in ("shape", "spacing", "center"))
    place = wording.number(float(grid.cell_centers(axis)[index]), 4)
    return Plane(axis, index, Grid(*parts), f"{AXES[axis]} = {place} mm")
