"""What the files of cone-beam benchmarks hold, as a scan: NAF, SAX-NeRF and R²-Gaussian.

Both count angles φ from the source at (cos φ, sin φ, 0) and u along (−sin φ, cos φ, 0), which are
the source and the u axis of our angle φ + π/2; rows of the detector go down, along −z. Volumes are
(x, y, z). All of that is turned around here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ctinr import checks
from ctinr.data.scan import Scan
from ctinr.geometry import ConeBeam, Detector, Grid


@dataclass(frozen=True)
class Scanner:
    """A scanner as these files describe it, lengths in mm, pairs (u, v) and triples (x, y, z)."""

    source_distance: float
    whole_distance: float
    bins: tuple[int, int]
    pitch: tuple[float, float]
    offset: tuple[float, float]
    cells: tuple[int, int, int]
    spacing: tuple[float, float, float]
    center: tuple[float, float, float]


def cone_scan(
    scanner: Scanner,
    angles: np.ndarray,
    projections: np.ndarray,
    *,
    volume: np.ndarray | None,
    about: Mapping[str, Any],
) -> Scan:
    """Return the scan in our convention.

    Parameters
    ----------
    scanner : Scanner
        Where things are.
    angles : array, shape (angle,)
        φ, radians.
    projections : array, shape (angle, row, column)
        Line integrals, rows going down.
    volume : array, shape (x, y, z), optional
        Attenuation, 1/mm.
    about : mapping
        Metadata: `title`, `source`, and what else there is to say.

    Raises
    ------
    ValueError
        If shapes do not fit together, values are not finite, or the angles look like degrees.
    """
    wanted = (len(angles), scanner.bins[1], scanner.bins[0])
    rule = f"have the shape {wanted} of angles, rows and columns"
    checks.require(projections.shape == wanted, "projections", rule, projections)
    checks.finite_values(projections, "projections")
    if volume is not None:
        rule = f"have the shape {scanner.cells} of the scanner's cells"
        checks.require(volume.shape == scanner.cells, "volume", rule, volume)
        checks.finite_values(volume, "volume")
    u, v = scanner.offset
    detector = Detector(scanner.bins[::-1], scanner.pitch[::-1], (-v, u))
    behind = scanner.whole_distance - scanner.source_distance
    known, truth = dict(about), None
    if volume is not None:
        truth = torch.as_tensor(np.ascontiguousarray(volume.transpose(2, 1, 0))).float()
        known["data_range"] = float(truth.max() - truth.min())
    return Scan(
        sinogram=torch.as_tensor(np.ascontiguousarray(projections[:, ::-1])).float(),
        geometry=ConeBeam(angles + math.pi / 2, detector, scanner.source_distance, behind),
        grid=Grid(scanner.cells[::-1], scanner.spacing[::-1], scanner.center[::-1]),
        truth=truth,
        metadata=known,
    )


def array_in(values: Any, what: str, *, path: Any) -> np.ndarray:
    """Return what a file holds as float64; what is not finite in it stays so.

    Raises
    ------
    ValueError
        If it is no array of numbers; the message names the file and what should be in it.
    """
    try:
        with np.errstate(invalid="ignore"):
            return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        given = f"'{path}' with {checks.describe(values)}"
        raise ValueError(checks.message("path", f"name a file with {what}", given)) from None


def numbers_in(content: Mapping[str, Any], name: str, count: int, *, path: Any) -> tuple[Any, ...]:
    """Return the numbers that a file has under a name: so many, or one that stands for all.

    Raises
    ------
    ValueError
        If it has none, others, or too few.
    """
    rule = f"name a file with {count} numbers {name}" if count > 1 else f"name a file with {name}"
    checks.require(name in content, "path", rule, f"'{path}' without")
    try:
        found = np.asarray(content[name], dtype=np.float64).ravel()
    except (TypeError, ValueError):
        found = np.empty(0)
    good = len(found) in (1, count) and bool(np.isfinite(found).all())
    checks.require(good, "path", rule, f"'{path}' with {content[name]!r:.60}")
    return tuple(float(value) for value in np.broadcast_to(found, (count,)))
