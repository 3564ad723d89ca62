"""The yardstick of total variation: the plain method solves the same problem, and counts count."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

import phantoms
from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.projectors import Projector
from ctinr.recon.rough import rough_image
from ctinr.recon.run import Step
from ctinr.recon.tv import tv, tv_steps
from recon_scripts.benchmarks._plain import Counted, plain_steps
from recon_scripts.benchmarks.tv_projections import LEVELS, Case, choices, needed

WEIGHT = 0.5


@pytest.fixture(scope="module")
def problem():
    grid = Grid((16, 16), (1.0, 1.3))
    A = Projector(ParallelBeam(equal_angles(12), Detector(28)), grid)
    x = torch.as_tensor(phantoms.random_ellipses(3, 6, radius=7.0, value=1.0).raster((16, 16), 1.0))
    noise = torch.randn(A.range.shape, generator=torch.Generator().manual_seed(0)).double()
    return A, A(x) + 0.3 * noise


@pytest.mark.slow
def test_the_plain_method_solves_the_same_problem(problem):
    A, y = problem
    best = tv(A, y, weight=WEIGHT, iterations=800, gap=1e-6)
    steps = plain_steps(A, y, weight=WEIGHT, initial=rough_image(A, y), balance=0.3)
    *_, last = islice(steps, 800)
    assert last.loss == pytest.approx(min(best.losses), rel=1e-5)
    assert (last.image - best.image).norm() < 1e-2 * best.image.norm()
    assert last.image.min() == 0


def test_every_image_and_every_sinogram_counts(problem):
    A, y = problem
    counted = Counted(A)
    images = counted.T(y.expand(3, *y.shape))
    assert counted.number == 3
    torch.testing.assert_close(images[0], A.T(y))
    torch.testing.assert_close(counted(images), A(images))
    assert counted.number == 6


def test_a_step_of_either_method_costs_two_projections(problem):
    A, y = problem
    for steps_of in (plain_steps, tv_steps):
        counted = Counted(A)
        steps = steps_of(counted, y, weight=WEIGHT, initial=rough_image(A, y))
        next(steps)
        begun = counted.number
        next(steps)
        assert counted.number == begun + 2


def test_levels_are_reached_in_their_order():
    A = Counted.__new__(Counted)
    A.number = 0

    def steps():
        for index, loss in enumerate((2.0, 1.0009, 1.0005, 1.00005)):
            A.number += 2
            yield Step(index, loss, torch.zeros(1))

    assert LEVELS == (1e-3, 1e-4)
    assert needed(steps(), A, 1.0, 10) == [4, 8]
    A.number = 0
    assert needed(steps(), A, 1.0, 3) == [4, None]
    A.number = 0
    assert needed(steps(), A, 3.0, 3) == [2, 2]


@pytest.mark.slow
def test_a_batch_of_weights_chooses_as_one_after_the_other(problem):
    A, y = problem
    in_turn, batch = choices(Case("noisy ellipses", A, y, WEIGHT, rough_image(A, y)))
    assert in_turn["chosen"] == batch["chosen"]
    assert batch["its withheld error"] == pytest.approx(in_turn["its withheld error"], rel=0.02)
    # 8 fits of 80 steps, of two projections each, and what the step sizes take
    assert 8 * 160 < batch["projections"] < in_turn["projections"] < 8 * 160 + 60
