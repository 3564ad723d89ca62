"""The linear layer of a complex network, its numbers kept as pairs of real ones."""

from __future__ import annotations

import math

import torch
from jaxtyping import Shaped
from torch import Tensor, nn


class ComplexLinear(nn.Module):
    """x W^T + b over the complex numbers; its parameters are real, with a last axis of two.

    So they follow the module to other formats, and every optimiser of real numbers can take them.

    Parameters
    ----------
    inputs, outputs
        Sizes of the last axis before and after.
    generator
        Source of the initial values. Real and imaginary parts are uniform on
        [-1, 1] / sqrt(inputs), as in ``torch.nn.Linear`` with complex numbers.
    """

    def __init__(
        self, inputs: int, outputs: int, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        device = "cpu" if generator is None else generator.device
        bound = 1 / math.sqrt(inputs)
        shapes = (outputs, inputs, 2), (outputs, 2)
        self.weight, self.bias = (
            nn.Parameter(
                torch.empty(shape, device=device).uniform_(-bound, bound, generator=generator)
            )
            for shape in shapes
        )

    def forward(self, x: Shaped[Tensor, "*points inputs"]) -> Shaped[Tensor, "*points outputs"]:
        """Return x W^T + b for complex x."""
        weight, bias = (torch.complex(*pairs.unbind(-1)) for pairs in (self.weight, self.bias))
        return nn.functional.linear(x, weight, bias)


class RealAndImaginary(nn.Module):
    """The real parts of complex numbers, then their imaginary parts."""

    def forward(self, x: Shaped[Tensor, "*points width"]) -> Shaped[Tensor, "*points twice"]:
        """Return real numbers, twice as many."""
        return torch.cat([x.real, x.imag], dim=-1)
