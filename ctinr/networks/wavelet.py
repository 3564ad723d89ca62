"""The activation psi(c x) as a differentiable function, whatever engine computes it."""

from __future__ import annotations

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
    return _Value.apply(x, scale, engine)  # type: ignore[return-value]


class _Value(torch.autograd.Function):
    """psi(scale * x); its derivative is the slope."""

    @staticmethod
    def forward(x: Tensor, scale: float, engine: Engine) -> Tensor:
        return engine.value(x, scale)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, ctx.scale, ctx.engine = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        return _Slope.apply(*grads, *ctx.saved_tensors, ctx.scale, ctx.engine), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return _Slope.apply(tangents[0], *ctx.saved_tensors, ctx.scale, ctx.engine)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Any, Any]:
        return _Value.apply(*inputs), in_dims[0]


class _Slope(torch.autograd.Function):
    """weight * scale * psi'(scale * x): linear in weight, and constant in x almost everywhere."""

    @staticmethod
    def forward(weight: Tensor, x: Tensor, scale: float, engine: Engine) -> Tensor:
        return engine.slope(weight, x, scale)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, x, ctx.scale, ctx.engine = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        weight = _Slope.apply(*grads, *ctx.saved_tensors, ctx.scale, ctx.engine)
        return weight, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        (x,) = ctx.saved_tensors
        weight = torch.zeros_like(x) if tangents[0] is None else tangents[0]
        return _Slope.apply(weight, x, ctx.scale, ctx.engine)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Any, int]:
        weight, x = (
            tensor.expand(info.batch_size, *tensor.shape)
            if axis is None
            else tensor.movedim(axis, 0)
            for tensor, axis in zip(inputs[:2], in_dims[:2], strict=True)
        )
        return _Slope.apply(weight, x, *inputs[2:]), 0
