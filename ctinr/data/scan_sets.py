"""Files of many scans that have their rays and their grid in common, as HDF5.

Sinograms and truths are stacked, and one can be read without the others; rays, grid and what the
metadata of all have in common are there once. docs/formats.md describes the schema.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ctinr import checks
from ctinr.data.files import existing, replacing
from ctinr.data.hdf5 import AXES, PER_MILLIMETRE, assembled, check_schema
from ctinr.data.hdf5_access import built, dataset, numeric, opened, put, take
from ctinr.data.hdf5_geometry import (
    NO_UNIT,
    put_geometry,
    put_lengths,
    take_geometry,
    take_lengths,
)
from ctinr.data.hdf5_integrity import seal
from ctinr.data.hdf5_metadata import put_metadata, restored, stored, take_metadata
from ctinr.data.scan import Scan

if TYPE_CHECKING:
    import h5py

FORMAT, VERSION = "ctinr-scans", 1
OBSERVATION, TRUTH, ITEMS = "observation", "ground_truth", "items"
FIELDS: Mapping[str, str] = MappingProxyType(
    {"sinogram": OBSERVATION, "truth": TRUTH, "grid": "grid"}
)


def write_scans(
    path: str | os.PathLike[str], scans: Sequence[Scan], *, overwrite: bool = False
) -> None:
    """Write scans that have geometry and grid in common as one HDF5 file.

    The same scans give the same bytes. The file is written beside its place and then renamed.

    Parameters
    ----------
    path : path
        Where the file shall be, usually `*.h5`.
    scans : sequence of Scan
        What to write, at least one; all of them with a truth, or none.
    overwrite : bool
        Whether an older file may be replaced.

    Raises
    ------
    TypeError
        If one is not a Scan.
    ValueError
        If there is none, or geometry, grid, types or whether there is a truth differ.
    FileExistsError
        If there is a file and `overwrite` is false.
    FileNotFoundError, PermissionError, OSError
        If the folder does not exist, cannot be written to, or is full.
    """
    _check_alike(scans)
    first, common = scans[0], _common([scan.metadata for scan in scans])
    own = tuple(
        json.dumps({key: value for key, value in scan.metadata.items() if key not in common})
        for scan in scans
    )
    of_data, of_image = (f"item {axes}" for axes in AXES[len(first.grid.shape)])
    with (
        replacing(path, overwrite=overwrite) as partial,
        built(partial, libver=("v108", "v108")) as file,
    ):
        file.attrs.update({"format": np.bytes_(FORMAT), "version": VERSION})
        _put_stack(file, OBSERVATION, [scan.sinogram for scan in scans], (NO_UNIT, of_data))
        truths = [scan.truth for scan in scans if scan.truth is not None]
        if truths:
            _put_stack(file, TRUTH, truths, (PER_MILLIMETRE, of_image))
        put_geometry(file, first.geometry)
        put_lengths(file, "grid", first.grid, ("spacing", "center"))
        put_metadata(file, common)
        kept = stored(own)
        seal(file.create_dataset(ITEMS, data=kept, chunks=True), kept, entries=True)


def read_scan_of_set(path: str | os.PathLike[str], *, slice: int | None = None) -> Scan:
    """Return one scan of a file of many; the others stay on the disk.

    Parameters
    ----------
    path : path
        A file that `write_scans` wrote.
    slice : int, optional
        Which scan of the file, counted from 0; the first one if not given.

    Raises
    ------
    FileNotFoundError, PermissionError, BlockingIOError, OSError
        If the file cannot be opened or is damaged.
    ValueError
        If a field is missing or does not fit the others, or there is no such scan.
    """
    number = 0 if slice is None else checks.count(slice, "slice", least=0)
    with opened(path) as file:
        count = num_scans(file)
        rule = f"be less than {count}, the number of scans in '{path}'"
        checks.require(number < count, "slice", rule, number, "Scans are counted from 0.")
        parts: dict[str, Any] = {
            "sinogram": take(file, OBSERVATION, NO_UNIT, number),
            "truth": take(file, TRUTH, PER_MILLIMETRE, number) if TRUTH in file else None,
            "geometry": take_geometry(file),
            "grid": take_lengths(file, "grid", ("spacing", "center")),
            "metadata": {**take_metadata(file), **_own(file, number), "slice": number},
        }
    return assembled(path, parts, fields=FIELDS)


def num_scans(file: h5py.File) -> int:
    """Return how many scans a file of many holds, checked to be whole.

    Raises
    ------
    ValueError
        If it is of another format, or its fields hold different numbers of scans.
    """
    check_schema(file, FORMAT, VERSION)
    units = {OBSERVATION: NO_UNIT, TRUTH: PER_MILLIMETRE}
    fields = [numeric(file, name, unit) for name, unit in units.items() if name in file]
    fields.append(dataset(file, ITEMS))
    counts = {str(each.name): each.shape[0] if each.shape else 0 for each in fields}
    rule = f"name a file with as many entries in /{OBSERVATION}, /{TRUTH} and /{ITEMS}"
    good = OBSERVATION in file and len(set(counts.values())) == 1 and min(counts.values()) > 0
    given = ", ".join(f"{count} in {name}" for name, count in counts.items())
    checks.require(good, "path", rule, f"'{file.filename}' with {given}")
    return int(fields[0].shape[0])


def scan_set_files(folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Return the HDF5 files of a folder, in the order of their names.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    folder = Path(folder)
    found = () if not folder.is_dir() else sorted(folder.iterdir())
    files = tuple(each for each in found if each.suffix in (".h5", ".hdf5"))
    if not files:
        if not folder.is_dir():
            existing(folder)
        rule = "name a folder with HDF5 files"
        raise FileNotFoundError(checks.message("path", rule, f"'{folder}' without one"))
    return files


def _put_stack(file: h5py.File, name: str, each: list[torch.Tensor], told: tuple[str, str]) -> None:
    stack = torch.stack([values.detach().cpu() for values in each])
    units, axes = told
    put(file, name, stack, units=units, axes=axes, chunks=(1, *stack.shape[1:]))


def _common(metadata: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what all have in common."""
    first, *others = metadata
    return {
        key: value
        for key, value in first.items()
        if all(key in other and _same(other[key], value) for other in others)
    }


