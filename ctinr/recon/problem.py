"""What every method asks of its problem: data that fit the operator, and views to pick from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ctinr import checks
from ctinr.geometry import BEAMS, Beam, Grid, PlanarBeam
from ctinr.operators import LinearOperator
from ctinr.operators.base import DTYPES


def check_data(A: LinearOperator, y: Tensor, argument: str = "y") -> None:
    """Raise unless y is a finite tensor (*batch, *A.range.shape) in single or double precision."""
    _check_tensor(y, argument)
    shape = tuple(A.range.shape)
    checks.trailing_shape(y, argument, shape=shape, what="the operator's range")
    checks.finite_values(y, argument)


def first_image(A: LinearOperator, y: Tensor, initial: Tensor | None) -> Tensor:
    """Return a copy of where a method starts: the image given, of y's batch, or zeros."""
    shape = (*batch_shape(A, y), *A.domain.shape)
    if initial is None:
        return y.new_zeros(shape)
    _check_tensor(initial, "initial")
    rule = f"have the shape {shape} of the images that belong to `y`"
    checks.require(tuple(initial.shape) == shape, "initial", rule, initial)
    checks.finite_values(initial, "initial")
    return initial.detach().to(device=y.device, dtype=y.dtype).clone()


def batch_shape(A: LinearOperator, y: Tensor) -> tuple[int, ...]:
    """Return the leading axes of the data."""
    return tuple(y.shape[: y.ndim - len(A.range.shape)])


def item_sums(values: Tensor, num_axes: int) -> Tensor:
    """Return the sums over the last axes, one an item of the batch, added up in float64.

    One axis after the other: a sum over all of a tensor is split among the threads, and its last
    bits would follow from their number.
    """
    for _ in range(num_axes):
        values = values.sum(dim=-1, dtype=torch.float64)
    return values


def beam_of(A: LinearOperator) -> Beam:
    """Return the geometry of a projector; a TypeError tells that A is none."""
    geometry = A.range
    if not isinstance(geometry, Beam):
        rule = f"be a projector, whose range is a {BEAMS}"
        raise TypeError(checks.message("A", rule, f"an operator on {type(geometry).__name__}"))
    return geometry


def slice_of(A: LinearOperator) -> PlanarBeam:
    """Return the geometry of a projector of single slices; an error tells that A is none."""
    geometry = beam_of(A)
    rule = "be a projector of slices, with a line of bins"
    remedy = "Take slice by slice; for volumes there are fbp, fdk and tv."
    checks.require(len(geometry.shape) == 2, "A", rule, f"shape {geometry.shape}", remedy)
    if not isinstance(geometry, PlanarBeam):
        rule, remedy = "be a projector of a ParallelBeam or FanBeam", "Give its views as angles."
        raise TypeError(checks.message("A", rule, type(geometry).__name__, remedy))
    return geometry


def check_slice(A: LinearOperator, y: Tensor) -> None:
    """Raise unless A is a projector of single slices and y one sinogram of it, (angle, u)."""
    slice_of(A)
    check_data(A, y)
    checks.require(y.ndim == 2, "y", "be one sinogram, (angle, u)", y, "Loop over the others.")


def grid_of(A: LinearOperator) -> Grid:
    """Return the grid of the images; a TypeError tells that A maps something else."""
    grid = A.domain
    if not isinstance(grid, Grid):
        rule = "map images, its domain being a Grid"
        raise TypeError(checks.message("A", rule, f"a domain of type {type(grid).__name__}"))
    return grid


def of_views(A: LinearOperator, y: Tensor, views: Sequence[int]) -> tuple[LinearOperator, Tensor]:
    """Return the projector and the data of some views only."""
    restricted: Any = getattr(A, "restricted", None)
    if restricted is None:
        rule = "be a projector, which has `restricted(views)`"
        raise TypeError(checks.message("A", rule, f"{A!r:.80}"))
    num_views = A.range.shape[0]
    inside = all(0 <= view < num_views for view in views)
    checks.require(inside, "views", f"be indices below {num_views}", repr(tuple(views)))
    selection = (..., list(views), *(slice(None),) * (len(A.range.shape) - 1))
    return restricted(list(views)), y[selection]


def _check_tensor(values: Tensor, argument: str) -> None:
    if not isinstance(values, Tensor):
        given, remedy = type(values).__name__, "Use torch.as_tensor."
        raise TypeError(checks.message(argument, "be a torch.Tensor", given, remedy))
    if values.dtype not in DTYPES:
        names = " or ".join(str(dtype) for dtype in DTYPES)
        raise TypeError(checks.message(argument, f"be {names}", values, "Convert it first."))
