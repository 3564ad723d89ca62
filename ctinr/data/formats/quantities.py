"""Quantities in the files of beamlines: angles, lengths and texts, checked against their units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ctinr import checks
from ctinr.data.files import naming
from ctinr.data.hdf5_access import dataset, numbers, text_attribute, values

if TYPE_CHECKING:
    import h5py

DEGREES = ("deg", "degree", "degrees", "°")
RADIANS = ("rad", "radian", "radians")
MILLIMETRES = {"m": 1e3, "cm": 10.0, "mm": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3}
MILLIMETRES |= {"micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3, "nm": 1e-6}
MILLIMETRES |= {"meter": 1e3, "metre": 1e3, "millimeter": 1.0, "millimetre": 1.0}
# More views than this within so few degrees are no tomography.
MOST_VIEWS_OF_A_GLANCE, GLANCE_DEG = 8, 6.4


def radians_of(field: h5py.Dataset, *, count: int, chosen: Any = ()) -> np.ndarray:
    """Return the angles of a field in radians, if they are in the unit that it claims.

    Parameters
    ----------
    field : h5py.Dataset
        Angles, in degrees unless its attribute `units` says otherwise.
    count : int
        How many there must be.
    chosen : boolean mask, optional
        Those that matter; the others need not be angles at all.

    Raises
    ------
    ValueError
        If their number or unit is another one, or one is not finite.
    """
    path, name = field.file.filename, field.name
    theta = numbers(field).ravel()
    rule = f"name a file whose field {name} has one angle for each of the {count} views"
    given = f"'{path}' with {theta.size} angles"
    checks.require(theta.size == count, "path", rule, given, "Pass the angles yourself.")
    theta = theta[chosen]
    with naming(path, {"angles": f"a usable field {name}"}):
        checks.finite_values(theta, "angles")
    units = angle_units(field)
    rule = f"name a file whose field {name} is in degrees or radians"
    given = f"'{path}' with the units {units!r}"
    checks.require(units in DEGREES + RADIANS, "path", rule, given, "Pass the angles yourself.")
    wrong = looks_like_radians(theta) if units in DEGREES else looks_like_degrees(theta)
    stated, other = ("degrees", "radians") if units in DEGREES else ("radians", "degrees")
    rule = f"name a file whose field {name} is in {stated}, as it claims"
    largest = float(np.abs(theta).max())
    given = f"'{path}' with angles up to {largest:.4g}, which look like {other}"
    remedy = "Pass angles=… in radians: numpy.deg2rad turns degrees into them."
    checks.require(not wrong, "path", rule, given, remedy)
    return np.deg2rad(theta) if units in DEGREES else theta


def angle_units(field: h5py.Dataset) -> str:
    """Return the unit of a field of angles, "degrees" if it names none."""
    return (text_attribute(field, "units") or "degrees").strip().lower()


def looks_like_radians(theta: np.ndarray) -> bool:
    """Tell whether angles that should be in degrees cover so little that they are radians."""
    return len(theta) > MOST_VIEWS_OF_A_GLANCE and float(np.ptp(theta)) < GLANCE_DEG


def looks_like_degrees(theta: np.ndarray) -> bool:
    """Tell whether angles that should be in radians go beyond four turns."""
    return float(np.abs(theta).max()) > 8 * np.pi


def millimetres_of(field: h5py.Dataset, *, otherwise: str) -> float:
    """Return the length that a field holds, mm.

    Parameters
    ----------
    field : h5py.Dataset
        A positive length.
    otherwise : str
        Its unit where the attribute `units` is missing.

    Raises
    ------
    ValueError
        If it is not a positive length in a known unit.
    """
    size = float(numbers(field).ravel()[0])
    units = (text_attribute(field, "units") or otherwise).strip()
    rule = f"name a file whose field {field.name} is a positive length"
    given = f"'{field.file.filename}' with {size:g} {units}"
    # In millimetres it may be too large a number though it was none before.
    length = size * MILLIMETRES.get(units, np.nan)
    known = bool(np.isfinite(length)) and length > 0
    checks.require(known, "path", rule, given, "Pass the pitch yourself.")
    return length


def text_of(file: h5py.File | h5py.Group, names: tuple[str, ...]) -> str | None:
    """Return the first text of the first of these fields that has one, None where none has."""
    for name in names:
        # Some write an empty text as a field without values.
        if name in file and getattr(file.get(name), "shape", ()) is not None:
            text = (
                np.asarray(values(dataset(file.file, f"{file.name}/{name}".strip("/"))))
                .ravel()[:1]
                .tolist()
            )
            if text and isinstance(text[0], bytes) and text[0].strip():
                return text[0].decode(errors="replace").strip()
    return None


def row_number(given: int | None, rows: int, path: str) -> int:
    """Return the row that was asked for, counted from 0, or the middle one."""
    if given is None:
        return rows // 2
    row = checks.count(given, "slice", least=0)
    rule = f"be less than {rows}, the number of rows in '{path}'"
    checks.require(row < rows, "slice", rule, given, "Rows are counted from 0.")
    return row
