"""A scan in ASTRA's words: vectors of every view in cells, the middle of the grid being the origin.

In cells a grid that is off centre or whose cells are not cubes, and an offset detector, are no case
apart. Sums then count cells along the ray, and each ray is multiplied by the length of its step in
mm. In the plane ASTRA's y points up; there y is reversed, so row 0 stays at the top and no array is
flipped. In space its y grows with the row, as ours does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctinr.geometry import ConeBeam, FanBeam, Grid, ParallelBeam, VectorBeam


@dataclass(frozen=True, eq=False)
class Views:
    """The views of a scan, float64, in the order (x, y) or (x, y, z).

    Parameters
    ----------
    parallel : bool
        Whether the rays of a view are parallel.
    vectors : ndarray, shape (view, 6) or (view, 12)
        The direction of the rays or where the source is, the middle of the detector, and the steps
        from bin to bin along u and, in space, along v; in cells.
    lengths : ndarray, shape (view, u) or (view, v, u)
        How many mm a ray takes for the length of one cell.
    slants : ndarray, shape (view, u) or (view, v, u)
        The cosine of the angle between ray and detector's normal, in cells.
    """

    parallel: bool
    vectors: np.ndarray
    lengths: np.ndarray
    slants: np.ndarray


def views_in_cells(geometry: ParallelBeam | FanBeam | ConeBeam | VectorBeam, grid: Grid) -> Views:
    """Return the views of a scan with a flat detector, as many-dimensional as the grid."""
    beam = geometry if isinstance(geometry, VectorBeam) else VectorBeam.of(geometry)
    spacing, center = (np.asarray(axes)[::-1] for axes in (grid.spacing, grid.center))
    axes = [np.asarray(part) for part in (beam.u_axes, beam.v_axes) if part is not None]
    detector = beam.detector
    middle = np.asarray(beam.centers) - center
    for axis, offset in zip(axes, detector.offset[::-1], strict=True):
        middle = middle + offset * axis
    steps = [pitch * axis / spacing for axis, pitch in zip(axes, detector.pitch[::-1], strict=True)]
    start = (np.asarray(beam.origins) - (0 if beam.parallel else center)) / spacing
    middle = middle / spacing
    if beam.parallel:
        # Where along the ray it lies is free: beside the grid, numbers are small and round little.
        ahead = (middle * start).sum(1) / (start * start).sum(1)
        middle = middle - ahead[:, None] * start
    ways = beam.rays().directions / spacing
    lengths = 1 / np.linalg.norm(ways, axis=-1)
    slants = np.abs((ways * _normals(steps, ways.ndim)).sum(-1)) * lengths
    upright = (1, -1) if len(axes) == 1 else (1, 1, 1)
    vectors = np.concatenate([part * upright for part in (start, middle, *steps)], axis=1)
    return Views(beam.parallel, vectors, lengths, slants)


def _normals(steps: list[np.ndarray], num_axes: int) -> np.ndarray:
    """Return the unit normals of detectors, with as many axes as an array of rays."""
    normals = np.cross(steps[0], steps[1]) if len(steps) == 2 else steps[0][:, ::-1] * (1, -1)
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return normals.reshape(len(normals), *[1] * (num_axes - 2), normals.shape[1])
