"""Joseph's model in three dimensions: where each ray crosses each plane of cells.

A ray is followed plane by plane along its *driving axis*, the axis along which it makes the largest
steps counted in cells: y if it is as large as any other, else x if it is as large as that of z. On
each plane it falls between four cell centres, and the volume is interpolated linearly between them
along both axes; the sum is multiplied by the length of ray between planes. It crosses plane m at
the (fractional) index

    position = base + slope · m

along each of the other axes. Beyond the outermost centres the volume fades to zero within a cell.

For a ray with nothing across it, this is the model of `joseph` in the plane.

Joseph 1982, doi:10.1109/TMI.1982.4307572.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctinr.geometry import Frames, Grid

# The driving axes in order of preference, in array order (z, y, x), each with the other two.
AXES = ((1, 0, 2), (2, 0, 1), (0, 1, 2))


@dataclass(frozen=True, eq=False)
class Crossings:
    """The rays that are driven along one axis.

    Parameters
    ----------
    rays : ndarray of int, shape (ray,)
        Their places among those of (view, v, u).
    planes : ndarray of int, shape (ray, 2)
        The first plane that each may cross and the one after the last: it begins at its source.
    base, slope : ndarray, shape (2, ray)
        The positions along the other two axes.
    lengths : ndarray, shape (ray,)
        The length of every ray between two planes, mm.
    """

    rays: np.ndarray
    planes: np.ndarray
    base: np.ndarray
    slope: np.ndarray
    lengths: np.ndarray


def in_cells(frames: Frames, grid: Grid) -> Frames:
    """Return frames in array order, (z, y, x), counted in cells from the first of the grid."""
    spacing = np.asarray(grid.spacing)
    first = np.array([grid.cell_centers(axis)[0] for axis in range(3)])
    origins = frames.origins[..., ::-1] - (0.0 if frames.parallel else first)
    return Frames(
        origins / spacing,
        (frames.columns[..., ::-1] - first) / spacing,
        frames.upward[..., ::-1] / spacing,
        frames.rows,
        frames.parallel,
    )


def crossings(frames: Frames, grid: Grid) -> list[Crossings]:
    """Return the model of some views, one table a driving axis in the order of `AXES`, float64."""
    cells = in_cells(frames, grid)
    ends = cells.columns[:, None] + cells.rows[:, None, None] * cells.upward[:, None, None]
    ends = ends.reshape(-1, 3)
    origins = np.repeat(cells.origins, len(ends) // len(cells.origins), axis=0)
    ways, starts = (origins, ends) if cells.parallel else (ends - origins, origins)
    steps = np.abs(ways)
    driving = np.array([axis[0] for axis in AXES])[steps[:, [axis[0] for axis in AXES]].argmax(1)]
    lengths = np.linalg.norm(ways * np.asarray(grid.spacing), axis=1)
    tables = []
    for axis, *across in AXES:
        rays = np.flatnonzero(driving == axis)
        way, start = ways[rays], starts[rays]
        slope = (way[:, across] / way[:, [axis]]).T
        planes = np.zeros((len(rays), 2))
        planes[:, 1] = grid.shape[axis]
        if not cells.parallel:
            ahead, at = way[:, axis] > 0, start[:, axis]
            planes[:, 0] = np.where(ahead, np.floor(at) + 1, 0)
            planes[:, 1] = np.where(ahead, planes[:, 1], np.ceil(at))
        tables.append(
            Crossings(
                rays=rays,
                planes=np.clip(planes, 0, grid.shape[axis]).astype(np.int64),
                base=start[:, across].T - slope * start[:, axis],
                slope=slope,
                lengths=lengths[rays] / np.abs(way[:, axis]),
            )
        )
    return tables
