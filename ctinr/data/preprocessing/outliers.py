"""Zingers: single values that a stray photon or particle made far too large or too small."""

from __future__ import annotations

from typing import Any

import numpy as np

from ctinr import checks


def remove_outliers(values: Any, difference: float, *, size: int = 3) -> tuple[np.ndarray, int]:
    """Return values whose outliers are replaced by the median around them, and how many they were.

    A value is an outlier if it differs from the median of the `size` views and `size` bins around
    it, its own row only, by more than `difference`. An edge of the object passes many views and
    is left alone.

    Parameters
    ----------
    values : array, shape (angle, u) or (angle, v, u)
        Counts, transmissions or line integrals. Zingers are largest, and easiest to tell from the
        object, in counts, before the flat field.
    difference : float
        In the unit of the values; several times the noise.
    size : int
        Views and bins of the window, odd.

    Raises
    ------
    ValueError
        If values are not finite or have other axes, or the size is even.
    """
    from scipy.ndimage import median_filter

    values = np.array(values, dtype=np.float64)
    rule = "have the axes (angle, u) or (angle, v, u)"
    checks.require(values.ndim in (2, 3), "values", rule, values)
    checks.finite_values(values, "values")
    difference = checks.positive(difference, "difference")
    checks.require(checks.count(size, "size", least=3) % 2 == 1, "size", "be odd", size)
    window = (size, size) if values.ndim == 2 else (size, 1, size)
    median = median_filter(values, size=window, mode="mirror")
    far = np.abs(values - median) > difference
    return np.where(far, median, values), int(far.sum())
