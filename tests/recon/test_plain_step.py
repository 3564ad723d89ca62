"""Plain data steps: iterations of total variation from the image that they are given."""

from __future__ import annotations

import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.operators import Gradient
from ctinr.projectors import Projector
from ctinr.recon.levels import Problem
from ctinr.recon.plain_step import PlainStep
from ctinr.recon.tv import tv
from phantoms import disk

WEIGHT = 1e-3


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


def test_steps_lead_to_the_image_of_total_variation(problem):
    best = tv(problem.A, problem.y, weight=WEIGHT, iterations=2000, gap=1e-7).image
    step, image = PlainStep.of(problem, WEIGHT), torch.zeros_like(best)
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
    better = PlainStep.of(problem, WEIGHT)(image)
    assert torch.equal(image, before) and (better >= 0).all()
    assert torch.equal(better, PlainStep.of(problem, WEIGHT)(torch.zeros_like(image)))
