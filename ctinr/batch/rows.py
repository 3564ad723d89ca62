"""The slices of a file, some neighbours at a time, as each format keeps them.

What is read of a slice is what the file has of it; line integrals are made of that apart, so that
another thread can do it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ctinr.data.formats.counts import Counts, line_integrals
from ctinr.data.formats.exchange import DARK, WHITE, axes_of, beam_frames, frames_of
from ctinr.data.formats.lodopab import DATA, LARGEST
from ctinr.data.formats.nxtomo import entry_of, fields_of, keys_of, row_counts
from ctinr.data.hdf5_access import dataset, parts_of, values

if TYPE_CHECKING:
    import h5py

# Whatever a file has of a slice: values as they are stored, and what goes with them.
Row = Any
# So much of a field is read and turned at a time: it stays in the cache of the processor.
SLAB = 2 * 2**20


@dataclass(frozen=True)
class RowFormat:
    """One kind of file: which field holds its slices, along which axis, and how they are read.

    `field` gives the field and the axis along which slices are counted; `rows` yields what the
    file has of the slices from one number up to another, in order, with as little work as there
    can be; `integrals` makes line integrals (angle, u) of that, in another thread.
    """

    field: Callable[[h5py.File], tuple[h5py.Dataset, int]]
    rows: Callable[[h5py.File, int, int], Iterator[Row]]
    integrals: Callable[[Row], np.ndarray]


def _own_field(file: h5py.File) -> tuple[h5py.Dataset, int]:
    return dataset(file, "sinogram"), 1


def _own_rows(file: h5py.File, first: int, last: int) -> Iterator[np.ndarray]:
    field = dataset(file, "sinogram")
    return iter([values(field)]) if field.ndim == 2 else _along(field, 1, first, last)


def _exchange_field(file: h5py.File) -> tuple[h5py.Dataset, int]:
    frames = frames_of(file)
    return frames, axes_of(frames)[1]


def _exchange_rows(file: h5py.File, first: int, last: int) -> Iterator[tuple[Any, ...]]:
    frames, axis = _exchange_field(file)
    beams = (beam_frames(file, name) for name in (WHITE, DARK))
    lit = [repeat(None) if beam is None else _beam_rows(beam, axis, first, last) for beam in beams]
    return zip(_along(frames, axis, first, last), *lit, strict=False)


def _exchange_integrals(row: tuple[Any, ...]) -> np.ndarray:
    data, white, dark = (None if values is None else _real(values) for values in row)
    return line_integrals(Counts(np.asarray(data), white, dark), [])[0]


def _beam_rows(frames: h5py.Dataset, axis: int, first: int, last: int) -> Iterator[np.ndarray]:
    if frames.ndim == 2:
        return (row[None] for row in values(frames, np.s_[first:last]))
    return _along(frames, axis, first, last)


def _nxtomo_field(file: h5py.File) -> tuple[h5py.Dataset, int]:
    return fields_of(entry_of(file, None)).data, 1


def _nxtomo_rows(file: h5py.File, first: int, last: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    fields = fields_of(entry_of(file, None))
    keys = keys_of(fields)
    return ((row, keys) for row in _along(fields.data, 1, first, last))


def _nxtomo_integrals(row: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    frames, keys = row
    return line_integrals(row_counts(_real(frames), keys, []), [])[0]


def _lodopab_field(file: h5py.File) -> tuple[h5py.Dataset, int]:
    return dataset(file, DATA), 0


def _lodopab_rows(file: h5py.File, first: int, last: int) -> Iterator[np.ndarray]:
    return _along(dataset(file, DATA), 0, first, last)


def _lodopab_integrals(row: np.ndarray) -> np.ndarray:
    return _real(row) * LARGEST


def _along(field: h5py.Dataset, axis: int, first: int, last: int) -> Iterator[np.ndarray]:
    """Read neighbouring rows of frames, (frame, u) each, in memory of their own.

    A few frames are read at a time, which is faster than all at once, and whole chunks of them.
    """
    chunk = field.chunks[0] if field.chunks else 1
    if axis == 0:
        slabs = (np.s_[at : min(at + chunk, last)] for at in range(first, last, chunk))
        for rows in parts_of(field, slabs, whole=np.s_[first:last]):
            yield from (row.copy() for row in rows)
        return
    one = (last - first) * field.shape[2] * field.dtype.itemsize * chunk
    step = max(1, SLAB // one) * chunk
    starts = range(0, field.shape[0], step)
    slabs = (np.s_[at : at + step, first:last] for at in starts)
    rows: list[np.ndarray] = []
    for at, slab in zip(starts, parts_of(field, slabs, whole=np.s_[:, first:last]), strict=True):
        if at == 0:
            shape = (field.shape[0], field.shape[2])
            rows = [np.empty(shape, field.dtype) for _ in range(first, last)]
        for place, row in enumerate(rows):
            row[at : at + step] = slab[:, place]
    while rows:
        yield rows.pop(0)


def _as_they_are(row: np.ndarray) -> np.ndarray:
    return row


def _real(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)


FORMATS: Mapping[str, RowFormat] = MappingProxyType(
    {
        "ctinr": RowFormat(_own_field, _own_rows, _as_they_are),
        "exchange": RowFormat(_exchange_field, _exchange_rows, _exchange_integrals),
        "nxtomo": RowFormat(_nxtomo_field, _nxtomo_rows, _nxtomo_integrals),
        "lodopab": RowFormat(_lodopab_field, _lodopab_rows, _lodopab_integrals),
    }
)
