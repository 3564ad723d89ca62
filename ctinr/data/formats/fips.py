"""Fan-beam scans of the Finnish Inverse Problems Society: a walnut, a lotus root and others.

A mat file holds a sinogram `m`, (u, angle), and usually the sparse matrix `A` that makes it of a
picture. It says nothing about distances: those of the walnut are in its documentation and here,
others have to be passed. Which way things turn is read off `A`: its columns are the shadows of
single cells, and of the ways to count angles, bins and rows only one explains where these lie.

Hämäläinen et al. 2015, Tomographic X-ray data of a walnut, doi:10.48550/arXiv.1502.04064.
"""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.data.files import naming
from ctinr.data.formats.matlab import SUFFIX, variable, variable_names
from ctinr.data.formats.measured import KnownRays, scan_of_rays
from ctinr.data.scan import Scan

SINOGRAM, MATRIX = "m", "A"
# The walnut: distances and the width of the detector, mm; its shapes, with 120 views over the turn.
WALNUT_SOURCE, WALNUT_DETECTOR, WALNUT_WIDTH = 110.0, 190.0, 114.8
WALNUT_BINS, WALNUT_VIEWS = (82, 164, 328), 120
# How far the shadows of cells may lie from where a way of counting puts them, of the detector.
FITS = 0.01


@dataclass(frozen=True)
class Turning:
    """How angles and bins are counted: first angle (radians), direction, and order of bins."""

    first: float = 0.0
    direction: int = 1
    reversed: bool = False


def read_fips(path: str | os.PathLike[str], *, rays: KnownRays | None = None) -> Scan:
    """Read a sinogram `m` of the Finnish Inverse Problems Society.

    Parameters
    ----------
    path : path
        A mat file with `m`, line integrals (u, angle), and perhaps `A`.
    rays : KnownRays, optional
        What the documentation of the data says: `source_distance`, `detector_distance`, `pitch`
        on the detector, and `span` (a full turn if not given). The walnut needs none of them.

    Raises
    ------
    FileNotFoundError, PermissionError, OSError
        If the file cannot be opened or is damaged.
    ValueError
        If distances or the pitch are not known, or do not fit the matrix.
    """
    path, notes = Path(path), []
    sinogram = np.asarray(variable(path, SINOGRAM), dtype=np.float64)
    rule = f"name a file whose variable {SINOGRAM} has the axes (u, angle)"
    given = f"'{path}' with the shape {sinogram.shape}"
    checks.require(sinogram.ndim == 2 and sinogram.size > 0, "path", rule, given)
    known = _known(path, sinogram.shape, KnownRays() if rays is None else rays)
    theta = known.theta(sinogram.shape[1])
    turning = Turning()
    if known.angles is not None:
        notes.append("The angles were passed; the matrix was not asked which way they run.")
    elif MATRIX in variable_names(path):
        turning = turning_of(path, variable(path, MATRIX), sinogram.shape, rays=known)
    else:
        notes.append(f"Without the matrix {MATRIX} it is not known which way the angles run.")
    angles = turning.first + turning.direction * theta
    values = sinogram.T[:, ::-1] if turning.reversed else sinogram.T
    with naming(path, {"sinogram": f"a usable variable {SINOGRAM}"}):
        last = sinogram.shape[0] - 1
        center = last / 2 if known.center is None else known.center
        center = last - center if turning.reversed else center
        counted = replace(known, angles=angles.tolist(), span=None, center=center)
        origin = "the middle" if known.center is None else "the caller"
        about = {"title": path.stem, "source": path.name, "center_from": origin}
        return scan_of_rays(values, counted, notes=notes, about=about)


def is_fips(path: Path) -> bool:
    """Tell whether a file is a mat file with a sinogram `m`."""
    return path.suffix.lower() == SUFFIX and SINOGRAM in variable_names(path)


def turning_of(path: Path, matrix: Any, shape: tuple[int, ...], *, rays: KnownRays) -> Turning:
    """Return the way of counting that explains the matrix.

    Parameters
    ----------
    path : path
        For messages.
    matrix : sparse matrix, shape (angle · u, x · y)
        u runs fastest in the rows and y, down the picture, in the columns.
    shape : tuple of int
        Of the sinogram, (u, angle).
    rays : KnownRays
        Distances and pitch; the picture's side is what the detector's width is on the axis.

    Raises
    ------
    ValueError
        If no way does.
    """
    bins, side = shape[0], math.isqrt(matrix.shape[1])
    fits = matrix.shape == (math.prod(shape), side**2)
    rule = f"name a file whose matrix {MATRIX} makes {SINOGRAM} of a square picture"
    given = f"'{path}' with {matrix.shape} for {SINOGRAM} of {shape}"
    checks.require(fits, "path", rule, given)
    # Far from the axis, where a wrong distance shows.
    cells = [(side // 9, side // 2), (side // 2, side // 8), (5 * side // 6, 3 * side // 4)]
    seen = [_shadow(matrix, column * side + row, shape) for row, column in cells]
    starts = (0.0, math.pi / 2, math.pi, 3 * math.pi / 2)
    best, least = Turning(), math.inf
    for first, direction, mirrored in itertools.product(starts, (1, -1), (False, True)):
        turning = Turning(first, direction, mirrored)
        off = [
            _expected(cell, side, shape, turning=turning, rays=rays) - centroid
            for cell, centroid in zip(cells, seen, strict=True)
        ]
        error = float(np.sqrt(np.nanmean(np.square(off))))
        if error < least:
            best, least = turning, error
    rule = f"name a file whose matrix {MATRIX} fits the distances and the pitch"
    given = f"'{path}' whose cells cast shadows {least:.3g} bins off at best"
    checks.require(least < FITS * bins, "path", rule, given, "Is one of these in another unit?")
    return best


def _shadow(matrix: Any, column: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return the bin on which the middle of a cell's shadow falls in every view, NaN for none."""
    weights = np.asarray(matrix[:, [column]].todense()).reshape(shape, order="F")
    total = weights.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.arange(shape[0]) @ weights) / total


def _expected(
    cell: tuple[int, int], side: int, shape: tuple[int, ...], *, turning: Turning, rays: KnownRays
) -> np.ndarray:
    """Return the bin on which the shadow of a cell, (row, column), should fall in every view."""
    source, behind = float(rays.source_distance or 0), float(rays.detector_distance or 0)
    pitch, bins = float(rays.pitch or 0), shape[0]
    spacing = pitch * bins * source / (source + behind) / side
    y, x = ((index - (side - 1) / 2) * spacing for index in cell)
    angles = turning.first + turning.direction * rays.theta(shape[1])
    across = x * np.cos(angles) + y * np.sin(angles)
    ahead = -x * np.sin(angles) + y * np.cos(angles)
    place = (source + behind) * across / (source + ahead) / pitch + (bins - 1) / 2
    return bins - 1 - place if turning.reversed else place


def _known(path: Path, shape: tuple[int, ...], given: KnownRays) -> KnownRays:
    """Return what is passed, and what the documentation of the walnut says."""
    if shape[0] in WALNUT_BINS and shape[1] == WALNUT_VIEWS:
        pitch = WALNUT_WIDTH / shape[0]
        lengths = WALNUT_SOURCE, WALNUT_DETECTOR
        given = given.over(KnownRays(None, None, pitch, None, *lengths))
    for name in ("source_distance", "detector_distance", "pitch"):
        rule, remedy = "be given for data that hold no lengths", "Their documentation says it."
        known = getattr(given, name) is not None
        checks.require(known, name, rule, f"none for '{path}'", remedy)
    return given.over(KnownRays(span=2 * math.pi))
