"""Vectors to try operators on, and how results are compared."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal numbers: the same ones for the same seed."""
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed), dtype=dtype)


def hill(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A smooth, non-negative hill a little beside the middle."""
    values = torch.ones(shape, dtype=torch.float64)
    for axis, size in enumerate(shape):
        place = (torch.arange(size, dtype=torch.float64) + 0.4) / size
        values *= torch.sin(math.pi * place).reshape(-1, *[1] * (len(shape) - axis - 1))
    return values.to(dtype)


def inner(x: Tensor, y: Tensor) -> float:
    return float(torch.sum(x.double() * y.double()))


def length(x: Tensor) -> float:
    return float(x.double().norm())


def close(given: Tensor, wanted: Tensor, *, relative: float = 1e-12) -> bool:
    scale = float(wanted.abs().max()) if wanted.numel() else 0.0
    same = given.shape == wanted.shape and given.dtype == wanted.dtype
    return same and bool(((given - wanted).abs() <= relative * scale + 1e-300).all())
