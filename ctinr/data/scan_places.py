"""Where scans lie in files of several kinds, so that values can be read without the rest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctinr import checks
from ctinr.data import hdf5, scan_sets
from ctinr.data.files import existing
from ctinr.data.formats import lodopab
from ctinr.data.hdf5 import PER_MILLIMETRE
from ctinr.data.hdf5_access import dataset, numeric, opened, text_attribute
from ctinr.data.hdf5_geometry import (
    NO_UNIT,
    assembled_geometry,
    assembled_grid,
    take_geometry,
    take_lengths,
)
from ctinr.geometry import Beam, Grid


@dataclass(frozen=True)
class Place:
    """Where values lie, and how they become those of a scan.

    Parameters
    ----------
    path, field : path and str
        The file, and the field in it.
    shape : tuple of int
        Of the values of one scan, in the file.
    stacked : bool
        Whether the field's first axis counts scans.
    factor : float
        What the values are multiplied with.
    transposed : bool
        Whether the axes are the other way round.
    """

    path: Path
    field: str
    shape: tuple[int, ...]
    stacked: bool = True
    factor: float = 1.0
    transposed: bool = False


@dataclass(frozen=True)
class ScanFile:
    """A file of scans: how many, their rays and cells, and where values lie; `truth` may be None.

    Lengths are in mm, angles in radians.
    """

    path: Path
    count: int
    geometry: Beam
    grid: Grid
    observation: Place
    truth: Place | None


def scan_file(path: str | os.PathLike[str]) -> ScanFile:
    """Look at a file of this project or of LoDoPaB-CT; no values are read.

    Raises
    ------
    FileNotFoundError, PermissionError, BlockingIOError, OSError
        If the file cannot be opened or is damaged.
    ValueError
        If it is of another kind, or its fields do not fit one another.
    """
    path = existing(path)
    with opened(path) as file:
        known = text_attribute(file, "format")
    if known in (hdf5.FORMAT, scan_sets.FORMAT):
        return _own_file(path, many=known == scan_sets.FORMAT)
    rule = "name a file of scans: ctinr scans, or observations of LoDoPaB-CT"
    checks.require(lodopab.is_lodopab(path), "path", rule, f"'{path}'", "Convert it first.")
    return _lodopab_file(path)


def _own_file(path: Path, *, many: bool) -> ScanFile:
    names = (scan_sets.OBSERVATION, scan_sets.TRUTH) if many else ("sinogram", "truth")
    with opened(path) as file:
        if not many:
            hdf5.check_schema(file, hdf5.FORMAT, hdf5.VERSION)
        count = scan_sets.num_scans(file) if many else 1
        taken, lengths = take_geometry(file), take_lengths(file, "grid", ("spacing", "center"))
        shapes = {
            name: numeric(file, name, units).shape
            for name, units in zip(names, (NO_UNIT, PER_MILLIMETRE), strict=True)
            if name in file or name == names[0]
        }
    geometry = assembled_geometry(path, taken)
    grid = assembled_grid(path, lengths)
    places = [
        _place(path, name, shapes[name], wanted, many)
        for name, wanted in zip(names, (geometry.shape, grid.shape), strict=True)
        if name in shapes
    ]
    return ScanFile(path, count, geometry, grid, places[0], places[1] if places[1:] else None)


def _place(
    path: Path, field: str, shape: tuple[int, ...], wanted: tuple[int, ...], many: bool
) -> Place:
    """Return the place of values in one of our files, checked for their shape."""
    rule = f"name a file whose field /{field} has the shape {wanted}"
    rule += " of each scan" if many else ""
    found = shape[1:] if many else shape
    checks.require(found == tuple(wanted), "path", rule, f"'{path}' with {shape}")
    return Place(path, field, tuple(wanted), stacked=many)


def _lodopab_file(path: Path) -> ScanFile:
    pictures = lodopab.picture_beside(path)
    counts = {each: _length(each) for each in (path, pictures) if each.exists()}
    rule = f"name a file with as many samples as '{pictures}'"
    given = f"'{path}' with {counts[path]}"
    checks.require(counts.get(pictures, counts[path]) == counts[path], "path", rule, given)
    data = Place(path, lodopab.DATA, (lodopab.NUM_VIEWS, lodopab.NUM_BINS), factor=lodopab.LARGEST)
    cells = (lodopab.NUM_CELLS, lodopab.NUM_CELLS)
    truth = Place(pictures, lodopab.DATA, cells, factor=lodopab.LARGEST / 1000, transposed=True)
    return ScanFile(
        path,
        counts[path],
        lodopab.lodopab_geometry(),
        lodopab.lodopab_grid(),
        data,
        truth if pictures in counts else None,
    )


def _length(path: Path) -> int:
    with opened(path) as file:
        shape = np.shape(dataset(file, lodopab.DATA))
    checks.require(
        len(shape) == 3,
        "path",
        f"name a file with three axes in /{lodopab.DATA}",
        f"'{path}' with {shape}",
    )
    return shape[0]
