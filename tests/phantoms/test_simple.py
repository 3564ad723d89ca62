"""Disks, boxes, bumps, the random phantoms and the catalogue."""

import math

import numpy as np
import pytest

from phantoms import (
    WATER,
    Phantom,
    box,
    bump,
    by_name,
    catalogue,
    disk,
    random_ellipses,
    smooth_blobs,
)

POINTS = np.random.default_rng(3).uniform(-120, 120, (5000, 2))


def test_disk_and_box_have_their_value_inside():
    assert disk(10.0, 0.5, center=(3.0, 0.0)).values([[12.9, 0.0], [13.1, 0.0]]).tolist() == [
        0.5,
        0,
    ]
    turned = box((10.0, 2.0), 0.5, angle=math.pi / 2)
    assert turned.values([[0.0, 9.9], [9.9, 0.0], [1.9, 0.0]]).tolist() == [0.5, 0, 0.5]
    assert disk().values([0.0, 0.0]) == WATER


def test_bump_is_smooth_and_has_its_height():
    phantom = bump((40.0, 20.0), 0.5, center=(5.0, 5.0))
    assert phantom.values([5.0, 5.0]) == 0.5
    x = np.linspace(5 + 39.0, 5 + 41.0, 2001)
    values = phantom.values(np.stack([x, np.full_like(x, 5.0)], -1))
    # two continuous derivatives: the second difference has no jump where the bump ends
    second = np.diff(values, 2) / (x[1] - x[0]) ** 2
    assert np.abs(np.diff(second)).max() < 1e-2 * np.abs(second).max()


@pytest.mark.parametrize("make", [random_ellipses, smooth_blobs])
def test_random_phantoms_are_drawn_by_their_seed(make):
    assert make(4) == make(4)
    assert make(4) != make(5)
    assert len(make(0, 3).terms) == 3
    assert len(make(0, 1).terms) == 1


@pytest.mark.parametrize("make", [random_ellipses, smooth_blobs])
@pytest.mark.parametrize("seed", range(5))
def test_random_phantoms_stay_inside_and_above_zero(make, seed):
    phantom = make(seed, 30, radius=80.0, value=0.01)
    assert phantom.radius <= 80.0
    values = phantom.values(POINTS)
    assert values.min() >= -1e-15
    assert values.max() > 0.005


def test_drawing_leaves_the_global_generator_alone():
    np.random.seed(0)  # noqa: NPY002 - the old generator is the one under test
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    random_ellipses(1)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.slow
def test_catalogue():
    assert {"shepp-logan", "shepp-logan-modified", "forbild-head", "forbild-thorax"} <= set(
        catalogue
    )
    assert {"disk", "box", "random-ellipses"} <= set(catalogue)
    for name in catalogue:
        phantom = by_name(name, seed=2)
        assert isinstance(phantom, Phantom)
        assert phantom == by_name(name, seed=2)
    assert by_name("random-ellipses", 1) != by_name("random-ellipses", 2)
    assert by_name("disk", 1) == by_name("disk", 2)


def test_catalogue_cannot_be_changed():
    with pytest.raises(TypeError, match="does not support item assignment"):
        catalogue["mine"] = lambda seed: disk()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: by_name("shep-logan"),
            "`name` must be one of 'shepp-logan', 'shepp-logan-modified', 'forbild-head', .*; "
            "got 'shep-logan'",
        ),
        (lambda: by_name("disk", -1), "`seed` must be at least 0; got -1"),
        (lambda: random_ellipses(0, 0), "`num` must be at least 1; got 0"),
        (lambda: random_ellipses(0, radius=0.0), "`radius` must be above zero; got 0.0"),
        (lambda: random_ellipses(0, value=-1.0), "`value` must be above zero; got -1.0"),
        (lambda: smooth_blobs(-2), "`seed` must be at least 0; got -2"),
        (lambda: disk(0.0), "`radius` must be above zero; got 0.0"),
        (lambda: disk(1.0, math.nan), "`value` must be finite; got nan"),
        (lambda: box((1.0, 0.0)), r"`half_sides` must be above zero; got \(1.0, 0.0\)"),
    ],
)
def test_bad_values(call, text):
    with pytest.raises(ValueError, match=text):
        call()
