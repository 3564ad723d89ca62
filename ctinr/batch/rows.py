"""The slices of a file, some neighbours at a time, as each format keeps them.

What is read of a slice is what the file has of it; line integrals are made of that apart, so that
another thread can do it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ctinr.data.formats.counts import Counts, line_integrals
from ctinr.data.formats.exchange import DARK, WHITE, axes_of, beam_frames, frames_of
from ctinr.data.formats.frame_files import Frames, opened_frames
from ctinr.data.formats.lodopab import DATA, LARGEST
from ctinr.data.formats.nxtomo import Fields, entry_of, fields_of, keys_of, row_counts
from ctinr.data.formats.stack_files import damage
from ctinr.data.formats.stacks import beams_beside, files_of
from ctinr.data.hdf5_access import dataset, opened, parts_of, values
from ctinr.data.scan_sets import OBSERVATION

if TYPE_CHECKING:
    import h5py

# Whatever a file has of a slice: values as they are stored, and what goes with them.
Row = Any
# So much of a field is read and turned at a time: it stays in the cache of the processor.
SLAB = 2 * 2**20


@dataclass(frozen=True, eq=False)
class Layout:
    """How slices lie in an opened file.

    Parameters
    ----------
    shape : tuple of int
        Of all values.
    number : int
        Of slices.
    stored_bytes : int
        What one slice takes.
    side_by_side : int
        So many slices are best read at once, as they lie in one chunk, or each part that is read
        costs the whole.
    field : h5py.Dataset and int, optional
        Where the values are in an HDF5 file, and along which axis slices are counted.
    """

    shape: tuple[int, ...]
    number: int
    stored_bytes: int
    side_by_side: int = 1
    field: tuple[h5py.Dataset, int] | None = None


@dataclass(frozen=True)
class RowFormat:
    """One kind of file: how it is opened, and how its slices are read.

    `opened` gives what the others take, for a path and the options of the reader that concern
    values; `layout` says how the slices lie; `rows` yields what the file has of the slices from
    one number up to another, in order, with as little work as there can be; `integrals` makes line
    integrals (angle, u) of that, in another thread. `files` are all that the values come from.
    """

    opened: Callable[[Path, Mapping[str, Any]], AbstractContextManager[Any]]
    layout: Callable[[Any], Layout]
    rows: Callable[[Any, int, int], Iterator[Row]]
    integrals: Callable[[Row], np.ndarray]
    files: Callable[[Path], tuple[Path, ...]] = lambda path: (path,)


# ------------------------------------------------------------------ HDF5


@contextlib.contextmanager
def _hdf5(path: Path, options: Mapping[str, Any]) -> Iterator[h5py.File]:
    with opened(path) as file:
        yield file


def _layout(field: h5py.Dataset, axis: int) -> Layout:
    if field.ndim == 2:
        return Layout(field.shape, 1, field.dtype.itemsize * field.size, field=(field, axis))
    number = field.shape[axis]
    size = field.dtype.itemsize * field.size // number
    # Without chunks, frames lie one behind the other.
    chunk = field.chunks[axis] if field.chunks else number if axis > 0 else 1
    return Layout(field.shape, number, size, chunk, (field, axis))


def _own_layout(file: h5py.File) -> Layout:
    return _layout(dataset(file, "sinogram"), 1)


def _own_rows(file: h5py.File, first: int, last: int) -> Iterator[np.ndarray]:
    field = dataset(file, "sinogram")
    return iter([values(field)]) if field.ndim == 2 else _along(field, 1, first, last)


def _exchange_layout(file: h5py.File) -> Layout:
    frames = frames_of(file)
    return _layout(frames, axes_of(frames)[1])


def _exchange_rows(file: h5py.File, first: int, last: int) -> Iterator[tuple[Any, ...]]:
    frames = frames_of(file)
    axis = axes_of(frames)[1]
    beams = (beam_frames(file, name) for name in (WHITE, DARK))
    lit = [repeat(None) if beam is None else _beam_rows(beam, axis, first, last) for beam in beams]
    return zip(_along(frames, axis, first, last), *lit, strict=False)


def _beam_rows(frames: h5py.Dataset, axis: int, first: int, last: int) -> Iterator[np.ndarray]:
    if frames.ndim == 2:
        return (row[None] for row in values(frames, np.s_[first:last]))
    return _along(frames, axis, first, last)


def _of_counts(row: tuple[Any, ...]) -> np.ndarray:
    """Return the line integrals of frames, and of those with the beam alone and without it."""
    data, white, dark = (None if values is None else _real(values) for values in row)
    return line_integrals(Counts(np.asarray(data), white, dark), [])[0]


@contextlib.contextmanager
def _nxtomo(path: Path, options: Mapping[str, Any]) -> Iterator[Fields]:
    with opened(path) as file:
        yield fields_of(entry_of(file, options.get("entry")))


def _nxtomo_rows(fields: Fields, first: int, last: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    keys = keys_of(fields)
    return ((row, keys) for row in _along(fields.data, 1, first, last))


def _nxtomo_integrals(row: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    frames, keys = row
    return line_integrals(row_counts(_real(frames), keys, []), [])[0]


def _samples(name: str) -> dict[str, Any]:
    """Return how a field is read whose first axis counts samples."""
    return {
        "layout": lambda file: _layout(dataset(file, name), 0),
        "rows": lambda file, first, last: _along(dataset(file, name), 0, first, last),
    }


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


# ------------------------------------------------------------------ TIFF, npy and npz


@dataclass(frozen=True, eq=False)
class _Views:
    """The frames of an array, what their values are, and those with the beam and without it."""

    kind: str
    frames: Frames
    white: Frames | None = None
    dark: Frames | None = None


@contextlib.contextmanager
def _views(path: Path, options: Mapping[str, Any]) -> Iterator[_Views]:
    kind = str(options.get("values", "integrals"))
    with damage(path):
        beams = beams_beside(path) if kind == "counts" else ()
        yield _Views(kind, opened_frames(path), *beams)


def _views_layout(views: _Views) -> Layout:
    shape, dtype = views.frames.shape, views.frames.dtype
    # All files are opened again for every read.
    return Layout(shape, shape[1], shape[0] * shape[2] * dtype.itemsize, shape[1])


def _views_rows(views: _Views, first: int, last: int) -> Iterator[tuple[Any, ...]]:
    parts = (views.frames, views.white, views.dark)
    read = (repeat(None) if part is None else part.rows(first, last) for part in parts)
    return zip(repeat(views.kind), *read, strict=False)


def _views_integrals(row: tuple[Any, ...]) -> np.ndarray:
    kind, *frames = row
    return frames[0] if kind == "integrals" else _of_counts(tuple(frames))


FORMATS: Mapping[str, RowFormat] = MappingProxyType(
    {
        "ctinr": RowFormat(_hdf5, _own_layout, _own_rows, _as_they_are),
        "exchange": RowFormat(_hdf5, _exchange_layout, _exchange_rows, _of_counts),
        "nxtomo": RowFormat(
            _nxtomo, lambda fields: _layout(fields.data, 1), _nxtomo_rows, _nxtomo_integrals
        ),
        "lodopab": RowFormat(_hdf5, **_samples(DATA), integrals=_lodopab_integrals),
        "scans": RowFormat(_hdf5, **_samples(OBSERVATION), integrals=_as_they_are),
        "views": RowFormat(_views, _views_layout, _views_rows, _views_integrals, files_of),
    }
)
