"""A swarm is the sum of its members, found faster."""

from __future__ import annotations

import math

import numpy as np
import pytest

from phantoms import Bump, Ellipse, Phantom, Solid, Swarm

POINTS = np.random.default_rng(4).uniform(-60, 60, (20_000, 2))


def members(num, seed=0):
    """Return heights and ellipses, thin ones too, that overlap."""
    generator = np.random.default_rng(seed)
    shapes = tuple(
        Ellipse.of(
            tuple(generator.uniform(-40, 40, 2).tolist()),
            (float(generator.uniform(2, 12)), float(generator.uniform(0.3, 4))),
            float(generator.uniform(0, math.pi)),
        )
        for _ in range(num)
    )
    return tuple(generator.uniform(-1, 1, num).tolist()), shapes


def apart(swarm):
    """Return the same with a term a member."""
    pairs = zip(swarm.heights, swarm.shapes, strict=True)
    if swarm.power == 0:
        return Phantom(tuple(Solid(swarm.weight * height, shape) for height, shape in pairs))
    power = swarm.power
    return Phantom(tuple(Bump(swarm.weight * height, shape, power) for height, shape in pairs))


@pytest.mark.parametrize("power", [0, 1, 2, 5])
@pytest.mark.parametrize("num", [1, 70])
def test_a_swarm_is_the_sum_of_its_members(power, num):
    swarm = Swarm(0.3, *members(num), power)
    together, single = Phantom((swarm,)), apart(swarm)
    assert together.values(POINTS) == pytest.approx(single.values(POINTS), abs=1e-14)
    turn = np.random.default_rng(1).uniform(0, 2 * math.pi, len(POINTS))
    directions = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    found = together.line_integrals(POINTS, directions)
    assert np.count_nonzero(found) > 100
    # a ray that grazes loses digits: the root of a difference
    assert found == pytest.approx(single.line_integrals(POINTS, directions), abs=1e-7)
    assert np.quantile(np.abs(found - single.line_integrals(POINTS, directions)), 0.99) < 1e-13
    grid = ((60, 50), (2.0, 2.5))
    assert together.raster(*grid) == pytest.approx(single.raster(*grid), abs=1e-14)


@pytest.mark.parametrize("num", [1, 200])
def test_the_radius_is_that_of_the_farthest_member(num):
    swarm = Swarm(1.0, *members(num))
    turn = np.linspace(0, 2 * math.pi, 10_000)
    circle = np.stack([np.cos(turn), np.sin(turn)])
    edges = [
        np.array(shape.matrix) @ circle + np.array(shape.center)[:, None] for shape in swarm.shapes
    ]
    farthest = max(np.linalg.norm(edge, axis=0).max() for edge in edges)
    assert farthest <= swarm.radius < farthest * (1 + 1e-4)


def test_more_rays_and_points_than_are_worked_on_at_once():
    swarm = Phantom((Swarm(1.0, *members(300)),))
    directions = np.array([0.6, 0.8])
    chosen = [0, 3000, 3500, 8191, 8192, 19_999]
    whole, values = swarm.line_integrals(POINTS, directions), swarm.values(POINTS)
    # products of matrices add up in another order where there are fewer rows
    few = swarm.line_integrals(POINTS[chosen], directions)
    assert whole[chosen] == pytest.approx(few, abs=1e-12)
    assert (values[chosen] == swarm.values(POINTS[chosen])).all()


def test_a_swarm_is_a_value():
    one, same = Swarm(1.0, *members(9)), Swarm(1.0, *members(9))
    assert one == same and hash(one) == hash(same)
    one.values(POINTS)
    assert one == same
    assert one != Swarm(1.0, *members(9, seed=1))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (((), ()), r"`shapes` must not be empty; got \(\)"),
        (((1.0,), members(2)[1]), r"`heights` must be one for each of the 2 shapes; got \(1.0,\)"),
        (((math.nan,), members(1)[1]), "`heights` must be finite"),
        ((*members(1), -1), "`power` must be at least 0; got -1"),
    ],
)
def test_bad_swarms(arguments, text):
    with pytest.raises(ValueError, match=text):
        Swarm(1.0, *arguments)
