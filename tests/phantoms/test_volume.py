"""Phantoms in three dimensions: integrals against quadrature, rasters against volumes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from phantoms import WATER, Ellipsoid, VolumePhantom, ball, volume_by_name, volume_catalogue

TILTED = {"center": (2.0, -1.0, 3.0), "semi_axes": (6.0, 3.0, 4.0), "angle": 0.5, "tilt": -0.8}
TERMS = {
    "solid": Ellipsoid(0.7, **TILTED),
    "bump": Ellipsoid(0.7, **TILTED, power=3),
    "gaussian": Ellipsoid(0.7, **TILTED, power=None),
}


@pytest.fixture(params=TERMS)
def phantom(request):
    return VolumePhantom((TERMS[request.param],))


def test_integrals_are_those_of_the_values(phantom):
    random = np.random.default_rng(0)
    points = random.normal(0, 3, (20, 3)) + TILTED["center"]
    directions = random.normal(size=(20, 3))
    t = np.linspace(-40, 40, 160001)
    units = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    along = points[:, None] + t[:, None] * units[:, None]
    wanted = np.trapezoid(phantom.values(along), t, axis=1)
    np.testing.assert_allclose(phantom.line_integrals(points, directions), wanted, atol=5e-4)


def test_it_is_turned_as_said():
    """The longest semi-axis goes from +x towards +y; the second is first tilted towards +z."""
    longest = np.array([math.cos(0.5), math.sin(0.5), 0.0])
    second = np.array(
        [-math.sin(0.5) * math.cos(-0.8), math.cos(0.5) * math.cos(-0.8), math.sin(-0.8)]
    )
    solid, center = VolumePhantom((TERMS["solid"],)), np.array(TILTED["center"])
    for way, length in ((longest, 6.0), (second, 3.0)):
        ends = center + np.outer([-1.001, -0.999, 0.999, 1.001], length * way)
        assert solid.values(ends).tolist() == [0, 0.7, 0.7, 0]


def test_a_ball_is_a_ball():
    whole = ball(5.0, center=(1.0, 2.0, 3.0))
    assert whole.line_integrals([1.0, 2.0, 90.0], [0.0, 0.0, -2.0]) == pytest.approx(10 * WATER)
    assert whole.line_integrals([6.1, 2.0, 0.0], [0.0, 0.0, 1.0]) == 0
    volume = whole.raster((12, 11, 13), 1.0, (3.0, 2.0, 1.0))
    assert volume.sum() == pytest.approx(WATER * 4 / 3 * math.pi * 125, rel=5e-3)
    assert volume[6, 5, 6] == pytest.approx(WATER)
    both = whole + ball(5.0, -WATER, center=(1.0, 2.0, 3.0))
    assert not both.raster((4, 4, 4), 2.0).any()


def test_a_raster_is_in_the_order_of_the_array():
    volume = ball(0.5, 1.0, center=(3.0, 1.0, -2.0)).raster((6, 5, 9), (1.0, 1.0, 1.0), (0.5, 0, 0))
    assert np.unravel_index(volume.argmax(), volume.shape) == (0, 3, 7)


def test_a_ball_around_the_origin_holds_everything():
    both = ball(5.0, center=(3.0, 0.0, 4.0)) + VolumePhantom(
        (Ellipsoid(1.0, (0, 1, 0), (2, 9, 1)),)
    )
    assert both.radius == 10.0
    assert ball(5.0, center=(3.0, 0.0, 4.0)).radius == 10.0
    assert VolumePhantom((TERMS["gaussian"],)).radius == math.inf


@pytest.mark.parametrize("name", volume_catalogue)
def test_named_phantoms_lie_in_their_ball(name):
    phantom = volume_by_name(name)
    directions = np.random.default_rng(0).normal(size=(500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    assert not phantom.values(1.001 * phantom.radius * directions).any()
    assert phantom.values([0.0, 0.0, 0.0]) > 0


# Density in units of water of points (x, y, z) of the published table, y up: skull, brain, the
# ventricles, the large ellipsoid, the small ones.
PLACES = [
    ((0.0, 0.9, 0.0), 2.0, 1.0),
    ((0.0, -0.5, 0.0), 1.02, 0.2),
    # On the longest axis of each ventricle, most of the way to an end: outside if mirrored.
    ((-0.22 - 0.35 * 0.309, 0.35 * 0.951, -0.25), 1.0, 0.0),
    ((0.22 + 0.27 * 0.309, 0.27 * 0.951, -0.25), 1.0, 0.0),
    ((0.0, 0.5, -0.6), 1.04, 0.4),
    ((0.0, 0.08, -0.25), 1.04, 0.4),
    ((-0.11, -0.65, -0.25), 1.03, 0.3),
    ((0.06, -0.62, -0.25), 1.03, 0.3),
    ((0.06, -0.105, 0.7), 1.04, 0.4),
    ((0.0, 0.1, 0.55), 1.0, 0.0),
]


@pytest.mark.parametrize(("place", "original", "modified"), PLACES)
def test_the_head_is_as_published(place, original, modified):
    x, y, z = place
    for name, wanted in (("shepp-logan-3d", original), ("shepp-logan-3d-modified", modified)):
        found = volume_by_name(name).values([128 * x, -128 * y, 128 * z])
        assert float(found) == pytest.approx(wanted * WATER, abs=1e-12)


def test_a_name_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match=r"`name` must be one of 'shepp-logan-3d', .*; got 'cube'"):
        volume_by_name("cube")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ball(0.0), "`radius` must be above zero"),
        (lambda: Ellipsoid(1.0, (0, 0), (1, 1, 1)), r"`center` must end with an axis of length 3"),
        (lambda: Ellipsoid(1.0, (0, 0, 0), (1, 0, 1)), "`semi_axes` must be above zero"),
        (lambda: Ellipsoid(1.0, (0, 0, 0), (1, 1, 1), power=-1), "`power` must be at least 0"),
        (lambda: VolumePhantom(()), "`terms` must be a tuple of at least one"),
        (lambda: ball().values([0.0, 0.0]), r"`points` must end with an axis of length 3"),
        (lambda: ball().line_integrals([0.0, 0, 0], [0.0, 0, 0]), "`directions` must not be zero"),
        (lambda: ball().raster((2, 2), 1.0), r"`shape` must be a triple \(z, y, x\)"),
        (lambda: ball().raster((2, 2, 2), (1.0, 2.0)), "`spacing` must be one number or three"),
    ],
)
def test_what_is_no_phantom_is_refused(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()
