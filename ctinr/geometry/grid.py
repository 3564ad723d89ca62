"""Grids of cells: where the values of an image lie, in mm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ctinr import checks


@dataclass(frozen=True)
class Grid:
    """A regular grid of rectangular cells.

    Axes follow the array: `(y, x)` in two dimensions, `(z, y, x)` in three. The centre of cell k
    of an axis with n cells lies at ``(k - (n - 1) / 2) * spacing + center``. In two dimensions y
    grows with the row index, that is, down the picture.

    Parameters
    ----------
    shape : tuple of int
        Number of cells along each axis.
    spacing : float or tuple of float
        Size of a cell along each axis, mm. One number stands for all axes.
    center : float or tuple of float
        Position of the middle of the grid, mm, measured from the axis of rotation.

    Raises
    ------
    TypeError
        If a size is not a whole number or a number not a real one.
    ValueError
        If a size is not positive, a number not finite or the lengths differ.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...] = (1.0,)
    center: tuple[float, ...] = (0.0,)

    def __init__(
        self,
        shape: Sequence[int],
        spacing: float | Sequence[float] = 1.0,
        center: float | Sequence[float] = 0.0,
    ) -> None:
        if np.ndim(shape) != 1:
            raise TypeError(checks.message("shape", "be a tuple of whole numbers", shape))
        sizes = tuple(checks.count(size, "shape") for size in shape)
        checks.require(len(sizes) in (1, 2, 3), "shape", "have 1, 2 or 3 axes", sizes)
        spacings = per_axis(spacing, "spacing", len(sizes))
        for value in spacings:
            checks.positive(value, "spacing")
        object.__setattr__(self, "shape", sizes)
        object.__setattr__(self, "spacing", spacings)
        object.__setattr__(self, "center", per_axis(center, "center", len(sizes)))

    @property
    def extent(self) -> tuple[float, ...]:
        """Length of every side from edge to edge, mm."""
        return tuple(n * step for n, step in zip(self.shape, self.spacing, strict=True))

    @property
    def slice(self) -> Grid:
        """The grid of one slice, at right angles to the axis of rotation: the last two axes."""
        return Grid(self.shape[-2:], self.spacing[-2:], self.center[-2:])

    @property
    def cell_measure(self) -> float:
        """Area (2D, mm²) or volume (3D, mm³) of one cell."""
        return math.prod(self.spacing)

    def cell_centers(self, axis: int) -> np.ndarray:
        """Return the positions of the cell centres along one axis, mm, float64."""
        n = self.shape[axis]
        return (np.arange(n) - (n - 1) / 2) * self.spacing[axis] + self.center[axis]

    def coordinates(
        self, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Float[Tensor, "*shape axes"]:
        """Return the cell centres as a network sees them.

        The longest side spans [−1, 1] from edge to edge and all axes share that scale, so
        isotropy survives. The last axis holds the coordinates in array order, `(y, x)`.
        """
        half = max(self.extent) / 2
        axes = [
            (self.cell_centers(axis) - self.center[axis]) / half for axis in range(len(self.shape))
        ]
        stacked = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        return torch.as_tensor(stacked, dtype=dtype, device=device)

    def coarsen(self, factor: int) -> Grid:
        """Return a grid of cells `factor` times as large that covers this one, same centre.

        Sides that `factor` does not divide are rounded up, so the coarse grid may reach past the
        fine one by less than one coarse cell.
        """
        factor = checks.count(factor, "factor")
        shape = tuple(-(-n // factor) for n in self.shape)
        return Grid(shape, tuple(step * factor for step in self.spacing), self.center)

    def refine(self, factor: int) -> Grid:
        """Return the grid whose cells are `factor` times smaller, with the same edges."""
        factor = checks.count(factor, "factor")
        shape = tuple(n * factor for n in self.shape)
        return Grid(shape, tuple(step / factor for step in self.spacing), self.center)

    def __getitem__(self, selection: slice | tuple[slice, ...]) -> Grid:
        """Return the grid of the selected cells; a step larger than 1 spaces them out."""
        slices = selection if isinstance(selection, tuple) else (selection,)
        checks.require(
            len(slices) <= len(self.shape) and all(isinstance(s, slice) for s in slices),
            "selection",
            f"be at most {len(self.shape)} slices",
            repr(selection),
        )
        slices += (slice(None),) * (len(self.shape) - len(slices))
        parts = [self._cut(axis, part) for axis, part in enumerate(slices)]
        shape, spacing, center = zip(*parts, strict=True)
        return Grid(shape, spacing, center)

    def _cut(self, axis: int, part: slice) -> tuple[int, float, float]:
        kept = range(self.shape[axis])[part]
        checks.require(
            len(kept) > 0 and kept.step > 0, "selection", "keep cells, in order", repr(part)
        )
        positions = self.cell_centers(axis)
        middle = float(positions[kept[0]] + positions[kept[-1]]) / 2
        return len(kept), self.spacing[axis] * kept.step, middle

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `from_dict` takes."""
        return {
            "shape": list(self.shape),
            "spacing": list(self.spacing),
            "center": list(self.center),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Grid:
        """Return the grid that `to_dict` described."""
        return cls(tuple(values["shape"]), tuple(values["spacing"]), tuple(values["center"]))


def per_axis(value: Any, argument: str, num_axes: int) -> tuple[float, ...]:
    """Return one finite float an axis; a single number stands for all of them."""
    values = (value,) * num_axes if np.ndim(value) == 0 else np.asarray(value).tolist()
    checks.require(
        len(values) == num_axes,
        argument,
        f"be one number or one for each of the {num_axes} axes",
        repr(value),
    )
    return tuple(checks.finite(number, argument) for number in values)
