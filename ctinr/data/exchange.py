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
from ctinr.data.exchange_angles import ANGLES, angles_of
from ctinr.data.files import naming
from ctinr.data.hdf5_access import dataset, numbers, opened, text_attribute, values
from ctinr.data.preprocessing import flat_field, minus_log, open_beam
from ctinr.data.scan import Scan
from ctinr.geometry import Detector, Grid, ParallelBeam

if TYPE_CHECKING:
    import h5py

DATA, WHITE, DARK = "exchange/data", "exchange/data_white", "exchange/data_dark"
# The size of a bin in the object, magnification included, micrometres unless it says otherwise.
PIXEL = "measurement/instrument/detection_system/objective/resolution"
# Which field the arguments of the functions that work on its content come from.
CONTENTS = {name: f"a usable field /{DATA}" for name in ("frames", "transmission", "sinogram")}
CONTENTS |= {"white": f"a usable field /{WHITE}", "dark": f"a usable field /{DARK}"}
MILLIMETRES = {"m": 1e3, "cm": 10.0, "mm": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3}
MILLIMETRES |= {"micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3, "nm": 1e-6}


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
        row, data, light, dark = _rows(file, slice)
        theta = angles_of(file, len(data)) if angles is None else np.asarray(angles, dtype=float)
        pitch = _pitch(file, notes) if pitch is None else checks.positive(pitch, "pitch")
        title = _title(file, Path(path).stem)
    rule = f"have one angle for each of the {len(data)} views"
    checks.require(theta.shape == (len(data),), "angles", rule, theta)
    bins = data.shape[1]
    # Angles that were passed are the caller's own; the others are the file's.
    with naming(path, CONTENTS if angles is not None else {**CONTENTS, **ANGLES}):
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


def _rows(file: h5py.File, given: int | None) -> tuple[int, np.ndarray, Any, Any]:
    """Return the row's number, its frames, and its white and dark frames or None."""
    frames = _frames(file)
    place = _axes(frames)
    row = _row(frames, place, given)
    light, dark = (_beam_frames(file, name, place, row) for name in (WHITE, DARK))
    return row, _read_row(frames, place, row), light, dark


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
    return numbers(frames, tuple(selection))


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
        return numbers(frames, row)[None]
    return _read_row(frames, place, row)


def _pitch(file: h5py.File, notes: list[str]) -> float:
    if PIXEL not in file:
        notes.append("The file does not give the size of a bin: 1 bin was taken to be 1 mm.")
        return 1.0
    field = dataset(file, PIXEL)
    size = float(numbers(field).ravel()[0])
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
    checks.finite_values(data, "frames")
    rule = f"be transmissions where there is no field /{WHITE}"
    given = f"values from {data.min():.4g} to {data.max():.4g} without a flat field"
    looks = bool(data.max() <= 2 and np.median(data) > 0)
    checks.require(looks, "frames", rule, given, "Add the frames with the beam alone.")
    return data
