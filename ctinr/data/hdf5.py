"""The project's own files: a scan as HDF5, every field with its unit, and the schema's version.

docs/formats.md describes the schema. Arrays carry checksums and so do the headers of version 1.8
of the library's file format; texts have a fixed length. So damage is noticed when it is read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ctinr import checks
from ctinr.data.files import naming, replacing
from ctinr.data.hdf5_access import (
    built,
    opened,
    put,
    take,
    text_attribute,
)
from ctinr.data.hdf5_geometry import (
    NO_UNIT,
    assembled_geometry,
    assembled_grid,
    put_geometry,
    put_lengths,
    take_geometry,
    take_lengths,
)
from ctinr.data.hdf5_metadata import put_metadata, take_metadata
from ctinr.data.scan import Scan
from ctinr.geometry import PlanarBeam

if TYPE_CHECKING:
    import h5py

FORMAT = "ctinr-scan"
# Files of slices by a parallel beam or a fan say 1, so that older programs read them.
VERSION = 2
PER_MILLIMETRE = "1/mm"
# What the axes of a sinogram and of an image are, by the number of axes of the latter.
AXES = {2: ("angle u", "y x"), 3: ("angle v u", "z y x")}
# From an argument of a scan to the field that holds it.
FIELDS: Mapping[str, str] = MappingProxyType({name: name for name in ("sinogram", "truth", "grid")})


def write_scan(path: str | os.PathLike[str], scan: Scan, *, overwrite: bool = False) -> None:
    """Write a scan as an HDF5 file.

    The file is written beside its place and then renamed, so there is never half a file, and an
    older one stays whole if writing fails.

    Parameters
    ----------
    path : path
        Where the file shall be, usually `*.h5`.
    scan : Scan
        What to write.
    overwrite : bool
        Whether an older file may be replaced.

    Raises
    ------
    TypeError
        If `scan` is not a Scan.
    FileExistsError
        If there is a file and `overwrite` is false.
    FileNotFoundError, PermissionError, OSError
        If the folder does not exist, cannot be written to, or is full.
    """
    if not isinstance(scan, Scan):
        raise TypeError(checks.message("scan", "be a Scan", scan))
    with (
        replacing(path, overwrite=overwrite) as partial,
        built(partial, libver=("v108", "v108")) as file,
    ):
        file.attrs.update({"format": np.bytes_(FORMAT), "version": _least_version(scan)})
        of_data, of_image = AXES[len(scan.grid.shape)]
        put(file, "sinogram", scan.sinogram, units=NO_UNIT, axes=of_data)
        put_geometry(file, scan.geometry)
        put_lengths(file, "grid", scan.grid, ("spacing", "center"))
        if scan.truth is not None:
            put(file, "truth", scan.truth, units=PER_MILLIMETRE, axes=of_image)
        put_metadata(file, scan.metadata)


def read_hdf5_scan(path: str | os.PathLike[str]) -> Scan:
    """Return the scan that `write_scan` wrote, on the CPU, field by field the same.

    Raises
    ------
    FileNotFoundError, PermissionError, BlockingIOError
        If the file does not exist, may not be read, or another program is writing to it.
    OSError
        If the file or one of its fields is damaged.
    ValueError
        If a field is missing or has another unit than the schema says, or the schema is newer
        than this program. Every message names the file, and the field where there is one.
    """
    with opened(path) as file:
        check_schema(file, FORMAT, VERSION)
        parts = {
            "sinogram": take(file, "sinogram", NO_UNIT),
            "truth": take(file, "truth", PER_MILLIMETRE) if "truth" in file else None,
            "geometry": take_geometry(file),
            "grid": take_lengths(file, "grid", ("spacing", "center")),
            "metadata": take_metadata(file),
        }
    return assembled(path, parts)


def assembled(
    path: str | os.PathLike[str], parts: dict[str, Any], *, fields: Mapping[str, str] = FIELDS
) -> Scan:
    """Return the scan of what was read; errors name the file and the field.

    Parameters
    ----------
    path : path
        The file.
    parts : dict
        The arguments of a `Scan`, arrays as arrays, geometry and grid as they were taken.
    fields : mapping
        From an argument to the field that holds it.
    """
    truth = parts["truth"]
    geometry = assembled_geometry(path, parts["geometry"])
    cells = assembled_grid(path, parts["grid"])
    named = {argument: f"a valid field /{field}" for argument, field in fields.items()}
    of_keys = {f"metadata[{key!r}]": f"a valid field /metadata/{key}" for key in parts["metadata"]}
    with naming(path, named | of_keys):
        return Scan(
            sinogram=torch.from_numpy(parts["sinogram"]),
            geometry=geometry,
            grid=cells,
            truth=None if truth is None else torch.from_numpy(truth),
            metadata=parts["metadata"],
        )


def check_schema(file: h5py.File, wanted: str, newest: int) -> None:
    """Raise unless a file is of that format, in a version up to the newest."""
    name, given = file.filename, text_attribute(file, "format")
    rule = f"name a file whose attribute `format` is {wanted!r}"
    checks.require(given == wanted, "path", rule, f"'{name}' with {given!r}")
    version = file.attrs.get("version")
    if not isinstance(version, int | np.integer):
        rule = "name a file whose attribute `version` is a whole number"
        raise ValueError(checks.message("path", rule, f"'{name}' with {version!r}"))
    rule, remedy = f"name a file of schema version {newest} at most", "Update ctinr to read it."
    checks.require(int(version) <= newest, "path", rule, f"'{name}' of version {version}", remedy)


def _least_version(scan: Scan) -> int:
    """Return the first version of the schema that can hold the scan."""
    several = isinstance(scan.metadata.get("photons"), tuple)
    is_slice = isinstance(scan.geometry, PlanarBeam) and len(scan.geometry.shape) == 2
    return 1 if is_slice and not several else 2
