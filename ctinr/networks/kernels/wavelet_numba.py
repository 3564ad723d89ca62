"""The wavelet on a CPU: one pass over memory, all cores, as fast as a copy.

Folded at its centre, t = |u - 3/2|, the wavelet has three lines and a zero, and they meet in
such an order that no table is needed::

    psi = max(5/6 - 8/3 t,  min(7/6 t - 13/12,  max(1/4 - t/6, 0)))

This is a handful of vector instructions without a branch. The comparisons are written so that
NaN passes through each of them. The slope is chosen by comparisons with the breakpoints of
the unfolded argument, since folding would turn its continuity from the right around.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from numba import njit, prange
from torch import Tensor

# The least number of entries worth waking a thread for.
CHUNK = 16_384

# Fused multiply-add, but neither reordering nor the assumption that there are no NaN.
compiled = njit(parallel=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})


def value(x: Float[Tensor, "*shape"], scale: float) -> Float[Tensor, "*shape"]:
    """Return psi(scale * x) for a float32 or float64 tensor on the CPU."""
    x = x.detach().contiguous()
    out = torch.empty_like(x)
    flat = x.view(-1).numpy()
    _value(flat, flat.dtype.type(scale), out.view(-1).numpy(), _chunks(x))
    return out


def slope(
    grad: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"], scale: float
) -> Float[Tensor, "*shape"]:
    """Return grad * scale * psi'(scale * x), with psi' continuous from the right at the kinks."""
    grad, x = grad.detach().contiguous(), x.detach().contiguous()
    out = torch.empty_like(x)
    flat = x.view(-1).numpy()
    scale = flat.dtype.type(scale)
    _slope(grad.view(-1).numpy(), flat, scale, out.view(-1).numpy(), _chunks(x))
    return out


def _chunks(x: Tensor) -> int:
    """Return how many threads to use: torch's own number, fewer for small tensors."""
    return max(1, min(torch.get_num_threads(), x.numel() // CHUNK))


@compiled
def _value(x, scale, out, num_chunks):
    number = x.dtype.type
    zero, centre, sixth = number(0), number(3 / 2), number(1 / 6)
    peak, peak_slope = number(5 / 6), number(8 / 3)
    flank, flank_slope = number(13 / 12), number(7 / 6)
    for chunk in prange(num_chunks):
        # Slices, because a loop from zero over a slice is one that the compiler vectorises.
        start, stop = chunk * x.size // num_chunks, (chunk + 1) * x.size // num_chunks
        source, target = x[start:stop], out[start:stop]
        for index in range(source.size):
            distance = abs(scale * source[index] - centre)
            tail = (centre - distance) * sixth
            tail = zero if zero > tail else tail
            side = flank_slope * distance - flank
            side = side if side < tail else tail
            middle = peak - peak_slope * distance
            target[index] = middle if middle > side else side


@compiled
def _slope(grad, x, scale, out, num_chunks):
    number = x.dtype.type
    zero = number(0)
    rise, dip, climb = number(1 / 6) * scale, number(7 / 6) * scale, number(8 / 3) * scale
    half, one, centre = number(0.5), number(1), number(1.5)
    two, five_halves, end = number(2), number(2.5), number(3)
    for chunk in prange(num_chunks):
        start, stop = chunk * x.size // num_chunks, (chunk + 1) * x.size // num_chunks
        source, weight, target = x[start:stop], grad[start:stop], out[start:stop]
        for index in range(source.size):
            argument = scale * source[index]
            factor = rise if argument >= zero else zero
            factor = -dip if argument >= half else factor
            factor = climb if argument >= one else factor
            factor = -climb if argument >= centre else factor
            factor = dip if argument >= two else factor
            factor = -rise if argument >= five_halves else factor
            factor = zero if argument >= end else factor
            target[index] = weight[index] * factor
