"""Memory: what a fit needs is told, a budget is kept, and the result is the same to rounding."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.networks import BWReLU, Ensemble, set_product_dtype
from ctinr.operators import Identity, Observation
from ctinr.projectors import Projector
from ctinr.recon.fit import fit
from ctinr.recon.inr import inr
from ctinr.recon.needs import LEAST_POINTS, Needs, needs_of, points_at_once, splitting_bytes
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.stages import Splitting
from ctinr.recon.uncertainty import uncertainty

WIDTH, CELLS, RAYS = 32, (40, 50), (12, 60)


def network(width=WIDTH, depth=2):
    return BWReLU(width=width, depth=depth).build(2, generator=torch.Generator().manual_seed(0))


def test_activations_are_counted_and_parameters_are_not():
    thin, wide, deep = (
        needs_of(net, CELLS, RAYS).point
        for net in (network(), network(2 * WIDTH), network(depth=4))
    )
    # Two hidden layers: what comes before and after each activation, and the two coordinates.
    kept = 4 * (4 * WIDTH + 2)
    assert kept <= thin <= 2.5 * kept
    assert wide == pytest.approx(2 * thin, rel=0.1) and deep == pytest.approx(2 * thin, rel=0.1)
    short = network()
    set_product_dtype(short, torch.bfloat16)
    assert needs_of(short, CELLS, RAYS).point < thin
    assert needs_of(network(), CELLS, RAYS, members=3).point == pytest.approx(3 * thin, abs=2)
    several = needs_of(Ensemble([network()] * 3), CELLS, RAYS).point
    assert several == pytest.approx(3 * thin, rel=0.1)


def test_images_grow_with_the_problem():
    small, large = (needs_of(network(), (k * 40, 50), (k * 12, 60)).fixed for k in (1, 9))
    own = needs_of(network(), (1, 1), (1, 1)).fixed
    assert large - own == pytest.approx(9 * (small - own), rel=0.01)
    assert splitting_bytes(network(), CELLS, RAYS) > small


def test_a_budget_is_enough_for_so_many_points():
    needs = Needs(fixed=10_000_000, point=1000)
    assert needs.points_within(12_000_000) == 2000
    assert needs.bytes_of(2000) == 12_000_000
    assert needs.points_within(needs.least) == LEAST_POINTS
    told = (
        r"`memory_budget` must be at least 11 MB, for a fit of this size; got 11 MB\. Take larger"
    )
    with pytest.raises(ValueError, match=told):
        needs.points_within(needs.least - 1)
    assert points_at_once(network(), CELLS, RAYS, memory_budget=None, members=4) == 1 << 16


def test_a_fit_within_a_budget_is_the_same_to_rounding(monkeypatch):
    monkeypatch.setattr("ctinr.recon.needs.LEAST_POINTS", 64)
    grid = Grid(CELLS)
    wanted = Observation(Identity(grid), torch.rand(CELLS, generator=torch.Generator()))
    needs, given = needs_of(network(), CELLS, CELLS), {"grid": grid, "iterations": 3}
    whole = fit(network(), wanted, **given, precision="float32")
    budget = needs.bytes_of(100)
    part = fit(network(), wanted, **given, precision="float32", memory_budget=budget)
    assert not torch.equal(part.image, whole.image)
    torch.testing.assert_close(part.image, whole.image, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="`memory_budget` must be at least"):
        fit(network(), wanted, **given, memory_budget=needs.fixed)


@pytest.mark.slow
def test_the_field_and_its_ensemble_are_told_the_points(monkeypatch):
    grid = Grid((20, 24), 2.0)
    A = Projector(ParallelBeam(equal_angles(12), Detector(34, 2.0)), grid)
    y = A(torch.rand(grid.shape, generator=torch.Generator().manual_seed(1)))
    recipe = Recipe(
        prior="tv", weight=1e-3, warm=1, rounds=1, refit=1, steps=20, precision="float32", finish=0
    )  # Without further steps the image is the network's, and so are the members.
    given = {"family": BWReLU(width=WIDTH, depth=2), "recipe": recipe}
    seen = []
    evaluator = Splitting.evaluator

    def watched(stage, net):
        seen.append((isinstance(net, Ensemble), stage.points_at_once))
        return evaluator(stage, net)

    monkeypatch.setattr(Splitting, "evaluator", watched)
    needs = needs_of(network(), grid.shape, y.shape, members=2)
    uncertainty(A, y, **given, members=2, memory_budget=needs.bytes_of(2000))
    assert [several for several, _ in seen] == [False, False, True]
    assert seen[2][1] == pytest.approx(2000, abs=1) and seen[0][1] > 2000
    # What is enough for one is not for two: it is said before anything is computed.
    least = needs_of(network(), grid.shape, y.shape).least
    inr(A, y, **given | {"recipe": replace(recipe, warm=1)}, memory_budget=least)
    with pytest.raises(ValueError, match="`memory_budget` must be at least"):
        uncertainty(A, y, **given, members=2, memory_budget=least)