def _same(one: Any, other: Any) -> bool:
    # 1, 1.0 and True are equal, and still three things in a file.
    return repr(one) == repr(other)


def _own(file: h5py.File, number: int) -> dict[str, Any]:
    """Return what the metadata of one scan have for themselves."""
    field = dataset(file, ITEMS)
    try:
        found = json.loads(restored(field, number))
    except (TypeError, ValueError) as error:
        found = error
    rule = f"name a file whose field /{ITEMS} holds JSON objects"
    given = f"'{file.filename}' with {found!r:.60} for scan {number}"
    checks.require(isinstance(found, dict), "path", rule, given)
    return found if isinstance(found, dict) else {}


def _check_alike(scans: Sequence[Scan]) -> None:
    """Raise unless scans can lie in one file."""
    checks.require(len(scans) > 0, "scans", "be at least one", "none")
    first = scans[0]
    for number, scan in enumerate(scans):
        argument = f"scans[{number}]"
        if not isinstance(scan, Scan):
            raise TypeError(checks.message(argument, "be a Scan", scan))
        alike = {
            "the geometry": scan.geometry == first.geometry,
            "the grid": scan.grid == first.grid,
            "the type of values": scan.sinogram.dtype == first.sinogram.dtype,
            "a truth, or none,": (scan.truth is None) == (first.truth is None),
        }
        different = [what for what, same in alike.items() if not same]
        rule = f"have {' and '.join(different)} of the first scan"
        checks.require(not different, argument, rule, repr(scan))
