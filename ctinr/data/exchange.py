"""Scientific Data Exchange, the HDF5 format of the Advanced Photon Source and of TomoPy.

`/exchange/data` holds frames (angle, row, column), `/exchange/data_white` and `/exchange/data_dark`
frames with the beam alone and without it, `/exchange/theta` the angles. Their order of axes,
degrees and counts stay in this file.

De Carlo et al. 2014, Scientific data exchange: a schema for HDF5-based storage of raw and analyzed
data, doi:10.1107/S160057751401604X.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ctinr import checks
from ctinr.data.center import find_center
from ctinr.data.hdf5_access import dataset, opened, text_attribute, values
from ctinr.data.preprocessing import flat_field, minus_log, open_beam
from ctinr.data.scan import Scan
from ctinr.geometry import Detector, Grid, ParallelBeam

if TYPE_CHECKING:
    import h5py

DATA, WHITE, DARK = "exchange/data", "exchange/data_white", "exchange/data_dark"
THETA = "exchange/theta"
# The size of a bin in the object, magnification included, micrometres unless it says otherwise.
PIXEL = "measurement/instrument/detection_system/objective/resolution"
MILLIMETRES = {"m": 1e3, "cm": 10.0, "mm": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3}
MILLIMETRES |= {"micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3, "nm": 1e-6}
DEGREES = ("deg", "degree", "degrees", "°")
RADIANS = ("rad", "radian", "radians")


def read_exchange(
    path: str | os.PathLike[str],
    *,
    slice: int | None = None,
    pitch: float | None = None,
    center: float | None = None,
    angles: Sequence[float] | None = None,
) -> Scan:
    """Read one row of a Scientific Data Exchange file as line integrals.

    Only that row is read from the disk. Frames are divided by the flat field, dead bins filled in
    (`flat_field`), the logarithm taken (`minus_log`) and the axis of rotation found
    (`find_center`). What had to be assumed is in the metadata's `warnings`.

    Parameters
    ----------
    path : path
        The file.
    slice : int, optional
        The row, counted from 0; the middle row if not given.
    pitch : float, optional
        Size of a bin in the object, mm; else what the file says, else 1 mm, with a warning.
    center : float, optional
        Bin on which the axis of rotation falls, counted from 0; found if not given.
    angles : sequence of float, optional
        Angle of every view, radians, in place of the file's; required if it has none.

    Raises
    ------
    FileNotFoundError, PermissionError, BlockingIOError, OSError
        If the file cannot be opened or is damaged.
    ValueError
        If a field is missing or does not fit the others, the row does not exist, the angles are
        not in the unit that they claim, or the frames cannot be turned into line integrals.
    """
    notes: list[str] = []
    with opened(path) as file:
        frames = _frames(file)
        place = _axes(frames)
        row = _row(frames, place, slice)
        data = _read_row(frames, place, row)
        light, dark = (_beam_frames(file, name, place, row) for name in (WHITE, DARK))
        theta = _angles(file, len(data)) if angles is None else np.asarray(angles, dtype=float)
        pitch = _pitch(file, notes) if pitch is None else checks.positive(pitch, "pitch")
        title = _title(file, Path(path).stem)
    rule = f"have one angle for each of the {len(data)} views"
    checks.require(theta.shape == (len(data),), "angles", rule, theta)
    bins = data.shape[1]
    beam = ParallelBeam(theta, Detector(bins, pitch))
    sinogram, found = _line_integrals(data, light, dark, notes)
    axis = find_center(sinogram, theta) if center is None else checks.finite(center, "center")
    detector = Detector(bins, pitch, ((bins - 1) / 2 - axis) * pitch)
    metadata = {
        "title": f"{title}, slice {row}",
        "source": Path(path).name,
        "slice": row,
        "center": axis,
        "center_from": "the data" if center is None else "the caller",
        **found,
        "warnings": tuple(notes),
    }
    return Scan(
        sinogram=torch.as_tensor(sinogram, dtype=torch.float32),
        geometry=replace(beam, detector=detector),
        grid=Grid((bins, bins), pitch),
        metadata=metadata,
    )


def _frames(file: h5py.File) -> h5py.Dataset:
    frames = dataset(file, DATA)
    rule = f"name a file whose field /{DATA} has three axes"
    given = f"'{file.filename}' with the shape {frames.shape}"
    checks.require(frames.ndim == 3 and frames.shape.count(0) == 0, "path", rule, given)
    return frames


def _axes(frames: h5py.Dataset) -> tuple[int, int]:
    """Return the places of the views' axis and of the rows' axis: 0 and 1 unless told otherwise."""
    named = (text_attribute(frames, "axes") or "").replace(" ", "").split(":")
    if sorted(named) == ["theta", "x", "y"] and named[2] == "x":
        return named.index("theta"), named.index("y")
    return 0, 1


def _row(frames: h5py.Dataset, place: tuple[int, int], given: int | None) -> int:
    rows = frames.shape[place[1]]
    if given is None:
        return rows // 2
    row = checks.count(given, "slice", least=0)
    rule = f"be less than {rows}, the number of rows in '{frames.file.filename}'"
    checks.require(row < rows, "slice", rule, given, "Rows are counted from 0.")
    return row


def _read_row(frames: h5py.Dataset, place: tuple[int, int], row: int) -> np.ndarray:
    selection: list[Any] = [slice(None)] * 3
    selection[place[1]] = row
    return np.asarray(values(frames, tuple(selection)), dtype=np.float64)


def _beam_frames(file: h5py.File, name: str, place: tuple[int, int], row: int) -> np.ndarray | None:
    """Return the row of the white or dark frames, or None where there are none."""
    if name not in file:
        return None
    frames = dataset(file, name)
    if frames.size == 0:
        return None
    wanted = dataset(file, DATA).shape
    own = (1, *frames.shape) if frames.ndim == 2 else frames.shape
    rows = place[1] if frames.ndim == 3 else 1
    fits = len(own) == 3 and own[2] == wanted[2] and own[rows] == wanted[place[1]]
    rule = f"name a file whose field /{name} has the rows and columns of /{DATA}"
    given = f"'{file.filename}' with the shape {frames.shape}"
    checks.require(fits, "path", rule, given)
    if frames.ndim == 2:
        return np.asarray(values(frames, row), dtype=np.float64)[None]
    return _read_row(frames, place, row)


def _angles(file: h5py.File, num_views: int) -> np.ndarray:
    """Return the file's angles in radians, if they are in the unit that it claims."""
    if THETA not in file:
        rule, given = f"name a file with the field /{THETA}", f"'{file.filename}' without it"
        remedy = (
            f"Pass angles=equal_angles({num_views}) if the views are equally spaced over a half "
            "turn without its end point."
        )
        raise ValueError(checks.message("path", rule, given, remedy))
    field = dataset(file, THETA)
    theta = np.asarray(values(field), dtype=np.float64).ravel()
    rule = f"name a file whose field /{THETA} has one angle for each of the {num_views} views"
    given = f"'{file.filename}' with {theta.size} angles"
    checks.require(theta.size == num_views, "path", rule, given, "Pass the angles yourself.")
    checks.finite_values(theta, f"/{THETA}")
    units = (text_attribute(field, "units") or "degrees").strip().lower()
    rule = f"name a file whose field /{THETA} is in degrees or radians"
    given = f"'{file.filename}' with the units {units!r}"
    checks.require(units in DEGREES + RADIANS, "path", rule, given, "Pass the angles yourself.")
    _check_unit(file, theta, in_degrees=units in DEGREES)
    return np.deg2rad(theta) if units in DEGREES else theta


