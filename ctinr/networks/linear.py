"""The linear layer of a coordinate network: seeded, and with a product in a format of its own."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class Linear(nn.Module):
    """x W^T + b in float32, its entries drawn uniformly from a generator.

    Unlike ``torch.nn.Linear`` it never draws from the global generator when one is given, and
    its matrix product may be taken in a shorter format (`product_dtype`).

    Parameters
    ----------
    inputs, outputs
        Sizes of the last axis before and after.
    weight_bound
        Weights are uniform on [-weight_bound, weight_bound]; None is 1 / sqrt(inputs).
    bias_bound
        The same for the biases.
    generator
        Source of the initial values, and its device the device of the parameters. None is
        torch's default generator on the CPU.

    Attributes
    ----------
    product_dtype : torch.dtype or None
        Format of the factors of the matrix product; None is the format of the input.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        weight_bound: float | None = None,
        bias_bound: float | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        bounds = (1 / math.sqrt(inputs) if b is None else b for b in (weight_bound, bias_bound))
        shapes = (outputs, inputs), (outputs,)
        self.weight, self.bias = (
            nn.Parameter(_uniform(shape, bound, generator))
            for shape, bound in zip(shapes, bounds, strict=True)
        )
        self.product_dtype: torch.dtype | None = None

    def forward(self, x: Float[Tensor, "*points inputs"]) -> Float[Tensor, "*points outputs"]:
        """Return x W^T + b in the format of x."""
        return linear(x, self.weight, bias=self.bias, product_dtype=self.product_dtype)

    def product(self, x: Float[Tensor, "*points inputs"]) -> Float[Tensor, "*points outputs"]:
        """Return x W^T without the bias, in the format of the product."""
        short = self.product_dtype or x.dtype
        return functional.linear(x.to(short), self.weight.to(short))

    def extra_repr(self) -> str:
        """Return the sizes and the format of the product, for the printed network."""
        outputs, inputs = self.weight.shape
        product = f", product_dtype={self.product_dtype}" if self.product_dtype else ""
        return f"{inputs}, {outputs}{product}"


def linear(
    x: Float[Tensor, "*points inputs"],
    weight: Float[Tensor, "outputs inputs"],
    *,
    bias: Float[Tensor, " outputs"],
    product_dtype: torch.dtype | None = None,
) -> Float[Tensor, "*points outputs"]:
    """Return x W^T + b, the product taken in another format if one is given.

    Both factors are rounded to `product_dtype`, products are accumulated in float32 by the
    hardware, each sum is rounded once, and the bias is added in the format of x, which is
    also the format of the result. The two products of the backward pass are treated alike; the
    gradients arrive in the formats of x, weight and bias.
    """
    if product_dtype is None:
        return functional.linear(x, weight, bias)
    return functional.linear(x.to(product_dtype), weight.to(product_dtype)) + bias


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator | None) -> Tensor:
    """Return float32 values drawn uniformly from [-bound, bound]."""
    device = "cpu" if generator is None else generator.device
    values = torch.empty(shape, dtype=torch.float32, device=device)
    return values.uniform_(-bound, bound, generator=generator)
