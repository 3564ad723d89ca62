"""Data steps: iterations of a solver from the image that they are given."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.operators import Gradient
from ctinr.projectors import Projector
from ctinr.recon.levels import Problem
from ctinr.recon.neural_field.data_steps import KEPT, NonlocalStep, Remembered, VariationStep
from ctinr.recon.tv import tv
from phantoms import disk

WEIGHT = 1e-3
# Which ending it is makes no difference to the steps of the rounds.
NonlocalRounds = partial(NonlocalStep, ending="short")


@pytest.fixture(scope="module")
def problem():
    grid = Grid((32, 36), 1.5)
    A = Projector(ParallelBeam(equal_angles(20), Detector(52, 1.5)), grid)
    image = torch.as_tensor(disk(16.0, 0.02).raster(grid.shape, grid.spacing)).float()
    return Problem(A, A(image))


def objective(problem, image):
    """What `tv` minimises."""
    A = problem.A
    variation = Gradient(A.domain)(image).norm(dim=0).sum() * A.domain.cell_measure
    return float((A(image) - problem.y).square().sum() / 2 + WEIGHT * variation)


@pytest.mark.slow
def test_steps_lead_to_the_image_of_total_variation(problem):
    best = tv(problem.A, problem.y, weight=WEIGHT, iterations=2000, gap=1e-7).image
    step, image = VariationStep(problem, WEIGHT), torch.zeros_like(best)
    least, values = objective(problem, best), []
    for _ in range(8):
        image = step(image)
        values.append(objective(problem, image) - least)
    assert values[7] < 0.1 * values[0]
    assert (image - best).norm() < 0.02 * best.norm()
    # The duals begin anew, so that it does not stand quite still at the end.
    assert (step(best) - best).norm() < 0.01 * best.norm()


def test_a_step_leaves_its_input_alone_and_allows_no_negative_values(problem):
    image = torch.full(tuple(problem.A.domain.shape), -0.01)
    before = image.clone()
    better = VariationStep(problem, WEIGHT)(image)
    assert torch.equal(image, before) and (better >= 0).all()
    assert torch.equal(better, VariationStep(problem, WEIGHT)(torch.zeros_like(image)))


@pytest.mark.parametrize("kind, weight", [(VariationStep, WEIGHT), (NonlocalRounds, 1e-6)])
def test_the_step_of_other_data_is_the_same_but_for_them(problem, kind, weight):
    step, image = kind(problem, weight), torch.zeros(tuple(problem.A.domain.shape))
    other = Problem(problem.A, torch.stack([problem.y, 0.5 * problem.y]))
    both = replace(step, problem=other)(torch.stack([image, image]))
    assert torch.allclose(both[0], step(image), atol=1e-5 * float(both.max()))
    alone = kind(Problem(problem.A, 0.5 * problem.y), weight)(image)
    assert torch.allclose(both[1], alone, atol=1e-3 * float(both.max()))


def test_a_non_local_step_explains_the_data_better_the_less_noise_they_have(problem):
    image = torch.zeros(tuple(problem.A.domain.shape))
    scaled = Problem(problem.A, 50 * problem.y)
    left = [
        float((problem.A(NonlocalRounds(scaled, variance)(image)) - scaled.y).norm())
        for variance in (1e-2, 1e-1, 1.0)
    ]
    assert left[0] < left[1] < left[2] < float(scaled.y.norm())


def test_the_step_that_follows_the_network_is_the_ending(problem):
    image = torch.ones(tuple(problem.A.domain.shape))
    given = {"problem": Problem(problem.A, 50 * problem.y), "variance": 1e-2}
    short, long = (NonlocalStep(**given, ending=name) for name in ("short", "long"))
    steps = (short.finishing(), long, long.finishing())
    away = [float((each(image) - image).norm()) for each in steps]
    assert 0 < away[0] < away[1] < away[2]
    # Other data need long steps, wherever those that follow lead.
    assert torch.equal(short.anew()(image), long.finishing()(image))
    variation = VariationStep(problem, WEIGHT)
    assert variation.finishing() is variation.anew() is variation


def test_what_was_made_of_the_last_image_is_remembered():
    seen = []

    def step(image):
        seen.append(image.clone())
        return image + 1

    remembered = Remembered(torch.full((2, 2), 10.0))
    taken = remembered.taken(step)
    first = taken(torch.zeros(2, 2))
    assert torch.allclose(seen[0], torch.full((2, 2), 10 * KEPT))
    taken(torch.zeros(2, 2))
    assert torch.allclose(seen[1], KEPT * first)
    other = Remembered(torch.zeros(2, 2))
    other.restore(remembered.state())
    other.restore(None)
    assert torch.equal(other.taken(step)(first), remembered.taken(step)(first))
