"""The CPU engine: Joseph's model compiled by numba, parallel over views, lines and batch.

Both directions gather, so no thread ever writes where another does and the result does not depend
on the number of threads. Lines are padded with zeros, so that the inner loops have no branch.

A block of positions is handled in two short loops. The first finds cells and weights and has no
memory access but its own, so the compiler turns it into SIMD code; the second gathers, once for
every image of a batch, which so share the arithmetic of the first. Positions are computed in
float64 once a block and in the image's dtype inside it, which keeps their error at a few
millionths of a cell in float32. The compiled code is cached on disk on first use.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from ctinr.geometry import Grid, ParallelBeam
from ctinr.projectors.backends.joseph import JosephTable, joseph_tables

# Positions that share one float64 base. Longer blocks gain no speed and lose accuracy.
BLOCK = 64
# Lines of cells that share one pass over the sinogram in the transpose, while it is in cache.
LINES = 4
# Images of a batch that share the arithmetic of positions in one job.
ITEMS = 8
# nsz, contract, arcp: no assumption about NaN or infinity, which must show in the result.
FAST = {"contract", "nsz", "arcp"}


class NumbaJoseph:
    """Forward and transposed kernels for one geometry and grid."""

    def __init__(self, geometry: ParallelBeam, grid: Grid) -> None:
        self._sinogram_shape = geometry.shape
        self._shape = grid.shape
        self._tables = joseph_tables(geometry, grid)

    def forward(self, image: Tensor) -> Tensor:
        """Project images (batch, y, x) to sinograms (batch, angle, u)."""
        sinogram = image.new_empty(image.shape[0], *self._sinogram_shape)
        for table, lines in zip(self._tables, (image, image.mT), strict=True):
            if len(table.views):
                padded = torch.nn.functional.pad(lines, (1, 2)).contiguous()
                _project(padded.numpy(), sinogram.numpy(), table.views, _crossings(table))
        return sinogram

    def transposed(self, sinogram: Tensor) -> Tensor:
        """Apply the exact transpose: sinograms (batch, angle, u) to images (batch, y, x)."""
        result = sinogram.new_zeros(sinogram.shape[0], *self._shape)
        for table, lines in zip(self._tables, (result, result.mT), strict=True):
            if len(table.views):
                lines += self._lines(sinogram, table, lines.shape)
        return result

    @staticmethod
    def _lines(sinogram: Tensor, table: JosephTable, shape: torch.Size) -> Tensor:
        """Backproject the views of one table to lines of cells (batch, line, cell)."""
        # A cell sees the bins less than 1/|per_bin| away; exact ratios must not round up.
        taps = int(np.ceil(2 / np.abs(table.per_bin).min() * (1 - 1e-12)))
        scale = torch.as_tensor(table.length, dtype=sinogram.dtype)[:, None]
        views = sinogram.index_select(1, torch.as_tensor(table.views)) * scale
        padded = torch.nn.functional.pad(views, (taps, taps + 1))
        lines = sinogram.new_empty(shape)
        _backproject(padded.numpy(), lines.numpy(), taps, _crossings(table))
        return lines


def _crossings(table: JosephTable) -> np.ndarray:
    """Return start, per_bin, per_line and length as the rows of one array."""
    return np.stack([table.start, table.per_bin, table.per_line, table.length])


@njit(inline="always")
def _span(base: float, step: float, low: float, high: float, count: int) -> tuple[int, int]:
    """Return the range of k in [0, count) with low < base + step * k < high."""
    first, last = (low - base) / step, (high - base) / step
    if first > last:
        first, last = last, first
    begin = min(count, int(np.floor(first)) + 1) if first >= 0 else 0
    end = min(count, int(np.ceil(last))) if last > 0 else 0
    return begin, max(begin, end)


@njit(inline="always")
def _positions(base, step, count, cells, fractions):  # type: ignore[no-untyped-def]
    """Split base + step * k >= 0, k < count, into cells past the returned one and fractions."""
    # Rounding may leave the smallest position a hair below zero: it belongs to cell 0.
    origin = max(0.0, np.floor(min(base, base + step * (count - 1))))
    real = fractions.dtype.type
    rest, short = real(base - origin), real(step)
    for k in range(count):
        position = rest + short * real(np.int32(k))
        cell = np.int32(position)
        cells[k] = np.uint32(cell)
        fractions[k] = position - real(cell)
    return int(origin)


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def _project(lines, sinogram, views, crossings):  # type: ignore[no-untyped-def]
    """Interpolate padded lines (batch, line, 1 + cell + 2) at their crossings and add up."""
    batch, num_lines, width = lines.shape
    num_bins = sinogram.shape[2]
    start, per_bin, per_line, length = crossings
    groups = (batch + ITEMS - 1) // ITEMS
    for job in prange(groups * len(views)):
        v, item = job // groups, job % groups * ITEMS
        items = min(ITEMS, batch - item)
        totals = np.zeros((items, num_bins), dtype=lines.dtype)
        cells = np.empty(BLOCK, dtype=np.uint32)
        fractions = np.empty(BLOCK, dtype=lines.dtype)
        for j in range(num_lines):
            base = start[v] + per_line[v] * j
            begin, end = _span(base, per_bin[v], -1.0, width - 3.0, num_bins)
            for first in range(begin, end, BLOCK):
                count = min(BLOCK, end - first)
                # The padding puts cell 0 in place 1: positions are never negative.
                place = base + per_bin[v] * first + 1.0
                origin = _positions(place, per_bin[v], count, cells, fractions)
                for n in range(items):
                    line = lines[item + n, j, origin:]
                    total = totals[n, first : first + count]
                    for k in range(count):
                        value = line[cells[k]]
                        total[k] += value + fractions[k] * (line[cells[k] + 1] - value)
        for n in range(items):
            sinogram[item + n, views[v]] = lines.dtype.type(length[v]) * totals[n]


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def _backproject(sinogram, lines, taps, crossings):  # type: ignore[no-untyped-def]
    """Give every cell of (batch, line, cell) the bins whose crossing is less than a cell away."""
    batch, num_lines, num_cells = lines.shape
    num_bins = sinogram.shape[2] - 2 * taps - 1
    start, per_bin, per_line, _ = crossings
    groups, blocks = (batch + ITEMS - 1) // ITEMS, (num_lines + LINES - 1) // LINES
    for job in prange(groups * blocks):
        item, first_line = job % groups * ITEMS, job // groups * LINES
        items, last_line = min(ITEMS, batch - item), min(num_lines, first_line + LINES)
        cells = np.empty(BLOCK, dtype=np.uint32)
        fractions = np.empty(BLOCK, dtype=lines.dtype)
        hats = np.empty((taps, BLOCK), dtype=lines.dtype)
        lines[item : item + items, first_line:last_line] = 0
        for v in range(len(start)):
            per_cell, reach = 1.0 / per_bin[v], abs(1.0 / per_bin[v])
            for j in range(first_line, last_line):
                base = -(start[v] + per_line[v] * j) * per_cell
                begin, end = _span(base, per_cell, -reach, num_bins - 1 + reach, num_cells)
                for first in range(begin, end, BLOCK):
                    count = min(BLOCK, end - first)
                    # The first bin in reach is the one after this position in the padded row.
                    place = base + per_cell * first - reach + taps
                    origin = _positions(place, per_cell, count, cells, fractions)
                    _hats(fractions, count, abs(per_bin[v]), hats)
                    for n in range(items):
                        row = sinogram[item + n, v, origin + 1 :]
                        _gather(row, cells, hats, lines[item + n, j, first : first + count])


@njit(inline="always")
def _hats(fractions, count, slope, hats):  # type: ignore[no-untyped-def]
    """Fill in the weights of the bins in reach of every cell: a hat function of their distance."""
    real = hats.dtype.type
    rise = real(slope)
    for tap in range(len(hats)):
        ahead = rise * real(tap + 1)
        for k in range(count):
            weight = ahead - fractions[k] * rise
            hats[tap, k] = max(min(weight, real(2) - weight), real(0))


@njit(inline="always")
def _gather(row, cells, hats, total):  # type: ignore[no-untyped-def]
    """Add to every cell its bins, weighted."""
    if len(hats) == 2:  # Bins at least as wide as cells: the common case, in one pass.
        near, far = hats[0], hats[1]
        for k in range(len(total)):
            total[k] += near[k] * row[cells[k]] + far[k] * row[cells[k] + 1]
        return
    for tap in range(len(hats)):
        hat, shifted = hats[tap], row[tap:]
        for k in range(len(total)):
            total[k] += hat[k] * shifted[cells[k]]
