from __future__ import annotations

import numpy as np
import pytest
import torch

from ctinr.data import remove_stripes_by_filtering, remove_stripes_by_sorting
from tests.data.ellipses import half_turn, projections

BINS, ANGLES = 600, half_turn(180)
EXACT = projections(ANGLES, BINS, 290.0, scale=2.1) / 3
# Bins and what is added to all of their views; the largest line integral is 2.6.
STRIPES = {200: 0.1, 270: -0.15, 380: 0.2}
METHODS = {"sorting": remove_stripes_by_sorting, "filtering": remove_stripes_by_filtering}
# What may remain of a stripe, and by how much the rest may change, in parts of the largest value.
REMAINS = {"sorting": 0.25, "filtering": 0.1}
CHANGES = {"sorting": 0.005, "filtering": 0.003}


def striped():
    values = EXACT.copy()
    for bin, height in STRIPES.items():
        values[:, bin] += height
    return values


@pytest.mark.parametrize("name", METHODS)
def test_a_stripe_is_taken_away(name):
    left = (METHODS[name](striped()) - METHODS[name](EXACT)).mean(axis=0)
    for bin, height in STRIPES.items():
        assert abs(left[bin]) < REMAINS[name] * abs(height)


@pytest.mark.parametrize("name", METHODS)
def test_a_sinogram_without_stripes_stays_as_it_is(name):
    change = METHODS[name](EXACT) - EXACT
    assert np.sqrt(np.mean(change**2)) < CHANGES[name] * EXACT.max()


@pytest.mark.parametrize("name", METHODS)
def test_every_row_of_an_area_is_treated_alone(name):
    area = np.stack([striped(), 2 * EXACT], axis=1)
    before = area.copy()
    corrected = METHODS[name](area)
    np.testing.assert_allclose(corrected[:, 0], METHODS[name](striped()), atol=1e-12)
    np.testing.assert_allclose(corrected[:, 1], METHODS[name](2 * EXACT), atol=1e-12)
    assert np.array_equal(area, before)


@pytest.mark.parametrize("name", METHODS)
def test_tensors_are_taken(name):
    values = torch.as_tensor(striped())
    np.testing.assert_array_equal(METHODS[name](values), METHODS[name](striped()))


def test_a_stripe_that_fades_needs_a_wider_band():
    fading = np.zeros_like(EXACT)
    fading[:, 270] = 0.1 * np.cos(np.linspace(0, np.pi / 2, len(ANGLES)))
    left = [
        np.abs(remove_stripes_by_filtering(fading, damping=damping)[:, 270]).mean()
        for damping in (0.2, 3.0)
    ]
    assert left[1] < 0.4 * left[0]


@pytest.mark.parametrize("name", METHODS)
def test_intensities_are_refused(name):
    with pytest.raises(ValueError, match=r"`sinogram` must hold line integrals.*Take −log"):
        METHODS[name](1e4 * np.exp(-EXACT))
    with pytest.raises(ValueError, match=r"must have the axes \(angle, u\) or \(angle, v, u\)"):
        METHODS[name](EXACT[0])
    with pytest.raises(ValueError, match="`sinogram` must be finite everywhere"):
        METHODS[name](np.where(EXACT > 1, np.nan, EXACT))


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="`size` must be odd; got 20"):
        remove_stripes_by_sorting(EXACT, size=20)
    with pytest.raises(ValueError, match="`size` must be at most 600, the number of bins; got 601"):
        remove_stripes_by_sorting(EXACT, size=601)
    with pytest.raises(ValueError, match=r"`cutoff` must be at most 0\.5 turns per bin"):
        remove_stripes_by_filtering(EXACT, cutoff=0.6)
    with pytest.raises(ValueError, match="`damping` must be above zero"):
        remove_stripes_by_filtering(EXACT, damping=0.0)