def _check_unit(file: h5py.File, theta: np.ndarray, *, in_degrees: bool) -> None:
    span, largest = float(np.ptp(theta)), float(np.abs(theta).max())
    name, other = ("degrees", "radians") if in_degrees else ("radians", "degrees")
    # A scan of more than 8 views that covers less than 6.4 degrees is no tomography.
    wrong = len(theta) > 8 and span < 6.4 if in_degrees else largest > 8 * np.pi
    rule = f"name a file whose field /{THETA} is in {name}, as it claims"
    given = f"'{file.filename}' with angles up to {largest:.4g}, which look like {other}"
    remedy = "Pass angles=… in radians: numpy.deg2rad turns degrees into them."
    checks.require(not wrong, "path", rule, given, remedy)


def _pitch(file: h5py.File, notes: list[str]) -> float:
    if PIXEL not in file:
        notes.append("The file does not give the size of a bin: 1 bin was taken to be 1 mm.")
        return 1.0
    field = dataset(file, PIXEL)
    size = float(np.asarray(values(field), dtype=np.float64).ravel()[0])
    units = (text_attribute(field, "units") or "um").strip()
    rule = f"name a file whose field /{PIXEL} is a positive length"
    given = f"'{file.filename}' with {size:g} {units}"
    known = units in MILLIMETRES and np.isfinite(size) and size > 0
    checks.require(known, "path", rule, given, "Pass the pitch yourself.")
    return size * MILLIMETRES[units]


def _title(file: h5py.File, otherwise: str) -> str:
    for name in ("exchange/title", "measurement/sample/name"):
        if name in file:
            text = np.asarray(values(dataset(file, name))).ravel()[:1].tolist()
            if text and isinstance(text[0], bytes) and text[0].strip():
                return text[0].decode(errors="replace").strip()
    return otherwise


def _line_integrals(
    data: np.ndarray, white: np.ndarray | None, dark: np.ndarray | None, notes: list[str]
) -> tuple[np.ndarray, dict[str, int | tuple[int, ...]]]:
    """Return −log of the transmission, and which bins and how many values were replaced."""
    floor = None
    if white is None:
        transmission, dead = _as_transmission(data), np.zeros(data.shape[1], dtype=bool)
        notes.append("There is no flat field: the values were taken as transmissions.")
    else:
        transmission, dead = flat_field(data, white, dark)
        light = float(np.median(open_beam(white, dark)[0]))
        # Half a count is the least that a counter can tell from none.
        floor = 0.5 / light if light > 100 else None
        if dark is None:
            notes.append("There is no dark frame: the detector was taken to be silent.")
    sinogram, floored = minus_log(transmission, floor=floor)
    bins = tuple(np.flatnonzero(dead).tolist())
    if bins:
        notes.append(f"{len(bins)} dead bins were filled in from their neighbours: {bins}.")
    if floored:
        notes.append(f"{floored} values without light were replaced before the logarithm.")
    return sinogram, {"dead_bins": bins, "floored_values": floored}


def _as_transmission(data: np.ndarray) -> np.ndarray:
    rule = f"name a file with the field /{WHITE}, or with transmissions in /{DATA}"
    given = f"values from {data.min():.4g} to {data.max():.4g} without a flat field"
    looks = bool(data.max() <= 2 and np.median(data) > 0)
    checks.require(looks, "path", rule, given, "Add the frames with the beam alone.")
    return data
