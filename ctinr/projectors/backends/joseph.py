"""Joseph's model as a table: where each ray crosses each line of cells.

A ray is followed cell line by cell line along its *driving axis*, the axis along which it makes
the larger steps counted in cells. On each line it falls between two cell centres, and the image
is interpolated linearly between them; the sum is multiplied by the length of ray between lines.
The rule makes the interpolation weights continuous in every parameter and keeps the step across
at most one cell a line.

For view v, bin k and line j the crossing lies at the (fractional) index

    position = start[v] + per_bin[v] * k + per_line[v] * j

along the other axis, and the weight of the view is ``length[v]`` in mm.

Joseph 1982, An improved algorithm for reprojecting rays through pixel images,
doi:10.1109/TMI.1982.4307572.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctinr.geometry import Grid, ParallelBeam


@dataclass(frozen=True, eq=False)
class JosephTable:
    """The crossings of all views that are driven along the same axis, float64.

    `views` holds their places in the sinogram; the other arrays have the same length.
    """

    views: np.ndarray
    start: np.ndarray
    per_bin: np.ndarray
    per_line: np.ndarray
    length: np.ndarray


def joseph_tables(geometry: ParallelBeam, grid: Grid) -> tuple[JosephTable, JosephTable]:
    """Return the tables of the views driven along y (over rows) and along x (over columns)."""
    angles = np.asarray(geometry.angles)
    cosine, sine = np.cos(angles), np.sin(angles)
    spacing_y, spacing_x = grid.spacing
    along_y = np.abs(cosine) / spacing_y >= np.abs(sine) / spacing_x
    return (
        _table(geometry, grid, np.flatnonzero(along_y), driving=0),
        _table(geometry, grid, np.flatnonzero(~along_y), driving=1),
    )


def _table(geometry: ParallelBeam, grid: Grid, views: np.ndarray, *, driving: int) -> JosephTable:
    """Solve x cos θ + y sin θ = u for the index across, at every line of the driving axis."""
    across = 1 - driving
    angles = np.asarray(geometry.angles)[views]
    # normal = (sin θ, cos θ) in array order (y, x); the equation is normal · (y, x) = u.
    normal = np.stack([np.sin(angles), np.cos(angles)])
    first_bin = geometry.detector.bin_centers()[0]
    first = [float(grid.cell_centers(axis)[0]) for axis in (0, 1)]
    step = normal[across] * grid.spacing[across]
    return JosephTable(
        views=views,
        start=(first_bin - normal[driving] * first[driving] - normal[across] * first[across])
        / step,
        per_bin=geometry.detector.pitch[0] / step,
        per_line=-normal[driving] * grid.spacing[driving] / step,
        length=grid.spacing[driving] / np.abs(normal[across]),
    )
