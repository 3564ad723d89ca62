"""The wavelet on a CPU: one pass over memory, all cores, as fast as a copy.

Folded at its centre, t = |u - 3/2|, the wavelet has three lines and a zero, and they meet in
such an order that no table is needed::

    psi = max(5/6 - 8/3 t,  min(7/6 t - 13/12,  max(1/4 - t/6, 0)))

This is a handful of vector instructions without a branch. The comparisons are written so that
NaN passes through each of them. The slope is chosen by comparisons with the breakpoints of
the unfolded argument, since folding would turn its continuity from the right around.

numba does not know bfloat16: such tensors are handed over as the integers of their bits, and
widened to float32 and rounded back in registers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numba import njit, prange, types
from numba.extending import overload
from torch import Tensor

# The least number of entries worth waking a thread for.
CHUNK = 16_384

# Fused multiply-add, but neither reordering nor the assumption that there are no NaN.
inlined = njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
compiled = njit(parallel=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})


def value(
    x: Float[Tensor, "*shape"],
    scale: float,
    *,
    bias: Float[Tensor, " width"] | None = None,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "*shape"]:
    """Return psi(scale * (x + bias)) for a tensor on the CPU."""
    x = x.detach().contiguous()
    out = torch.empty_like(x, dtype=dtype)
    _value(*_arrays(x, bias=bias, scale=scale), _lines(out, bias), _chunks(x))
    return out


def slope(
    grad: Float[Tensor, "*shape"],
    x: Float[Tensor, "*shape"],
    scale: float,
    *,
    bias: Float[Tensor, " width"] | None = None,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "*shape"]:
    """Return grad * scale * psi'(scale * (x + bias)), psi' continuous from the right."""
    grad, x = grad.detach().contiguous(), x.detach().contiguous()
    out = torch.empty_like(x, dtype=dtype or grad.dtype)
    lines = _lines(grad, bias), *_arrays(x, bias=bias, scale=scale), _lines(out, bias)
    _slope(*lines, _chunks(x))
    return out


def _arrays(x: Tensor, *, bias: Tensor | None, scale: float) -> tuple[Any, Any, Any]:
    """Return x in lines, the bias in the format of the calculation, and the scale in it too."""
    wide = torch.promote_types(x.dtype, torch.float32)
    factor = torch.empty((), dtype=wide).numpy().dtype.type(scale)
    return _lines(x, bias), None if bias is None else bias.detach().to(wide).numpy(), factor


def _lines(x: Tensor, bias: Tensor | None) -> np.ndarray:
    """Return a contiguous tensor as lines as long as the bias, or as a single line."""
    bits = x.view(torch.int16) if x.dtype == torch.bfloat16 else x
    return bits.reshape((1, -1) if bias is None else (-1, len(bias))).numpy()


def _chunks(x: Tensor) -> int:
    """Return how many threads to use: torch's own number, fewer for small tensors."""
    return max(1, min(torch.get_num_threads(), x.numel() // CHUNK))


def widened(entry: Any) -> Any:
    """Return a number, of bfloat16 given as its bits, in the format of the calculation."""
    raise NotImplementedError


@overload(widened, inline="always")
def _widened(entry):
    if isinstance(entry, types.Integer):
        return lambda entry: np.int32(np.int32(entry) << 16).view(np.float32)
    return lambda entry: entry


def narrowed(number: Any, like: Any) -> Any:
    """Return a number as an entry of an array: if of integers, the bits of the nearest bfloat16."""
    raise NotImplementedError


@overload(narrowed, inline="always")
def _narrowed(number, like):
    if not isinstance(like.dtype, types.Integer):
        return lambda number, like: number

    def bits(number, like):
        wide = np.float32(number).view(np.int32)
        # To nearest, ties to even; the bits of NaN could overflow, so it gets its own.
        near = (wide + 0x7FFF + ((wide >> 16) & 1)) >> 16
        return np.int16(near if number == number else 0x7FC0)  # noqa: PLR0124

    return bits


@inlined
def _value_line(source, bias, scale, target):
    number = type(scale)
    zero, centre, sixth = number(0), number(3 / 2), number(1 / 6)
    peak, peak_slope = number(5 / 6), number(8 / 3)
    flank, flank_slope = number(13 / 12), number(7 / 6)
    for index in range(source.size):
        entry = widened(source[index])
        if bias is not None:
            entry += bias[index]
        distance = abs(scale * entry - centre)
        tail = (centre - distance) * sixth
        tail = zero if zero > tail else tail
        side = flank_slope * distance - flank
        side = side if side < tail else tail
        middle = peak - peak_slope * distance
        target[index] = narrowed(middle if middle > side else side, target)


@inlined
def _slope_line(weight, source, bias, scale, target):
    number = type(scale)
    zero = number(0)
    rise, dip, climb = number(1 / 6) * scale, number(7 / 6) * scale, number(8 / 3) * scale
    half, one, centre = number(0.5), number(1), number(1.5)
    two, five_halves, end = number(2), number(2.5), number(3)
    for index in range(source.size):
        entry = widened(source[index])
        if bias is not None:
            entry += bias[index]
        argument = scale * entry
        factor = rise if argument >= zero else zero
        factor = -dip if argument >= half else factor
        factor = climb if argument >= one else factor
        factor = -climb if argument >= centre else factor
        factor = dip if argument >= two else factor
        factor = -rise if argument >= five_halves else factor
        factor = zero if argument >= end else factor
        target[index] = narrowed(widened(weight[index]) * factor, target)


@compiled
def _value(x, bias, scale, out, num_chunks):
    for chunk in prange(num_chunks):
        # Slices, because a loop from zero over a slice is one that the compiler vectorises.
        if bias is None:
            start, stop = chunk * x.size // num_chunks, (chunk + 1) * x.size // num_chunks
            _value_line(x[0, start:stop], bias, scale, out[0, start:stop])
        else:
            for line in range(chunk * len(x) // num_chunks, (chunk + 1) * len(x) // num_chunks):
                _value_line(x[line], bias, scale, out[line])


@compiled
def _slope(grad, x, bias, scale, out, num_chunks):
    for chunk in prange(num_chunks):
        if bias is None:
            start, stop = chunk * x.size // num_chunks, (chunk + 1) * x.size // num_chunks
            parts = grad[0, start:stop], x[0, start:stop], out[0, start:stop]
            _slope_line(parts[0], parts[1], bias, scale, parts[2])
        else:
            for line in range(chunk * len(x) // num_chunks, (chunk + 1) * len(x) // num_chunks):
                _slope_line(grad[line], x[line], bias, scale, out[line])
