"""SIRT: the simultaneous iterative reconstruction technique."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ctinr import checks
from ctinr.operators import LinearOperator
from ctinr.recon.problem import check_data, first_image
from ctinr.recon.run import Observer, Reconstruction, Step, run


def sirt(  # noqa: PLR0913 - one keyword for each thing that a reader may want to set
    A: LinearOperator,
    y: Tensor,
    *,
    iterations: int,
    relaxation: float = 1.0,
    lower: float | None = 0.0,
    initial: Tensor | None = None,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct with the simultaneous iterative reconstruction technique.

    Repeats ``x ← max(lower, x + λ C Aᵀ R (y − A x))``, where R and C divide by the row and column
    sums of A. The fewer iterations, the smoother the image.

    Parameters
    ----------
    A : LinearOperator
        The forward model, with no negative entries: a projector, a block average.
    y : Tensor, shape (*batch, *A.range.shape)
        The data.
    iterations : int
        How many to take.
    relaxation : float
        The step λ, in (0, 2).
    lower : float, optional
        The least value allowed in the image, 1/mm; None allows all.
    initial : Tensor, optional
        Where to start, (*batch, *A.domain.shape); zeros by default.
    observers : sequence of Observer
        See every step.

    Returns
    -------
    Reconstruction
        Images of shape (*batch, *A.domain.shape), 1/mm.

    Raises
    ------
    TypeError
        If y or initial are not tensors of floating-point numbers.
    ValueError
        If y does not fit A, is empty or not finite, or a number lies outside its range.

    References
    ----------
    Gregor, Benson 2008, Computational analysis and improvement of SIRT,
    doi:10.1109/TMI.2008.923696.
    """
    steps = sirt_steps(A, y, relaxation=relaxation, lower=lower, initial=initial)
    parameters = {"iterations": iterations, "relaxation": relaxation, "lower": lower}
    return run(steps, iterations, observers, method="SIRT", parameters=parameters)


def sirt_steps(
    A: LinearOperator,
    y: Tensor,
    *,
    relaxation: float = 1.0,
    lower: float | None = 0.0,
    initial: Tensor | None = None,
) -> Iterator[Step]:
    """Return the steps of `sirt`, without end; their loss is ½ Σ R (y − A x)².

    Parameters and errors are those of `sirt`.
    """
    check_data(A, y)
    relaxation = checks.positive(relaxation, "relaxation")
    checks.require(relaxation < 2, "relaxation", "be below 2", relaxation)
    if lower is not None:
        lower = checks.finite(lower, "lower")
    return _iterate(A, y, first_image(A, y, initial), relaxation, lower)


@torch.no_grad()
def _iterate(
    A: LinearOperator, y: Tensor, x: Tensor, relaxation: float, lower: float | None
) -> Iterator[Step]:
    per_row = _reciprocal(A(y.new_ones(tuple(A.domain.shape))))
    per_column = _reciprocal(A.T(y.new_ones(tuple(A.range.shape)))).mul_(relaxation)
    residual = y - A(x)
    index = 0
    while True:
        index += 1
        x = A.T(residual.mul_(per_row)).mul_(per_column).add_(x)
        if lower is not None:
            x.clamp_(min=lower)
        residual = y - A(x)
        yield Step(index, float((residual.square() * per_row).sum()) / 2, x)


def _reciprocal(sums: Tensor) -> Tensor:
    """Return one over the sums; rays that meet no cell, and cells that meet no ray, get zero."""
    return torch.where(sums > 0, sums.reciprocal(), 0)
