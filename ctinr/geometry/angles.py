"""Angles of views: what is accepted as a list of them, and how some are picked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.geometry.detector import Detector

# Four turns of a scanner that records absolute angles are plausible; 180 of anything is degrees.
LARGEST_ANGLE = 8 * math.pi


def equal_angles(num_views: int, *, span: float = math.pi) -> tuple[float, ...]:
    """Return `num_views` equally spaced angles over [0, span), radians, without the end point."""
    num_views = checks.count(num_views, "num_views")
    return tuple((np.arange(num_views) * (checks.positive(span, "span") / num_views)).tolist())


def checked_angles(angles: Any, *, largest: float = LARGEST_ANGLE) -> tuple[float, ...]:
    """Return the angles as floats; raise unless they are finite and in radians.

    Beyond `largest` they are taken for degrees.
    """
    try:
        values = np.asarray(list(angles), dtype=np.float64)
    except (TypeError, ValueError):
        values = None
    if values is None or values.ndim != 1:
        raise TypeError(checks.message("angles", "be a list of numbers", checks.describe(angles)))
    checks.finite_values(values, "angles")
    given = float(np.abs(values).max())
    checks.require(
        given <= largest,
        "angles",
        "be in radians",
        f"values up to {given:g}, which look like degrees",
        "Convert them with numpy.deg2rad.",
    )
    return tuple(values.tolist())


def checked_detector(detector: Any) -> Detector:
    """Return the detector; raise unless it is one."""
    if not isinstance(detector, Detector):
        raise TypeError(checks.message("detector", "be a Detector", detector))
    return detector


def checked_line(detector: Any) -> Detector:
    """Return the detector; raise unless it is a line of bins."""
    checked_detector(detector)
    checks.require(len(detector.shape) == 1, "detector", "be a line of bins", repr(detector.shape))
    return detector


def checked_area(detector: Any) -> Detector:
    """Return the detector; raise unless it is an area of bins."""
    checked_detector(detector)
    rule, remedy = "be an area of bins, (v, u)", "One row is (1, u)."
    checks.require(len(detector.shape) == 2, "detector", rule, repr(detector.shape), remedy)
    return detector


def selected(angles: tuple[float, ...], selection: Any) -> tuple[float, ...]:
    """Return the selected angles (slice, list, boolean mask or index)."""
    return tuple(np.atleast_1d(np.asarray(angles)[as_index(selection)]).tolist())


def picked(values: np.ndarray, selection: Any, argument: str) -> np.ndarray:
    """Return the selected values of a line (slice, list, boolean mask or index), None for all.

    Raises
    ------
    IndexError
        If an index is out of range, a mask of another length or the selection none of these.
    ValueError
        If the selection is empty or has more than one axis.
    """
    if selection is None:
        return values
    rule = f"pick some of {len(values)} (slice, list, boolean mask or index)"
    given = checks.describe(selection)
    try:
        chosen = np.atleast_1d(values[as_index(selection)])
    except (IndexError, TypeError) as error:
        raise IndexError(checks.message(argument, rule, given, f"{error}.")) from None
    checks.require(chosen.ndim == 1 and chosen.size > 0, argument, rule, given)
    return chosen


def as_index(selection: Any) -> Any:
    """Return what numpy can index with; sequences, arrays and tensors become arrays."""
    if isinstance(selection, slice | int | np.integer):
        return selection
    chosen = np.asarray(selection)
    # An empty list is one of floats to numpy, which indexes with none.
    return chosen if chosen.size else slice(0)
