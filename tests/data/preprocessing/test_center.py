from __future__ import annotations

import numpy as np
import pytest
import torch

from ctinr.data import find_center
from tests.data.ellipses import half_turn, projections

BINS = 256


def noisy(values, sigma=0.03, seed=0):
    return values + sigma * np.random.default_rng(seed).standard_normal(values.shape)


@pytest.mark.parametrize("center", [96.2, 140.77])
@pytest.mark.parametrize(
    "angles",
    [
        half_turn(180),
        half_turn(61),
        half_turn(24),
        half_turn(180, 2 * np.pi),
        half_turn(91, 2 * np.pi),
        np.linspace(0, np.pi, 91),
        np.sort(np.random.default_rng(1).uniform(0, np.pi, 120)),
        half_turn(90)[::-1] - 1.0,
    ],
    ids=["180", "61", "24", "360°", "360° odd", "both ends", "random", "backwards"],
)
def test_the_axis_is_found(angles, center):
    sinogram = projections(angles, BINS, center, scale=0.8)
    assert find_center(sinogram, angles) == pytest.approx(center, abs=0.1)
    assert find_center(noisy(sinogram), angles) == pytest.approx(center, abs=0.3)


@pytest.mark.parametrize("center", [118.3, 140.77])
@pytest.mark.parametrize("background", [0.3, -0.2, "slope"])
def test_a_background_does_not_pull_it(center, background):
    angles = half_turn(90)
    offset = np.linspace(0, 0.3, BINS) if background == "slope" else background
    sinogram = noisy(projections(angles, BINS, center) + offset, 0.01)
    assert find_center(sinogram, angles) == pytest.approx(center, abs=0.1)


@pytest.mark.parametrize("center", [118.3, 140.77])
@pytest.mark.parametrize("scale", [1.5, 1.9])
def test_a_truncated_object_does_not_pull_it(center, scale):
    angles = half_turn(120)
    sinogram = noisy(projections(angles, BINS, center, scale=scale), 0.01)
    assert max(sinogram[:, 0].max(), sinogram[:, -1].max()) > 0.2 * sinogram.max()
    assert find_center(sinogram, angles) == pytest.approx(center, abs=0.25)


def test_few_photons_are_enough():
    angles, generator = half_turn(180), np.random.default_rng(3)
    exact = projections(angles, BINS, 131.4)
    counts = generator.poisson(500 * np.exp(-exact))
    found = find_center(-np.log(np.maximum(counts, 0.5) / 500), angles)
    assert found == pytest.approx(131.4, abs=0.5)


def test_a_shifted_detector_shifts_it_as_much():
    angles = half_turn(90)
    sinogram = projections(angles, BINS, 125.0)
    cropped = sinogram[:, 10:]
    assert find_center(sinogram, angles) - find_center(cropped, angles) == pytest.approx(
        10, abs=0.1
    )


def test_tensors_and_many_views_are_taken():
    angles = half_turn(700)
    sinogram = torch.as_tensor(projections(angles, BINS, 120.6), dtype=torch.float32)
    assert find_center(sinogram, angles) == pytest.approx(120.6, abs=0.1)


def test_the_input_is_left_as_it_is():
    angles = half_turn(60)
    sinogram = projections(angles, BINS, 120.6)
    before = sinogram.copy()
    find_center(sinogram, angles)
    assert np.array_equal(sinogram, before)


@pytest.mark.parametrize("scale, name", [(3e4, "counts"), (1.0, "transmissions")])
def test_intensities_are_refused(scale, name):
    angles = half_turn(60)
    intensities = scale * np.exp(-projections(angles, BINS, 120.6))
    with pytest.raises(ValueError, match=r"`sinogram` must hold line integrals.*Take −log"):
        find_center(intensities, angles)


def test_a_sinogram_without_object_is_refused():
    with pytest.raises(ValueError, match=r"`sinogram` must show an object.*Give the center"):
        find_center(np.full((60, 64), 0.1), half_turn(60))


def test_missing_angles_are_refused():
    angles = half_turn(90, np.deg2rad(120))
    with pytest.raises(ValueError, match=r"cover a half turn.*leave out 61\.3° of it"):
        find_center(projections(angles, BINS, 120.6), angles)


def test_too_few_views_are_refused():
    angles = half_turn(8)
    with pytest.raises(ValueError, match=r"at least 11 distinct views.*got 8 distinct"):
        find_center(projections(angles, BINS, 120.6), angles)


def test_angles_must_fit_the_views():
    angles = half_turn(60)
    with pytest.raises(ValueError, match="one angle for each of the 60 views"):
        find_center(projections(angles, BINS, 120.6), angles[:-1])


def test_nan_is_refused():
    sinogram = projections(half_turn(60), BINS, 120.6)
    sinogram[3, 4] = np.nan
    with pytest.raises(ValueError, match=r"`sinogram` must be finite everywhere.*\(3, 4\)"):
        find_center(sinogram, half_turn(60))


def test_an_axis_far_off_the_middle_is_refused():
    angles = half_turn(60)
    with pytest.raises(ValueError, match=r"middle half of the detector.*Give the center"):
        find_center(projections(angles, BINS, 40.0, scale=0.4), angles)
