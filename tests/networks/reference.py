"""The wavelet as it is defined, a sum of seven ReLUs, written independently of the package."""

from __future__ import annotations

import torch
from torch import Tensor

KNOTS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
COEFFICIENTS = (1.0, -8.0, 23.0, -32.0, 23.0, -8.0, 1.0)


def seven_relus(argument: Tensor) -> Tensor:
    """Return psi(argument), summed in the format of the argument as it is defined."""
    total = torch.zeros_like(argument)
    for knot, coefficient in zip(KNOTS, COEFFICIENTS, strict=True):
        total = total + coefficient * torch.relu(argument - knot)
    return total / 6


def psi(argument: Tensor) -> Tensor:
    """Return psi(argument): the sum in its support, zero beyond it, where the sum only rounds."""
    return seven_relus(argument.clamp(KNOTS[0], KNOTS[-1]))


def slope_of_seven_relus(argument: Tensor) -> Tensor:
    """Return psi'(argument), continuous from the right."""
    total = torch.zeros_like(argument)
    for knot, coefficient in zip(KNOTS, COEFFICIENTS, strict=True):
        total = total + coefficient * (argument >= knot).to(argument.dtype)
    return total / 6


def away_from_kinks(count: int, *, scale: float, seed: int) -> Tensor:
    """Return float64 values whose scaled distance to every kink is at least 0.05."""
    generator = torch.Generator().manual_seed(seed)
    piece = torch.randint(-2, 8, (count,), generator=generator)
    within = 0.1 + 0.8 * torch.rand(count, generator=generator, dtype=torch.float64)
    return (piece + within) / 2 / scale
