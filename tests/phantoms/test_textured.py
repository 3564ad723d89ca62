"""The textured phantoms: drawn by their seed, never below zero, and textured."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from phantoms import WATER, Swarm, gradients, rock, shepp_logan, tissue, trabeculae, weave

TEXTURED = (tissue, gradients, trabeculae, rock, weave)
EVERY = pytest.mark.parametrize("make", TEXTURED)
made = cache(lambda make, seed: make(seed))
POINTS = np.random.default_rng(3).uniform(-1, 1, (20_000, 2))


@EVERY
def test_they_are_drawn_by_their_seed_in_the_size_that_is_asked_for(make):
    usual, small = made(make, 1), make(1, radius=50.0, value=1.0)
    points = 90 * POINTS[:2000]
    values = usual.values(points)
    assert small.values(points / 2) * WATER == pytest.approx(values, abs=1e-12)
    assert np.abs(make(2).values(points) - values).max() > 0.01 * WATER
    # tangents stand for an ellipse: 4e-5 of a semi-axis outside
    assert 0.95 * 50 < small.radius <= 50 * (1 + 4e-5)


@EVERY
def test_no_value_is_below_zero(make):
    values = made(make, 1).values(100 * POINTS) / WATER
    assert values.min() >= -1e-14
    assert 1 < values.max() < 4


def uneven(phantom):
    """Return the part of the body's cells that differ from a neighbour by more than 0.2 %."""
    image = phantom.raster((128, 128), 1.6) / WATER
    across, down = np.gradient(image)
    return float((np.hypot(across, down)[image > 0] > 2e-3).mean())


@EVERY
def test_hardly_a_method_that_expects_flat_regions_is_at_home(make):
    assert uneven(made(make, 1)) > 0.5
    assert uneven(shepp_logan()) < 0.25


def test_no_two_pieces_of_the_rock_overlap():
    phantom = made(rock, 1)
    assert set(np.unique(np.round(phantom.values(100 * POINTS) / WATER, 12))) == {0.0, 1.0, 1.6}
    pieces = phantom.terms[1]
    assert isinstance(pieces, Swarm) and len(pieces.shapes) > 500
    centers = np.array([shape.center for shape in pieces.shapes])
    sizes = np.array([np.linalg.norm(shape.matrix, 2) for shape in pieces.shapes])
    gaps = np.linalg.norm(centers[:, None] - centers, axis=-1) - sizes[:, None] - sizes
    assert gaps[~np.eye(len(sizes), dtype=bool)].min() > 0


def test_fibres_and_threads_of_the_weave_keep_apart():
    values = made(weave, 1).values(90 * POINTS) / WATER
    inside = values[values > 0]
    # resin, fibre, and a few places where strands of two threads cross
    assert ((np.abs(inside - 0.45) < 1e-12) | (np.abs(inside - 1.0) < 1e-12)).mean() > 0.97


def test_grains_of_tissue_stay_in_their_organs():
    phantom = made(tissue, 1)
    between = np.array([[0.08, -0.1], [0.0, 0.3], [0.6, 0.2], [-0.6, 0.45]])
    assert phantom.values(100 * between) / WATER == pytest.approx(np.ones(4), abs=1e-12)
    liver = np.array([-38.0, -8.0]) + 20 * POINTS[:1000]
    assert 0.03 < phantom.values(liver).std() / WATER < 0.15


@pytest.mark.parametrize(
    ("make", "options", "text"),
    [
        *((make, {"seed": -1}, "`seed` must be at least 0; got -1") for make in TEXTURED),
        (gradients, {"radius": 0.0}, "`radius` must be above zero; got 0.0"),
        (gradients, {"value": math.nan}, "`value` must be finite; got nan"),
    ],
)
def test_bad_arguments(make, options, text):
    with pytest.raises(ValueError, match=text):
        make(**options)
