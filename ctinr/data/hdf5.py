"""The project's own files: a scan as HDF5, every field with its unit, and the schema's version.

docs/formats.md describes the schema. Arrays carry checksums and so do the headers of version 1.8
of the library's file format; texts have a fixed length. So damage is noticed when it is read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ctinr import checks
from ctinr.data.files import naming, replacing
from ctinr.data.hdf5_access import built, dataset, field_names, opened, text_attribute, values
from ctinr.data.scan import Scan
from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, PlanarBeam

if TYPE_CHECKING:
    import h5py

FORMAT = "ctinr-scan"
VERSION = 1
DISTANCES = ("source_distance", "detector_distance")
NO_UNIT, MILLIMETRE, RADIAN, PER_MILLIMETRE = "1", "mm", "rad", "1/mm"


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
        file.attrs.update({"format": np.bytes_(FORMAT), "version": VERSION})
        grid = scan.grid
        _put(file, "sinogram", scan.sinogram, units=NO_UNIT, axes="angle u")
        _put_beam(file, scan.geometry)
        _put(file, "grid/shape", np.asarray(grid.shape), units=NO_UNIT)
        _put(file, "grid/spacing", np.asarray(grid.spacing), units=MILLIMETRE)
        _put(file, "grid/center", np.asarray(grid.center), units=MILLIMETRE)
        if scan.truth is not None:
            _put(file, "truth", scan.truth, units=PER_MILLIMETRE, axes="y x")
        metadata = file.create_group("metadata")
        for key, value in scan.metadata.items():
            metadata.create_dataset(key, data=_stored(value))


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
        _check_schema(file)
        names = field_names(file, "metadata")
        parts = {
            "sinogram": _take(file, "sinogram", NO_UNIT),
            "truth": _take(file, "truth", PER_MILLIMETRE) if "truth" in file else None,
            "angles": _take(file, "geometry/angles", RADIAN),
            "fan": _fan_values(file),
            "detector": _lengths(file, "geometry/detector", ("pitch", "offset")),
            "grid": _lengths(file, "grid", ("spacing", "center")),
            "metadata": {name: _restored(dataset(file, f"metadata/{name}")) for name in names},
        }
    return _assembled(path, parts)


def _assembled(path: str | os.PathLike[str], parts: dict[str, Any]) -> Scan:
    """Return the scan of what was read; errors name the file and the field."""
    truth = parts["truth"]
    with naming(path, _fields("geometry/detector", ("shape", "pitch", "offset"))):
        placed = Detector(*parts["detector"])
    with naming(path, _fields("grid", ("shape", "spacing", "center"))):
        cells = Grid(*parts["grid"])
    with naming(
        path, _fields("geometry", ("angles", *DISTANCES)) | _fields("", ("sinogram", "truth"))
    ):
        return Scan(
            sinogram=torch.from_numpy(parts["sinogram"]),
            geometry=_beam(parts["angles"].tolist(), placed, parts["fan"]),
            grid=cells,
            truth=None if truth is None else torch.from_numpy(truth),
            metadata=parts["metadata"],
        )


def _fields(group: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return what `naming` says of the fields of a group."""
    return {name: f"a valid field /{group}/{name}".replace("//", "/") for name in names}


def _lengths(file: h5py.File, group: str, names: tuple[str, str]) -> list[Any]:
    """Return the shape and two lengths an axis of a grid or a detector."""
    shape = _take(file, f"{group}/shape", NO_UNIT).tolist()
    return [shape, *(_take(file, f"{group}/{name}", MILLIMETRE).tolist() for name in names)]


def _check_schema(file: h5py.File) -> None:
    name, given = file.filename, text_attribute(file, "format")
    rule = f"name a file whose attribute `format` is {FORMAT!r}"
    checks.require(given == FORMAT, "path", rule, f"'{name}' with {given!r}")
    version = file.attrs.get("version")
    if not isinstance(version, int | np.integer):
        rule = "name a file whose attribute `version` is a whole number"
        raise ValueError(checks.message("path", rule, f"'{name}' with {version!r}"))
    rule, remedy = f"name a file of schema version {VERSION} at most", "Update ctinr to read it."
    checks.require(int(version) <= VERSION, "path", rule, f"'{name}' of version {version}", remedy)
    beam = text_attribute(file["geometry"], "beam") if "geometry" in file else None
    rule = "name a file whose attribute /geometry `beam` is 'parallel' or 'fan'"
    checks.require(beam in ("parallel", "fan"), "path", rule, f"'{name}' with {beam!r}")


