"""The angles of a Scientific Data Exchange file: found, checked against their unit, in radians."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ctinr import checks
from ctinr.data.files import naming
from ctinr.data.hdf5_access import dataset, numbers, text_attribute

if TYPE_CHECKING:
    import h5py

THETA = "exchange/theta"
# What `naming` says of the argument `angles` where it comes from the file.
ANGLES = {"angles": f"a usable field /{THETA}"}
DEGREES = ("deg", "degree", "degrees", "°")
RADIANS = ("rad", "radian", "radians")


def angles_of(file: h5py.File, num_views: int) -> np.ndarray:
    """Return the file's angles in radians, if they are in the unit that it claims."""
    if THETA not in file:
        rule, given = f"name a file with the field /{THETA}", f"'{file.filename}' without it"
        remedy = (
            f"If the views are equally spaced over a half turn without its end point, read it with "
            f"read_scan(path, angles=equal_angles({num_views})) in Python, and write_scan it."
        )
        raise ValueError(checks.message("path", rule, given, remedy))
    field = dataset(file, THETA)
    theta = numbers(field).ravel()
    rule = f"name a file whose field /{THETA} has one angle for each of the {num_views} views"
    given = f"'{file.filename}' with {theta.size} angles"
    checks.require(theta.size == num_views, "path", rule, given, "Pass the angles yourself.")
    with naming(file.filename, ANGLES):
        checks.finite_values(theta, "angles")
    units = (text_attribute(field, "units") or "degrees").strip().lower()
    rule = f"name a file whose field /{THETA} is in degrees or radians"
    given = f"'{file.filename}' with the units {units!r}"
    checks.require(units in DEGREES + RADIANS, "path", rule, given, "Pass the angles yourself.")
    _check_unit(file, theta, in_degrees=units in DEGREES)
    return np.deg2rad(theta) if units in DEGREES else theta


def _check_unit(file: h5py.File, theta: np.ndarray, *, in_degrees: bool) -> None:
    span, largest = float(np.ptp(theta)), float(np.abs(theta).max())
    name, other = ("degrees", "radians") if in_degrees else ("radians", "degrees")
    # A scan of more than 8 views that covers less than 6.4 degrees is no tomography.
    wrong = len(theta) > 8 and span < 6.4 if in_degrees else largest > 8 * np.pi
    rule = f"name a file whose field /{THETA} is in {name}, as it claims"
    given = f"'{file.filename}' with angles up to {largest:.4g}, which look like {other}"
    remedy = "Pass angles=… in radians: numpy.deg2rad turns degrees into them."
    checks.require(not wrong, "path", rule, given, remedy)
