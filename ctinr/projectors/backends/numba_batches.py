"""The loops of `numba_rays` for volumes side by side, which share all but the moving of numbers.

Volumes are (z, y, x, volume) and sinograms (view, v, u, volume), eight of each.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from ctinr.projectors.backends.numba_loops import SIDE_BY_SIDE
from ctinr.projectors.backends.numba_rays import (
    FAST,
    PLANES,
    across,
    crossings,
    driving,
    length,
    ranges,
    start_of,
    way_of,
)
from ctinr.projectors.backends.numba_vectors import add_four_multiples, add_multiple

_add_images, _add_four = add_multiple(SIDE_BY_SIDE), add_four_multiples(SIDE_BY_SIDE)


@njit(fastmath=FAST, error_model="numpy")
def _weights(one, part_a, part_b):  # type: ignore[no-untyped-def]
    """Return those of the four cells around a crossing; `one` is 1 in the dtype of the cells."""
    rest_a, rest_b = one - part_a, one - part_b
    return rest_a * rest_b, rest_a * part_b, part_a * rest_b, part_a * part_b


@njit(fastmath=FAST, error_model="numpy")
def _edge(cells, values, line, box, planes, give):  # type: ignore[no-untyped-def]
    """Add up crossings of which some cells may be missing, or give their cells the values."""
    (base, slope), (sizes, strides) = line, box
    real = cells.dtype.type
    for m in range(planes[0], planes[1]):
        place_a, place_b = base[0] + slope[0] * m, base[1] + slope[1] * m
        cell_a, cell_b = math.floor(place_a), math.floor(place_b)
        parts = _weights(real(1), real(place_a - cell_a), real(place_b - cell_b))
        for corner in range(4):
            k, n = cell_a + corner // 2, cell_b + corner % 2
            if 0 <= k < sizes[0] and 0 <= n < sizes[1]:
                at = np.uint64(SIDE_BY_SIDE * (m * strides[2] + k * strides[0] + n * strides[1]))
                if give:
                    _add_images(cells, at, parts[corner], values, np.uint64(0))
                else:
                    _add_images(values, np.uint64(0), parts[corner], cells, at)


@njit(fastmath=FAST, error_model="numpy")
def _inner(cells, values, line, box, planes, give):  # type: ignore[no-untyped-def]
    """Add up crossings between four cells, or give these the values."""
    (base, slope), (_, strides) = line, box
    real = cells.dtype.type
    beside, below = np.uint64(SIDE_BY_SIDE * strides[1]), np.uint64(SIDE_BY_SIDE * strides[0])
    for m in range(planes[0], planes[1]):
        place_a, place_b = base[0] + slope[0] * m, base[1] + slope[1] * m
        cell_a, cell_b = np.int64(place_a), np.int64(place_b)
        parts = _weights(real(1), real(place_a - cell_a), real(place_b - cell_b))
        at = np.uint64(SIDE_BY_SIDE * (m * strides[2] + cell_a * strides[0] + cell_b * strides[1]))
        if give:
            _add_images(cells, at, parts[0], values, np.uint64(0))
            _add_images(cells, at + beside, parts[1], values, np.uint64(0))
            _add_images(cells, at + below, parts[2], values, np.uint64(0))
            _add_images(cells, at + below + beside, parts[3], values, np.uint64(0))
        else:
            places = at, at + beside, at + below, at + below + beside
            _add_four(values, cells, places, parts)


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def project_volumes(cells, grid, frames, sinogram) -> None:  # type: ignore[no-untyped-def]
    """Do what `numba_rays.project` does: sinogram (view, v, u, volume)."""
    shape, spacing = grid
    origins, columns, upward, rows, parallel = frames
    num_rows, num_columns = sinogram.shape[1:3]
    for job in prange(sinogram.shape[0] * num_rows):
        view, j = job // num_rows, job % num_rows
        frame = origins[view], upward[view], rows[j]
        sums = np.empty(SIDE_BY_SIDE, dtype=cells.dtype)
        for i in range(num_columns):
            column = columns[view, i]
            way = way_of(frame[0], column, frame[1], frame[2], parallel)
            start = start_of(frame[0], column, frame[1], frame[2], parallel)
            axis = driving(way)
            sizes = across(shape, axis)
            box = sizes, across((shape[1] * shape[2], shape[2], 1), axis)
            line, planes = crossings(way, start, axis, sizes[2], parallel)
            near, inside = ranges(line, sizes, planes)
            sums[:] = 0
            _edge(cells, sums, line, box, (near[0], inside[0]), False)
            _inner(cells, sums, line, box, inside, False)
            _edge(cells, sums, line, box, (inside[1], near[1]), False)
            step = cells.dtype.type(length(way, axis, spacing))
            for n in range(SIDE_BY_SIDE):
                sinogram[view, j, i, n] = sums[n] * step


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def backproject_volumes(sinogram, grid, frames, axis, cells) -> None:  # type: ignore[no-untyped-def]
    """Do what `numba_rays.backproject` does, for sinograms (view, v, u, volume)."""
    shape, spacing = grid
    origins, columns, upward, rows, parallel = frames
    for job in prange((shape[axis] + PLANES - 1) // PLANES):
        sizes = across(shape, axis)
        box = sizes, across((shape[1] * shape[2], shape[2], 1), axis)
        first, last = job * PLANES, min(sizes[2], job * PLANES + PLANES)
        values = np.empty(SIDE_BY_SIDE, dtype=cells.dtype)
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
                    step = cells.dtype.type(length(way, axis, spacing))
                    for n in range(SIDE_BY_SIDE):
                        values[n] = sinogram[view, j, i, n] * step
                    edges = (near[0], inside[0])
                    _edge(cells, values, line, box, edges, True)
                    _inner(cells, values, line, box, inside, True)
                    edges = (inside[1], near[1])
                    _edge(cells, values, line, box, edges, True)
