"""Least squares with isotropic total variation, by a preconditioned primal–dual method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor

from ctinr import checks
from ctinr.geometry import Beam
from ctinr.operators import Gradient, LinearOperator
from ctinr.recon.observers import GapBelow
from ctinr.recon.problem import batch_shape, check_data, first_image, grid_of
from ctinr.recon.rough import rough_image
from ctinr.recon.run import Observer, Reconstruction, Step, run
from ctinr.recon.saddle import Saddle, StepSizes, data_norm, filtered

# Each step goes this much further than the method's map says; below 2 it converges, and faster.
OVER_RELAXATION = 1.9


def tv(  # noqa: PLR0913 - one keyword for each thing that a reader may want to set
    A: LinearOperator,
    y: Tensor,
    *,
    weight: float | Tensor,
    nonnegative: bool = True,
    iterations: int = 500,
    gap: float = 1e-4,
    initial: Tensor | None = None,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct with total variation: minimise ``½ ‖A x − y‖² + weight · TV(x)``.

    TV(x) is the sum over the cells of the Euclidean norm of the gradient (forward differences
    per mm) times the measure of a cell: the integral of the gradient's norm, so that a weight
    means the same on every spacing. The misfit is a sum over rays, so the weight that suits
    grows with the number of views.

    The method is the primal–dual one of Chambolle and Pock, over-relaxed. For a projector the
    dual step of the data is the ramp filter, under which all frequencies converge alike: the
    problem that is solved is the same, in fewer projections (docs/benchmarks.md counts them).

    Parameters
    ----------
    A : LinearOperator
        The forward model; its domain is a `Grid`.
    y : Tensor, shape (*batch, *A.range.shape)
        The data. Items of a batch do not influence one another, but for when to stop.
    weight : float or Tensor, shape (*batch)
        Above zero. It has no unit, as neither data nor TV have one, and suits any unit of length.
        One number, or one for each item of the batch: ``y.expand(n, *y.shape)`` with n weights
        tries them side by side, which costs less than one after the other.
    nonnegative : bool
        Whether the image is kept at or above zero.
    iterations : int
        The most to take; each costs one A and one Aᵀ.
    gap : float
        Stop when the primal–dual gap, relative to the primal value, is this small for every item;
        see `tv_steps`.
    initial : Tensor, optional
        Where to start, (*batch, *A.domain.shape). By default the filtered backprojection where A
        is a projector whose views see every line, zeros elsewhere.
    observers : sequence of Observer
        See every step.

    Returns
    -------
    Reconstruction
        Images of shape (*batch, *A.domain.shape), 1/mm.

    Raises
    ------
    TypeError
        If the domain of A is not a Grid, or y or initial are not tensors of floating-point numbers.
    ValueError
        If y does not fit A, is empty or not finite, or a number is not above zero.

    References
    ----------
    Rudin, Osher, Fatemi 1992, doi:10.1016/0167-2789(92)90242-F. Chambolle, Pock 2011,
    doi:10.1007/s10851-010-0251-1. Preconditioning: Pock, Chambolle 2011,
    doi:10.1109/ICCV.2011.6126441. Over-relaxation: Condat 2013, doi:10.1007/s10957-012-0245-9.
    """
    steps = tv_steps(A, y, weight=weight, nonnegative=nonnegative, initial=initial)
    parameters = {
        "weight": weight.tolist() if isinstance(weight, Tensor) else weight,
        "nonnegative": nonnegative,
        "iterations": iterations,
        "gap": gap,
    }
    observers = (*observers, GapBelow(gap))
    return run(steps, iterations, observers, method="TV", parameters=parameters)


