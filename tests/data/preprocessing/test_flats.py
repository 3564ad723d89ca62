from __future__ import annotations

import numpy as np
import pytest

from ctinr.data import drifting_flat_field, flat_field

VIEWS, BINS = 20, 40


def frames(times, drift=0.3):
    """Counts under a beam that changes evenly from one profile to another, and what they mean."""
    random = np.random.default_rng(0)
    transmission = random.uniform(0.2, 1.0, (VIEWS, BINS))
    before = random.uniform(900, 1100, BINS)
    after = before * (1 + drift * np.linspace(-1, 1, BINS))
    dark = random.uniform(50, 60, BINS)
    light = (1 - times[:, None]) * before + times[:, None] * after
    return transmission, transmission * light + dark, before + dark, after + dark, dark


def test_a_beam_that_drifts_is_divided_out():
    times = (np.arange(VIEWS) + 0.5) / VIEWS
    transmission, data, before, after, dark = frames(times)
    corrected, dead = drifting_flat_field(data, before, after, dark=dark)
    np.testing.assert_allclose(corrected, transmission, rtol=1e-12)
    assert not dead.any()
    # Without the interpolation the drift stays in the data.
    mean = flat_field(data, np.stack([before, after]), dark)[0]
    assert np.abs(mean / transmission - 1).max() > 0.1


def test_views_may_be_taken_at_any_time():
    times = np.sort(np.random.default_rng(1).uniform(0, 1, VIEWS))
    transmission, data, before, after, dark = frames(times)
    corrected, _ = drifting_flat_field(data, before, after, dark=dark, times=times.tolist())
    np.testing.assert_allclose(corrected, transmission, rtol=1e-12)


@pytest.mark.parametrize("which", [0, 1])
def test_a_bin_that_is_dead_in_either_flat_field_is_filled_in(which):
    times = (np.arange(VIEWS) + 0.5) / VIEWS
    transmission, data, *flats, dark = frames(times)
    flats[which][7] = dark[7]
    corrected, dead = drifting_flat_field(data, *flats, dark=dark)
    assert np.flatnonzero(dead).tolist() == [7]
    np.testing.assert_allclose(corrected[:, 7], transmission[:, [6, 8]].mean(axis=1))


def test_times_beyond_the_flat_fields_are_refused():
    times = np.linspace(0, 1.1, VIEWS)
    _, data, before, after, dark = frames(times)
    with pytest.raises(
        ValueError, match=r"`times` must lie between 0 and 1; got times from 0 to 1"
    ):
        drifting_flat_field(data, before, after, dark=dark, times=times.tolist())
    with pytest.raises(ValueError, match="one time for each of the 20 views"):
        drifting_flat_field(data, before, after, times=[0.5])


def test_flat_fields_must_fit():
    _, data, before, after, _ = frames(np.zeros(VIEWS))
    with pytest.raises(ValueError, match="`after` must have the 40 bins of the frames before"):
        drifting_flat_field(data, before, after[:-1])
    with pytest.raises(ValueError, match="`before` must have the 40 bins of the frames"):
        drifting_flat_field(data, before[:-1], after[:-1])
    with pytest.raises(ValueError, match=r"`frames` must have the axes \(angle, u\)"):
        drifting_flat_field(data[0], before, after)


def test_a_beam_that_is_off_is_told():
    frames, off = np.ones((4, 6)), np.zeros((2, 6))
    with pytest.raises(ValueError, match="`before` must be brighter than dark in most bins; got"):
        drifting_flat_field(frames, off, off)


@pytest.mark.parametrize("spoiled", ["frames", "before", "dark"])
def test_numbers_that_no_detector_counts_are_told(spoiled):
    given = {
        "frames": np.full((4, 6), 5.0),
        "before": np.full((2, 6), 9.0),
        "dark": np.ones((2, 6)),
    }
    given[spoiled] = given[spoiled] * 1e300
    name = {"before": "white"}.get(spoiled, spoiled)
    with pytest.raises(ValueError, match=rf"`{name}` must be below 1e\+30, as counts are; got"):
        drifting_flat_field(given["frames"], given["before"], given["before"], dark=given["dark"])
