"""The wavelet as a table, in plain torch: the documentation and the oracle of every engine.

psi is the second-order (linear) B-spline wavelet of Chui and Wang, "On compactly supported spline
wavelets and a duality principle", Trans. AMS 330 (1992), doi:10.1090/S0002-9947-1992-1076613-3.
It is also a sum of seven ReLUs::

    psi(u) = (r(u) - 8 r(u - 1/2) + 23 r(u - 1) - 32 r(u - 3/2)
              + 23 r(u - 2) - 8 r(u - 5/2) + r(u - 3)) / 6,         r(u) = max(u, 0)

That sum is how the wavelet is defined, not how it is computed: beyond the support its terms grow
and cancel, so in short formats it returns rounding errors larger than the peak. The table is
exact: between two breakpoints psi is one line, and outside of them it is zero.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

BREAKPOINTS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
VALUES = (0.0, 1 / 12, -6 / 12, 10 / 12, -6 / 12, 1 / 12, 0.0)
SLOPES = (1 / 6, -7 / 6, 8 / 3, -8 / 3, 7 / 6, -1 / 6)


def value(
    x: Float[Tensor, "*shape"],
    scale: float,
    *,
    bias: Float[Tensor, " width"] | None = None,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "*shape"]:
    """Return psi(scale * (x + bias)); formats shorter than float32 are evaluated in float32.

    Parameters
    ----------
    x
        Pre-activations, any shape, no unit.
    scale
        The factor c that multiplies them.
    bias
        Added to x along its last axis; nothing if None.
    dtype
        Of the result; that of x if None.
    """
    argument = _argument(x, bias, scale)
    piece = _piece(argument)
    # Clamped, so that an infinite argument meets its slope of zero as a finite number.
    inside = argument.clamp(BREAKPOINTS[0], BREAKPOINTS[-1])
    start, height, incline = (
        _look_up(argument.new_tensor(table), piece)
        for table in ((0.0, *BREAKPOINTS), (0.0, *VALUES), (0.0, *SLOPES, 0.0))
    )
    return torch.addcmul(height, incline, inside - start).to(dtype or x.dtype)


def slope(
    grad: Float[Tensor, "*shape"],
    x: Float[Tensor, "*shape"],
    scale: float,
    *,
    bias: Float[Tensor, " width"] | None = None,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "*shape"]:
    """Return grad * scale * psi'(scale * (x + bias)), with psi' continuous from the right.

    `dtype` is that of the result; that of grad if None.
    """
    argument = _argument(x, bias, scale)
    slopes = argument.new_tensor((0.0, *SLOPES, 0.0)) * scale
    wide = grad.contiguous().to(argument.dtype)
    return (wide * _look_up(slopes, _piece(argument))).to(dtype or grad.dtype)


def _argument(x: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """Return scale * (x + bias), contiguous, in float32 or better."""
    wide = x.contiguous().to(torch.promote_types(x.dtype, torch.float32))
    return (wide if bias is None else wide + bias.to(wide.dtype)) * scale


def _piece(argument: Tensor) -> Tensor:
    """Return 0 left of the support, 1 to 6 in it, 7 right of it; a kink belongs to its right."""
    halves = (2 * argument).floor_().clamp_(-1, len(SLOPES))
    return halves.nan_to_num_(nan=-1).to(torch.int32) + 1


def _look_up(table: Tensor, piece: Tensor) -> Tensor:
    """Return the entry of a table of eight for every piece."""
    return table.index_select(0, piece.flatten()).view(piece.shape)
