"""A matrix product, its bias and the wavelet in one kernel on a CUDA card, and the way back.

Forward, the wavelet is applied to a tile of sums before it leaves the registers. The product x W^T
is stored beside it, in the format of its factors, and the wavelet is that of the stored number: so
the backward pass chooses the slope at the very argument that the value was of. Backward, the
gradient in the product is made tile by tile from that of the result, where a product needs it, and
is never stored.

Sums are float32, and those over points are of a fixed number of parts that are added in order: no
atomics, so results repeat to the bit. Formats short of float32 take the tensor cores. Factors of
float32 are multiplied as such: left to itself Triton would cut them to TF32, eleven bits. Under
Triton's interpreter (TRITON_INTERPRET=1) the kernels take tensors of the CPU.
"""

# The decorator hides signatures from the type checker, and kernels take every array by itself.
# ruff: noqa: PLR0913, PLR0917

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from ctinr.networks.kernels.wavelet_triton import psi, psi_slope

# Sides of the tiles: lines and columns of a result, and what is summed over at a time. Not
# measured, but compiled for capabilities 8.0 and 9.0 they spill next to no register in any format,
# and take less than 64 KB of shared memory.
ROWS, COLUMNS, DEPTH = 64, 64, 32
# The least side of a tile that tensor cores take.
LEAST = 16
# The most parts of a sum over points, enough of them to keep a large card busy.
PARTS = 32
# The interpreter multiplies the bits of bfloat16 as if they were whole numbers.
WIDENED = tl.constexpr(not isinstance(psi, triton.JITFunction))


def value(
    x: Float[Tensor, "points inputs"],
    weight: Float[Tensor, "outputs inputs"],
    bias: Float[Tensor, " outputs"],
    scale: float,
    dtype: torch.dtype,
) -> tuple[Float[Tensor, "points outputs"], Float[Tensor, "points outputs"]]:
    """Return psi(scale * (x W^T + b)) in a format, and x W^T in the one of x and weight."""
    x, weight = x.detach().contiguous(), weight.detach().contiguous()
    (points, inputs), outputs = x.shape, len(weight)
    product = x.new_empty(points, outputs)
    out = torch.empty_like(product, dtype=dtype)
    columns, depth = _side(outputs, COLUMNS), _side(inputs, DEPTH)
    programs = _tiles(points, ROWS) * _tiles(outputs, columns)
    arrays = x, weight, _shift(bias), scale, product, out
    if programs:
        with torch.cuda.device_of(out):
            _value[(programs,)](*arrays, points, inputs, outputs, ROWS, columns, depth)  # type: ignore[arg-type]
    return out, product


def grad_input(
    grad: Float[Tensor, "points outputs"],
    product: Float[Tensor, "points outputs"],
    weight: Float[Tensor, "outputs inputs"],
    bias: Float[Tensor, " outputs"],
    scale: float,
) -> Float[Tensor, "points inputs"]:
    """Return the gradient in x, in the format of weight, from that in the value."""
    grad, product, weight = (each.detach().contiguous() for each in (grad, product, weight))
    points, (outputs, inputs) = len(grad), weight.shape
    out = weight.new_empty(points, inputs)
    columns, depth = _side(inputs, COLUMNS), _side(outputs, DEPTH)
    programs = _tiles(points, ROWS) * _tiles(inputs, columns)
    arrays = grad, product, weight, _shift(bias), scale, out
    if programs:
        with torch.cuda.device_of(out):
            _grad_input[(programs,)](*arrays, points, inputs, outputs, ROWS, columns, depth)  # type: ignore[arg-type]
    return out


def grad_parameters(
    grad: Float[Tensor, "points outputs"],
    product: Float[Tensor, "points outputs"],
    x: Float[Tensor, "points inputs"],
    bias: Float[Tensor, " outputs"],
    scale: float,
) -> tuple[Float[Tensor, "outputs inputs"], Float[Tensor, " outputs"]]:
    """Return the gradients in weight and bias, sums of float32, from that in the value."""
    grad, product, x = (each.detach().contiguous() for each in (grad, product, x))
    (points, inputs), outputs = x.shape, len(bias)
    steps = _tiles(_tiles(points, DEPTH), PARTS)
    parts = _tiles(points, max(1, steps) * DEPTH)
    in_weight = x.new_empty(parts, outputs, inputs, dtype=torch.float32)
    in_bias = x.new_empty(parts, outputs, dtype=torch.float32)
    rows, columns = _side(outputs, ROWS), _side(inputs, COLUMNS)
    programs = _tiles(outputs, rows) * _tiles(inputs, columns)
    arrays = grad, product, x, _shift(bias), scale, in_weight, in_bias
    if parts and programs:
        sizes = points, inputs, outputs, steps
        with torch.cuda.device_of(x):
            _grad_parameters[programs, parts](*arrays, *sizes, rows, columns, DEPTH)  # type: ignore[arg-type]
    return in_weight.sum(0), in_bias.sum(0)


