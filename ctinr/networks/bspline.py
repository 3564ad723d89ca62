"""The activation psi(c x) as a differentiable function, whatever engine computes it."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ctinr import checks
from ctinr.networks.kernels.choice import Engine, KernelName, choose_kernel


def wavelet(
    x: Float[Tensor, "*shape"],
    scale: float,
    *,
    bias: Float[Tensor, " width"] | None = None,
    dtype: torch.dtype | None = None,
    kernel: KernelName = "auto",
) -> Float[Tensor, "*shape"]:
    """Return psi(scale * (x + bias)), the second-order B-spline wavelet of every entry.

    psi is continuous and piecewise linear on breakpoints 0, 1/2, ..., 3 with values
    (0, 1, -6, 10, -6, 1, 0) / 12, and exactly zero elsewhere. Its derivative is taken
    continuous from the right; its second derivative is zero almost everywhere, and zero here.
    Derivatives of all orders, forward mode and ``torch.func`` transforms hold for every kernel.
    Only x and the bias are kept for the backward pass.

    Parameters
    ----------
    x
        Pre-activations, any shape and floating-point type; never modified.
    scale
        The factor c, above zero.
    bias
        Added to x along its last axis, in float32 where x is shorter; nothing if None. To add it
        here spares a pass over memory.
    dtype
        Format of the result: one that the kernel has; that of x if None.
    kernel
        ``"numba"`` (CPU; float32, float64, bfloat16), ``"triton"`` (CUDA; float32, float16,
        bfloat16), ``"triton-linear"`` (the same here; in a network with the linear layer before),
        ``"torch"`` (any), or ``"auto"``: the first of them but that one that can run where x is.

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
    if bias is not None:
        shape = (x.shape[-1],) if x.ndim else ()
        rule = f"be of shape {shape}, the last axis of `x`"
        checks.require(bias.shape == shape and x.ndim > 0, "bias", rule, bias)
    scale = checks.positive(scale, "scale")
    dtype = dtype or x.dtype
    engine = choose_kernel(kernel, device=x.device, dtypes=(x.dtype, dtype)).load()
    return Activation.apply(x, bias, None, scale, dtype, engine)  # type: ignore[return-value]


class Activation(torch.autograd.Function):
    """psi(scale (x + bias)) without a weight; weight * scale * psi'(scale (x + bias)) with one.

    It is its own derivative rule: what the first does to a change of x, and what the second does
    to a change of its weight, is to become the weight of the second. In x the second is
    constant almost everywhere. A custom operator of torch.library would be shorter, but forward
    mode takes its tangent for zero without a word, and torch.func.grad refuses it.
    """

    @staticmethod
    def forward(
        x: Tensor,
        bias: Tensor | None,
        weight: Tensor | None,
        scale: float,
        dtype: torch.dtype,
        engine: Engine,
    ) -> Tensor:
        """Let the engine compute one or the other."""
        if weight is None:
            return engine.value(x, scale, bias=bias, dtype=dtype)
        return engine.slope(weight, x, scale, bias=bias, dtype=dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep x and the bias, and which of the two it was."""
        x, bias, weight, ctx.scale, ctx.dtype, ctx.engine = inputs
        ctx.in_weight = weight is not None
        ctx.change_of = x.dtype if weight is None else weight.dtype
        ctx.save_for_backward(x, bias)
        ctx.save_for_forward(x, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients in x and the bias of the first, in the weight of the second."""
        x, bias = ctx.saved_tensors
        back = Activation.apply(x, bias, *grads, ctx.scale, ctx.change_of, ctx.engine)
        if ctx.in_weight:
            return None, None, back, None, None, None
        wanted = ctx.needs_input_grad[1]
        in_bias = back.flatten(0, -2).sum(0).to(bias.dtype) if wanted else None
        return back, in_bias, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Return the change of the output; a tangent that is missing arrives as zeros or None."""
        x, bias = ctx.saved_tensors
        in_x, in_bias, in_weight = tangents[:3]
        change = in_weight if ctx.in_weight else in_x
        if not ctx.in_weight and in_bias is not None:
            change = in_bias.expand(x.shape) if in_x is None else in_x + in_bias
        return Activation.apply(x, bias, change, ctx.scale, ctx.dtype, ctx.engine)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Any, int]:
        """Treat the mapped axis as one more axis of points; biases that differ are added first."""
        x, bias, weight = inputs[:3]
        x = _in_front(x, info.batch_size, in_dims[0])
        if bias is not None and in_dims[1] is not None:
            biases = bias.movedim(in_dims[1], 0)
            x, bias = x + biases.reshape(len(biases), *(1,) * (x.ndim - 2), -1), None
        if weight is not None:
            weight = _in_front(weight, info.batch_size, in_dims[2])
        return Activation.apply(x, bias, weight, *inputs[3:]), 0


def _in_front(tensor: Tensor, size: int, axis: int | None) -> Tensor:
    """Return the tensor with the mapped axis first, repeated where it has none."""
    return tensor.expand(size, *tensor.shape) if axis is None else tensor.movedim(axis, 0)
