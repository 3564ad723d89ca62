"""What has been reconstructed so far, in a file that may break off anywhere.

Blocks of slices are appended, each as one record: a mark, a description with its checksum, and the
values with theirs. A record that is not whole, and whatever follows it, is what was being written
when the process ended: it is cut off, and the block is computed again.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ctinr import checks

MARK = b"ctinrblk"
HEAD = struct.Struct("<8sII")
# Values are little-endian whatever machine wrote them.
STORED = np.dtype("<f4")
PIECE = 16 * 2**20


@dataclass(frozen=True)
class Block:
    """Slices that were computed together.

    Parameters
    ----------
    first, last : int
        They are those from `first` up to `last`.
    failed : mapping
        From the number of a slice that could not be reconstructed to the reason.
    """

    first: int
    last: int
    failed: Mapping[int, str]


@dataclass(frozen=True)
class _Record:
    block: Block
    offset: int
    size: int
    checksum: int


class Journal:
    """The blocks that are done; those of an earlier run are there when it is opened.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Of one slice, (y, x).

    Raises
    ------
    OSError
        If the file cannot be read or written.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self._shape = tuple(shape)
        # Without a buffer: what could not be written would be tried again when it is closed.
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self._records: dict[int, _Record] = {}
        self._num_slices, end = 0, 0
        while (record := self._next_record(end)) is not None:
            self._add(record)
            end = record.offset + record.size
        self._file.truncate(end)
        self._end = end

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def blocks(self) -> dict[int, Block]:
        """The blocks that are done, by their first slice, in order."""
        return {first: self._records[first].block for first in sorted(self._records)}

    @property
    def num_slices(self) -> int:
        """How many slices are done."""
        return self._num_slices

    @property
    def failed(self) -> dict[int, str]:
        """The slices that could not be reconstructed, in order, and why."""
        return {
            number: reason
            for block in self.blocks.values()
            for number, reason in block.failed.items()
        }

    def append(self, block: Block, images: np.ndarray) -> None:
        """Add a block, and return when it is on the disk.

        Raises
        ------
        OSError
            If it cannot be written, or the disk is full. Earlier blocks stay.
        """
        values = np.ascontiguousarray(images, dtype=STORED).data.cast("B")
        checksum = zlib.crc32(values)
        about = json.dumps({**asdict(block), "size": len(values), "checksum": checksum}).encode()
        self._file.seek(self._end)
        self._write(HEAD.pack(MARK, len(about), zlib.crc32(about)) + about)
        self._write(values)
        os.fsync(self._file.fileno())
        offset = self._end + HEAD.size + len(about)
        self._add(_Record(block, offset, len(values), checksum))
        self._end = offset + len(values)

    def images(self, first: int) -> np.ndarray:
        """Return the slices of a block, (slice, y, x), float32.

        Raises
        ------
        OSError
            If they are not what was written.
        """
        record = self._records[first]
        self._file.seek(record.offset)
        values = self._read(record.size)
        if len(values) != record.size or zlib.crc32(values) != record.checksum:
            rule, remedy = "hold what was written to it", "Run the command again."
            given = f"'{self._file.name}', damaged in the slices from {first} on"
            raise OSError(checks.message("out", rule, given, remedy))
        return np.frombuffer(values, STORED).reshape(-1, *self._shape).astype(np.float32)

    def _add(self, record: _Record) -> None:
        self._records[record.block.first] = record
        self._num_slices += record.block.last - record.block.first

    def _next_record(self, offset: int) -> _Record | None:
        """Return the record that begins there, or None where there is no whole one."""
        self._file.seek(offset)
        head = self._read(HEAD.size)
        if len(head) < HEAD.size:
            return None
        mark, length, checksum = HEAD.unpack(head)
        about = self._read(length) if mark == MARK and length < PIECE else b""
        if len(about) != length or zlib.crc32(about) != checksum:
            return None
        told = json.loads(about)
        if self._checksum(told["size"]) != told["checksum"]:
            return None
        failed = {int(number): reason for number, reason in told["failed"].items()}
        block = Block(told["first"], told["last"], failed)
        return _Record(block, offset + HEAD.size + length, told["size"], told["checksum"])

    def _write(self, values: bytes | memoryview) -> None:
        view = memoryview(values)
        while view:
            view = view[self._file.write(view) :]

    def _read(self, size: int) -> bytes:
        """Return so many bytes, or what there is of them."""
        pieces = []
        while size > 0 and (piece := self._file.read(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _checksum(self, size: int) -> int:
        """Return the checksum of the next bytes, or -1 where there are not so many."""
        checksum = 0
        while size > 0:
            piece = self._read(min(size, PIECE))
            if not piece:
                return -1
            checksum, size = zlib.crc32(piece, checksum), size - len(piece)
        return checksum
