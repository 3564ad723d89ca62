"""HDF5 files of any schema: every error names the file, the field and what to do."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctinr import checks
from ctinr.data.files import existing, readable
from ctinr.data.hdf5_heaps import check_heaps
from ctinr.data.hdf5_integrity import check_claim, check_kind, check_length, check_seal, seal

if TYPE_CHECKING:
    import h5py

# What reading a damaged file may end in, besides an OSError.
INSIDE = (RuntimeError, LookupError, UnicodeError, OverflowError, MemoryError)
# What the library says of an object that is not there, or of a link to nothing.
MISSING = ("doesn't exist", "component not found", "unable to open external file")


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; errors say what is wrong with it and what to do.

    What the HDF5 library raises in the block is about the file, and is raised again as an OSError
    that names it; a ValueError or TypeError is the caller's own, and passes.
    """
    path = Path(path)
    file = open_file(path)
    with naming_the_file(path), file:
        yield file


def open_file(path: str | os.PathLike[str]) -> h5py.File:
    """Return an HDF5 file, opened for reading; errors say what is wrong with it and what to do."""
    import h5py

    path = existing(path)
    with readable(path):
        check_heaps(path)
        try:
            return h5py.File(path, "r")
        except PermissionError:
            raise
        except (OSError, *INSIDE) as error:
            raise _why_not(path, error) from error


@contextlib.contextmanager
def naming_the_file(path: Path) -> Iterator[None]:
    """Raise what the HDF5 library raises in the block again, as an OSError that names the file."""
    try:
        yield
    except (OSError, *INSIDE) as error:
        # One in our form says what it is about, which may be another file that is written here.
        if isinstance(error, OSError) and (str(error).startswith("`") or str(path) in str(error)):
            raise
        raise _why_not(path, error) from error


@contextlib.contextmanager
def built(path: str | os.PathLike[str], **settings: Any) -> Iterator[h5py.File]:
    """Give an HDF5 file to fill, which is written to `path` when the block has ended.

    It is built in memory: the library crashes the process where the disk is full, and an ordinary
    write raises an error.
    """
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **settings) as file:
        yield file
    Path(path).write_bytes(buffer.getbuffer())


def dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """Return a field of a file; the error names both."""
    import h5py

    try:
        found = file.get(name)
        if found is None:
            _check_missing(file, name)
    except (OSError, RuntimeError) as error:
        raise _why_not(Path(file.filename), error) from error
    if not isinstance(found, h5py.Dataset):
        given = f"'{file.filename}' without it"
        raise ValueError(checks.message("path", f"name a file with the field /{name}", given))
    rule, given = f"name a file whose field /{name} holds something", f"'{file.filename}'"
    checks.require(found.shape is not None, "path", rule, f"{given} with an empty one")
    return found


def _check_missing(file: h5py.File, name: str) -> None:
    """Raise if there is a field of that name after all, which cannot be opened."""
    try:
        file[name]
    except KeyError as error:
        if not any(known in str(error) for known in MISSING):
            raise OSError(f"the field /{name} cannot be opened: {error}") from error


def values(field: h5py.Dataset, selection: Any = ()) -> Any:
    """Read a field, or a part of it; the error names the file and the field."""
    check_claim(field, selection)
    check_kind(field, field.id, f"field {field.name}")
    with _damage(field):
        found = field[selection]
        check_length(field)
        check_seal(field, selection, found)
        return found


def parts_of(field: h5py.Dataset, selections: Iterable[Any], *, whole: Any) -> Iterator[Any]:
    """Read parts of a field, one after the other; checks that take long are made once for all.

    Parameters
    ----------
    field : h5py.Dataset
        The field.
    selections : iterable
        Of each part.
    whole : selection
        What holds all of them.
    """
    check_claim(field, whole)
    check_kind(field, field.id, f"field {field.name}")
    with _damage(field):
        for selection in selections:
            yield field[selection]
        check_length(field)


@contextlib.contextmanager
def _damage(field: h5py.Dataset) -> Iterator[None]:
    """Let errors of the block name the file and the field."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if str(error).startswith("`"):
            raise
        given = f"'{field.file.filename}', whose field {field.name} cannot be read ({error})"
        remedy = "The file is damaged; copy it anew from where it came from."
        raise OSError(checks.message("path", "name an undamaged file", given, remedy)) from error


def numbers(field: h5py.Dataset, selection: Any = ()) -> np.ndarray:
    """Read a field of real numbers, or a part of it, as float64; the error names both."""
    given = f"'{field.file.filename}' with values of type {field.dtype}"
    rule = f"name a file whose field {field.name} holds real numbers"
    checks.require(field.dtype.kind in "biuf", "path", rule, given)
    # A damaged number may be a NaN that signals; it stays one, and whoever uses it finds it.
    with np.errstate(invalid="ignore"):
        return np.asarray(values(field, selection), dtype=np.float64)


def put(
    group: h5py.Group, name: str, data: Any, *, units: str, axes: str = "", chunks: Any = True
) -> None:
    """Write a field with its unit and a checksum, and what its axes are."""
    if hasattr(data, "detach"):
        data = data.detach().cpu().numpy()
    field = group.create_dataset(name, data=data, chunks=chunks, fletcher32=True)
    field.attrs["units"] = np.bytes_(units)
    if axes:
        field.attrs["axes"] = np.bytes_(axes)
    seal(field, data, entries=chunks is not True)


def take(file: h5py.File, name: str, units: str, selection: Any = ()) -> np.ndarray:
    """Read a field of numbers, or a part of it, in that unit; the error names file and field."""
    return np.asarray(values(numeric(file, name, units), selection))


def numeric(file: h5py.File, name: str, units: str) -> h5py.Dataset:
    """Return a field of numbers that must have that unit; the error names file and field."""
    field = dataset(file, name)
    given = text_attribute(field, "units")
    rule = f"name a file whose field /{name} has the units {units!r}"
    checks.require(given == units, "path", rule, f"'{file.filename}' with {given!r}")
    rule = f"name a file whose field /{name} holds numbers"
    given = f"'{file.filename}' with values of type {field.dtype}"
    checks.require(field.dtype.kind in "iuf", "path", rule, given)
    return field


def valid_fields(group: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return what `naming` says of the fields of a group."""
    return {name: f"a valid field /{group}/{name}".replace("//", "/") for name in names}


def field_names(file: h5py.File, group: str) -> list[str]:
    """Return the names of the fields of a group, none where there is no such group."""
    import h5py

    found = file.get(group)
    return list(found) if isinstance(found, h5py.Group) else []


def text_attribute(item: Any, name: str) -> str | None:
    """Return an attribute as text, however it was stored, or None where there is none."""
    if name not in item.attrs:
        return None
    check_kind(item, item.attrs.get_id(name), f"attribute {name} of {item.name}")
    value = item.attrs.get(name)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if value is None else str(value)


def _why_not(path: Path, error: Exception) -> OSError:
    """Return an error that tells a lock, a file of another kind and a damaged one apart."""
    if isinstance(error, BlockingIOError) or "lock file" in str(error):
        remedy = (
            "Wait until the program that writes to it has ended. If there is none, as on some "
            "network drives, set the environment variable HDF5_USE_FILE_LOCKING=FALSE."
        )
        given = f"'{path}', which is locked"
        return BlockingIOError(checks.message("path", "name a file free to read", given, remedy))
    given = f"'{path}' ({error})"
    remedy = "It is truncated, damaged or of another kind; copy it anew from where it came from."
    return OSError(checks.message("path", "name a whole HDF5 file", given, remedy))
