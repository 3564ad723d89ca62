"""The backprojection of a cone beam on a CPU: loops that numba compiles.

All cells of a line along z, the axis of rotation, fall on one column of the detector, at the same
distance from the source, and in rows that are linear in z. So the column is interpolated once a
line, from views whose columns are contiguous, and a cell takes two neighbours of it.

A thread owns the cells of a few lines and gives them the views in their order: the result has the
same bits, whatever the number of threads. These lines see a narrow strip of each view, and a few
views at a time, so that their strips stay in the cache for all of the lines.

Rows are counted in fixed point: a whole part and a fraction are then two operations on integers,
where a floating-point number is converted there and back, which takes nearly twice the time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from ctinr.geometry import ConeBeam, Grid
from ctinr.recon.turns import LEAST_SEEN, TIE, Turns

# Lines of cells along y and x that a thread owns at a time, and views that it gives them at a time.
LINES, VIEWS = 16, 8
# nsz, contract, arcp, reassoc: no assumption about NaN or infinity, which must show in the result.
FAST = {"contract", "nsz", "arcp", "reassoc"}
# What is called for every line and view borrows its arrays: to count who holds them is an atomic
# operation for each part of an array that is taken, on one number that all threads wait for.
inner = njit(fastmath=FAST, error_model="numpy", _nrt=False)  # type: ignore[call-overload]


def backproject(views: Tensor, geometry: ConeBeam, grid: Grid, turns: Turns) -> Tensor:
    """Return volumes (batch, z, y, x) from filtered views (batch, angle, v, u) on the CPU."""
    angles, detector = np.asarray(geometry.angles), geometry.detector
    frames = np.stack([np.cos(angles), np.sin(angles), geometry.heights()], axis=1)
    weights, slices = turns.table(grid.cell_centers(0))
    beam = geometry.source_distance, geometry.length, float(geometry.curved)
    rows, bins = ((float(detector.bin_centers(axis)[0]), detector.pitch[axis]) for axis in (0, 1))
    levels = float(grid.cell_centers(0)[0]), grid.spacing[0]
    places = np.ascontiguousarray(grid.cell_centers(1)), np.ascontiguousarray(grid.cell_centers(2))
    geometries = beam, rows, bins, levels, places
    volume = torch.empty((len(views), *grid.shape), dtype=views.dtype)
    for item, result in zip(views.detach(), volume.numpy(), strict=True):
        columns = item.transpose(-1, -2).contiguous().numpy()
        given = frames, slices, weights.astype(columns.dtype)
        _backproject(columns, given, geometries, turns.length, result)
    return volume


@inner
def _shadow(frame, beam, y, x) -> Any:  # type: ignore[no-untyped-def]
    """Return where a line is seen, mm on the detector, and its distance from the source."""
    source, length, curved = beam
    beside = frame[0] * x + frame[1] * y
    away = frame[0] * y - frame[1] * x + source
    if curved > 0:
        return math.atan2(beside, away) * length, math.hypot(beside, away)
    return beside / away * length, away


@inner
def _seen(bins, line, slices, num_rows) -> Any:  # type: ignore[no-untyped-def]
    """Return the slices of a line that fall on the detector, as `seen_slices` does."""
    (first_row, pitch), (above, spacing, depth) = bins, line
    begin, end = float(slices[0]), float(slices[1])
    bottom, top = first_row - pitch / 2, first_row + (num_rows - 0.5) * pitch
    low = math.ceil(min(max((above + bottom * depth) / spacing - TIE, begin), end))
    high = math.floor(min(max((above + top * depth) / spacing + TIE, begin - 1), end - 1)) + 1
    return low, max(low, high)


@inner
def _interpolate(view, place, factor, rows, column) -> None:  # type: ignore[no-untyped-def]
    """Fill rows of a column between two of a view, times a factor; beyond the view are zeros."""
    left = math.floor(place)
    part, real, num_bins = place - left, view.dtype.type, len(view)
    near = real(factor * (1 - part)) if 0 <= left < num_bins else real(0)
    far = real(factor * part) if -1 <= left < num_bins - 1 else real(0)
    one, other = min(max(left, 0), num_bins - 1), min(max(left + 1, 0), num_bins - 1)
    one, other, (first, last) = np.uint64(one), np.uint64(other), rows
    # Column 1 is row 0: cells within half a bin of the ends take the outermost row.
    for row in range(np.uint64(first), np.uint64(last)):
        column[row + np.uint64(1)] = near * view[one, row] + far * view[other, row]
    if first == 0:
        column[0] = column[1]
    if last == view.shape[1]:
        column[last + 1] = column[last]


@inner
def _give(column, bits, line, weights, sums) -> None:  # type: ignore[no-untyped-def]
    """Add to cells of a line what a column has for them, and how much of the turn saw them."""
    (start, slope), (volume, seen), real = line, sums, column.dtype.type
    one = np.int64(1) << bits
    fraction, unit = one - 1, real(1.0 / one)
    row, step = np.int64(start * one), np.int64(min(slope, float(len(column))) * one)
    for k in range(len(volume)):
        at = np.uint64(row >> bits)
        part = real(row & fraction) * unit
        value = column[at]
        volume[k] += weights[k] * (value + part * (column[at + np.uint64(1)] - value))
        row += step
    for k in range(len(seen)):
        seen[k] += weights[k]


@inner
def _view(view, given, geometry, place, sums, ruler) -> None:  # type: ignore[no-untyped-def]
    """Give one view to one line of cells."""
    (frame, slices, weights), (column, bits) = given, ruler
    beam, rows, bins, (first_height, spacing), _ = geometry
    shadow, length = _shadow(frame, beam, place[0], place[1])
    if not length > 0:
        return
    num_rows, depth, above = view.shape[1], length / beam[1], frame[2] - first_height
    low, high = _seen(rows, (above, spacing, depth), slices, num_rows)
    if low >= high:
        return
    slope = spacing / (depth * rows[1])
    start = (low * spacing - above) / (depth * rows[1]) - rows[0] / rows[1] + 1
    # One more than the last cell needs, lest the sum of rounded steps is beyond it.
    needed = int(start) - 1, int(start + slope * (high - 1 - low)) + 2
    needed = max(0, min(needed[0], num_rows - 1)), min(num_rows, needed[1])
    factor, volume, seen = (beam[0] / length) ** 2, sums[0], sums[1]
    _interpolate(view, (shadow - bins[0]) / bins[1], factor, needed, column)
    sums = volume[low:high], seen[low:high]
    _give(column, bits, (start, slope), weights[low:high], sums)


@inner
def _views(columns, given, geometry, few, sums, ruler) -> None:  # type: ignore[no-untyped-def]
    """Give a few views to some lines of cells."""
    (frames, slices, weights), (y, x) = given, geometry[-1]
    for j in range(len(y)):
        for i in range(len(x)):
            for view in range(few[0], few[1]):
                frame = frames[view], slices[view], weights[view]
                _view(columns[view], frame, geometry, (y[j], x[i]), sums[j, i], ruler)


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def _backproject(columns, given, geometry, turn, volume) -> None:  # type: ignore[no-untyped-def]
    """Fill a volume (z, y, x) from columns (angle, u, v)."""
    (frames, slices, weights), (beam, rows, bins, levels, (y, x)) = given, geometry
    num_slices, height, width = volume.shape
    across = (width + LINES - 1) // LINES
    for tile in prange((height + LINES - 1) // LINES * across):
        first = tile // across * LINES, tile % across * LINES
        size = min(LINES, height - first[0]), min(LINES, width - first[1])
        sums = np.zeros((size[0], size[1], 2, num_slices), columns.dtype)
        column = np.empty(columns.shape[2] + 2, columns.dtype)
        # As many bits for the fraction of a row as their number leaves.
        bits = 61 - math.ceil(math.log2(len(column)))
        places = y[first[0] : first[0] + size[0]], x[first[1] : first[1] + size[1]]
        for begin in range(0, len(frames), VIEWS):
            few = begin, min(begin + VIEWS, len(frames))
            numbers, parts = (beam, rows, bins, levels, places), (frames, slices, weights)
            _views(columns, parts, numbers, few, sums, (column, bits))
        _keep(sums, turn, volume, first)


@inner
def _keep(sums, turn, volume, first) -> None:  # type: ignore[no-untyped-def]
    """Write the mean over the views that see a cell; of those that few see, zero."""
    real = volume.dtype.type
    for k in range(len(volume)):
        for j in range(sums.shape[0]):
            for i in range(sums.shape[1]):
                value, seen = sums[j, i, 0, k], sums[j, i, 1, k]
                mean = value * (real(turn) / seen) if seen >= LEAST_SEEN * turn else real(0)
                volume[k, first[0] + j, first[1] + i] = mean
