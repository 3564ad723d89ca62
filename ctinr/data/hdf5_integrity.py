"""Whether a field of an HDF5 file is what was written, and there at all.

The library's own checksums do not notice that a chunk and its checksum are zeros, its table of
the chunks has none, and where a file ends too early it reads zeros.
"""

from __future__ import annotations

import math
import os
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ctinr import checks

if TYPE_CHECKING:
    import h5py

# What a field may claim to hold whatever is there, bytes; beyond it, how much a filter can save.
UNSEEN, MOST_SAVED = 2**26, 2000
# The attribute with what `seal` gives a field.
SEAL = "crc32"


def check_claim(field: h5py.Dataset, selection: Any) -> None:
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


def check_kind(item: Any, holder: Any, described: str) -> None:
    """Raise if a field or an attribute holds lists of variable length, as no known format does.

    A damaged byte makes them of texts, and the library ends the process where it reads them.
    """
    import h5py

    if holder.get_type().get_class() == h5py.h5t.VLEN:
        rule = "name an undamaged file"
        given = f"'{item.file.filename}', whose {described} holds lists of variable length"
        remedy = "Copy it anew from where it came from."
        raise OSError(checks.message("path", rule, given, remedy))


def seal(field: h5py.Dataset, data: Any, *, entries: bool = False) -> None:
    """Give a field the CRC-32 of its bytes, or with `entries` that of each along its first axis."""
    data = np.asarray(data)
    sums = [_crc(entry) for entry in data] if entries else _crc(data)
    field.attrs[SEAL] = np.asarray(sums, dtype=np.uint32)


def _crc(data: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(data).tobytes())


def check_seal(field: h5py.Dataset, selection: Any, found: Any) -> None:
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


def check_length(field: h5py.Dataset) -> None:
    """Raise if the file has become shorter since it was opened."""
    file = field.file.id
    given = f"'{field.file.filename}', which has become shorter"
    remedy = "Wait until nothing writes to it, or copy it anew from where it came from."
    if os.fstat(file.get_vfd_handle()).st_size < file.get_filesize():
        rule = "name a file that stays as it is while it is read"
        raise OSError(checks.message("path", rule, given, remedy))
