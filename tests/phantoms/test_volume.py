"""Phantoms in three dimensions: integrals against quadrature, rasters against volumes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from phantoms import WATER, Ellipsoid, VolumePhantom, ball

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
