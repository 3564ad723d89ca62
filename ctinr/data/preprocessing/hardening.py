"""Beam hardening: in a beam of many energies, −log of the transmission is no line integral.

Soft photons are absorbed first, so the measured value grows less and less with the thickness, and
images are cupped. For one material the measured value is a function of the path length, and a
polynomial turns it into the line integral again.

Herman 1979, Correction for beam hardening in computed tomography, doi:10.1088/0031-9155/24/1/008.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.data.preprocessing.integrals import checked_integrals


def fit_hardening(measured: Any, expected: Any, *, degree: int = 3) -> tuple[float, ...]:
    """Return the polynomial without constant term that turns measured values into expected ones.

    Parameters
    ----------
    measured : array, any shape
        −log of the transmission through a known object, such as a wedge or a reprojected image.
    expected : array of the same shape
        The line integrals that a beam of one energy would have measured, without unit.
    degree : int
        Of the polynomial; 2 or 3 for most spectra.

    Returns
    -------
    tuple of float
        The coefficients of measured, measured², …

    Raises
    ------
    ValueError
        If shapes differ, values are not finite, or there are fewer values than coefficients.
    """
    degree = checks.count(degree, "degree")
    values, targets = (np.asarray(each, dtype=np.float64).ravel() for each in (measured, expected))
    checks.finite_values(values, "measured")
    checks.finite_values(targets, "expected")
    rule = f"have the {values.size} values of the measured ones"
    checks.require(values.size == targets.size, "expected", rule, targets)
    rule = f"hold at least {degree} different values for degree {degree}"
    distinct = len(np.unique(values[values != 0]))
    checks.require(distinct >= degree, "measured", rule, f"{distinct} besides zero")
    powers = values[:, None] ** np.arange(1, degree + 1)
    found, *_ = np.linalg.lstsq(powers, targets, rcond=None)
    return tuple(found.tolist())


def correct_hardening(sinogram: Any, coefficients: Sequence[float]) -> np.ndarray:
    """Return the line integrals that measured values stand for.

    Parameters
    ----------
    sinogram : array or Tensor, shape (angle, u) or (angle, v, u)
        −log of the transmission.
    coefficients : sequence of float
        As `fit_hardening` returns them; (1,) changes nothing.

    Raises
    ------
    ValueError
        If values are intensities or not finite, or the polynomial falls somewhere between zero
        and the largest value: there two thicknesses would have the same line integral.
    """
    values = checked_integrals(sinogram)
    factors = np.asarray(coefficients, dtype=np.float64)
    checks.require(factors.ndim == 1, "coefficients", "be a list of numbers", factors)
    checks.finite_values(factors, "coefficients")
    polynomial = np.polynomial.Polynomial([0.0, *factors])
    reach = np.linspace(0, max(float(values.max()), 0.0), 1000)
    slopes = polynomial.deriv()(reach)
    rule, remedy = "make a polynomial that grows", "Fit it over the whole range of the data."
    given = (
        f"one that falls from {reach[slopes.argmin()]:.4g} on, with values up to {reach[-1]:.4g}"
    )
    checks.require(bool((slopes > 0).all()), "coefficients", rule, given, remedy)
    return polynomial(values)
