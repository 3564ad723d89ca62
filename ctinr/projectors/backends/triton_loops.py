"""The loops of the CUDA engine, compiled by Triton; no atomics, so results repeat to the bit.

Positions are whole numbers, 2**32 to a cell, so both directions find the very same cells and
weights: integers add up without rounding, in whatever order the compiler puts them. A program
handles some rays, or some cells of one line, for a few images that share the arithmetic. What a
kernel reads may be of half precision; sums and results are float32 all the same.
"""

# The decorator hides signatures from the type checker, and kernels take every array by itself.
# ruff: noqa: PLR0913, PLR0917, ANN201

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def split(position):  # type: ignore[no-untyped-def]
    """Return the cell before a position, and how far past it the position is, in cells."""
    return (position >> 32).to(tl.int32), position.to(tl.uint32).to(tl.float32) * 2.0**-32


@triton.jit
def project(
    pictures, sinogram, crossings, spans, lengths, num_rays, rows, columns, batch,
    BLOCK: tl.constexpr, IMAGES: tl.constexpr,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Add up the lines of pictures (batch, 2, cell), as rows and as columns, along every ray."""
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    image = tl.program_id(1) * IMAGES + tl.arange(0, IMAGES)
    seen, there = ray < num_rays, image < batch
    start = tl.load(crossings + 2 * ray, mask=seen, other=0)
    slope = tl.load(crossings + 2 * ray + 1, mask=seen, other=0)
    axis = tl.load(spans + 3 * ray, mask=seen, other=0)
    first = tl.load(spans + 3 * ray + 1, mask=seen, other=rows + columns)
    end = tl.load(spans + 3 * ray + 2, mask=seen, other=0)
    num_cells = tl.where(axis == 0, columns, rows)
    base = pictures + image[:, None].to(tl.int64) * (2 * rows * columns)
    total = tl.zeros((IMAGES, BLOCK), tl.float32)
    for line in range(tl.min(first), tl.max(end)):
        cell, fraction = split(start + slope * line)  # type: ignore[misc]
        crossed = (line >= first) & (line < end)
        near = crossed & (cell >= 0) & (cell < num_cells)
        far = crossed & (cell >= -1) & (cell < num_cells - 1)
        place = base + (axis * rows * columns + line * num_cells + cell)[None, :]
        nearer = tl.load(place, mask=there[:, None] & near[None, :], other=0.0).to(tl.float32)
        farther = tl.load(place + 1, mask=there[:, None] & far[None, :], other=0.0).to(tl.float32)
        total += nearer * (1 - fraction)[None, :] + farther * fraction[None, :]
    total *= tl.load(lengths + ray, mask=seen, other=0.0)[None, :]
    out = sinogram + image[:, None].to(tl.int64) * num_rays + ray[None, :]
    tl.store(out, total, mask=there[:, None] & seen[None, :])


@triton.jit
def _candidates(numbers, guide, cell, line, slack):  # type: ignore[no-untyped-def]
    """Return the first and the end of the bins of a run that may touch cells of a line.

    The central ray of the run is the origin, which leaves only small numbers; `slack` is more
    than their rounding, so no bin is missed, and one too many has no weight.
    """
    across = cell - tl.load(numbers) - tl.load(numbers + 1) * line
    step = tl.load(numbers + 2) + tl.load(numbers + 3) * line
    # A line so near to the source that all its rays meet in a point: any bin may be meant.
    step = tl.where(step == 0, 1e-20, step)
    lowest, density = tl.load(numbers + 4), tl.load(numbers + 5)
    last = tl.load(numbers + 6)
    one, other = (across - 1 - slack) / step, (across + 1 + slack) / step
    low = (tl.minimum(one, other) - lowest) * density - slack
    high = (tl.maximum(one, other) - lowest) * density + slack
    low = tl.minimum(tl.maximum(low, 0.0), last).to(tl.int32)
    high = tl.minimum(tl.maximum(high, 0.0), last).to(tl.int32)
    return tl.load(guide + low), tl.load(guide + high + 1)


@triton.jit
def backproject(
    sinogram, lines, crossings, lengths, runs, numbers, guides, slack,
    num_runs, num_rays, num_lines, num_cells, batch,
    BLOCK: tl.constexpr, IMAGES: tl.constexpr,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Gather for the cells of every line (batch, line, cell) what the rays have for them."""
    blocks = tl.cdiv(num_cells, BLOCK)
    line = tl.program_id(0) // blocks
    cell = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    image = tl.program_id(1) * IMAGES + tl.arange(0, IMAGES)
    there = image < batch
    base = sinogram + image[:, None].to(tl.int64) * num_rays
    total = tl.zeros((IMAGES, BLOCK), tl.float32)
    for run in range(num_runs):
        if (line >= tl.load(runs + 4 * run)) & (line < tl.load(runs + 4 * run + 1)):
            guide = guides + tl.load(runs + 4 * run + 3)
            begin, end = _candidates(numbers + 7 * run, guide, cell, line, slack)
            first_ray = tl.load(runs + 4 * run + 2)
            for tap in range(0, tl.max(end - begin)):
                ray = first_ray + begin + tap
                tried = begin + tap < end
                start = tl.load(crossings + 2 * ray, mask=tried, other=0)
                slope = tl.load(crossings + 2 * ray + 1, mask=tried, other=0)
                before, fraction = split(start + slope * line)
                weight = tl.where(before + 1 == cell, fraction, 0.0)
                weight = tl.where(before == cell, 1 - fraction, weight)
                touched = tried & (weight > 0)
                weight *= tl.load(lengths + ray, mask=touched, other=0.0)
                place = base + ray[None, :]
                value = tl.load(place, mask=there[:, None] & touched[None, :], other=0.0)
                total += value.to(tl.float32) * weight[None, :]
    out = lines + image[:, None].to(tl.int64) * (num_lines * num_cells) + line * num_cells
    mask = there[:, None] & (cell < num_cells)[None, :]
    tl.store(out + cell[None, :], total, mask=mask)
