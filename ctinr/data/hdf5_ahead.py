"""Parts of an HDF5 field that the system loads from the disk before they are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h5py

# From where to where something lies in a file, bytes.
Span = tuple[int, int]
# Beyond so many chunks, asking where they lie takes longer than waiting for the disk.
MOST_CHUNKS = 2**18


class Ahead:
    """Asks the system for the parts of a field that will be read next.

    A reader waits for the disk, decodes, and waits again: what the system loads of its own accord
    ends where the chunks of other slices begin. This is advice, and nothing comes of it where the
    system takes none, or where the values lie in other files.

    Parameters
    ----------
    field : h5py.Dataset
        The field; its file must stay open.
    axis : int
        Along which axis the parts follow one another: 0 or 1.
    """

    def __init__(self, field: h5py.Dataset, axis: int) -> None:
        self._spans = _spans_of(field, axis)
        self._file = field.file.id.get_vfd_handle() if self._spans else 0

    def expect(self, first: int, last: int) -> None:
        """Ask for what lies from one place along the axis up to another."""
        if self._spans is not None:
            for begin, end in _merged(self._spans(first, last)):
                os.posix_fadvise(self._file, begin, end - begin, os.POSIX_FADV_WILLNEED)


def _spans_of(field: h5py.Dataset, axis: int) -> Callable[[int, int], Iterable[Span]] | None:
    """Return what says where a part lies; None where that is not known or of no use."""
    if not hasattr(os, "posix_fadvise") or field.is_virtual or field.external:
        return None
    if field.chunks is None:
        return _of_lines(field, axis)
    if not hasattr(field.id, "chunk_iter") or field.id.get_num_chunks() > MOST_CHUNKS:
        return None
    return _of_chunks(field, axis, field.chunks[axis])


def _of_chunks(field: h5py.Dataset, axis: int, length: int) -> Callable[[int, int], Iterable[Span]]:
    spans: dict[int, list[Span]] = {}

    def add(chunk: h5py.h5d.StoreInfo) -> None:
        span = (chunk.byte_offset, chunk.byte_offset + chunk.size)
        spans.setdefault(chunk.chunk_offset[axis], []).append(span)

    field.id.chunk_iter(add)

    def of(first: int, last: int) -> Iterator[Span]:
        for place in range(first - first % length, last, length):
            yield from spans.get(place, [])

    return of


def _of_lines(field: h5py.Dataset, axis: int) -> Callable[[int, int], Iterable[Span]] | None:
    offset = field.id.get_offset()
    if offset is None:
        return None
    each = field.dtype.itemsize * field.size // field.shape[0]
    one = each if axis == 0 else each // field.shape[1]
    starts = [offset] if axis == 0 else [offset + each * at for at in range(field.shape[0])]
    return lambda first, last: [(start + first * one, start + last * one) for start in starts]


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield the spans in order, those that touch as one."""
    whole: Span | None = None
    for begin, end in sorted(spans):
        if whole is not None and begin <= whole[1]:
            whole = (whole[0], max(end, whole[1]))
            continue
        if whole is not None:
            yield whole
        whole = (begin, end)
    if whole is not None:
        yield whole