def _tiles(size: int, side: int) -> int:
    """Return how many tiles cover an axis."""
    return -(-size // side)


def _side(size: int, most: int) -> int:
    """Return the side of a tile along an axis: no longer than need be, a power of two."""
    return min(most, max(LEAST, 1 << (size - 1).bit_length()))


def _shift(bias: Tensor) -> Tensor:
    """Return the bias in the format in which it is added."""
    return bias.detach().to(torch.float32).contiguous()


@triton.jit
def _multiplied(left, right, total):  # type: ignore[no-untyped-def]
    """Return total + left @ right, in float32 without a shorter step in between."""
    if WIDENED:
        left, right = left.to(tl.float32), right.to(tl.float32)
    return tl.dot(left, right, total, input_precision="ieee")


@triton.jit
def _tile(source, row, column, rows, columns):  # type: ignore[no-untyped-def]
    """Return the entries of a matrix (rows, columns) at some of its rows and columns, else 0."""
    there = (row < rows)[:, None] & (column < columns)[None, :]
    place = row.to(tl.int64)[:, None] * columns + column[None, :]
    return tl.load(source + place, mask=there, other=0.0)


@triton.jit
def _before(grad, product, bias, scale, point, neuron, points, outputs):  # type: ignore[no-untyped-def]
    """Return a tile of the gradient in the product, in the format of the product."""
    shift = tl.load(bias + neuron, mask=neuron < outputs, other=0.0)
    argument = _tile(product, point, neuron, points, outputs).to(tl.float32) + shift[None, :]
    factor = psi_slope(scale * argument) * scale
    weight = _tile(grad, point, neuron, points, outputs).to(tl.float32)
    return (weight * factor).to(product.dtype.element_ty)


@triton.jit
def _value(
    x, weight, bias, scale, product, out, points, inputs, outputs,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Store a tile of the product, and of the wavelet of what was stored."""
    across = tl.cdiv(outputs, COLUMNS)
    point = (tl.program_id(0) // across).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    neuron = tl.program_id(0) % across * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, inputs, DEPTH):
        entry = start + tl.arange(0, DEPTH)
        left = _tile(x, point, entry, points, inputs)  # type: ignore[misc]
        right = tl.trans(_tile(weight, neuron, entry, outputs, inputs))
        total = _multiplied(left, right, total)  # type: ignore[misc]
    there = (point < points)[:, None] & (neuron < outputs)[None, :]
    place = point[:, None] * outputs + neuron[None, :]
    stored = total.to(product.dtype.element_ty)
    tl.store(product + place, stored, mask=there)
    shift = tl.load(bias + neuron, mask=neuron < outputs, other=0.0)
    argument = scale * (stored.to(tl.float32) + shift[None, :])
    tl.store(out + place, psi(argument).to(out.dtype.element_ty), mask=there)


@triton.jit
def _grad_input(
    grad, product, weight, bias, scale, out, points, inputs, outputs,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Store a tile of the gradient in the product, times weight."""
    across = tl.cdiv(inputs, COLUMNS)
    point = (tl.program_id(0) // across).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    entry = tl.program_id(0) % across * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, outputs, DEPTH):
        neuron = start + tl.arange(0, DEPTH)
        left = _before(grad, product, bias, scale, point, neuron, points, outputs)  # type: ignore[misc]
        right = _tile(weight, neuron, entry, outputs, inputs)
        total = _multiplied(left, right, total)  # type: ignore[misc]
    there = (point < points)[:, None] & (entry < inputs)[None, :]
    place = point[:, None] * inputs + entry[None, :]
    tl.store(out + place, total.to(out.dtype.element_ty), mask=there)


@triton.jit
def _grad_parameters(
    grad, product, x, bias, scale, in_weight, in_bias, points, inputs, outputs, steps,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Store a part of the sums over points: a tile of the matrix, and once a row the bias."""
    across = tl.cdiv(inputs, COLUMNS)
    neuron = tl.program_id(0) // across * ROWS + tl.arange(0, ROWS)
    entry = tl.program_id(0) % across * COLUMNS + tl.arange(0, COLUMNS)
    part = tl.program_id(1).to(tl.int64)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    sums = tl.zeros((DEPTH, ROWS), tl.float32)
    for step in range(0, steps):
        point = (part * steps + step) * DEPTH + tl.arange(0, DEPTH)
        before = _before(grad, product, bias, scale, point, neuron, points, outputs)  # type: ignore[misc]
        total = _multiplied(tl.trans(before), _tile(x, point, entry, points, inputs), total)  # type: ignore[misc]
        sums += before.to(tl.float32)
    there = (neuron < outputs)[:, None] & (entry < inputs)[None, :]
    place = (part * outputs + neuron)[:, None] * inputs + entry[None, :]
    tl.store(in_weight + place, total, mask=there)
    # Programs of one row of tiles have the same sums; the first of them stores it.
    first = (neuron < outputs) & (tl.program_id(0) % across == 0)
    tl.store(in_bias + part * outputs + neuron, tl.sum(sums, axis=0), mask=first)
