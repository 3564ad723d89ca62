"""Operators between grids: block averages and finite differences."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from ctinr import checks
from ctinr.geometry import Grid
from ctinr.operators.base import HasShape, LinearOperator, Space


@final
class BlockAverage(LinearOperator):
    """Average blocks of cells: the forward model of super-resolution.

    Parameters
    ----------
    grid : Grid
        The fine grid; `factor` must divide each of its sides.
    factor : int
        Number of fine cells along a coarse one.

    Raises
    ------
    ValueError
        If a side is not a multiple of the factor.
    """

    def __init__(self, grid: Grid, factor: int) -> None:
        self._factor = checks.count(factor, "factor")
        checks.require(
            all(n % factor == 0 for n in grid.shape),
            "factor",
            f"divide each side of the grid {grid.shape}",
            factor,
            "Crop the grid first, as in grid[:n, :m].",
        )
        self._grid, self._coarse = grid, grid.coarsen(factor)

    def __repr__(self) -> str:
        return f"BlockAverage({self._grid!r}, {self._factor})"

    @property
    def domain(self) -> Grid:
        """The fine grid."""
        return self._grid

    @property
    def range(self) -> Grid:
        """The coarse grid."""
        return self._coarse

    def _forward(self, x: Tensor) -> Tensor:
        for axis, n in enumerate(self._coarse.shape, start=1):
            x = x.unflatten(axis, (n, self._factor)).mean(axis + 1)
        return x.clone() if self._factor == 1 else x

    def _transposed(self, y: Tensor) -> Tensor:
        for axis in range(1, y.ndim):
            y = y.repeat_interleave(self._factor, dim=axis) / self._factor
        return y


@final
class Gradient(LinearOperator):
    """Forward differences along every axis, per mm, zero past the last cell.

    Maps a grid of shape (y, x) to (axes, y, x); the sum of the norms over the first axis times
    the cell area is the isotropic total variation (Rudin, Osher, Fatemi 1992,
    doi:10.1016/0167-2789(92)90242-F).

    Parameters
    ----------
    grid : Grid
        The grid whose spacing divides the differences.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._range = Space((len(grid.shape), *grid.shape))

    def __repr__(self) -> str:
        return f"Gradient({self._grid!r})"

    @property
    def domain(self) -> Grid:
        """The grid."""
        return self._grid

    @property
    def range(self) -> HasShape:
        """One difference an axis and cell."""
        return self._range

    def _forward(self, x: Tensor) -> Tensor:
        result = x.new_zeros(x.shape[0], *self._range.shape)
        for axis, (n, spacing) in enumerate(zip(self._grid.shape, self._grid.spacing, strict=True)):
            step = torch.diff(x, dim=axis + 1) / spacing
            result.select(1, axis).narrow(axis + 1, 0, n - 1).copy_(step)
        return result

    def _transposed(self, y: Tensor) -> Tensor:
        result = y.new_zeros(y.shape[0], *self._grid.shape)
        for axis, (n, spacing) in enumerate(zip(self._grid.shape, self._grid.spacing, strict=True)):
            step = y.select(1, axis).narrow(axis + 1, 0, n - 1) / spacing
            result.narrow(axis + 1, 0, n - 1).sub_(step)
            result.narrow(axis + 1, 1, n - 1).add_(step)
        return result
