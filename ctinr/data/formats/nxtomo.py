"""NXtomo, the application definition of NeXus for raw tomography data (Diamond, ESRF and others).

All frames of a scan lie in one field in the order in which they were taken, (frame, row, column);
`image_key` says of each what it is. The entry is found by what it defines, not by its name, and
the groups in it by their `NX_class`. Degrees, metres and keys stay in this file.

Könnecke et al. 2015, The NeXus data format, doi:10.1107/S1600576714027575; the definition is at
https://manual.nexusformat.org/classes/applications/NXtomo.html.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctinr import checks
from ctinr.data.files import naming
from ctinr.data.formats.counts import Counts, parallel_scan
from ctinr.data.formats.quantities import millimetres_of, radians_of, row_number, text_of
from ctinr.data.hdf5_access import dataset, numbers, opened, text_attribute
from ctinr.data.scan import Scan

if TYPE_CHECKING:
    import h5py

PROJECTION, FLAT, DARK, INVALID = 0, 1, 2, 3
DEFINITION = "NXtomo"
ENTRIES = ("NXentry", "NXsubentry")
# Every length in NeXus has a unit of its own; where a file forgets it, beamlines mean metres.
LENGTH = "m"


@dataclass(frozen=True)
class Fields:
    """Where an NXtomo entry has what a reconstruction needs: the fields themselves.

    `pixel` is the size of a bin, None where the file does not give it.
    """

    entry: h5py.Group
    data: h5py.Dataset
    keys: h5py.Dataset
    angles: h5py.Dataset
    pixel: h5py.Dataset | None


def read_nxtomo(
    path: str | os.PathLike[str],
    *,
    slice: int | None = None,
    pitch: float | None = None,
    center: float | None = None,
    angles: Sequence[float] | None = None,
    entry: str | None = None,
) -> Scan:
    """Read one row of an NXtomo file as line integrals.

    Only that row is read from the disk, and frames that are marked as invalid are left out. Where
    flat fields were taken before and after the projections, the beam is interpolated in time
    between them (`drifting_flat_field`); the rest is as in `read_exchange`.

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
        Angle of every projection, radians, in place of the file's.
    entry : str, optional
        The entry, such as "entry0001", where a file has several.

    Raises
    ------
    FileNotFoundError, PermissionError, BlockingIOError, OSError
        If the file cannot be opened or is damaged.
    ValueError
        If a field is missing or does not fit the others, there is no projection, the row does not
        exist, the angles are not in the unit that they claim, or the frames cannot be turned into
        line integrals.
    """
    notes: list[str] = []
    with opened(path) as file:
        fields = fields_of(entry_of(file, entry))
        keys = keys_of(fields)
        row = row_number(slice, fields.data.shape[1], file.filename)
        counts = row_counts(numbers(fields.data, np.s_[:, row]), keys, notes)
        theta = np.asarray(angles, dtype=float) if angles is not None else _theta(fields, keys)
        pitch = _pitch(fields, notes) if pitch is None else checks.positive(pitch, "pitch")
        title = text_of(fields.entry, ("title", "sample/name")) or Path(path).stem
        contents = _contents(fields, own_angles=angles is None)
    rule = f"have one angle for each of the {len(counts.data)} views"
    checks.require(theta.shape == (len(counts.data),), "angles", rule, theta)
    about = {"title": f"{title}, slice {row}", "source": Path(path).name, "slice": row}
    with naming(path, contents):
        return parallel_scan(counts, theta, pitch=pitch, center=center, notes=notes, about=about)


def entries_of(file: h5py.File | h5py.Group) -> Iterator[h5py.Group]:
    """Yield the entries of a file, or of another entry, that hold NXtomo data."""
    import h5py

    for name in file:
        group = file.get(name)
        if not isinstance(group, h5py.Group) or text_attribute(group, "NX_class") not in ENTRIES:
            continue
        if text_of(group, ("definition",)) == DEFINITION:
            yield group
        else:
            yield from entries_of(group)


def entry_of(file: h5py.File, given: str | None) -> h5py.Group:
    """Return the entry of that name, or the only one."""
    entries = {str(entry.name).strip("/"): entry for entry in entries_of(file)}
    rule = f"name a file with an entry whose field `definition` is {DEFINITION!r}"
    checks.require(bool(entries), "path", rule, f"'{file.filename}' without one")
    names = ", ".join(entries)
    if given is not None:
        found = entries.get(given.strip("/"))
        if found is None:
            raise ValueError(checks.message("entry", f"be one of {names}", given))
        return found
    rule, remedy = "be given where a file has several", f"It is one of {names}."
    checks.require(len(entries) == 1, "entry", rule, f"none for '{file.filename}'", remedy)
    return next(iter(entries.values()))


def fields_of(entry: h5py.Group) -> Fields:
    """Return the fields of an entry, checked to fit one another."""
    detector = _member(_member(entry, "NXinstrument", "instrument"), "NXdetector", "detector")
    sample = _member(entry, "NXsample", "sample")
    data, keys, angles = (
        dataset(entry.file, f"{group.name}/{name}".strip("/"))
        for group, name in (
            (detector, "data"),
            (detector, "image_key"),
            (sample, "rotation_angle"),
        )
    )
    rule = f"name a file whose field {data.name} has the axes (frame, row, column)"
    given = f"'{entry.file.filename}' with the shape {data.shape}"
    checks.require(data.ndim == 3 and data.shape.count(0) == 0, "path", rule, given)
    # In the object, if the file tells that from the detector's.
    sizes = [group for group in (sample, detector) if "x_pixel_size" in group]
    pixel = dataset(entry.file, f"{sizes[0].name}/x_pixel_size".strip("/")) if sizes else None
    return Fields(entry, data, keys, angles, pixel)


def keys_of(fields: Fields) -> np.ndarray:
    """Return what each frame is: 0 projection, 1 flat, 2 dark, 3 invalid."""
    keys, path = numbers(fields.keys).ravel(), fields.data.file.filename
    rule = f"name a file whose field {fields.keys.name} has one key for each frame"
    given = f"'{path}' with {keys.size} keys for {len(fields.data)} frames"
    checks.require(keys.size == len(fields.data), "path", rule, given)
    known = np.isin(keys, (PROJECTION, FLAT, DARK, INVALID))
    rule = f"name a file whose field {fields.keys.name} holds 0, 1, 2 or 3"
    given = f"'{path}' with {keys[~known][:1]}"
    checks.require(bool(known.all()), "path", rule, given)
    rule = f"name a file whose field {fields.keys.name} marks projections with 0"
    checks.require(bool((keys == PROJECTION).any()), "path", rule, f"'{path}' without one")
    return keys.astype(int)


def row_counts(row: np.ndarray, keys: np.ndarray, notes: list[str]) -> Counts:
    """Return the counts of a row of all frames, (frame, u)."""
    invalid = int((keys == INVALID).sum())
    if invalid:
        notes.append(f"Frames left out because the file marks them as invalid: {invalid}.")
    views, flats = np.flatnonzero(keys == PROJECTION), np.flatnonzero(keys == FLAT)
    dark = row[keys == DARK] if (keys == DARK).any() else None
    before, after = flats[flats < views[0]], flats[flats > views[-1]]
    if not len(before) or not len(after):
        return Counts(row[views], row[flats] if len(flats) else None, dark)
    unused = len(flats) - len(before) - len(after)
    if unused:
        notes.append(f"{unused} flat frames from between the projections were not used.")
    begin, end = before.mean(), after.mean()
    times = (views - begin) / (end - begin)
    return Counts(row[views], row[before], dark, row[after], times)


def _theta(fields: Fields, keys: np.ndarray) -> np.ndarray:
    return radians_of(fields.angles, count=len(keys), chosen=keys == PROJECTION)


def _pitch(fields: Fields, notes: list[str]) -> float:
    if fields.pixel is None:
        notes.append("The file does not give the size of a bin: 1 bin was taken to be 1 mm.")
        return 1.0
    if text_attribute(fields.pixel, "units") is None:
        notes.append(f"{fields.pixel.name} has no unit and was taken to be in {LENGTH}.")
    return millimetres_of(fields.pixel, otherwise=LENGTH)


def _member(group: h5py.Group, kind: str, usual: str) -> h5py.Group:
    """Return the group's member of that class, the one of the usual name if there are several."""
    import h5py

    members = {name: group.get(name) for name in group}
    groups = {name: each for name, each in members.items() if isinstance(each, h5py.Group)}
    found = [each for each in groups.values() if text_attribute(each, "NX_class") == kind]
    if usual in groups:
        return groups[usual]
    rule = f"name a file whose group {group.name} has one of class {kind}"
    given = f"'{group.file.filename}' with {len(found)}"
    checks.require(len(found) == 1, "path", rule, given)
    return found[0]


def _contents(fields: Fields, *, own_angles: bool) -> dict[str, str]:
    """Return which field the arguments of the functions that work on its content come from."""
    names = ("frames", "transmission", "sinogram", "white", "before", "after", "dark")
    contents = {name: f"a usable field {fields.data.name}" for name in names}
    return contents | ({"angles": f"a usable field {fields.angles.name}"} if own_angles else {})
