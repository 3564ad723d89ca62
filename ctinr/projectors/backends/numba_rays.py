"""The loops of the CPU engine in three dimensions: any ray through any volume, compiled by numba.

A thread owns what it writes: in the projection rows of bins, in the transpose planes of cells. So
nothing is ever added up in another order, whatever the number of threads, and nothing is stored but
the result: each ray is found anew from the frame of its view.

Most crossings of a ray lie between four cells of the volume. Those are one loop without a branch;
the few at its sides, where some of the four are missing, are another.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange

# Planes of cells that a thread owns at a time. Fewer mean that rays are found again more often.
PLANES = 64
# A crossing is between four cells if it is further than this from the outermost centres.
MARGIN = 1e-9
# nsz, contract, arcp, reassoc: no assumption about NaN or infinity, which must show in the result.
FAST = {"contract", "nsz", "arcp", "reassoc"}


@njit(fastmath=FAST, error_model="numpy")
def _between(base, slope, limits, planes):  # type: ignore[no-untyped-def]
    """Return the planes, from a first to a last and one, on which a position is within limits."""
    (low, high), (begin, end) = limits, planes
    if slope == 0.0:
        return (begin, end) if low <= base <= high else (begin, begin)
    one, other = (low - base) / slope, (high - base) / slope
    least, most = min(one, other), max(one, other)
    if not (least < end and most >= begin):
        return begin, begin
    first = begin if least <= begin else math.ceil(least)
    last = end if most >= end else math.floor(most) + 1
    return first, max(first, last)


@njit(fastmath=FAST, error_model="numpy")
def way_of(origin, column, upward, height, parallel) -> Any:  # type: ignore[no-untyped-def]
    """Return the way along a ray (z, y, x), in cells, of any length."""
    if parallel:
        return origin[0], origin[1], origin[2]
    return (
        column[0] + height * upward[0] - origin[0],
        column[1] + height * upward[1] - origin[1],
        column[2] + height * upward[2] - origin[2],
    )


@njit(fastmath=FAST, error_model="numpy")
def driving(way) -> int:  # type: ignore[no-untyped-def]
    """Return the axis along which a ray makes the largest steps, y before x before z."""
    z, y, x = abs(way[0]), abs(way[1]), abs(way[2])
    if y >= x and y >= z:
        return 1
    return 2 if x >= z else 0


@njit(fastmath=FAST, error_model="numpy")
def crossings(way, start, axis, num_planes, endless) -> Any:  # type: ignore[no-untyped-def]
    """Return where a ray is along the other axes, (bases, slopes), and the planes ahead of it."""
    one, other = (1 if axis == 0 else 0), (1 if axis == 2 else 2)
    slope_a, slope_b = way[one] / way[axis], way[other] / way[axis]
    base_a = start[one] - slope_a * start[axis]
    base_b = start[other] - slope_b * start[axis]
    begin, end = 0, num_planes
    if not endless:
        if way[axis] > 0:
            begin = min(max(math.floor(start[axis]) + 1, 0), num_planes)
        else:
            end = min(max(math.ceil(start[axis]), 0), num_planes)
    return ((base_a, base_b), (slope_a, slope_b)), (begin, end)


@njit(fastmath=FAST, error_model="numpy")
def ranges(line, sizes, planes) -> Any:  # type: ignore[no-untyped-def]
    """Return the planes on which a ray is near the volume, and those where it is between cells."""
    base, slope = line
    near = _between(base[0], slope[0], (-1.0, float(sizes[0])), planes)
    near = _between(base[1], slope[1], (-1.0, float(sizes[1])), near)
    inside = _between(base[0], slope[0], (MARGIN, sizes[0] - 1 - MARGIN), near)
    inside = _between(base[1], slope[1], (MARGIN, sizes[1] - 1 - MARGIN), inside)
    if inside[0] >= inside[1]:
        inside = (near[1], near[1])
    return near, inside


@njit(fastmath=FAST, error_model="numpy")
def _edge_sum(cells, line, box, planes):  # type: ignore[no-untyped-def]
    """Add up crossings of which some of the four cells may be missing."""
    (base, slope), (sizes, strides) = line, box
    real = cells.dtype.type
    total = real(0)
    for m in range(planes[0], planes[1]):
        place_a, place_b = base[0] + slope[0] * m, base[1] + slope[1] * m
        cell_a, cell_b = math.floor(place_a), math.floor(place_b)
        part_a, part_b = real(place_a - cell_a), real(place_b - cell_b)
        for side_a in range(2):
            for side_b in range(2):
                k, n = cell_a + side_a, cell_b + side_b
                if 0 <= k < sizes[0] and 0 <= n < sizes[1]:
                    weight_a = part_a if side_a else real(1) - part_a
                    weight_b = part_b if side_b else real(1) - part_b
                    at = np.uint64(m * strides[2] + k * strides[0] + n * strides[1])
                    total += cells[at] * (weight_a * weight_b)
    return total


@njit(fastmath=FAST, error_model="numpy")
def _inner_sum(cells, line, box, planes):  # type: ignore[no-untyped-def]
    """Add up crossings between four cells."""
    (base, slope), (_, strides) = line, box
    real = cells.dtype.type
    total, one = real(0), real(1)
    for m in range(planes[0], planes[1]):
        place_a, place_b = base[0] + slope[0] * m, base[1] + slope[1] * m
        cell_a, cell_b = np.int64(place_a), np.int64(place_b)
        part_a, part_b = real(place_a - cell_a), real(place_b - cell_b)
        at = np.uint64(m * strides[2] + cell_a * strides[0] + cell_b * strides[1])
        beside, below = at + np.uint64(strides[1]), at + np.uint64(strides[0])
        near = cells[at] * (one - part_b) + cells[beside] * part_b
        far = cells[below] * (one - part_b) + cells[below + np.uint64(strides[1])] * part_b
        total += near * (one - part_a) + far * part_a
    return total


@njit(fastmath=FAST, error_model="numpy")
def _edge_give(cells, value, line, box, planes):  # type: ignore[no-untyped-def]
    """Give a value to the cells of crossings of which some of the four may be missing."""
    (base, slope), (sizes, strides) = line, box
    real = cells.dtype.type
    for m in range(planes[0], planes[1]):
        place_a, place_b = base[0] + slope[0] * m, base[1] + slope[1] * m
        cell_a, cell_b = math.floor(place_a), math.floor(place_b)
        part_a, part_b = real(place_a - cell_a), real(place_b - cell_b)
        for side_a in range(2):
            for side_b in range(2):
                k, n = cell_a + side_a, cell_b + side_b
                if 0 <= k < sizes[0] and 0 <= n < sizes[1]:
                    weight_a = part_a if side_a else real(1) - part_a
                    weight_b = part_b if side_b else real(1) - part_b
                    at = np.uint64(m * strides[2] + k * strides[0] + n * strides[1])
                    cells[at] += value * (weight_a * weight_b)


@njit(fastmath=FAST, error_model="numpy")
def _inner_give(cells, value, line, box, planes):  # type: ignore[no-untyped-def]
    """Give a value to the four cells of every crossing."""
    (base, slope), (_, strides) = line, box
    real = cells.dtype.type
    one = real(1)
    for m in range(planes[0], planes[1]):
        place_a, place_b = base[0] + slope[0] * m, base[1] + slope[1] * m
        cell_a, cell_b = np.int64(place_a), np.int64(place_b)
        part_a, part_b = real(place_a - cell_a), real(place_b - cell_b)
        at = np.uint64(m * strides[2] + cell_a * strides[0] + cell_b * strides[1])
        beside, below = at + np.uint64(strides[1]), at + np.uint64(strides[0])
        near, far = value * (one - part_a), value * part_a
        cells[at] += near * (one - part_b)
        cells[beside] += near * part_b
        cells[below] += far * (one - part_b)
        cells[below + np.uint64(strides[1])] += far * part_b


@njit(fastmath=FAST, error_model="numpy")
def length(way, axis, spacing) -> float:  # type: ignore[no-untyped-def]
    """Return the length of a ray between two planes, mm."""
    z, y, x = way[0] * spacing[0], way[1] * spacing[1], way[2] * spacing[2]
    return math.sqrt(z * z + y * y + x * x) / abs(way[axis])


@njit(fastmath=FAST, error_model="numpy")
def start_of(origin, column, upward, height, parallel) -> Any:  # type: ignore[no-untyped-def]
    """Return a point of a ray: its source, or where it meets the detector."""
    if parallel:
        return (
            column[0] + height * upward[0],
            column[1] + height * upward[1],
            column[2] + height * upward[2],
        )
    return origin[0], origin[1], origin[2]


@njit(fastmath=FAST, error_model="numpy")
def across(values, axis) -> Any:  # type: ignore[no-untyped-def]
    """Return the values of both axes that do not drive, and that of the one that does."""
    return (
        values[1] if axis == 0 else values[0],
        values[1] if axis == 2 else values[2],
        values[axis],
    )


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def project(cells, grid, frames, sinogram) -> None:  # type: ignore[no-untyped-def]
    """Add up the cells of a volume along every ray: sinogram (view, v, u).

    `grid` is its shape and spacing in array order, `frames` what `in_cells` gives.
    """
    shape, spacing = grid
    origins, columns, upward, rows, parallel = frames
    num_rows, num_columns = sinogram.shape[1:]
    for job in prange(sinogram.shape[0] * num_rows):
        view, j = job // num_rows, job % num_rows
        frame = origins[view], upward[view], rows[j]
        for i in range(num_columns):
            column = columns[view, i]
            way = way_of(frame[0], column, frame[1], frame[2], parallel)
            start = start_of(frame[0], column, frame[1], frame[2], parallel)
            axis = driving(way)
            sizes = across(shape, axis)
            box = sizes, across((shape[1] * shape[2], shape[2], 1), axis)
            line, planes = crossings(way, start, axis, sizes[2], parallel)
            near, inside = ranges(line, sizes, planes)
            total = _edge_sum(cells, line, box, (near[0], inside[0]))
            total += _inner_sum(cells, line, box, inside)
            total += _edge_sum(cells, line, box, (inside[1], near[1]))
            sinogram[view, j, i] = total * cells.dtype.type(length(way, axis, spacing))


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def backproject(sinogram, grid, frames, axis, cells) -> None:  # type: ignore[no-untyped-def]
    """Add to the cells of a volume what the rays that are driven along an axis have for them."""
    shape, spacing = grid
    origins, columns, upward, rows, parallel = frames
    for job in prange((shape[axis] + PLANES - 1) // PLANES):
        sizes = across(shape, axis)
        box = sizes, across((shape[1] * shape[2], shape[2], 1), axis)
        first, last = job * PLANES, min(sizes[2], job * PLANES + PLANES)
        for view in range(sinogram.shape[0]):
            origin, up = origins[view], upward[view]
            for j in range(sinogram.shape[1]):
                for i in range(sinogram.shape[2]):
                    column = columns[view, i]
                    way = way_of(origin, column, up, rows[j], parallel)
                    if driving(way) != axis:
                        continue
                    start = start_of(origin, column, up, rows[j], parallel)
                    line, planes = crossings(way, start, axis, sizes[2], parallel)
                    planes = max(first, planes[0]), min(last, planes[1])
                    if planes[0] >= planes[1]:
                        continue
                    near, inside = ranges(line, sizes, planes)
                    value = sinogram[view, j, i] * cells.dtype.type(length(way, axis, spacing))
                    edges = (near[0], inside[0])
                    _edge_give(cells, value, line, box, edges)
                    _inner_give(cells, value, line, box, inside)
                    edges = (inside[1], near[1])
                    _edge_give(cells, value, line, box, edges)
