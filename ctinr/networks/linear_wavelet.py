"""A linear layer and the wavelet after it as one differentiable function, in one kernel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ctinr import checks
from ctinr.networks.bspline import Activation
from ctinr.networks.kernels.choice import WITH_LINEAR, Engine, LinearEngine, choose_kernel


def linear_wavelet(
    x: Float[Tensor, "*points inputs"],
    weight: Float[Tensor, "outputs inputs"],
    *,
    bias: Float[Tensor, " outputs"],
    scale: float,
    product_dtype: torch.dtype | None = None,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "*points outputs"]:
    """Return psi(scale * (x W^T + b)) from one kernel for CUDA (``"triton-linear"``).

    It has the roundings of its unfused twin, ``wavelet(linear(x, W), scale, bias=b)``: factors are
    rounded to `product_dtype`, sums are accumulated in float32 and rounded to it once, and what
    was rounded is widened to float32 before the bias is added. So are the gradient in the product
    and the three sums of the backward pass. What differs is the order of summation. Factors in
    float32 are never cut to TF32, whatever torch is told.

    One backward pass takes kernels of the same kind. Derivatives of higher order, forward mode and
    ``torch.func.vmap`` hold too; they go through the twin. Kept for the backward pass are x, W
    and the product, in `product_dtype`, and the bias.

    Parameters
    ----------
    x
        Points (*points, inputs), of a floating-point type.
    weight, bias
        The matrix W (outputs, inputs) and b (outputs,).
    scale
        The factor c, above zero.
    product_dtype
        Format of the factors and of the product; that of x if None.
    dtype
        Format of the result; that of x if None.

    Raises
    ------
    TypeError, ValueError
        If x is not of a floating-point type, shapes do not match, or scale is not a finite number
        above zero.
    BackendUnavailable
        If the kernel cannot run where x is, or not in these formats.
    """
    if not x.is_floating_point():
        raise TypeError(checks.message("x", "be of a floating-point type", x))
    outputs, inputs = weight.shape
    checks.trailing_shape(x, "x", shape=(inputs,), what="a point of `weight`")
    rule = f"be of shape {(outputs,)}, one entry for each row of `weight`"
    checks.require(bias.shape == (outputs,), "bias", rule, bias)
    scale = checks.positive(scale, "scale")
    short, dtype = product_dtype or x.dtype, dtype or x.dtype
    row = choose_kernel(WITH_LINEAR, device=x.device, dtypes=(short, dtype))
    means = Means(scale, dtype, row.load(), row.load_linear())
    points = x.to(short).reshape(-1, inputs)
    value, _ = Pair.apply(points, weight.to(short), bias, None, None, means)  # type: ignore[misc]
    return value.reshape(*x.shape[:-1], outputs)


@dataclass(frozen=True)
class Means:
    """What a pair is computed with: the scale, the format of its value, the engines.

    Attributes
    ----------
    wavelet, pair
        The engine of the wavelet alone, for the twin, and the one of layer and wavelet in one.
    """

    scale: float
    dtype: torch.dtype
    wavelet: Engine
    pair: LinearEngine


class Pair(torch.autograd.Function):
    """psi(scale (x W^T + b)) and x W^T without a grad; the gradients of the first with one.

    The second part is one of its own so that a mapped axis finds its rule there as well. It
    returns the gradients in x, W and b: the first if W is given, the others if x is. The product
    is an output because the backward pass needs it, and is no function of anything: where the
    wavelet has a slope, the slope is constant.
    """

    @staticmethod
    def forward(
        x: Tensor | None,
        weight: Tensor | None,
        bias: Tensor,
        product: Tensor | None,
        grad: Tensor | None,
        means: Means,
    ) -> tuple[Tensor, ...]:
        """Let the engine compute one or the other."""
        if grad is None:
            return means.pair.value(x, weight, bias, means.scale, means.dtype)
        given, found = (bias, means.scale), []
        if weight is not None:
            found.append(means.pair.grad_input(grad, product, weight, *given))
        if x is not None:
            sums = means.pair.grad_parameters(grad, product, x, *given)
            # Rounded once, as every product is.
            found.extend(total.to(x.dtype) for total in sums)
        return tuple(found)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep the factors and the product, and which of the two it was."""
        x, weight, bias, product, grad, ctx.means = inputs
        if grad is None:
            product = output[1]
            ctx.mark_non_differentiable(product)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, weight, bias, product, grad)
        ctx.save_for_forward(x, weight, bias, product, grad)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return the gradients of the value: by the engine, or as functions if they are asked for.

        The second part has no gradients: it is taken only where none are asked for.
        """
        x, weight, bias, product, _ = ctx.saved_tensors
        in_x, *others = ctx.needs_input_grad[:3]
        if grads[0] is None or not any(ctx.needs_input_grad):
            return (None,) * 6
        given = x if any(others) else None, weight if in_x else None, bias, product, grads[0]
        way = gradients if torch.is_grad_enabled() else Pair.apply
        found = iter(way(*given, ctx.means))
        of_x = next(found) if in_x else None
        of_weight, of_bias = found if any(others) else (None, None)
        of_bias = None if of_bias is None else of_bias.to(bias.dtype)
        return of_x, of_weight, of_bias, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Return the changes of the outputs; a tangent that is missing arrives as zeros or None."""
        saved, means = ctx.saved_tensors, ctx.means
        if saved[4] is not None:
            return _change_of_gradients(saved, tangents, means)
        x, weight, bias, product, _ = saved
        in_x, in_weight, in_bias = tangents[:3]
        change = torch.zeros_like(product)
        if in_x is not None:
            change = change + functional.linear(in_x, weight)
        if in_weight is not None:
            change = change + functional.linear(x, in_weight)
        if in_bias is not None:
            change = change + in_bias
        how = means.scale, means.dtype, means.wavelet
        return Activation.apply(product, bias, change, *how), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Any, Any]:
        """Leave a mapped axis to the twin."""
        twin = composition if inputs[4] is None else gradients
        mapped = torch.func.vmap(partial(twin, means=inputs[5]), in_dims[:5])
        found = mapped(*inputs[:5])
        return found, (0,) * len(found)


