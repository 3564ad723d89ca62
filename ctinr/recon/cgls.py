"""CGLS: conjugate gradients on the normal equations, without forming them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ctinr import checks
from ctinr.operators import LinearOperator
from ctinr.recon.problem import check_data, first_image, item_sums
from ctinr.recon.run import Observer, Reconstruction, Step, run


def cgls(
    A: LinearOperator,
    y: Tensor,
    *,
    iterations: int,
    damping: float = 0.0,
    initial: Tensor | None = None,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct by least squares: minimise ``‖A x − y‖² + damping² ‖x‖²``.

    The conjugate gradient method of Hestenes and Stiefel on the normal equations. On noisy data
    stop early, or damp: the images first get sharper and then noisier.

    Parameters
    ----------
    A : LinearOperator
        The forward model; any.
    y : Tensor, shape (*batch, *A.range.shape)
        The data.
    iterations : int
        The most to take; it ends before when the gradient is zero up to rounding.
    damping : float
        At least 0, in the unit of A, mm for a projector.
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
        If y does not fit A, is empty or not finite, or the damping is negative.

    References
    ----------
    Hestenes, Stiefel 1952, Methods of conjugate gradients for solving linear systems,
    doi:10.6028/jres.049.044.
    """
    steps = cgls_steps(A, y, damping=damping, initial=initial)
    parameters = {"iterations": iterations, "damping": damping}
    return run(steps, iterations, observers, method="CGLS", parameters=parameters)


def cgls_steps(
    A: LinearOperator, y: Tensor, *, damping: float = 0.0, initial: Tensor | None = None
) -> Iterator[Step]:
    """Return the steps of `cgls`; their loss is ½ ‖A x − y‖² + ½ damping² ‖x‖².

    Parameters and errors are those of `cgls`.
    """
    check_data(A, y)
    damping = checks.finite(damping, "damping")
    checks.require(damping >= 0, "damping", "be at least 0", damping)
    return _iterate(A, y, first_image(A, y, initial), damping**2)


@torch.no_grad()
def _iterate(A: LinearOperator, y: Tensor, x: Tensor, penalty: float) -> Iterator[Step]:
    num_axes = len(A.domain.shape)
    residual = y - A(x)
    gradient = A.T(residual).sub_(x, alpha=penalty)
    direction = gradient.clone()
    size = item_sums(gradient.square(), num_axes)
    converged = size * torch.finfo(y.dtype).eps ** 2
    index = 0
    while index == 0 or bool((size > converged).any()):
        index += 1
        image = A(direction)
        curvature = item_sums(image.square(), len(A.range.shape))
        curvature += penalty * item_sums(direction.square(), num_axes)
        step = _ratio(size, curvature)
        x = x + _over(step, direction) * direction
        residual -= _over(step, image) * image
        gradient = A.T(residual).sub_(x, alpha=penalty)
        previous, size = size, item_sums(gradient.square(), num_axes)
        direction = _over(_ratio(size, previous), gradient) * direction + gradient
        yield Step(index, float(residual.square().sum() + penalty * x.square().sum()) / 2, x)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """Return above / below, and 0 for an item that has already converged exactly."""
    return torch.where(below > 0, above / below, 0)


def _over(values: Tensor, like: Tensor) -> Tensor:
    """Return one value an item in a shape that multiplies the item."""
    return values.to(like.dtype).reshape(values.shape + (1,) * (like.ndim - values.ndim))
