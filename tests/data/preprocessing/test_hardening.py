from __future__ import annotations

import numpy as np
import pytest

from ctinr.data import correct_hardening, fit_hardening
from tests.data.ellipses import half_turn, projections

# Attenuations of one material in 1/mm and parts of the photons, for a spectrum of three energies.
SPECTRUM = ((0.02, 0.3), (0.03, 0.4), (0.06, 0.3))
MEAN = sum(value * part for value, part in SPECTRUM)


def hardened(thickness):
    """−log of what a beam of three energies leaves behind so many mm."""
    return -np.log(sum(part * np.exp(-value * thickness) for value, part in SPECTRUM))


WEDGE = np.linspace(0, 120, 40)


def test_a_wedge_gives_the_line_integrals_back():
    coefficients = fit_hardening(hardened(WEDGE), MEAN * WEDGE, degree=3)
    thickness = projections(half_turn(40), 128, 60.0, scale=0.5) / 0.02
    thickness = 90 * thickness / thickness.max()
    measured = hardened(thickness)
    assert np.abs(measured - MEAN * thickness).max() > 0.4
    corrected = correct_hardening(measured, coefficients)
    np.testing.assert_allclose(corrected, MEAN * thickness, atol=0.02)


def test_a_polynomial_is_found_exactly():
    values = np.linspace(0, 3, 10)
    found = fit_hardening(values, 1.1 * values + 0.2 * values**2, degree=2)
    np.testing.assert_allclose(found, [1.1, 0.2], rtol=1e-10)
    np.testing.assert_allclose(
        correct_hardening(values[None], found), (1.1 * values + 0.2 * values**2)[None]
    )


def test_one_coefficient_of_one_changes_nothing():
    values = np.random.default_rng(0).uniform(0, 3, (4, 2, 5))
    np.testing.assert_array_equal(correct_hardening(values, (1.0,)), values)


def test_a_polynomial_that_falls_is_refused():
    values = np.linspace(0, 4, 20)[None]
    rule = r"`coefficients` must make a polynomial that grows; got one that falls from 4 on"
    with pytest.raises(ValueError, match=rule):
        correct_hardening(values, (1.0, -0.2))
    assert correct_hardening(values / 4, (1.0, -0.2)).max() == pytest.approx(0.8)


def test_counts_are_refused():
    counts = 1e4 * np.exp(-projections(half_turn(40), 128, 60.0))
    with pytest.raises(ValueError, match=r"`sinogram` must hold line integrals.*Take −log"):
        correct_hardening(counts, (1.0,))


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="`expected` must have the 3 values of the measured ones"):
        fit_hardening([0, 1, 2], [0, 1])
    with pytest.raises(ValueError, match="at least 3 different values for degree 3; got 2 besides"):
        fit_hardening([0, 1, 2], [0, 1, 2])
    with pytest.raises(ValueError, match="`measured` must be finite everywhere"):
        fit_hardening([0, np.nan, 2, 3], [0, 1, 2, 3])