def _put_beam(file: h5py.File, geometry: PlanarBeam) -> None:
    group, detector = file.create_group("geometry"), geometry.detector
    group.attrs["beam"] = np.bytes_("fan" if isinstance(geometry, FanBeam) else "parallel")
    _put(group, "angles", np.asarray(geometry.angles), units=RADIAN)
    _put(group, "detector/shape", np.asarray(detector.shape), units=NO_UNIT)
    _put(group, "detector/pitch", np.asarray(detector.pitch), units=MILLIMETRE)
    _put(group, "detector/offset", np.asarray(detector.offset), units=MILLIMETRE)
    if isinstance(geometry, FanBeam):
        group.attrs["detector"] = np.bytes_("curved" if geometry.curved else "flat")
        for name in DISTANCES:
            _put(group, name, np.asarray([getattr(geometry, name)]), units=MILLIMETRE)


def _fan_values(file: h5py.File) -> dict[str, Any]:
    """Return what a fan has besides its angles and detector; nothing for a parallel beam."""
    if text_attribute(file["geometry"], "beam") != "fan":
        return {}
    kind = text_attribute(file["geometry"], "detector")
    rule = "name a file whose attribute /geometry `detector` is 'flat' or 'curved'"
    checks.require(kind in ("flat", "curved"), "path", rule, f"'{file.filename}' with {kind!r}")
    distances = {}
    for name in DISTANCES:
        stored = _take(file, f"geometry/{name}", MILLIMETRE)
        rule = f"name a file whose field /geometry/{name} holds one number"
        given = f"'{file.filename}' with {stored.size}"
        checks.require(stored.size == 1, "path", rule, given)
        distances[name] = float(stored.item())
    return {**distances, "curved": kind == "curved"}


def _beam(angles: list[float], detector: Detector, fan: dict[str, Any]) -> PlanarBeam:
    return FanBeam(angles, detector, **fan) if fan else ParallelBeam(angles, detector)


def _put(file: h5py.Group, name: str, data: Any, *, units: str, axes: str = "") -> None:
    if hasattr(data, "detach"):
        data = data.detach().cpu().numpy()
    field = file.create_dataset(name, data=data, chunks=True, fletcher32=True)
    field.attrs["units"] = np.bytes_(units)
    if axes:
        field.attrs["axes"] = np.bytes_(axes)


def _take(file: h5py.File, name: str, units: str) -> np.ndarray:
    field = dataset(file, name)
    given = text_attribute(field, "units")
    rule = f"name a file whose field /{name} has the units {units!r}"
    checks.require(given == units, "path", rule, f"'{file.filename}' with {given!r}")
    rule = f"name a file whose field /{name} holds numbers"
    given = f"'{file.filename}' with values of type {field.dtype}"
    checks.require(field.dtype.kind in "iuf", "path", rule, given)
    return np.asarray(values(field))


def _stored(value: Any) -> np.ndarray:
    """Return a plain value as HDF5 holds it: texts in UTF-8, as long as the longest of them."""
    import h5py

    texts = [value] if isinstance(value, str) else value if isinstance(value, tuple) else []
    if not texts or not isinstance(texts[0], str):
        return np.asarray(value)
    coded = [text.encode() for text in texts]
    kind = h5py.string_dtype("utf-8", max(1, *(len(text) for text in coded)))
    return np.array(coded[0] if isinstance(value, str) else coded, dtype=kind)


def _restored(field: h5py.Dataset) -> Any:
    """Return a plain value as it was before `_stored`."""
    stored = np.asarray(values(field))
    items = [item.decode() if isinstance(item, bytes) else item for item in stored.ravel().tolist()]
    return tuple(items) if stored.ndim else items[0]
