from __future__ import annotations

import numpy as np
import pytest

from ctinr.data import center_of_opposite_views, find_center_full_turn, find_center_in_wedge
from tests.data.ellipses import half_turn, projections

BINS = 256
WEDGES = [
    half_turn(180),
    np.linspace(0, np.pi, 121),
    half_turn(240, 2 * np.pi),
    half_turn(181, 2 * np.pi),
    np.linspace(0, 2 * np.pi, 201)[::-1],
]


def noisy(values, sigma=0.01):
    return values + sigma * np.random.default_rng(0).standard_normal(values.shape)


@pytest.mark.parametrize("center", [100.25, 127.5, 141.8])
@pytest.mark.parametrize("angle", [0.0, 1.1])
def test_two_opposite_views_give_the_axis_away(center, angle):
    first, opposite = projections([angle, angle + np.pi], BINS, center, scale=0.8)
    assert center_of_opposite_views(first, opposite) == pytest.approx(center, abs=0.1)
    noise = noisy(np.stack([first, opposite]))
    assert center_of_opposite_views(*noise) == pytest.approx(center, abs=0.25)


def test_the_rows_of_an_area_are_used_together():
    pair = projections([0.0, np.pi], BINS, 121.3, scale=0.8)
    views = np.stack([pair, 2 * pair, 0 * pair], axis=1)
    assert center_of_opposite_views(*views) == pytest.approx(121.3, abs=0.1)


def test_views_that_are_no_pair_are_refused():
    first = projections([0.0], BINS, 120.0, scale=0.3)[0]
    with pytest.raises(ValueError, match=r"`opposite` must be the mirror image.*half a turn a"):
        center_of_opposite_views(first, np.random.default_rng(0).standard_normal(BINS))
    with pytest.raises(ValueError, match=r"`opposite` must have the shape \(1, 256\)"):
        center_of_opposite_views(first, first[1:])
    with pytest.raises(ValueError, match=r"`sinogram` must hold line integrals.*Take −log"):
        center_of_opposite_views(1e4 * np.exp(-first), 1e4 * np.exp(-first))


@pytest.mark.parametrize("center", [40.3, 127.75, 222.6])
@pytest.mark.parametrize("views", [120, 91])
def test_the_axis_of_a_full_turn_may_be_anywhere(center, views):
    angles = half_turn(views, 2 * np.pi)
    sinogram = noisy(projections(angles, BINS, center))
    assert find_center_full_turn(sinogram, angles) == pytest.approx(center, abs=0.25)


def test_the_order_of_the_views_does_not_matter():
    angles = np.random.default_rng(0).permutation(half_turn(90, 2 * np.pi)) - 7.0
    sinogram = projections(angles, BINS, 131.4)
    assert find_center_full_turn(sinogram, angles) == pytest.approx(131.4, abs=0.25)


def test_half_a_turn_is_no_full_one():
    angles = half_turn(90)
    with pytest.raises(ValueError, match=r"`angles` must cover a full turn; got .*out 18[12]"):
        find_center_full_turn(projections(angles, BINS, 120.0), angles)


@pytest.mark.parametrize("center", [110.25, 127.5, 140.8])
@pytest.mark.parametrize("angles", WEDGES)
def test_the_wedge_finds_the_axis(center, angles):
    sinogram = noisy(projections(angles, BINS, center, scale=0.8))
    found = find_center_in_wedge(sinogram, angles, within=(100, 150))
    assert found == pytest.approx(center, abs=0.25)


def test_the_whole_middle_half_is_searched():
    angles = half_turn(60)
    sinogram = projections(angles, 96, 41.5, scale=0.3)
    assert find_center_in_wedge(sinogram, angles) == pytest.approx(41.5, abs=0.25)


def test_what_the_wedge_cannot_do_is_said():
    angles = half_turn(60)
    sinogram = projections(angles, BINS, 120.0)
    with pytest.raises(ValueError, match=r"`angles` must be equal steps over a half turn"):
        find_center_in_wedge(sinogram, 1.4 * angles)
    with pytest.raises(ValueError, match=r"axis of rotation inside the search; got bin"):
        find_center_in_wedge(sinogram, angles, within=(122, 140))
    with pytest.raises(ValueError, match="`within` must lie between 0 and 255; got 10 and 300"):
        find_center_in_wedge(sinogram, angles, within=(10, 300))
    with pytest.raises(ValueError, match="`sinogram` must hold line integrals"):
        find_center_in_wedge(np.exp(-sinogram), angles)
    with pytest.raises(ValueError, match="one angle for each of the 60 views"):
        find_center_in_wedge(sinogram, angles[1:])
