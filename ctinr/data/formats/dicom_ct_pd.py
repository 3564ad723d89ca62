"""DICOM-CT-PD: projections of clinical scanners, one DICOM file each, with private tags.

The format of the library of Mayo Clinic, "LDCT and projection data". It puts the focus of view φ at
(−ρ sin φ, ρ cos φ, z) with y up; columns of the detector are counted along (cos φ, sin φ), rows
along z, both from 1. Seen with y down, as pictures are here, that is our angle −φ with columns and
rows in their order. Everything of that ends here.

Chen, Duan, Yu, Leng, Yu, McCollough 2015, Development and validation of an open data format for CT
projection data, doi:10.1118/1.4935406; Moen et al. 2021, Low-dose CT image and projection dataset,
doi:10.1002/mp.14594 (table IV has the tags); the data are doi:10.7937/9npb-2637.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ctinr import checks
from ctinr.data.files import naming, readable
from ctinr.data.formats.dicom_tags import (
    CENTRAL,
    COLUMNS,
    DETECTOR_SHAPE,
    DISTANCE,
    FLYING,
    HEIGHT,
    LOG,
    PHI,
    PHOTONS,
    RADIUS,
    ROW_PITCH,
    ROWS,
    SHIFTS,
    WIDTH,
    View,
    view_of,
)
from ctinr.data.scan import Scan
from ctinr.geometry import ConeBeam, Detector, Grid

SUFFIXES = (".dcm", ".ima")
# How far views may lie beside one circle or helix, mm.
STRAY = 0.02
SHAPES = {"CYLINDRICAL": True, "FLAT": False}


def read_dicom_ct_pd(path: str | os.PathLike[str]) -> Scan:
    """Read a folder of DICOM-CT-PD files, one a view.

    It needs pydicom, which `pip install 'ctinr[dicom]'` installs.

    Parameters
    ----------
    path : path
        The folder.

    Returns
    -------
    Scan
        Line integrals (angle, v, u) by a cone beam on a circle or a helix. z counts from where the
        helix has our angle 0, which `z_of_origin` of its metadata says in the file's z, mm.
        `photons` are those of every view and `photon_profile` those of the columns relative to
        their mean, where the files have photon statistics.

    Raises
    ------
    BackendUnavailable
        If pydicom is not installed.
    FileNotFoundError, PermissionError, OSError
        If a file cannot be read or is damaged.
    ValueError
        If a tag is missing or differs from that of the first view, the focal spot is a flying one,
        the detector is spherical, or the views lie on no circle or helix. Messages name the file.
    """
    folder = Path(path)
    views = _in_order([view_of(each) for each in _files(folder)])
    first = views[0]
    _check_kind(first)
    for view in views:
        _check_alike(view, first)
    heights, phi = (_each(views, tag) for tag in (HEIGHT, PHI))
    turned, origin, rise = _helix(np.unwrap(phi), heights, folder)
    projections = np.stack([view.projection() for view in views])
    about: dict[str, Any] = {
        "title": folder.name,
        "source": folder.name,
        "z_of_origin": origin,
        **_photons(views),
    }
    with naming(folder, {"sinogram": "usable projections", "angles": "usable angles"}):
        beam = ConeBeam(
            turned,
            _detector(first),
            first.number(RADIUS),
            first.number(DISTANCE) - first.number(RADIUS),
            curved=SHAPES[first.text(DETECTOR_SHAPE)],
            helical_pitch=rise,
        )
        grid = _grid(beam, heights - origin)
        return Scan(torch.from_numpy(projections), beam, grid, metadata=about)


def is_dicom_ct_pd(path: Path) -> bool:
    """Tell whether a folder holds DICOM files; nothing of them is read but their names."""
    with readable(path):
        return path.is_dir() and bool(_names(path))


def _names(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.suffix.lower() in SUFFIXES)


def _files(folder: Path) -> list[Path]:
    found = _names(folder) if folder.is_dir() else []
    rule = f"name a folder with files that end in {' or '.join(SUFFIXES)}"
    checks.require(bool(found), "path", rule, f"'{folder}' without one")
    return found


def _in_order(views: list[View]) -> list[View]:
    """Return the views in the order in which they were taken, else in that of their names."""
    numbers = [view.instance for view in views]
    known = None not in numbers and len(set(numbers)) == len(numbers)
    return sorted(views, key=lambda view: view.instance or 0) if known else views


def _each(views: Sequence[View], tag: int) -> np.ndarray:
    return np.array([view.number(tag) for view in views])


def _check_kind(view: View) -> None:
    """Raise unless the rays are those of a cone on a flat or cylindrical detector."""
    shape = view.text(DETECTOR_SHAPE)
    rule = f"name files whose detector is {' or '.join(SHAPES)}"
    checks.require(shape in SHAPES, "path", rule, f"'{view.path}' with {shape!r}")
    logarithm = view.text(LOG, otherwise="YES")
    rule = "name files of line integrals, after the logarithm"
    checks.require(logarithm != "NO", "path", rule, f"'{view.path}', which are before it")
    far, near = view.number(DISTANCE), view.number(RADIUS)
    rule = "name files whose detector is behind the axis of rotation"
    given = f"'{view.path}' with {far:g} mm to the detector and {near:g} mm to the axis"
    checks.require(0 < near < far, "path", rule, given)


def _check_alike(view: View, first: View) -> None:
    """Raise if a view has a flying focal spot, or a detector or distances of its own."""
    mode = view.text(FLYING, otherwise="FFSNONE")
    shifts = [view.number(tag, otherwise=0.0) for tag in SHIFTS]
    rule = "name a scan without a flying focal spot"
    given = f"'{view.path}' with the mode {mode} and shifts of {shifts}"
    remedy = "Its rays lie on no helix, and a curved detector has no form for others."
    still = mode in ("FFSNONE", "") and not any(shifts)
    checks.require(still, "path", rule, given, remedy)
    for tag in (RADIUS, DISTANCE, WIDTH, ROW_PITCH, ROWS, COLUMNS):
        rule = f"name files with one {tag:08x} for all views"
        given = f"'{view.path}' with {view.number(tag):g} after {first.number(tag):g}"
        near = math.isclose(view.number(tag), first.number(tag), rel_tol=1e-5)
        checks.require(near, "path", rule, given)


def _helix(phi: np.ndarray, heights: np.ndarray, folder: Path) -> tuple[np.ndarray, float, float]:
    """Return our angles, the z where they are 0, and how far the focus rises in our turn, mm."""
    moves = float(np.ptp(heights)) > STRAY and len(phi) > 1 and float(np.ptp(phi)) > 0
    slope, origin = np.polyfit(phi, heights, 1) if moves else (0.0, float(heights.mean()))
    stray = float(np.abs(heights - origin - slope * phi).max())
    rule = "name a scan on one circle or helix"
    given = f"'{folder}', whose views lie up to {stray:.3g} mm beside it"
    checks.require(stray <= STRAY, "path", rule, given)
    return -phi, float(origin), -2 * math.pi * float(slope)


def _detector(view: View) -> Detector:
    columns, rows = int(view.number(COLUMNS)), int(view.number(ROWS))
    u, v = view.number(WIDTH), view.number(ROW_PITCH)
    column, row = view.numbers(CENTRAL, 2)
    offset = (((rows + 1) / 2 - row) * v, ((columns + 1) / 2 - column) * u)
    return Detector((rows, columns), (v, u), offset)


def _grid(beam: ConeBeam, heights: np.ndarray) -> Grid:
    """Return as many cells as columns across what the detector sees, and those that it passes."""
    (rows, columns), (height, width) = beam.detector.shape, beam.detector.pitch
    far = beam.source_distance + beam.detector_distance
    half = columns * width / 2 / far
    angle = half if beam.curved else math.atan(half)
    across = 2 * beam.source_distance * math.sin(min(angle, math.pi / 2)) / columns
    step = height / beam.magnification
    count = rows + math.ceil(float(np.ptp(heights)) / step)
    middle = (float(heights.min()) + float(heights.max())) / 2
    return Grid((count, columns, columns), (step, across, across), (middle, 0.0, 0.0))


def _photons(views: Sequence[View]) -> dict[str, Any]:
    """Return the photons of every view, and those of the columns relative to their mean."""
    found = [view.several(PHOTONS) for view in views]
    if any(each is None or len(each) == 0 or not (np.array(each) > 0).all() for each in found):
        return {}
    means = [float(np.mean(each)) for each in found if each is not None]
    told: dict[str, Any] = {"photons": tuple(means)}
    lengths = {len(each) for each in found if each is not None}
    if len(lengths) == 1 and lengths != {1}:
        profile = np.mean(np.array(found, dtype=np.float64), axis=0)
        told["photon_profile"] = tuple((profile / profile.mean()).tolist())
    return told
