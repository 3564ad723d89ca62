"""The slices of a file, some neighbours at a time, as each format keeps them.

What comes back is what the file has of each slice: counts that are still to become line integrals,
or line integrals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from ctinr.data.formats.counts import Counts
from ctinr.data.formats.exchange import DARK, WHITE, axes_of, beam_frames, frames_of
from ctinr.data.formats.lodopab import DATA, LARGEST
from ctinr.data.formats.nxtomo import entry_of, fields_of, keys_of, row_counts
from ctinr.data.hdf5_access import dataset, values

if TYPE_CHECKING:
    import h5py

Row = Counts | np.ndarray


@dataclass(frozen=True)
class RowFormat:
    """One kind of file: which field holds its slices, along which axis, and how they are read.

    `field` gives the field and the axis along which slices are counted; `rows` yields what the
    file has of the slices from one number up to another, in order.
    """

    field: Callable[[h5py.File], tuple[h5py.Dataset, int]]
    rows: Callable[[h5py.File, int, int], Iterator[Row]]


def _own_field(file: h5py.File) -> tuple[h5py.Dataset, int]:
    return dataset(file, "sinogram"), 1


def _own_rows(file: h5py.File, first: int, last: int) -> Iterator[Row]:
    field = dataset(file, "sinogram")
    if field.ndim == 2:
        yield values(field)
        return
    yield from np.moveaxis(values(field, np.s_[:, first:last]), 1, 0)


def _exchange_field(file: h5py.File) -> tuple[h5py.Dataset, int]:
    frames = frames_of(file)
    return frames, axes_of(frames)[1]


def _exchange_rows(file: h5py.File, first: int, last: int) -> Iterator[Row]:
    frames, axis = _exchange_field(file)
    data = _along(frames, axis, first, last)
    parts = [beam_frames(file, name) for name in (WHITE, DARK)]
    beams = [None if part is None else _beam_rows(part, axis, first, last) for part in parts]
    for row in range(last - first):
        white, dark = (None if beam is None else beam[row] for beam in beams)
        yield Counts(_real(data[row]), white, dark)


def _beam_rows(frames: h5py.Dataset, axis: int, first: int, last: int) -> list[np.ndarray]:
    if frames.ndim == 2:
        return [_real(row)[None] for row in values(frames, np.s_[first:last])]
    return [_real(row) for row in _along(frames, axis, first, last)]


def _along(field: h5py.Dataset, axis: int, first: int, last: int) -> np.ndarray:
    """Read neighbouring rows of frames: (row, frame, u)."""
    where = [slice(None)] * 3
    where[axis] = slice(first, last)
    return np.moveaxis(values(field, tuple(where)), axis, 0)


def _real(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)


def _nxtomo_field(file: h5py.File) -> tuple[h5py.Dataset, int]:
    return fields_of(entry_of(file, None)).data, 1


def _nxtomo_rows(file: h5py.File, first: int, last: int) -> Iterator[Row]:
    fields = fields_of(entry_of(file, None))
    keys = keys_of(fields)
    for row in _along(fields.data, 1, first, last):
        yield row_counts(_real(row), keys, [])


def _lodopab_field(file: h5py.File) -> tuple[h5py.Dataset, int]:
    return dataset(file, DATA), 0


def _lodopab_rows(file: h5py.File, first: int, last: int) -> Iterator[Row]:
    for sample in values(dataset(file, DATA), np.s_[first:last]):
        yield _real(sample) * LARGEST


FORMATS: Mapping[str, RowFormat] = MappingProxyType(
    {
        "ctinr": RowFormat(_own_field, _own_rows),
        "exchange": RowFormat(_exchange_field, _exchange_rows),
        "nxtomo": RowFormat(_nxtomo_field, _nxtomo_rows),
        "lodopab": RowFormat(_lodopab_field, _lodopab_rows),
    }
)
