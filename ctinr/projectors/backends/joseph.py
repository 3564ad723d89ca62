"""Joseph's model as a table: where each ray crosses each line of cells.

A ray is followed cell line by cell line along its *driving axis*, the axis along which it makes
the larger steps counted in cells, and y if they are equal; in a fan, rays of one view may differ.
On each line it falls between two cell centres, and the image is interpolated linearly between
them; the sum is multiplied by the length of ray between lines. The rule makes the interpolation
weights continuous in every parameter and keeps the step across at most one cell a line.

The rays of a view that follow one another on the detector and are driven along the same axis are
a *run*. Bin k of a run has a *place*, which grows with k and does not depend on the line; its ray
crosses line j at the (fractional) index

    position = base[0] + base[1] * j + (step[0] + step[1] * j) * place[k]

along the other axis. Parallel rays advance alike: `step[1]` is 0, places are 0, 1, 2 …. Those of
a fan meet at the source: places are slopes, `base` is where the source lies along the other axis,
and the rest is how far behind it line j lies.

Joseph 1982, An improved algorithm for reprojecting rays through pixel images,
doi:10.1109/TMI.1982.4307572.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctinr.geometry import Beam, Grid, ParallelBeam, VectorBeam


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


def joseph_model(geometry: Beam, grid: Grid) -> Joseph:
    """Return the crossings of all rays of a geometry with the lines of a grid, float64."""
    parallel = _normals(geometry)
    # The direction of every ray in array order, (y, x), in cells a mm: (2, angle, u or 1).
    direction = _directions(geometry) / np.asarray(grid.spacing)[:, None, None]
    advance = np.abs(direction)
    along_y = advance[0] >= advance[1]
    tables = []
    for axis, chosen in enumerate((along_y, ~along_y)):
        if parallel is None:
            tables.append(_fan(geometry, grid, direction, chosen, driving=axis))
        else:
            views = np.flatnonzero(chosen)
            tables.append(_parallel(parallel, grid, views, geometry.shape[1], driving=axis))
    return Joseph(tables[0], tables[1], 1 / advance.max(axis=0))


def _directions(geometry: Beam) -> np.ndarray:
    """Return the unit vector along every ray, one a view if they are parallel: (2, angle, u)."""
    if isinstance(geometry, VectorBeam):
        bins = [0] if geometry.parallel else None
        return np.moveaxis(geometry.rays(bins=bins).directions[..., ::-1], -1, 0).copy()
    gamma = np.zeros(1) if isinstance(geometry, ParallelBeam) else geometry.fan_angles()
    turned = np.asarray(geometry.angles)[:, None] - gamma
    return np.stack([np.cos(turned), -np.sin(turned)])


def _normals(geometry: Beam) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return what rays that are parallel in each view lie on; None if they are not.

    A normal in array order (2, angle), its product with the first ray and the step from ray to ray.
    """
    u = geometry.detector.bin_centers()[0], geometry.detector.pitch[0]
    if isinstance(geometry, ParallelBeam):
        angles = np.asarray(geometry.angles)
        first, apart = (np.full(len(angles), at) for at in u)
        return np.stack([np.sin(angles), np.cos(angles)]), first, apart
    if not isinstance(geometry, VectorBeam) or not geometry.parallel:
        return None
    ways, centers, axes = map(np.asarray, (geometry.origins, geometry.centers, geometry.u_axes))
    normal = np.stack([-ways[:, 1], ways[:, 0]], axis=-1)
    middle, along = (normal * centers).sum(-1), (normal * axes).sum(-1)
    return normal.T[::-1], middle + u[0] * along, u[1] * along


def _parallel(
    rays: tuple[np.ndarray, np.ndarray, np.ndarray],
    grid: Grid,
    views: np.ndarray,
    num_bins: int,
    *,
    driving: int,
) -> JosephTable:
    """Solve normal · (y, x) = u for the index across, at every line of the driving axis."""
    across = 1 - driving
    normal, first_ray, apart = (part[..., views] for part in rays)
    first = [float(grid.cell_centers(axis)[0]) for axis in (0, 1)]
    width = normal[across] * grid.spacing[across]
    start = first_ray - normal[driving] * first[driving] - normal[across] * first[across]
    per_line = -normal[driving] * grid.spacing[driving]
    none = np.zeros(len(views), dtype=np.int64)
    return JosephTable(
        views=views,
        bins=np.stack([none, none + num_bins], axis=1),
        lines=np.stack([none, none + grid.shape[driving]], axis=1),
        base=np.stack([start / width, per_line / width], axis=1),
        step=np.stack([apart / width, 0.0 * width], axis=1),
        rows=none,
        places=np.arange(num_bins, dtype=np.float64)[None],
    )


def _fan(
    geometry: Beam, grid: Grid, direction: np.ndarray, chosen: np.ndarray, *, driving: int
) -> JosephTable:
    """Follow the rays from the source, one run for each stretch of chosen rays of a view."""
    views, bins = _runs(chosen)
    source = geometry.sources()[views, ::-1].T  # type: ignore[union-attr]
    first = np.array([grid.cell_centers(axis)[0] for axis in (0, 1)])[:, None]
    # Where the source lies, in cells, along the driving axis and across it.
    along, across = ((source - first) / np.asarray(grid.spacing)[:, None])[[driving, 1 - driving]]
    slopes = direction[1 - driving] / np.where(chosen, direction[driving], 1.0)
    # Slopes of a run rise or fall with u.
    ends = slopes[views, bins[:, 1] - 1], slopes[views, bins[:, 0]]
    sign = np.where(ends[0] >= ends[1], 1, -1)
    ahead = direction[driving][views, bins[:, 0]] > 0
    num_lines = grid.shape[driving]
    lines = np.stack(
        [np.where(ahead, np.floor(along) + 1, 0), np.where(ahead, num_lines, np.ceil(along))],
        axis=1,
    )
    index = bins[:, :1] + np.arange(np.diff(bins, axis=1).max(initial=1))
    within = index < bins[:, 1:]
    index = np.minimum(index, chosen.shape[1] - 1)
    places = np.where(within, sign[:, None] * slopes[views[:, None], index], np.inf)
    return JosephTable(
        views=views,
        bins=bins,
        lines=np.clip(lines, 0, num_lines).astype(np.int64),
        base=np.stack([across, np.zeros(len(views))], axis=1),
        step=sign[:, None] * np.stack([-along, np.ones(len(views))], axis=1),
        rows=np.arange(len(views)),
        places=places,
    )


def _runs(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the stretches of true values of every row: rows (run,), first and end (run, 2)."""
    edges = np.diff(np.pad(chosen, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, first = np.nonzero(edges == 1)
    return rows, np.stack([first, np.nonzero(edges == -1)[1]], axis=1)
