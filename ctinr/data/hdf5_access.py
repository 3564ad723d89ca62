"""HDF5 files of any schema: every error names the file, the field and what to do."""

from __future__ import annotations

import contextlib
import io
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctinr import checks
from ctinr.data.files import existing, readable

if TYPE_CHECKING:
    import h5py

# What reading a damaged file may end in, besides an OSError.
INSIDE = (RuntimeError, LookupError, UnicodeError, OverflowError, MemoryError)
# What a field may claim to hold whatever is there, bytes; beyond it, how much a filter can save.
UNSEEN, MOST_SAVED = 2**26, 2000
# The attribute with what `sealed` gives a field.
SEAL = "crc32"


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
        if isinstance(error, OSError) and str(path) in str(error):
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
    except (OSError, RuntimeError) as error:
        raise _why_not(Path(file.filename), error) from error
    if not isinstance(found, h5py.Dataset):
        given = f"'{file.filename}' without it"
        raise ValueError(checks.message("path", f"name a file with the field /{name}", given))
    rule, given = f"name a file whose field /{name} holds something", f"'{file.filename}'"
    checks.require(found.shape is not None, "path", rule, f"{given} with an empty one")
    return found


def values(field: h5py.Dataset, selection: Any = ()) -> Any:
    """Read a field, or a part of it; the error names the file and the field."""
    _check_claim(field, selection)
    try:
        found = field[selection]
        _check_seal(field, selection, found)
        return found
    except (OSError, RuntimeError) as error:
        if str(error).startswith("`"):
            raise
        given = f"'{field.file.filename}', whose field {field.name} cannot be read ({error})"
        remedy = "The file is damaged; copy it anew from where it came from."
        raise OSError(checks.message("path", "name an undamaged file", given, remedy)) from error


def _check_claim(field: h5py.Dataset, selection: Any) -> None:
    """Raise if a field claims to hold far more than its file can: memory is taken as it claims."""
    if field.shape is None or field.is_virtual or field.external:
        return
    chosen = selection if isinstance(selection, tuple) else (selection,)
    once = [place for place, each in enumerate(chosen) if isinstance(each, int | np.integer)]
    count = math.prod(size for place, size in enumerate(field.shape) if place not in once)
    claimed, held = count * max(8, field.dtype.itemsize), field.id.get_storage_size()
    rule = "name an undamaged file"
    given = (
        f"'{field.file.filename}', whose field {field.name} claims {count} values and holds "
        f"{held} bytes"
    )
    if claimed > UNSEEN and claimed > MOST_SAVED * held:
        raise OSError(checks.message("path", rule, given, "Copy it anew from where it came from."))


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


def seal(field: h5py.Dataset, data: Any, *, entries: bool = False) -> None:
    """Give a field the CRC-32 of its bytes, or with `entries` that of each along its first axis.

    The library's own checksum does not notice that a chunk and its checksum are zeros, and its
    table of the chunks has none.
    """
    data = np.asarray(data)
    sums = [_crc(entry) for entry in data] if entries else _crc(data)
    field.attrs[SEAL] = np.asarray(sums, dtype=np.uint32)


def _crc(data: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(data).tobytes())


def _check_seal(field: h5py.Dataset, selection: Any, found: Any) -> None:
    """Raise unless values are those that were sealed, if they were, and all or an entry is read."""
    kept = np.asarray(field.attrs.get(SEAL, []))
    entry = int(selection) if isinstance(selection, int | np.integer) else None
    if (
        kept.dtype != np.uint32
        or selection not in ((), entry)
        or (entry is not None and not kept.ndim)
    ):
        return
    if entry is not None:
        wrong = _crc(found) != kept[entry]
    elif kept.ndim:
        wrong = [_crc(each) for each in found] != kept.tolist()
    else:
        wrong = _crc(found) != kept
    rule = "name an undamaged file"
    given = f"'{field.file.filename}', whose field {field.name} is not what was written"
    remedy = (
        "Copy it anew from where it came from. If the field was changed on purpose, delete its "
        f"attribute `{SEAL}`."
    )
    if wrong:
        raise OSError(checks.message("path", rule, given, remedy))


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
