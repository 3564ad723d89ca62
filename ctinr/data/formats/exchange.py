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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctinr import checks
from ctinr.data.files import naming
from ctinr.data.formats.counts import Counts, parallel_scan
from ctinr.data.formats.quantities import millimetres_of, radians_of, row_number, text_of
from ctinr.data.hdf5_access import dataset, numbers, opened, text_attribute
from ctinr.data.scan import Scan

if TYPE_CHECKING:
    import h5py

DATA, WHITE, DARK = "exchange/data", "exchange/data_white", "exchange/data_dark"
THETA = "exchange/theta"
TITLES = ("exchange/title", "measurement/sample/name")
# The size of a bin in the object, magnification included, micrometres unless it says otherwise.
PIXEL = "measurement/instrument/detection_system/objective/resolution"
# Which field the arguments of the functions that work on its content come from.
CONTENTS = {name: f"a usable field /{DATA}" for name in ("frames", "transmission", "sinogram")}
CONTENTS |= {"white": f"a usable field /{WHITE}", "dark": f"a usable field /{DARK}"}
# What `naming` says of the argument `angles` where it comes from the file.
ANGLES = {"angles": f"a usable field /{THETA}"}


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
        frames = frames_of(file)
        row, counts = _counts(frames, slice)
        theta = angles_of(file, len(counts.data)) if angles is None else np.asarray(angles, float)
        pitch = _pitch(file, notes) if pitch is None else checks.positive(pitch, "pitch")
        title = text_of(file, TITLES) or Path(path).stem
    rule = f"have one angle for each of the {len(counts.data)} views"
    checks.require(theta.shape == (len(counts.data),), "angles", rule, theta)
    about = {"title": f"{title}, slice {row}", "source": Path(path).name, "slice": row}
    # Angles that were passed are the caller's own; the others are the file's.
    with naming(path, CONTENTS if angles is not None else {**CONTENTS, **ANGLES}):
        return parallel_scan(counts, theta, pitch=pitch, center=center, notes=notes, about=about)


def frames_of(file: h5py.File) -> h5py.Dataset:
    """Return the frames of a file, checked to have three axes."""
    frames = dataset(file, DATA)
    rule = f"name a file whose field /{DATA} has three axes"
    given = f"'{file.filename}' with the shape {frames.shape}"
    checks.require(frames.ndim == 3 and frames.shape.count(0) == 0, "path", rule, given)
    return frames


def axes_of(frames: h5py.Dataset) -> tuple[int, int]:
    """Return the places of the views' axis and of the rows' axis: 0 and 1 unless told otherwise."""
    named = (text_attribute(frames, "axes") or "").replace(" ", "").split(":")
    if sorted(named) == ["theta", "x", "y"] and named[2] == "x":
        return named.index("theta"), named.index("y")
    return 0, 1


def angles_of(file: h5py.File, num_views: int) -> np.ndarray:
    """Return the file's angles in radians, if they are in the unit that it claims."""
    if THETA in file:
        return radians_of(dataset(file, THETA), count=num_views)
    rule, given = f"name a file with the field /{THETA}", f"'{file.filename}' without it"
    remedy = (
        f"If the views are equally spaced over a half turn without its end point, read it with "
        f"read_scan(path, angles=equal_angles({num_views})) in Python, and write_scan it."
    )
    raise ValueError(checks.message("path", rule, given, remedy))


def beam_frames(file: h5py.File, name: str) -> h5py.Dataset | None:
    """Return the white or dark frames, checked to fit the others, or None where there are none."""
    if name not in file or dataset(file, name).size == 0:
        return None
    frames, data = dataset(file, name), dataset(file, DATA)
    own = (1, *frames.shape) if frames.ndim == 2 else frames.shape
    rows = axes_of(data)[1]
    place = rows if frames.ndim == 3 else 1
    fits = len(own) == 3 and own[2] == data.shape[2] and own[place] == data.shape[rows]
    rule = f"name a file whose field /{name} has the rows and columns of /{DATA}"
    given = f"'{file.filename}' with the shape {frames.shape}"
    checks.require(fits, "path", rule, given)
    return frames


def _counts(frames: h5py.Dataset, given: int | None) -> tuple[int, Counts]:
    """Return a row's number and its counts."""
    file, rows = frames.file, axes_of(frames)[1]
    row = row_number(given, frames.shape[rows], file.filename)
    light, dark = (beam_frames(file, name) for name in (WHITE, DARK))
    return row, Counts(
        _read_row(frames, rows, row),
        None if light is None else _read_row(light, rows, row),
        None if dark is None else _read_row(dark, rows, row),
    )


def _read_row(frames: h5py.Dataset, rows: int, row: int) -> np.ndarray:
    if frames.ndim == 2:
        return numbers(frames, row)[None]
    selection: list[Any] = [slice(None)] * 3
    selection[rows] = row
    return numbers(frames, tuple(selection))


def _pitch(file: h5py.File, notes: list[str]) -> float:
    if PIXEL not in file:
        notes.append("The file does not give the size of a bin: 1 bin was taken to be 1 mm.")
        return 1.0
    return millimetres_of(dataset(file, PIXEL), otherwise="um")
