"""One file of DICOM-CT-PD: its private tags, and its projection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from ctinr import checks
from ctinr.data.files import existing, readable

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

ROWS, COLUMNS = 0x70291010, 0x70291011
WIDTH, ROW_PITCH, DETECTOR_SHAPE = 0x70291002, 0x70291006, 0x7029100B
PHI, HEIGHT, RADIUS = 0x70311001, 0x70311002, 0x70311003
DISTANCE, CENTRAL = 0x70311031, 0x70311033
SHIFTS, FLYING = (0x7033100B, 0x7033100C, 0x7033100D), 0x7033100E
PHOTONS, LOG = 0x70331065, 0x70391009
# Tags of which files without types hold the bytes of 16 bits; of all others those of float32.
WHOLE = (ROWS, COLUMNS)


@dataclass(frozen=True, eq=False)
class View:
    """A file, read; errors about what it holds name it and the tag."""

    path: Path
    data: Dataset

    @property
    def instance(self) -> int | None:
        """The number of the view in its series."""
        number = self.data.get("InstanceNumber")
        return None if number is None else int(number)

    def several(self, tag: int) -> list[float] | None:
        """Return all numbers of a tag, None if there is none."""
        element: Any = self.data.get(tag)
        if element is None or element.value is None:
            return None
        value = element.value
        if isinstance(value, bytes):
            kind = np.dtype("<u2" if tag in WHOLE else "<f4")
            whole = len(value) - len(value) % kind.itemsize
            return np.frombuffer(value[:whole], kind).astype(float).tolist()
        try:
            return np.atleast_1d(np.asarray(value, dtype=np.float64)).tolist()
        except (TypeError, ValueError):
            return []

    def numbers(self, tag: int, count: int) -> list[float]:
        """Return so many finite numbers of a tag."""
        found = self.several(tag)
        rule = f"name files with {_named(tag)}"
        checks.require(found is not None, "path", rule, f"'{self.path}' without")
        found = found or []
        good = len(found) == count and bool(np.isfinite(found).all())
        rule = f"name files with {count} finite number{'s' * (count > 1)} in {_named(tag)}"
        checks.require(good, "path", rule, f"'{self.path}' with {found!r:.60}")
        return found

    def number(self, tag: int, *, otherwise: float | None = None) -> float:
        """Return the number of a tag, or another one where the file has none."""
        if otherwise is not None and not self.several(tag):
            return otherwise
        return self.numbers(tag, 1)[0]

    def text(self, tag: int, *, otherwise: str | None = None) -> str:
        """Return the text of a tag, or another one where the file has none."""
        element: Any = self.data.get(tag)
        if element is None and otherwise is not None:
            return otherwise
        rule = f"name files with {_named(tag)}"
        checks.require(element is not None, "path", rule, f"'{self.path}' without")
        value = getattr(element, "value", "")
        value = value.decode("latin1") if isinstance(value, bytes) else str(value)
        return value.strip(" \0").upper()

    def projection(self) -> Float[np.ndarray, "v u"]:
        """Return the line integrals of the view, float32, rows and columns in their order."""
        rows, columns = int(self.number(ROWS)), int(self.number(COLUMNS))
        with _damage(self.path):
            values = np.asarray(self.data.pixel_array, dtype=np.float64)
        # As a rule a row of the picture is a column of the detector.
        values = values.T if values.shape == (columns, rows) else values
        rule = f"name files whose picture has the {rows} rows and {columns} columns of the detector"
        checks.require(values.shape == (rows, columns), "path", rule, f"'{self.path}'")
        slope, intercept = (
            float(self.data.get(name, none))
            for name, none in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
        )
        return (values * slope + intercept).astype(np.float32)


def view_of(path: Path) -> View:
    """Read a file, all but its picture, which is read when it is asked for.

    Raises
    ------
    BackendUnavailable
        If pydicom is not installed.
    PermissionError, OSError
        If it cannot be opened or is damaged.
    """
    path = existing(path)
    reader = _pydicom()
    with readable(path), _damage(path):
        return View(path, reader.dcmread(path, defer_size=1024))


def _pydicom() -> Any:
    try:
        import pydicom
    except ImportError as error:
        rule, remedy = "name files that can be read here", "pip install 'ctinr[dicom]'"
        given = "DICOM files, and pydicom is not installed"
        raise checks.BackendUnavailable(checks.message("path", rule, given, remedy)) from error
    return pydicom


def _named(tag: int) -> str:
    return f"the tag ({tag >> 16:04x},{tag & 0xFFFF:04x})"


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Let what reading a damaged file ends in name the file."""
    from pydicom.errors import InvalidDicomError

    kinds = (OSError, EOFError, LookupError, ValueError, TypeError, AttributeError, RuntimeError)
    try:
        yield
    except (PermissionError, FileNotFoundError):
        raise
    except (InvalidDicomError, NotImplementedError, *kinds) as error:
        if str(error).startswith("`"):
            raise
        given, remedy = f"'{path}' ({error})", "It is truncated, damaged or of another kind."
        raise OSError(checks.message("path", "name a whole DICOM file", given, remedy)) from error
