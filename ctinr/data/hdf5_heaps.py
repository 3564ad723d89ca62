"""Where an HDF5 file keeps texts of variable length: checked before the library looks at them.

It trusts what the objects in such a *global heap collection* say of their sizes: on some damaged
bytes it loops for good, on others it ends the process. Collections are found by their signature in
the first and the last part of a file, where programs that write frames have them; what lies between
is not looked at, as that would take as long as reading the frames.

HDF5 File Format Specification, version 3, III.E.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from ctinr import checks

# The signature of a collection of the only version there is, and what is reserved behind it.
SIGNATURE = b"GCOL\x01\x00\x00\x00"
# Signature and size of a collection; number, references, and size of an object in it.
HEAD, OBJECT = struct.Struct("<8sQ"), struct.Struct("<HHIQ")
# So much is looked at at either end of a file; and collections larger than that are not walked.
LOOKED_AT, LARGEST = 2**19, 2**24
ALIGNED = 8


def check_heaps(path: Path) -> None:
    """Raise if a collection at the beginning or the end of a file is not whole.

    Raises
    ------
    OSError
        If the sizes of its objects do not fill it.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for begin in sorted({0, max(0, size - LOOKED_AT)}):
            file.seek(begin)
            part = file.read(LOOKED_AT)
            at = part.find(SIGNATURE)
            while at >= 0:
                file.seek(begin + at)
                if not _is_whole(file.read(LARGEST), size - begin - at):
                    _refuse(path, begin + at)
                at = part.find(SIGNATURE, at + 1)


def _is_whole(content: bytes, most: int) -> bool:
    """Tell whether the objects of a collection follow one another up to its end."""
    if len(content) < HEAD.size:
        return False
    _, size = HEAD.unpack_from(content)
    if not HEAD.size <= size <= most:
        return False
    at = HEAD.size
    while at + OBJECT.size <= min(size, len(content)):
        number, _, _, length = OBJECT.unpack_from(content, at)
        # What is free says its size with its head, an object without, and filled up.
        step = length if number == 0 else OBJECT.size + -(-length // ALIGNED) * ALIGNED
        if step < OBJECT.size or at + step > size:
            return False
        at += step
    return True


def _refuse(path: Path, at: int) -> None:
    given = f"'{path}', whose texts from byte {at} on do not fit together"
    remedy = "The file is damaged; copy it anew from where it came from."
    raise OSError(checks.message("path", "name an undamaged file", given, remedy))