def tv_steps(
    A: LinearOperator,
    y: Tensor,
    *,
    weight: float | Tensor,
    nonnegative: bool = True,
    initial: Tensor | None = None,
    norm: float | None = None,
) -> Iterator[Step]:
    """Return the steps of `tv`, without end; their loss is the primal value.

    The gap of a step is the difference between the primal value of the image and a lower bound
    on the primal value of every allowed image that differs from it by no more than δ in any cell,
    where δ is a tenth of the largest value; of a batch, the largest gap. As the problem is
    convex, the image is worse than the best one by at most the gap times ‖x − x*‖∞ / δ, or the
    gap where that is less than 1.

    Parameters
    ----------
    A, y, weight, nonnegative, initial
        As for `tv`.
    norm : float, optional
        What `data_norm(A, y)` returned, to spare its projections when many weights are tried.
    """
    check_data(A, y)
    grid, leading = grid_of(A), batch_shape(A, y)
    radius = _weights(A, y, weight) * grid.cell_measure
    if initial is None and isinstance(A.range, Beam):
        initial = rough_image(A, y)
    start = first_image(A, y, initial)
    items = y.reshape(-1, *A.range.shape)
    saddle = Saddle(A, items, Gradient(grid), radius, nonnegative)
    sizes = StepSizes.of(saddle, data_norm(A, y) if norm is None else norm)
    return _iterate(saddle, sizes, start.reshape(-1, *grid.shape), leading)


def _weights(A: LinearOperator, y: Tensor, weight: float | Tensor) -> float | Tensor:
    """Return a number, or one an item in a shape that multiplies images, float64."""
    leading = batch_shape(A, y)
    if not isinstance(weight, Tensor):
        return checks.positive(weight, "weight")
    rule = f"be one number, or one for each item of the batch of shape {leading}"
    checks.require(tuple(weight.shape) == leading, "weight", rule, weight)
    checks.finite_values(weight, "weight")
    least = float(weight.min())
    checks.require(least > 0, "weight", "be above zero", f"one of {least:g}")
    return weight.detach().to(y.device, torch.float64).reshape(-1, *(1,) * len(A.domain.shape))


class _Iterate(NamedTuple):
    """An image, its projection, the two dual variables, and their pull on the image."""

    x: Tensor
    Ax: Tensor
    rays: Tensor
    edges: Tensor
    pull: Tensor


@torch.no_grad()
def _iterate(
    saddle: Saddle, sizes: StepSizes, x: Tensor, leading: tuple[int, ...]
) -> Iterator[Step]:
    x = saddle.allowed(x)
    rays, edges = torch.zeros_like(saddle.y), torch.zeros_like(saddle.gradient(x))
    now = _Iterate(x, saddle.A(x), rays, edges, torch.zeros_like(x))
    for index in count(1):
        new = _mapped(saddle, sizes, now)
        primal = saddle.primal(new.x, new.Ax)
        bound = saddle.bound(new.x, new.rays, new.pull, sizes.reach(new.x))
        gap = ((primal - bound) / primal.clamp(min=torch.finfo(primal.dtype).tiny)).max()
        image = new.x.reshape(*leading, *new.x.shape[1:])
        yield Step(index, float(primal.sum()), image, max(0.0, float(gap)))
        for old, value in zip(now, new, strict=True):
            old.lerp_(value, OVER_RELAXATION)


def _mapped(saddle: Saddle, sizes: StepSizes, now: _Iterate) -> _Iterate:
    """Return one primal and one dual step: one projection and one backprojection."""
    image = saddle.allowed(now.x - sizes.primal * now.pull)
    ahead = torch.lerp(now.x, image, 2.0)
    A_ahead = saddle.A(ahead)
    # A is linear: the projection of the image is had without another one.
    A_image = torch.lerp(now.Ax, A_ahead, 0.5)
    rays = now.rays + filtered(A_ahead.sub_(saddle.y).sub_(now.rays), sizes.response)
    edges = saddle.shortened(now.edges.addcmul(saddle.gradient(ahead), sizes.edges))
    pull = saddle.A.T(rays).add_(saddle.gradient.T(edges))
    return _Iterate(image, A_image, rays, edges, pull)
