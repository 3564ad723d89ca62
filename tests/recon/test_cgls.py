"""CGLS against dense least squares, plain and damped."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.operators import Identity
from ctinr.projectors import Projector
from ctinr.recon.cgls import cgls, cgls_steps

GRID = Grid((6, 5), (1.0, 1.2))
A = Projector(ParallelBeam(equal_angles(9), Detector(11, 0.9)), GRID)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense_solution(y, damping=0.0):
    matrix = A.as_matrix()
    rows = torch.cat([matrix, damping * torch.eye(30, dtype=torch.float64)])
    data = torch.cat([y.flatten(), torch.zeros(30, dtype=torch.float64)])
    return torch.linalg.lstsq(rows, data).solution.reshape(GRID.shape)


@pytest.mark.parametrize("damping", [0.0, 0.7, 5.0])
def test_it_ends_at_the_least_squares_solution(damping):
    y = noise(9, 11)
    x = dense_solution(y, damping)
    result = cgls(A, y, iterations=200, damping=damping)
    torch.testing.assert_close(result.image, x, rtol=1e-8, atol=1e-10)
    loss = float((A(x) - y).square().sum() + damping**2 * x.square().sum()) / 2
    assert result.losses[-1] == pytest.approx(loss)
    assert result.stopped_by == "converged"
    assert result.iterations < 100


def test_each_step_is_the_best_of_its_krylov_space():
    y = noise(9, 11)
    matrix, data = A.as_matrix(), y.flatten()
    basis = [matrix.T @ data]
    for _ in range(3):
        basis.append(matrix.T @ (matrix @ basis[-1]))
        span = torch.stack([vector / vector.norm() for vector in basis], dim=1)
        weights = torch.linalg.lstsq(matrix @ span, data).solution
        image = cgls(A, y, iterations=len(basis)).image
        torch.testing.assert_close(image.flatten(), span @ weights)


def test_the_loss_falls_and_the_start_does_not_matter():
    y = noise(9, 11)
    cold = cgls(A, y, iterations=200)
    warm = cgls(A, y, iterations=200, initial=noise(6, 5, seed=4))
    torch.testing.assert_close(cold.image, warm.image)
    losses = cold.losses[:20]
    assert all(later <= before for before, later in itertools.pairwise(losses))


def test_a_batch_is_a_loop_even_where_one_item_is_done_at_once():
    y = torch.stack([noise(9, 11), torch.zeros(9, 11, dtype=torch.float64), noise(9, 11, seed=2)])
    images = cgls(A, y, iterations=6).image
    for item, image in zip(y, images, strict=True):
        torch.testing.assert_close(image, cgls(A, item, iterations=6).image)
    assert not images[1].any()


def test_single_precision_and_a_problem_solved_in_one_step():
    space = Grid((4, 4))
    y = torch.arange(16.0).reshape(4, 4)
    result = cgls(Identity(space), y, iterations=50)
    assert result.image.dtype == torch.float32
    assert result.iterations == 1
    torch.testing.assert_close(result.image, y)


def test_images_of_earlier_steps_stay_as_they_were():
    steps = cgls_steps(A, noise(9, 11))
    first = next(steps).image
    kept = first.clone()
    next(steps)
    assert torch.equal(first, kept)


@pytest.mark.parametrize(
    "arguments, error, text",
    [
        ({"damping": -1.0}, ValueError, "`damping` must be at least 0; got -1.0"),
        ({"damping": math.inf}, ValueError, "`damping` must be finite"),
        ({"iterations": 2.5}, TypeError, "`iterations` must be a whole number"),
        ({"y": torch.zeros(9, 10)}, ValueError, r"`y` must end with the shape \(9, 11\)"),
        ({"y": torch.full((9, 11), math.inf)}, ValueError, "`y` must be finite everywhere"),
        ({"initial": torch.zeros(2, 6, 5)}, ValueError, r"`initial` must have the shape \(6, 5\)"),
    ],
)
def test_bad_arguments_are_named(arguments, error, text):
    with pytest.raises(error, match=text):
        cgls(A, **{"y": torch.zeros(9, 11), "iterations": 2, **arguments})
