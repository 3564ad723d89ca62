"""The wavelet on a CUDA card: one pass over memory, compiled by Triton on first use.

The formula is that of `wavelet_numba`, folded at the centre, and so are the rules: NaN passes
through each comparison, and the slope is chosen by comparisons with the breakpoints of the
unfolded argument. Bias, wavelet and both changes of format share the pass; arithmetic is in
float32. A program handles a tile of lines as long as the bias, so that no entry has to find its
place in its line by a division. Under Triton's interpreter (TRITON_INTERPRET=1) the engine takes
tensors of the CPU.
"""

# The decorator hides signatures from the type checker, and kernels take every array by itself.
# ruff: noqa: PLR0913, PLR0917, ANN201

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

# Entries of a program, and the most of them in a line where there are several lines.
TILE, COLUMNS = 2048, 256


def value(
    x: Float[Tensor, "*shape"],
    scale: float,
    *,
    bias: Float[Tensor, " width"] | None = None,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "*shape"]:
    """Return psi(scale * (x + bias)) for a tensor on a card."""
    x = x.detach().contiguous()
    out = torch.empty_like(x, dtype=dtype)
    _launch(_value, (x,), bias=bias, scale=scale, out=out)
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
    _launch(_slope, (grad, x), bias=bias, scale=scale, out=out)
    return out


def _launch(
    kernel: Any, sources: tuple[Tensor, ...], *, bias: Tensor | None, scale: float, out: Tensor
) -> None:
    """Run a kernel over all entries; without a bias they are one long line."""
    if not out.numel():
        return
    width = out.numel() if bias is None else len(bias)
    lines = out.numel() // width
    columns = TILE if lines == 1 else min(COLUMNS, triton.next_power_of_2(width))
    rows = TILE // columns
    programs = triton.cdiv(lines, rows) * triton.cdiv(width, columns)
    # Without a bias none is read, but a pointer has to be there.
    shift = out if bias is None else bias.detach().to(torch.float32).contiguous()
    tile = {"BIASED": bias is not None, "ROWS": rows, "COLUMNS": columns}
    with torch.cuda.device_of(out):
        kernel[(programs,)](*sources, shift, scale, out, lines, width, **tile)


@triton.jit
def psi(argument):  # type: ignore[no-untyped-def]
    """Return the wavelet of float32 numbers."""
    distance = tl.abs(argument - 1.5)
    tail = (1.5 - distance) * (1 / 6)
    tail = tl.where(tail < 0.0, 0.0, tail)
    side = 7 / 6 * distance - 13 / 12
    side = tl.where(side < tail, side, tail)
    middle = 5 / 6 - 8 / 3 * distance
    return tl.where(middle > side, middle, side)


@triton.jit
def psi_slope(argument):  # type: ignore[no-untyped-def]
    """Return the slope of the wavelet at float32 numbers, continuous from the right."""
    factor = tl.where(argument >= 0.0, 1 / 6, 0.0)
    factor = tl.where(argument >= 0.5, -7 / 6, factor)
    factor = tl.where(argument >= 1.0, 8 / 3, factor)
    factor = tl.where(argument >= 1.5, -8 / 3, factor)
    factor = tl.where(argument >= 2.0, 7 / 6, factor)
    factor = tl.where(argument >= 2.5, -1 / 6, factor)
    return tl.where(argument >= 3.0, 0.0, factor)


@triton.jit
def _places(lines, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return the places of a program's entries, their columns, and which of them there are."""
    across = tl.cdiv(width, COLUMNS)
    line = tl.program_id(0) // across * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.program_id(0) % across * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    return line.to(tl.int64) * width + column, column, (line < lines) & (column < width)


@triton.jit
def _argument(x, bias, scale, place, column, there, BIASED: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return scale * (x + bias) in float32."""
    entry = tl.load(x + place, mask=there, other=0.0).to(tl.float32)
    if BIASED:
        entry += tl.load(bias + column, mask=there, other=0.0)
    return scale * entry


@triton.jit
def _value(
    x, bias, scale, out, lines, width,
    BIASED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # type: ignore[no-untyped-def]  # fmt: skip
    place, column, there = _places(lines, width, ROWS, COLUMNS)  # type: ignore[misc]
    argument = _argument(x, bias, scale, place, column, there, BIASED)
    tl.store(out + place, psi(argument).to(out.dtype.element_ty), mask=there)


@triton.jit
def _slope(
    grad, x, bias, scale, out, lines, width,
    BIASED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # type: ignore[no-untyped-def]  # fmt: skip
    place, column, there = _places(lines, width, ROWS, COLUMNS)  # type: ignore[misc]
    argument = _argument(x, bias, scale, place, column, there, BIASED)
    weight = tl.load(grad + place, mask=there, other=0.0).to(tl.float32)
    tl.store(
        out + place, (weight * (psi_slope(argument) * scale)).to(out.dtype.element_ty), mask=there
    )
