"""SIRT against its formula written with dense matrices, its limit, and its bounds."""

from __future__ import annotations

import math

import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.operators import BlockAverage, Select
from ctinr.projectors import Projector
from ctinr.recon.observers import Curve
from ctinr.recon.sirt import sirt, sirt_steps

GRID = Grid((7, 9), (1.0, 1.2))
A = Projector(ParallelBeam(equal_angles(8), Detector(13)), GRID)


def image(*batch, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*batch, *GRID.shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("relaxation", [1.0, 1.7])
def test_three_iterations_are_the_formula(relaxation):
    matrix = A.as_matrix()
    rows, columns = matrix.sum(1), matrix.sum(0)
    R = torch.diag(torch.where(rows > 0, 1 / rows, 0))
    C = torch.diag(1 / columns)
    y = A(image())
    x = torch.zeros(GRID.shape, dtype=torch.float64).flatten()
    for _ in range(3):
        x = x + relaxation * C @ matrix.T @ R @ (y.flatten() - matrix @ x)
    result = sirt(A, y, iterations=3, relaxation=relaxation, lower=None)
    torch.testing.assert_close(result.image.flatten(), x)
    residual = y.flatten() - matrix @ x
    assert result.losses[-1] == pytest.approx(float(residual @ R @ residual) / 2)
    assert result.method == "SIRT"
    assert result.stopped_by == "iterations"


def test_it_comes_to_the_image_and_the_loss_falls():
    x = image()
    many = Projector(ParallelBeam(equal_angles(20), Detector(26, 0.6)), GRID)
    result = sirt(many, many(x), iterations=400, relaxation=1.9)
    assert (result.image - x).norm() < 0.01 * x.norm()
    assert all(
        later < before for before, later in zip(result.losses, result.losses[1:], strict=False)
    )


def test_lower_bounds_every_iterate():
    y = A(image() - 0.6)
    least = Curve(lambda step: float(step.image.min()))
    free = sirt(A, y, iterations=20, lower=None)
    held = sirt(A, y, iterations=20, observers=[least])
    assert free.image.min() < -0.1
    assert min(least.values) >= 0
    assert sirt(A, y, iterations=20, lower=-0.1).image.min() == pytest.approx(-0.1)
    assert not torch.equal(free.image, held.image)


def test_rays_without_cells_and_cells_without_rays_change_nothing():
    narrow = Projector(ParallelBeam([0.0], Detector(30, 0.1, 9.0)), GRID)
    y = torch.ones(1, 30)
    result = sirt(narrow, y, iterations=5, initial=torch.full(GRID.shape, 0.25))
    assert torch.equal(result.image, torch.full(GRID.shape, 0.25))
    half = Select(GRID, torch.arange(63).reshape(GRID.shape) < 30)
    x = sirt(half, torch.ones(30), iterations=50).image.flatten()
    torch.testing.assert_close(x[:30], torch.ones(30))
    assert not x[30:].any()


def test_a_batch_is_a_loop_and_any_operator_will_do():
    coarse = BlockAverage(Grid((6, 8)), 2)
    y = torch.rand(2, 3, 3, 4, generator=torch.Generator().manual_seed(1))
    images = sirt(coarse, y, iterations=4).image
    assert images.shape == (2, 3, 6, 8)
    torch.testing.assert_close(images[1, 2], sirt(coarse, y[1, 2], iterations=4).image)
    torch.testing.assert_close(coarse(sirt(coarse, y, iterations=99).image), y)


def test_it_goes_on_from_where_it_was_and_leaves_its_arguments_alone():
    y = A(image())
    start = sirt(A, y, iterations=3).image
    kept = start.clone(), y.clone()
    torch.testing.assert_close(
        sirt(A, y, iterations=2, initial=start).image, sirt(A, y, iterations=5).image
    )
    assert torch.equal(start, kept[0])
    assert torch.equal(y, kept[1])


def test_images_of_earlier_steps_stay_as_they_were():
    steps = sirt_steps(A, A(image()))
    first = next(steps).image
    kept = first.clone()
    next(steps)
    assert torch.equal(first, kept)


@pytest.mark.parametrize(
    "arguments, error, text",
    [
        ({"relaxation": 2.0}, ValueError, "`relaxation` must be below 2; got 2.0"),
        ({"relaxation": 0.0}, ValueError, "`relaxation` must be above zero"),
        ({"lower": math.nan}, ValueError, "`lower` must be finite"),
        ({"iterations": 0}, ValueError, "`iterations` must be at least 1"),
        ({"initial": torch.zeros(7, 8)}, ValueError, r"`initial` must have the shape \(7, 9\)"),
        ({"initial": torch.full((7, 9), math.inf)}, ValueError, "`initial` must be finite"),
        ({"initial": [0.0]}, TypeError, "`initial` must be a torch.Tensor"),
        ({"y": torch.zeros(8, 12)}, ValueError, r"`y` must end with the shape \(8, 13\)"),
        ({"y": torch.full((8, 13), math.nan)}, ValueError, "`y` must be finite everywhere"),
    ],
)
def test_bad_arguments_are_named(arguments, error, text):
    with pytest.raises(error, match=text):
        sirt(A, **{"y": torch.zeros(8, 13), "iterations": 2, **arguments})
