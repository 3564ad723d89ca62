"""Files and folders of arrays, opened so that only the row that is asked for is read."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctinr import checks
from ctinr.data.files import naming, readable
from ctinr.data.formats.quantities import looks_like_degrees

TIFFS, ARRAYS = (".tif", ".tiff"), (".npy", ".npz")
# Names of the values in an npz file, in order of preference.
VALUES = ("sinogram", "projections", "data")
TEXTS = (".txt", ".csv", ".npy")
# What files beside a stack are called, and in a folder of TIFFs are not views.
ANGLES, WHITE, DARK = ("angles",), ("white", "flat"), ("dark",)


@dataclass(frozen=True)
class Stack:
    """Frames that are read on demand: their shape (angle, row, column), and how to read a row."""

    shape: tuple[int, int, int]
    row: Callable[[int], np.ndarray]


def is_stack(path: Path) -> bool:
    """Tell whether a file or a folder holds views and not one picture."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return bool(_pages_in(path))
    if suffix in ARRAYS:
        return True
    if not is_tiff(path):
        return False
    return beside(path, ANGLES, TEXTS) is not None or _num_pages(path) > 1


def is_tiff(path: Path) -> bool:
    """Tell whether a file has the name of a TIFF."""
    return path.suffix.lower() in TIFFS


def opened_stack(path: Path) -> Stack:
    """Return the frames of a file or folder; only what is asked for is read from the disk."""
    if path.is_dir():
        pages = _pages_in(path)
        frame = _one_page(pages[0]).shape
        rule, given = "hold frames (row, column)", f"'{pages[0]}' of shape {frame}"
        checks.require(len(frame) == 2, "path", rule, given)
        shape = (len(pages), frame[0], frame[1])
        return Stack(shape, lambda row: _rows(pages, row, frame))
    with damage(path):
        if path.suffix.lower() == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        elif path.suffix.lower() == ".npz":
            array = _values_of(path)
        else:
            return _tiff(path)
    return _in_memory(path, array)


def beside(path: Path, names: tuple[str, ...], suffixes: tuple[str, ...]) -> Path | None:
    """Return the first file of these names beside a file, or in a folder."""
    for name in names:
        for suffix in suffixes:
            place = path / name if path.is_dir() else path.with_name(f"{path.stem}_{name}")
            if (found := place.with_name(place.name + suffix)).is_file():
                return found
    return None


def angles_file(path: Path) -> np.ndarray:
    """Return the angles of a text or npy file, radians.

    Raises
    ------
    OSError
        If the file is damaged or holds anything but numbers.
    ValueError
        If the numbers are degrees.
    """
    with damage(path):
        if path.suffix.lower() == ".npy":
            theta = np.asarray(np.load(path, allow_pickle=False), dtype=np.float64).ravel()
        else:
            lines = path.read_text(encoding="utf-8").replace(",", " ").splitlines()
            theta = np.array([float(word) for line in lines for word in _words(line)])
    with naming(path, {"angles": "angles in it"}):
        checks.finite_values(theta, "angles")
    rule = "name a file of angles in radians"
    given = f"'{path}' with angles up to {np.abs(theta).max():.4g}, which look like degrees"
    remedy = "numpy.deg2rad turns degrees into radians."
    checks.require(not looks_like_degrees(theta), "path", rule, given, remedy)
    return theta


@contextlib.contextmanager
def damage(path: Path) -> Iterator[None]:
    """Let what reading a damaged file ends in name the file."""
    import tifffile

    kinds = (OSError, EOFError, LookupError, ValueError, zipfile.BadZipFile, tifffile.TiffFileError)
    try:
        with readable(path):
            yield
    except (PermissionError, FileNotFoundError):
        raise
    except kinds as error:
        if str(error).startswith("`"):
            raise
        given, remedy = f"'{path}' ({error})", "It is truncated, damaged or of another kind."
        raise OSError(checks.message("path", "name a whole file", given, remedy)) from error


def _in_memory(path: Path, array: np.ndarray) -> Stack:
    """Return the views of an array, which may be mapped to the disk."""
    rule = "name a file of numbers (angle, u) or (angle, v, u)"
    given = f"'{path}' with an array of shape {array.shape} and type {array.dtype}"
    good = array.ndim in (2, 3) and array.size > 0 and array.dtype.kind in "biuf"
    checks.require(good, "path", rule, given)
    array = array[:, None, :] if array.ndim == 2 else array
    views, rows, columns = array.shape
    return Stack((views, rows, columns), lambda row: np.asarray(array[:, row], np.float64))


def _values_of(path: Path) -> np.ndarray:
    """Return the array of an npz file that holds the values."""
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        names = [name for name in VALUES if name in file.files]
        rule = f"name a file with an array {', '.join(VALUES[:-1])} or {VALUES[-1]}"
        given = f"'{path}' with {', '.join(file.files) or 'none'}"
        checks.require(bool(names), "path", rule, given)
        return file[names[0]]


def _tiff(path: Path) -> Stack:
    """Return the pages of a TIFF, one a view; a single page is a sinogram of one row."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        shape, offset = series.shape, series.dataoffset
    if len(shape) == 3 and offset is None:
        return Stack(shape, lambda row: _page_by_page(path, row))
    return _in_memory(
        path, tifffile.imread(path) if offset is None else tifffile.memmap(path, mode="r")
    )


def _page_by_page(path: Path, row: int) -> np.ndarray:
    import tifffile

    with tifffile.TiffFile(path) as file:
        rows = [page.asarray()[row] for page in file.series[0].pages if page is not None]
    return np.asarray(rows, dtype=np.float64)


def _num_pages(path: Path) -> int:
    """Return the number of pages of a TIFF, 0 if it is none."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            return series.shape[0] if len(series.shape) == 3 and series.axes[-1] != "S" else 1
    except (tifffile.TiffFileError, OSError, LookupError, ValueError):
        return 0


def _pages_in(folder: Path) -> list[Path]:
    """Return the TIFFs of a folder that are views, in the order of their names."""
    pages = sorted(each for each in folder.iterdir() if each.suffix.lower() in TIFFS)
    return [each for each in pages if each.stem.lower() not in (*WHITE, *DARK)]


def _one_page(path: Path) -> np.ndarray:
    import tifffile

    with damage(path):
        return np.asarray(tifffile.imread(path), dtype=np.float64)


def _rows(pages: list[Path], row: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return one row of every page, (angle, u)."""
    rows = []
    for page in pages:
        frame = _one_page(page)
        rule = f"name a folder of views of one shape, {shape}"
        checks.require(frame.shape == shape, "path", rule, f"'{page}' of shape {frame.shape}")
        rows.append(frame[row])
    return np.stack(rows)


def _words(line: str) -> list[str]:
    """Return the words of a line up to its comment."""
    return line.split("#", maxsplit=1)[0].split()
