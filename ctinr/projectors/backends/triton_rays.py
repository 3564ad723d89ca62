"""The loops of the CUDA engine in three dimensions, compiled by Triton; no atomics.

Positions are whole numbers, 2**32 to a cell, from one table that both directions read, so they
find the very same cells and weights. A program handles some rays, or some cells, for a few volumes
that share the arithmetic. What a kernel reads may be of half precision; sums are float32.
"""

# The decorator hides signatures from the type checker, and kernels take every array by itself.
# ruff: noqa: PLR0913, PLR0915, PLR0917, ANN201

from __future__ import annotations

import triton
import triton.language as tl

from ctinr.projectors.backends.triton_loops import split


@triton.jit
def _along(axis, along_z, along_y, along_x):  # type: ignore[no-untyped-def]
    """Return the values of the driving axis and of the two others, in the order of the array."""
    driving = tl.where(axis == 0, along_z, tl.where(axis == 1, along_y, along_x))
    first = tl.where(axis == 0, along_y, along_z)
    second = tl.where(axis == 2, along_y, along_x)
    return driving, first, second


@triton.jit
def project(
    volume, sinogram, crossings, spans, lengths, num_rays, depth, rows, columns, batch,
    BLOCK: tl.constexpr, VOLUMES: tl.constexpr,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Add up the cells of volumes (batch, cell) along every ray: (batch, ray)."""
    ray = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    item = tl.program_id(1) * VOLUMES + tl.arange(0, VOLUMES)
    seen, there = ray < num_rays, item < batch
    start_a = tl.load(crossings + 4 * ray, mask=seen, other=0)
    start_b = tl.load(crossings + 4 * ray + 1, mask=seen, other=0)
    slope_a = tl.load(crossings + 4 * ray + 2, mask=seen, other=0)
    slope_b = tl.load(crossings + 4 * ray + 3, mask=seen, other=0)
    axis = tl.load(spans + 3 * ray, mask=seen, other=0)
    first = tl.load(spans + 3 * ray + 1, mask=seen, other=depth + rows + columns)
    end = tl.load(spans + 3 * ray + 2, mask=seen, other=0)
    _, size_a, size_b = _along(axis, depth, rows, columns)  # type: ignore[misc]
    stride, stride_a, stride_b = _along(axis, rows * columns, columns, 1)  # type: ignore[misc]
    base = volume + (item.to(tl.int64) * depth * rows * columns)[:, None]
    total = tl.zeros((VOLUMES, BLOCK), tl.float32)
    for plane in range(tl.min(first), tl.max(end)):
        cell_a, part_a = split(start_a + slope_a * plane)  # type: ignore[misc]
        cell_b, part_b = split(start_b + slope_b * plane)
        crossed = (plane >= first) & (plane < end)
        place = (plane * stride + cell_a * stride_a + cell_b * stride_b).to(tl.int64)
        for side_a in tl.static_range(2):
            for side_b in tl.static_range(2):
                k, n = cell_a + side_a, cell_b + side_b
                inside = crossed & (k >= 0) & (k < size_a) & (n >= 0) & (n < size_b)
                weight_a = part_a if side_a == 1 else 1 - part_a
                weight_b = part_b if side_b == 1 else 1 - part_b
                at = base + (place + side_a * stride_a + side_b * stride_b)[None, :]
                value = tl.load(at, mask=there[:, None] & inside[None, :], other=0.0)
                weight = tl.where(inside, weight_a * weight_b, 0.0)
                total += value.to(tl.float32) * weight[None, :]
    total *= tl.load(lengths + ray, mask=seen, other=0.0)[None, :]
    out = sinogram + item[:, None].to(tl.int64) * num_rays + ray[None, :]
    tl.store(out, total, mask=there[:, None] & seen[None, :])


@triton.jit
def _image(matrix, row: tl.constexpr, z, y, x):  # type: ignore[no-untyped-def]
    """Return a row of an affine map of points."""
    at = matrix + 4 * row
    return tl.load(at) * z + tl.load(at + 1) * y + tl.load(at + 2) * x + tl.load(at + 3)


@triton.jit
def _arctan(x):  # type: ignore[no-untyped-def]
    """Return the arc tangent, 2e-6 off at most: an odd polynomial, fitted between -1 and 1."""
    steep = tl.abs(x) > 1
    t = tl.where(steep, 1 / tl.where(steep, x, 1.0), x)
    q = t * t
    sum_of = 0.05264717 - 0.01171907 * q
    sum_of = 0.1935403 + q * (-0.11642631 + q * sum_of)
    value = t * (0.99997722 + q * (-0.33262281 + q * sum_of))
    quarter = tl.where(x > 0, 1.5707963, -1.5707963)
    return tl.where(steep, quarter - value, value)


@triton.jit
def _shadow(matrix, scales, reach, z, y, x, CURVED: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return between which columns and rows rays may touch cells, or that it is not known.

    What touches a cell is within one cell of it along every axis. The shadow of such a box lies
    between those of its corners; on a curved detector, its rows between bounds of the distance.
    Of a box that reaches behind the source any ray may touch it; of one that lies there none does.
    """
    low_u, high_u = z * 0 + float("inf"), z * 0 + float("-inf")
    low_v, high_v, behind, seen = low_u, high_u, z < z - 1, z < z - 1
    for corner in tl.static_range(8):  # type: ignore[attr-defined]
        z_at, y_at = z + (corner // 4 * 2 - 1), y + (corner // 2 % 2 * 2 - 1)
        x_at = x + (corner % 2 * 2 - 1)
        along = _image(matrix, 2, z_at, y_at, x_at)
        behind, seen = behind | (along <= 0), seen | (along > 0)
        ahead = tl.where(along > 0, along, 1.0)
        u = _image(matrix, 0, z_at, y_at, x_at) / ahead
        v = _image(matrix, 1, z_at, y_at, x_at)
        v = v if CURVED else v / ahead
        low_u, high_u = tl.minimum(low_u, u), tl.maximum(high_u, u)
        low_v, high_v = tl.minimum(low_v, v), tl.maximum(high_v, v)
    if CURVED:
        low_u, high_u = _arctan(low_u), _arctan(high_u)
        across, along = _image(matrix, 0, z, y, x), _image(matrix, 2, z, y, x)
        middle = tl.sqrt(across * across + along * along)
        behind = behind | (middle <= reach)
        near, far = tl.where(middle > reach, middle - reach, 1.0), middle + reach
        low_v = tl.minimum(low_v / near, low_v / far)
        high_v = tl.maximum(high_v / near, high_v / far)
    scale_u, shift_u = tl.load(scales), tl.load(scales + 1)
    scale_v, shift_v = tl.load(scales + 2), tl.load(scales + 3)
    low_u, high_u = low_u * scale_u + shift_u, high_u * scale_u + shift_u
    low_v, high_v = low_v * scale_v + shift_v, high_v * scale_v + shift_v
    low_u = tl.where(seen, tl.where(behind, float("-inf"), low_u), float("inf"))
    return low_u, high_u, low_v, high_v, behind & seen


@triton.jit
def _bins(low, high, unknown, num_bins, slack):  # type: ignore[no-untyped-def]
    """Return the first bin between two places and the one after the last, or all of them."""
    low = tl.minimum(tl.maximum(tl.ceil(low - slack), 0.0), num_bins)
    high = tl.minimum(tl.maximum(tl.floor(high + slack) + 1, 0.0), num_bins)
    return tl.where(unknown, 0, low.to(tl.int32)), tl.where(unknown, num_bins, high.to(tl.int32))


@triton.jit
def backproject(
    sinogram, volume, crossings, spans, lengths, matrices, scales, reach, slack,
    num_views, num_rows, num_bins, depth, rows, columns, batch,
    BLOCK: tl.constexpr, VOLUMES: tl.constexpr, CURVED: tl.constexpr,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Add to the cells of volumes (batch, cell) what the rays (batch, view, v, u) have for them."""
    cell = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    item = tl.program_id(1) * VOLUMES + tl.arange(0, VOLUMES)
    # A size of 1 is a constant, and no tensor that could be made an int64 one.
    cells_before = item.to(tl.int64) * depth * rows * columns
    rays_before = item.to(tl.int64) * num_views * num_rows * num_bins
    real, there = cell // columns // rows < depth, item < batch
    x = (cell % columns).to(tl.int32)
    y = (cell // columns % rows).to(tl.int32)
    z = (cell // columns // rows).to(tl.int32)
    base = sinogram + rays_before[:, None]
    total = tl.zeros((VOLUMES, BLOCK), tl.float32)
    for view in range(num_views):
        place = z.to(tl.float32), y.to(tl.float32), x.to(tl.float32)
        low_u, high_u, low_v, high_v, unknown = _shadow(
            matrices + 12 * view, scales, reach, place[0], place[1], place[2], CURVED
        )
        first_u, end_u = _bins(low_u, high_u, unknown, num_bins, slack)
        first_v, end_v = _bins(low_v, high_v, unknown, num_rows, slack)
        for tap_v in range(tl.max(tl.where(real, end_v - first_v, 0))):
            for tap_u in range(tl.max(tl.where(real, end_u - first_u, 0))):
                j, i = first_v + tap_v, first_u + tap_u
                tried = real & (j < end_v) & (i < end_u)
                ray = (view * num_rows + j).to(tl.int64) * num_bins + i
                axis = tl.load(spans + 3 * ray, mask=tried, other=0)
                plane, cell_a, cell_b = _along(axis, z, y, x)
                tried = tried & (plane >= tl.load(spans + 3 * ray + 1, mask=tried, other=0))
                tried = tried & (plane < tl.load(spans + 3 * ray + 2, mask=tried, other=0))
                start_a = tl.load(crossings + 4 * ray, mask=tried, other=0)
                start_b = tl.load(crossings + 4 * ray + 1, mask=tried, other=0)
                slope_a = tl.load(crossings + 4 * ray + 2, mask=tried, other=0)
                slope_b = tl.load(crossings + 4 * ray + 3, mask=tried, other=0)
                weight = _weight(start_a + slope_a * plane, cell_a)
                weight *= _weight(start_b + slope_b * plane, cell_b)
                tried = tried & (weight > 0)
                weight *= tl.load(lengths + ray, mask=tried, other=0.0)
                at = base + ray[None, :]
                value = tl.load(at, mask=there[:, None] & tried[None, :], other=0.0)
                total += value.to(tl.float32) * tl.where(tried, weight, 0.0)[None, :]
    out = volume + cells_before[:, None] + cell[None, :]
    mask = there[:, None] & real[None, :]
    tl.store(out, tl.load(out, mask=mask, other=0.0) + total, mask=mask)


@triton.jit
def _weight(position, cell):  # type: ignore[no-untyped-def]
    """Return the weight of cells in the interpolation at positions along one axis."""
    before, part = split(position)  # type: ignore[misc]
    weight = tl.where(before + 1 == cell, part, 0.0)
    return tl.where(before == cell, 1 - part, weight)
