"""Frames in TIFF, npy and npz files, of which only the rows that are asked for are decoded.

A frame is a view: arrays are (angle, row, column). Files are opened when rows are read and closed
again, so that little memory is taken, whatever the size of the file.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.data.formats.stack_files import VALUES, damage, pages_in

# From the first row and the one after the last to these of every frame, (row, column), in order.
Read = Callable[[int, int], Iterator[np.ndarray]]


@dataclass(frozen=True)
class Frames:
    """Frames that are read on demand: their shape (angle, row, column), type, and how."""

    shape: tuple[int, int, int]
    dtype: np.dtype
    read: Read

    def rows(self, first: int, last: int) -> list[np.ndarray]:
        """Return some neighbouring rows of all frames, (angle, u) each, as they are stored."""
        views, _, columns = self.shape
        rows = [np.empty((views, columns), self.dtype) for _ in range(first, last)]
        for view, part in enumerate(self.read(first, last)):
            for place, row in enumerate(rows):
                row[view] = part[place]
        return rows

    def row(self, number: int) -> np.ndarray:
        """Return one row of all frames, (angle, u), float64."""
        return self.rows(number, number + 1)[0].astype(np.float64)


def opened_frames(path: Path) -> Frames:
    """Return the frames of a file or folder; only their shape is read."""
    if path.is_dir():
        return _folder(pages_in(path))
    with damage(path):
        if path.suffix.lower() == ".npy":
            return _mapped(path, lambda: np.load(path, mmap_mode="r", allow_pickle=False))
        if path.suffix.lower() == ".npz":
            return _packed(path)
        return _tiff(path)


# ------------------------------------------------------------------ numpy's files


def _mapped(path: Path, opened: Callable[[], np.ndarray]) -> Frames:
    """Return the frames of an array that is mapped to the disk anew each time it is read."""
    array = opened()
    shape = _axes(path, array.shape, array.dtype)

    def read(first: int, last: int) -> Iterator[np.ndarray]:
        values = opened().reshape(shape)
        yield from (values[view, first:last] for view in range(shape[0]))

    return Frames(shape, array.dtype, read)


def _packed(path: Path) -> Frames:
    """Return the frames of an npz file: mapped where they are stored plainly, else unpacked."""
    with zipfile.ZipFile(path) as file:
        entry = file.getinfo(f"{_name_of_values(path, file)}.npy")
        with file.open(entry) as stream:
            shape, by_columns, dtype = _header(stream)
            start = stream.tell()
    if by_columns and len(shape) > 1 and entry.compress_type != zipfile.ZIP_STORED:
        rule, remedy = "be stored view by view", "Save it with order C, or with numpy.savez."
        given = f"'{path}' with /{entry.filename} packed in the order of Fortran"
        raise ValueError(checks.message("path", rule, given, remedy))
    if entry.compress_type == zipfile.ZIP_STORED:
        offset, order = _place_of(path, entry) + start, "F" if by_columns else "C"
        mapped: Any = {"dtype": dtype, "mode": "r", "offset": offset, "shape": shape}
        return _mapped(path, lambda: np.memmap(path, order=order, **mapped))
    views, rows, columns = whole = _axes(path, shape, dtype)
    size = rows * columns * dtype.itemsize

    def read(first: int, last: int) -> Iterator[np.ndarray]:
        with zipfile.ZipFile(path) as file, file.open(entry) as stream:
            stream.read(start)
            for _ in range(views):
                frame = np.frombuffer(stream.read(size), dtype)
                yield frame.reshape(rows, columns)[first:last]

    return Frames(whole, dtype, read)


def _name_of_values(path: Path, file: zipfile.ZipFile) -> str:
    held = [name.removesuffix(".npy") for name in file.namelist()]
    names = [name for name in VALUES if name in held]
    rule = f"name a file with an array {', '.join(VALUES[:-1])} or {VALUES[-1]}"
    given = f"'{path}' with {', '.join(held) or 'none'}"
    checks.require(bool(names), "path", rule, given)
    return names[0]


def _header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, whether columns come first, and type of an array; its values follow."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    return np.lib.format.read_array_header_2_0(stream)


def _place_of(path: Path, entry: zipfile.ZipInfo) -> int:
    """Return where the content of an entry begins: behind its own header, of 30 bytes and names."""
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        head = file.read(30)
    name, extra = (int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
    return entry.header_offset + 30 + name + extra


# ------------------------------------------------------------------ TIFF


def _folder(pages: list[Path]) -> Frames:
    """Return the frames of TIFFs of one page each."""
    import tifffile

    with damage(pages[0]), tifffile.TiffFile(pages[0]) as file:
        frame, dtype = file.series[0].shape, file.series[0].dtype
    rule, given = "hold frames (row, column)", f"'{pages[0]}' of shape {frame}"
    checks.require(len(frame) == 2 and dtype is not None, "path", rule, given)

    def read(first: int, last: int) -> Iterator[np.ndarray]:
        for page in pages:
            with damage(page), tifffile.TiffFile(page) as file:
                found, kind = file.series[0].shape, file.series[0].dtype
                rule = f"name a folder of views of one shape, {frame}"
                checks.require(found == frame, "path", rule, f"'{page}' of shape {found}")
                rule = f"name a folder of views of one type, {dtype}"
                checks.require(kind == dtype, "path", rule, f"'{page}' of type {kind}")
                part = _rows_of_page(file.pages[0], first, last)
            yield part

    return Frames((len(pages), *frame), np.dtype(dtype), read)  # type: ignore[arg-type]


def _tiff(path: Path) -> Frames:
    """Return the pages of a TIFF, one a view; a single page is a sinogram of one row."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        shape, dtype, offset = series.shape, series.dtype, series.dataoffset
    if offset is not None:
        return _mapped(path, lambda: tifffile.memmap(path, mode="r"))
    if len(shape) != 3:
        return _mapped(path, lambda: tifffile.imread(path))

    def read(first: int, last: int) -> Iterator[np.ndarray]:
        with damage(path), tifffile.TiffFile(path) as file:
            for page in file.series[0].pages:
                if page is not None:
                    yield _rows_of_page(page, first, last)

    return Frames(_axes(path, shape, dtype), np.dtype(dtype), read)


def _rows_of_page(page: Any, first: int, last: int) -> np.ndarray:
    """Return some rows of a page; of its strips only those are decoded that hold them."""
    layout = page.keyframe
    height = layout.rowsperstrip
    if layout.is_tiled or not height or layout.ndim != 2 or layout.samplesperpixel != 1:
        return page.asarray()[first:last]
    strips, file = [], page.parent.filehandle
    for number in range(first // height, -(-last // height)):
        file.seek(page.dataoffsets[number])
        strip, *_ = layout.decode(file.read(page.databytecounts[number]), number)
        strips.append(np.asarray(strip).reshape(-1, layout.imagewidth))
    begin = first - first // height * height
    return np.concatenate(strips)[begin : begin + last - first]


def _axes(path: Path, shape: tuple[int, ...], dtype: Any) -> tuple[int, int, int]:
    """Return the shape with three axes; a sinogram has one row."""
    rule = "name a file of numbers (angle, u) or (angle, v, u)"
    given = f"'{path}' with an array of shape {shape} and type {dtype}"
    good = len(shape) in (2, 3) and 0 not in shape and np.dtype(dtype).kind in "biuf"
    checks.require(good, "path", rule, given)
    return (shape[0], shape[-2] if len(shape) == 3 else 1, shape[-1])