def composition(
    x: Tensor, weight: Tensor, bias: Tensor, _product: None, _grad: None, means: Means
) -> tuple[Tensor, Tensor]:
    """Return psi(scale (x W^T + b)) and x W^T, one after the other: the twin of a pair."""
    product = functional.linear(x, weight)
    how = means.scale, means.dtype, means.wavelet
    return Activation.apply(product, bias, None, *how), product  # type: ignore[return-value]


def gradients(
    x: Tensor | None,
    weight: Tensor | None,
    bias: Tensor,
    product: Tensor,
    grad: Tensor,
    means: Means,
) -> tuple[Tensor, ...]:
    """Return the gradients in x, if W is given, and in W and b, if x is: those of the twin."""
    how = means.scale, product.dtype, means.wavelet
    before: Tensor = Activation.apply(product, bias, grad, *how)  # type: ignore[assignment]
    of_x = () if weight is None else (before @ weight,)
    return of_x if x is None else (*of_x, before.mT @ x, before.sum(0))


def _change_of_gradients(
    saved: tuple[Any, ...], tangents: tuple[Any, ...], means: Means
) -> tuple[Tensor, ...]:
    """Return the changes of `gradients`, which are linear in grad, and in x and W."""
    x, weight, bias, product, grad = saved
    in_x, in_weight, _, _, in_grad = tangents[:5]
    in_x = in_x if in_x is not None or x is None else torch.zeros_like(x)
    in_weight = in_weight if in_weight is not None or weight is None else torch.zeros_like(weight)
    found = list(gradients(in_x, in_weight, bias, product, grad, means))
    if x is not None:
        # The sum over points is a function of grad alone.
        found[-1] = torch.zeros_like(found[-1])
    if in_grad is None:
        return tuple(found)
    more = gradients(x, weight, bias, product, in_grad, means)
    return tuple(one + other for one, other in zip(found, more, strict=True))
