from __future__ import annotations

import numpy as np
import pytest

from ctinr.data import fill_bins, flat_field, minus_log, open_beam

BINS, VIEWS = 60, 20


def frames(seed=0):
    """Transmissions and what a detector with gains and a dark signal makes of them."""
    random = np.random.default_rng(seed)
    transmission = random.uniform(0.1, 1.0, (VIEWS, BINS))
    gain, dark = random.uniform(800, 1200, BINS), random.uniform(50, 90, BINS)
    white = np.tile(gain + dark, (7, 1))
    return transmission, transmission * gain + dark, white, np.tile(dark, (4, 1))


def test_gain_and_dark_signal_are_taken_away():
    transmission, data, white, dark = frames()
    corrected, dead = flat_field(data, white, dark)
    np.testing.assert_allclose(corrected, transmission, rtol=1e-12)
    assert not dead.any()


def test_without_dark_frames_the_detector_is_silent():
    transmission, data, white, dark = frames()
    corrected, _ = flat_field(data - dark[0], white - dark[0])
    np.testing.assert_allclose(corrected, transmission, rtol=1e-12)


def test_one_frame_is_a_frame():
    transmission, data, white, dark = frames()
    np.testing.assert_allclose(flat_field(data, white[0], dark[0])[0], transmission, rtol=1e-12)


def test_a_stray_photon_in_a_flat_frame_is_left_out():
    transmission, data, white, dark = frames()
    white[3, 11] *= 20
    np.testing.assert_allclose(flat_field(data, white, dark)[0], transmission, rtol=1e-12)


def test_the_open_beam_is_a_mean():
    white = np.array([[1.0, 10.0], [3.0, 20.0]])
    light, dark = open_beam(white, np.array([[0.5, 1.0]]))
    assert light.tolist() == [1.5, 14.0]
    assert dark.tolist() == [0.5, 1.0]


@pytest.mark.parametrize("kind", ["zero flat", "faint flat", "counts nothing"])
def test_dead_bins_are_filled_in_and_reported(kind):
    transmission, data, white, dark = frames()
    if kind == "counts nothing":
        data[:, [0, 31]] = dark[0, [0, 31]]
    else:
        white[:, [0, 31]] = dark[0, [0, 31]] + (0.0 if kind == "zero flat" else 1.0)
    corrected, dead = flat_field(data, white, dark)
    assert np.flatnonzero(dead).tolist() == [0, 31]
    np.testing.assert_allclose(corrected[:, 31], transmission[:, [30, 32]].mean(axis=1))
    np.testing.assert_allclose(corrected[:, 0], transmission[:, 1])
    alive = ~dead
    np.testing.assert_allclose(corrected[:, alive], transmission[:, alive], rtol=1e-12)


def test_a_flat_field_with_many_zeros_is_refused():
    _, data, white, dark = frames()
    white[:, 10:20] = dark[0, 10:20]
    rule = r"`white` must be brighter than dark in all but 5% of the bins; got 10 of 60 bins dead"
    with pytest.raises(
        ValueError, match=rule + r".*flat field of zero, the first is bin 10\. Crop"
    ):
        flat_field(data, white, dark)


def test_a_flat_field_of_zeros_is_refused():
    _, data, white, dark = frames()
    with pytest.raises(
        ValueError, match=r"`white` must be brighter than dark in most bins.*beam on"
    ):
        flat_field(data, np.zeros_like(white), dark)


def test_a_view_without_light_is_refused():
    _, data, white, dark = frames()
    data[[4, 9]] = dark[0] - 1
    rule = "`frames` must count more than dark in every view; got 2 of 20 views .* is view 4"
    with pytest.raises(ValueError, match=rule):
        flat_field(data, white, dark)


@pytest.mark.parametrize("which", ["data", "white", "dark"])
def test_frames_of_another_width_are_refused(which):
    given = dict(zip(("data", "white", "dark"), frames()[1:], strict=True))
    given[which] = given[which][:, :-1]
    with pytest.raises(ValueError, match=r"must have the (59|60) bins of the (white )?frames"):
        flat_field(given["data"], given["white"], given["dark"])


@pytest.mark.parametrize("which", ["data", "white", "dark"])
def test_frames_with_nan_are_refused(which):
    given = dict(zip(("data", "white", "dark"), frames()[1:], strict=True))
    given[which][1, 1] = np.nan
    name = "frames" if which == "data" else which
    with pytest.raises(ValueError, match=f"`{name}` must be finite everywhere"):
        flat_field(given["data"], given["white"], given["dark"])


def test_empty_frames_are_refused():
    _, data, white, dark = frames()
    with pytest.raises(ValueError, match="`white` must not be empty"):
        flat_field(data, white[:0], dark)
    with pytest.raises(ValueError, match=r"`frames` must have the axes \(angle, u\)"):
        flat_field(data[0], white, dark)


# ------------------------------------------------------------------ filling in


def test_a_run_of_dead_bins_is_a_straight_line():
    values = np.array([[0.0, 1.0, 9.0, 9.0, 9.0, 5.0, 9.0]])
    dead = np.array([0, 0, 1, 1, 1, 0, 1], dtype=bool)
    assert fill_bins(values, dead).tolist() == [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 5.0]]
    assert values[0, 2] == 9.0


def test_dead_bins_may_hold_anything():
    filled = fill_bins(np.array([1.0, np.nan, 3.0]), np.array([False, True, False]))
    assert filled.tolist() == [1.0, 2.0, 3.0]


def test_filling_in_needs_a_living_bin():
    with pytest.raises(ValueError, match="`dead` must leave at least one bin"):
        fill_bins(np.ones(3), np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match="`dead` must have the 3 bins of the values"):
        fill_bins(np.ones(3), np.zeros(4, dtype=bool))


# ------------------------------------------------------------------ the logarithm


def test_the_logarithm_is_taken():
    integrals = np.linspace(0, 8, 50)
    result, floored = minus_log(np.exp(-integrals))
    np.testing.assert_allclose(result, integrals, atol=1e-12)
    assert floored == 0


def test_values_without_logarithm_get_the_smallest_one_and_are_counted():
    result, floored = minus_log(np.array([1.0, 0.0, 0.25, -0.1, 0.5]))
    np.testing.assert_allclose(result, -np.log([1.0, 0.25, 0.25, 0.25, 0.5]))
    assert floored == 2


def test_the_floor_can_be_said():
    result, floored = minus_log(np.array([1.0, 0.0, 1e-9, 0.5]), floor=1e-3)
    np.testing.assert_allclose(result, -np.log([1.0, 1e-3, 1e-3, 0.5]))
    assert floored == 2


@pytest.mark.parametrize("values", [np.zeros(6), -np.ones(6)])
def test_counts_of_zero_or_below_are_refused(values):
    rule = "`transmission` must be above zero; got 6 of 6 values at zero or below"
    with pytest.raises(ValueError, match=rule):
        minus_log(values)


def test_mostly_values_without_logarithm_are_refused():
    values = np.array([0.0, -1.0, 0.0, 0.5, 0.9])
    with pytest.raises(ValueError, match="at least half of the values; got 3 of 5 values below"):
        minus_log(values)


def test_the_logarithm_of_nan_is_refused():
    with pytest.raises(ValueError, match="`transmission` must be finite everywhere"):
        minus_log(np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="`transmission` must not be empty"):
        minus_log(np.array([]))


@pytest.mark.parametrize("floor", [0.0, -1.0])
def test_a_floor_must_have_a_logarithm(floor):
    with pytest.raises(ValueError, match="`floor` must be above zero"):
        minus_log(np.ones(3), floor=floor)
