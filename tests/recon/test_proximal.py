"""Proximal steps: towards the data, without variation, by a weight that suits the rays' loss."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.operators import Gradient, Observation, RampFilter
from ctinr.projectors import Projector
from ctinr.recon.fbp import fbp
from ctinr.recon.levels import Problem
from ctinr.recon.proximal import DataStep, image_weight, overlap_window, proximal_steps
from phantoms import bump


def problem(spacing=1.0, pitch=1.0, num_views=48):
    grid = Grid((48, 56), spacing)
    A = Projector(ParallelBeam(equal_angles(num_views), Detector(round(76 / pitch), pitch)), grid)
    picture = bump((16.0, 11.0), 0.02, center=(2.0, -3.0), angle=0.4)
    image = torch.as_tensor(picture.raster(grid.shape, grid.spacing)).float()
    return Problem(A, A(image)), image


@pytest.mark.parametrize(
    "spacing, pitch, num_views", [(1.0, 1.0, 48), (1.0, 0.5, 48), (1.3, 1.0, 30)]
)
def test_a_weight_of_the_rays_loss_is_one_of_the_image(spacing, pitch, num_views):
    """The ramp-filtered loss of an image of change e is ½ κ ‖e‖², with κ as the weight has it."""
    given, change = problem(spacing, pitch, num_views)
    nothing = torch.zeros_like(given.y)
    ramp = RampFilter(given.A.geometry, pitch, exponent=0.5, normalised=True)
    relative = (1 / float(given.y.square().mean().sqrt())) * ramp
    loss = Observation(given.A, nothing, relative).loss(change)
    # What `image_weight` says of the weight that makes a loss of ½ κ ‖e‖² worth a TV of one.
    grid = given.A.domain
    variation = Gradient(grid)(change).norm(dim=0).mean() * max(grid.extent)
    own = image_weight(given, 1.0)
    total = Gradient(grid)(change).norm(dim=0).sum() * grid.cell_measure
    curvature = float(variation / (own * total))
    assert float(loss) == pytest.approx(curvature / 2 * float(change.square().sum()), rel=0.05)


def test_a_data_step_without_a_weight_adds_the_fbp_of_the_residual_but_stays_nonnegative():
    given, image = problem()
    start = 0.5 * image
    window = overlap_window(given)
    change = fbp(given.A, given.y - given.A(start), window=window).image
    better = DataStep(given, 0.0, window, length=1.0)(start)
    assert torch.equal(better, (start + change).clamp(min=0))
    assert (better - image).norm() < 0.1 * (start - image).norm()


def test_the_window_makes_the_ramp_flat_where_neighbouring_views_part():
    given, _ = problem(num_views=22)
    response = RampFilter(given.A.geometry, 1.0, window=overlap_window(given)).response()
    frequency = np.linspace(0, 0.5, len(response))
    parting = 22 / (math.pi * 56)
    beyond = response[frequency > parting]
    assert beyond == pytest.approx(np.full(len(beyond), parting), rel=0.01)
    below = (frequency < parting) & (frequency > 0.02)
    assert response[below] == pytest.approx(frequency[below], rel=0.01)


def test_a_turn_measured_twice_overlaps_no_more_than_measured_once():
    given, _ = problem(num_views=20)
    angles = given.A.geometry.angles
    turned = (*angles, *(angle + math.pi for angle in angles))
    twice = Problem(Projector(replace(given.A.geometry, angles=turned), given.A.domain), given.y)
    fraction = np.linspace(0, 1, 50)
    assert overlap_window(twice)(fraction) == pytest.approx(overlap_window(given)(fraction))


def test_a_weight_takes_variation_away_and_leaves_the_mean():
    given, image = problem()
    step = DataStep.of(given)
    noise = 0.003 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    variation = {
        weight: float(Gradient(given.A.domain)(step.with_weight(weight)(image + noise)).abs().sum())
        for weight in (0.0, 0.01, 0.05)
    }
    assert variation[0.05] < 0.9 * variation[0.01] < 0.9 * 0.9 * variation[0.0]
    smooth = step.with_weight(0.01)(image)
    assert float(smooth.mean()) == pytest.approx(float(image.mean()), rel=0.02)


def test_steps_soon_come_to_rest_at_the_object():
    given, image = problem()
    steps = list(islice(proximal_steps(DataStep.of(given, 1e-7), torch.zeros_like(image)), 10))
    assert [step.index for step in steps] == list(range(1, 11))
    assert steps[-1].loss < 1e-3 * steps[0].loss
    assert (steps[-1].image - image).norm() < 0.03 * image.norm()


@pytest.mark.parametrize("num_views, pitch", [(6, 1.0), (12, 1.0), (24, 0.5), (90, 1.0)])
def test_steps_of_stable_length_do_not_diverge(num_views, pitch):
    given, image = problem(pitch=pitch, num_views=num_views)
    noise = (
        0.05
        * given.y.max()
        * torch.randn(given.y.shape, generator=torch.Generator().manual_seed(0))
    )
    noisy = Problem(given.A, given.y + noise)
    step = DataStep.of(noisy)
    steps = list(islice(proximal_steps(step, torch.zeros_like(image)), 150))
    assert steps[-1].loss < 1e-2 * steps[0].loss
    assert steps[-1].loss <= steps[-50].loss
