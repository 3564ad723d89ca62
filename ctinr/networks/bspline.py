"""The activation psi(c x) as a differentiable function, whatever engine computes it."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ctinr import checks
from ctinr.networks.kernels.choice import Engine, KernelName, choose_kernel


def wavelet(
    x: Float[Tensor, "*shape"], scale: float, *, kernel: KernelName = "auto"
) -> Float[Tensor, "*shape"]:
    """Return psi(scale * x), the second-order B-spline wavelet of every entry.

    psi is continuous and piecewise linear on breakpoints 0, 1/2, ..., 3 with values
    (0, 1, -6, 10, -6, 1, 0) / 12, and exactly zero elsewhere. Its derivative is taken
    continuous from the right; its second derivative is zero almost everywhere, and zero here.
    Derivatives of all orders, forward mode and ``torch.func`` transforms hold for every kernel.
    Only x is kept for the backward pass.

    Parameters
    ----------
    x
        Pre-activations, any shape and floating-point type; never modified.
    scale
        The factor c, above zero.
    kernel
        ``"numba"`` (CPU, float32 and float64), ``"torch"`` (any), or ``"auto"``: the first of
        them that can run where x is.

    Raises
    ------
    TypeError, ValueError
        If x is not of a floating-point type, or scale is not a finite number above zero.
    BackendUnavailable
        If the kernel that was asked for cannot run where x is.

    Notes
    -----
    J. Shenouda, Y. Zhou, R. Nowak, "ReLUs Are Sufficient for Learning Implicit Neural
    Representations", ICML 2024, doi:10.48550/arXiv.2406.02529.
    """
    if not x.is_floating_point():
        raise TypeError(checks.message("x", "be of a floating-point type", x))
    scale = checks.positive(scale, "scale")
    engine = choose_kernel(kernel, device=x.device, dtype=x.dtype).load()
    return Activation.apply(x, None, scale, engine)  # type: ignore[return-value]


class Activation(torch.autograd.Function):
    """psi(scale x) without a weight; weight * scale * psi'(scale x) with one.

    It is its own derivative rule: what the first does to a change of x, and what the second does
    to a change of its weight, is to become the weight of the second. In x the second is
    constant almost everywhere. A custom operator of torch.library would be shorter, but forward
    mode takes its tangent for zero without a word, and torch.func.grad refuses it.
    """

    @staticmethod
    def forward(x: Tensor, weight: Tensor | None, scale: float, engine: Engine) -> Tensor:
        """Let the engine compute one or the other."""
        return engine.value(x, scale) if weight is None else engine.slope(weight, x, scale)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep x, and which of the two it was."""
        x, weight, ctx.scale, ctx.engine = inputs
        ctx.moving = 0 if weight is None else 1
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient in x of the first, in the weight of the second."""
        gradients: list[Tensor | None] = [None] * 4
        gradients[ctx.moving] = Activation.apply(*ctx.saved_tensors, *grads, ctx.scale, ctx.engine)
        return tuple(gradients)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Return the change of the output; a tangent that is missing arrives as zeros."""
        return Activation.apply(*ctx.saved_tensors, tangents[ctx.moving], ctx.scale, ctx.engine)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Any, int]:
        """Treat the mapped axis as one more axis of points."""
        x, weight = map(partial(_in_front, info.batch_size), inputs[:2], in_dims[:2])
        return Activation.apply(x, weight, *inputs[2:]), 0


def _in_front(size: int, tensor: Tensor | None, axis: int | None) -> Tensor | None:
    """Return the tensor with the mapped axis first, repeated where it has none."""
    if tensor is None:
        return None
    return tensor.expand(size, *tensor.shape) if axis is None else tensor.movedim(axis, 0)
