"""The loops of the CPU engine, compiled by numba, parallel over runs of rays and over lines.

A thread owns what it writes: in the projection the sums of its runs, in the transpose those of
its lines of cells. So nothing is ever added up in another order, whatever the number of threads.
Lines are padded with zeros, so that the inner loops have no branch.

A block of bins is handled in two short loops. The first finds cells and weights, which the
compiler turns into SIMD code; the second moves numbers from or to those cells. Positions are
computed in float64 once a block and in the image's dtype inside it, which keeps their error at a
few millionths of a cell in float32.

Of one image, a bin has two sums, for the nearer and the farther cell, and so has a cell in the
transpose: both are one load, one product and one store, and bins that follow one another do not
wait for the same sum. Of a batch, eight images lie side by side and share all but that.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from ctinr.projectors.backends.numba_vectors import add_interpolated, add_multiple

# Positions that share one float64 base. Longer blocks gain little speed and lose accuracy.
BLOCK = 128
# Lines of cells that share one pass over the sinogram in the transpose, while it is in cache.
LINES = 4
# Parts into which the runs are dealt out: many enough for the threads to be busy to the end.
JOBS = 64
# Runs and lines that are in cache together where images are side by side.
RUNS, TALL = 8, 16
# Images that are handled side by side.
SIDE_BY_SIDE = 8
# nsz, contract, arcp: no assumption about NaN or infinity, which must show in the result.
FAST = {"contract", "nsz", "arcp"}

_interpolate_one, _interpolate_four = add_interpolated(1), add_interpolated(4)
_add_pair, _add_images = add_multiple(2), add_multiple(SIDE_BY_SIDE)


@njit(inline="always")
def _after(places, value, guess):  # type: ignore[no-untyped-def]
    """Return the first bin whose place is past a value."""
    while guess > 0 and places[guess - 1] > value:
        guess -= 1
    while guess < len(places) and places[guess] <= value:
        guess += 1
    return guess


@njit(inline="always")
def _seen(places, crossing, num_cells, guess):  # type: ignore[no-untyped-def]
    """Return the bins that cross a line of cells, from -1 to its end: the first, one past the last.

    They are looked for around those of the line before, and at first where evenly spaced bins
    would be.
    """
    base, step = crossing
    low, high = (-1.0 - base) / step, (num_cells - base) / step
    if step < 0:
        low, high = high, low
    begin, end = guess
    if begin < 0:
        count = len(places)
        density = (count - 1) / max(places[count - 1] - places[0], 1e-300)
        begin = int(min(max((low - places[0]) * density, 0.0), float(count)))
        end = int(min(max((high - places[0]) * density, 0.0), float(count)))
    begin = _after(places, low, begin)
    return begin, max(begin, _after(places, high, end))


@njit(inline="always")
def _weigh(places, offsets, crossing, block, cells, weights):  # type: ignore[no-untyped-def]
    """Find the padded cells, past the returned one, and both weights of a block of bins."""
    (base, step), (first, last) = crossing, block
    base += 1.0  # The padding puts cell 0 in place 1: positions are never negative.
    # Rounding may leave the smallest position a hair below zero: it belongs to cell 0.
    lowest = min(base + step * places[first], base + step * places[last - 1])
    origin = max(0.0, np.floor(lowest))
    real = weights.dtype.type
    rest = real(base + step * places[first - first % BLOCK] - origin)
    short, one, ahead = real(step), real(1), offsets[first:last]
    for k in range(last - first):
        position = rest + short * ahead[k]
        cell = np.int32(position)
        fraction = position - real(cell)
        cells[k] = np.uint32(cell)
        weights[2 * k] = one - fraction
        weights[2 * k + 1] = fraction
    return int(origin)


@njit(inline="always")
def _lay_out(sums, rows):  # type: ignore[no-untyped-def]
    """Copy sums to the rows of an array."""
    for k in range(rows.shape[0]):
        for n in range(rows.shape[1]):
            rows[k, n] = sums[k * rows.shape[1] + n]


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def project(lines, sinogram, runs, crossings, places, offsets) -> None:  # type: ignore[no-untyped-def]
    """Add up padded lines (line, 1 + cell + 2) at their crossings, for the bins of every run."""
    width = lines.shape[1]
    num_jobs = min(len(runs), JOBS)
    for job in prange(num_jobs):
        cells = np.empty(BLOCK, dtype=np.uint32)
        weights = np.empty(2 * BLOCK, dtype=lines.dtype)
        for r in range(job, len(runs), num_jobs):
            view, first_bin, end_bin, first_line, end_line, row = runs[r]
            count = end_bin - first_bin
            place, offset = places[row, :count], offsets[row, :count]
            sums = np.zeros(2 * count, dtype=lines.dtype)
            begin, end = -1, -1
            for j in range(first_line, end_line):
                b0, b1, s0, s1 = crossings[r]
                crossing = (b0 + b1 * j, s0 + s1 * j)
                begin, end = _seen(place, crossing, width - 3.0, (begin, end))
                first = begin
                while first < end:
                    last = min(end, first - first % BLOCK + BLOCK)
                    origin = _weigh(place, offset, crossing, (first, last), cells, weights)
                    total, line, whole = (
                        sums[2 * first :],
                        lines[j, origin:],
                        (last - first) // 4 * 4,
                    )
                    for k in range(0, whole, 4):
                        _interpolate_four(total, line, cells, weights, k)
                    for k in range(whole, last - first):
                        _interpolate_one(total, line, cells, weights, k)
                    first = last
            for k in range(count):
                sinogram[view, first_bin + k] = sums[2 * k] + sums[2 * k + 1]


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def backproject(sinogram, lines, runs, crossings, places, offsets) -> None:  # type: ignore[no-untyped-def]
    """Give to the cells of every line (line, cell) what the bins of all runs have for them."""
    num_lines, num_cells = lines.shape
    for job in prange((num_lines + LINES - 1) // LINES):
        cells = np.empty(BLOCK, dtype=np.uint32)
        weights = np.empty(2 * BLOCK, dtype=lines.dtype)
        top, bottom = job * LINES, min(num_lines, job * LINES + LINES)
        sums, one = np.zeros((LINES, 2 * num_cells + 6), dtype=lines.dtype), lines.dtype.type(1)
        for r in range(len(runs)):
            view, first_bin, end_bin, first_line, end_line, row = runs[r]
            place, offset = places[row, : end_bin - first_bin], offsets[row, : end_bin - first_bin]
            values = sinogram[view, first_bin:end_bin]
            begin, end = -1, -1
            for j in range(max(top, first_line), min(bottom, end_line)):
                b0, b1, s0, s1 = crossings[r]
                crossing = (b0 + b1 * j, s0 + s1 * j)
                begin, end = _seen(place, crossing, float(num_cells), (begin, end))
                first = begin
                while first < end:
                    last = min(end, first - first % BLOCK + BLOCK)
                    origin = _weigh(place, offset, crossing, (first, last), cells, weights)
                    line, ahead = sums[j - top, 2 * origin :], values[first:last]
                    for k in range(last - first):
                        weights[2 * k] *= ahead[k]
                        weights[2 * k + 1] *= ahead[k]
                    for k in range(last - first):
                        _add_pair(line, 2 * np.uint64(cells[k]), one, weights, 2 * k)
                    first = last
        for j in range(top, bottom):
            for i in range(num_cells):
                lines[j, i] = sums[j - top, 2 * i + 2] + sums[j - top, 2 * i + 1]


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def project_images(lines, sinogram, runs, crossings, places, offsets) -> None:  # type: ignore[no-untyped-def]
    """Do what `project` does for images side by side: lines are (line, 1 + cell + 2, image).

    Some runs pass over some lines while those are in cache.
    """
    num_lines, width, side = lines.shape
    flat = lines.reshape(num_lines, width * side)
    num_jobs = min(len(runs), JOBS)
    for job in prange(num_jobs):
        cells = np.empty(BLOCK, dtype=np.uint32)
        weights = np.empty(2 * BLOCK, dtype=lines.dtype)
        for start in range(job, len(runs), num_jobs * RUNS):
            together = range(start, min(len(runs), start + num_jobs * RUNS), num_jobs)
            sums = np.zeros((RUNS, side * places.shape[1]), dtype=lines.dtype)
            begins, ends = np.zeros(RUNS, dtype=np.int64), np.zeros(RUNS, dtype=np.int64)
            for top in range(0, num_lines, TALL):
                for m, r in enumerate(together):
                    view, first_bin, end_bin, first_line, end_line, row = runs[r]
                    count = end_bin - first_bin
                    place, offset = places[row, :count], offsets[row, :count]
                    begin, end = begins[m], ends[m]
                    for j in range(max(top, first_line), min(top + TALL, end_line)):
                        b0, b1, s0, s1 = crossings[r]
                        crossing = (b0 + b1 * j, s0 + s1 * j)
                        begin, end = _seen(place, crossing, width - 3.0, (begin, end))
                        first = begin
                        while first < end:
                            last = min(end, first - first % BLOCK + BLOCK)
                            origin = _weigh(place, offset, crossing, (first, last), cells, weights)
                            total, line = sums[m, side * first :], flat[j, side * origin :]
                            for k in range(last - first):
                                here, cell = side * k, side * np.uint64(cells[k])
                                _add_images(total, here, weights[2 * k], line, cell)
                                _add_images(total, here, weights[2 * k + 1], line, cell + side)
                            first = last
                    begins[m], ends[m] = begin, end
            for m, r in enumerate(together):
                view, first_bin, end_bin = runs[r, :3]
                _lay_out(sums[m], sinogram[view, first_bin:end_bin])


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def backproject_images(sinogram, lines, runs, crossings, places, offsets) -> None:  # type: ignore[no-untyped-def]
    """Do what `backproject` does for images side by side: lines are (line, cell, image)."""
    num_lines, num_cells, side = lines.shape
    flat = sinogram.reshape(sinogram.shape[0], -1)
    for job in prange((num_lines + LINES - 1) // LINES):
        cells = np.empty(BLOCK, dtype=np.uint32)
        weights = np.empty(2 * BLOCK, dtype=lines.dtype)
        top, bottom = job * LINES, min(num_lines, job * LINES + LINES)
        sums = np.zeros((LINES, side * (num_cells + 3)), dtype=lines.dtype)
        for r in range(len(runs)):
            view, first_bin, end_bin, first_line, end_line, row = runs[r]
            place, offset = places[row, : end_bin - first_bin], offsets[row, : end_bin - first_bin]
            values = flat[view, side * first_bin : side * end_bin]
            begin, end = -1, -1
            for j in range(max(top, first_line), min(bottom, end_line)):
                b0, b1, s0, s1 = crossings[r]
                crossing = (b0 + b1 * j, s0 + s1 * j)
                begin, end = _seen(place, crossing, float(num_cells), (begin, end))
                first = begin
                while first < end:
                    last = min(end, first - first % BLOCK + BLOCK)
                    origin = _weigh(place, offset, crossing, (first, last), cells, weights)
                    line = sums[j - top, side * origin :]
                    for k in range(last - first):
                        here, cell = side * (first + k), side * np.uint64(cells[k])
                        _add_images(line, cell, weights[2 * k], values, here)
                        _add_images(line, cell + side, weights[2 * k + 1], values, here)
                    first = last
        for j in range(top, bottom):
            for i in range(num_cells):
                for n in range(side):
                    lines[j, i, n] = sums[j - top, side * (i + 1) + n]
