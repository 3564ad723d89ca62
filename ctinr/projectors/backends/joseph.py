"""Joseph's model as a table: where each ray crosses each line of cells.

A ray is followed cell line by cell line along its *driving axis*, the axis along which it makes
the larger steps counted in cells, and y if they are equal. On each line it falls between two cell
centres, and the image is interpolated linearly between them; the sum is multiplied by the length
of ray between lines. The rule makes the interpolation weights continuous in every parameter and
keeps the step across at most one cell a line.

The rays of a view that follow one another on the detector and are driven along the same axis are
a *run*. Bin k of a run has a *place*, which grows with k and does not depend on the line; its ray
crosses line j at the (fractional) index

    position = base[0] + base[1] * j + (step[0] + step[1] * j) * place[k]

along the other axis. Parallel rays advance alike (`step[1]` is 0, places are 0, 1, 2 …).

Joseph 1982, An improved algorithm for reprojecting rays through pixel images,
doi:10.1109/TMI.1982.4307572.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctinr.geometry import Grid, ParallelBeam


@dataclass(frozen=True, eq=False)
class JosephTable:
    """The crossings of all rays that are driven along the same axis, one row a run.

    Parameters
    ----------
    views : ndarray of int, shape (run,)
        The view of the run.
    bins, lines : ndarray of int, shape (run, 2)
        The first bin of the run and the one after its last; the same for the lines it crosses.
    base, step : ndarray, shape (run, 2)
        The coefficients of the crossings.
    rows : ndarray of int, shape (run,)
        Which row of `places` the run has.
    places : ndarray, shape (row, bin)
        Rising places of the bins, counted from the first of the run; infinite past its last.
    """

    views: np.ndarray
    bins: np.ndarray
    lines: np.ndarray
    base: np.ndarray
    step: np.ndarray
    rows: np.ndarray
    places: np.ndarray


@dataclass(frozen=True, eq=False)
class Joseph:
    """The model of one scan.

    Parameters
    ----------
    along_y, along_x : JosephTable
        The rays driven over rows and those driven over columns.
    lengths : ndarray, shape (angle, u) or (angle, 1)
        Length of every ray between two of its lines, mm.
    """

    along_y: JosephTable
    along_x: JosephTable
    lengths: np.ndarray


def joseph_model(geometry: ParallelBeam, grid: Grid) -> Joseph:
    """Return the crossings of all rays of a geometry with the lines of a grid, float64."""
    angles = np.asarray(geometry.angles)
    # In array order (y, x), the ray of coordinate u is the set with normal · (y, x) = u.
    normal = np.stack([np.sin(angles), np.cos(angles)])
    advance = np.abs(normal[::-1]) / np.asarray(grid.spacing)[:, None]
    along_y = advance[0] >= advance[1]
    lengths = 1 / np.where(along_y, advance[0], advance[1])
    return Joseph(
        along_y=_parallel(geometry, grid, np.flatnonzero(along_y), driving=0),
        along_x=_parallel(geometry, grid, np.flatnonzero(~along_y), driving=1),
        lengths=lengths[:, None],
    )


def _parallel(
    geometry: ParallelBeam, grid: Grid, views: np.ndarray, *, driving: int
) -> JosephTable:
    """Solve normal · (y, x) = u for the index across, at every line of the driving axis."""
    across = 1 - driving
    angles = np.asarray(geometry.angles)[views]
    normal = np.stack([np.sin(angles), np.cos(angles)])
    first_bin = geometry.detector.bin_centers()[0]
    first = [float(grid.cell_centers(axis)[0]) for axis in (0, 1)]
    width = normal[across] * grid.spacing[across]
    start = first_bin - normal[driving] * first[driving] - normal[across] * first[across]
    per_line = -normal[driving] * grid.spacing[driving]
    none, num_bins = np.zeros(len(views), dtype=np.int64), geometry.detector.shape[0]
    return JosephTable(
        views=views,
        bins=np.stack([none, none + num_bins], axis=1),
        lines=np.stack([none, none + grid.shape[driving]], axis=1),
        base=np.stack([start / width, per_line / width], axis=1),
        step=np.stack([geometry.detector.pitch[0] / width, 0.0 * width], axis=1),
        rows=none,
        places=np.arange(num_bins, dtype=np.float64)[None],
    )
