"""Files and folders of arrays: which are stacks of views, and what lies beside them."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
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


def is_stack(path: Path) -> bool:
    """Tell whether a file or a folder holds views and not one picture."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return bool(pages_in(path))
    if suffix in ARRAYS:
        return True
    if not is_tiff(path):
        return False
    return beside(path, ANGLES, TEXTS) is not None or _num_pages(path) > 1


def is_tiff(path: Path) -> bool:
    """Tell whether a file has the name of a TIFF."""
    return path.suffix.lower() in TIFFS


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

    kinds = (OSError, EOFError, LookupError, ValueError, RuntimeError, zlib.error)
    kinds += (zipfile.BadZipFile, tifffile.TiffFileError)
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


def _num_pages(path: Path) -> int:
    """Return the number of pages of a TIFF, 0 if it is none."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            return series.shape[0] if len(series.shape) == 3 and series.axes[-1] != "S" else 1
    except (tifffile.TiffFileError, OSError, LookupError, ValueError):
        return 0


def pages_in(folder: Path) -> list[Path]:
    """Return the TIFFs of a folder that are views, in the order of their names."""
    pages = sorted(each for each in folder.iterdir() if each.suffix.lower() in TIFFS)
    return [each for each in pages if each.stem.lower() not in (*WHITE, *DARK)]


def _words(line: str) -> list[str]:
    """Return the words of a line up to its comment."""
    return line.split("#", maxsplit=1)[0].split()
