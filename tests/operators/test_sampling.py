"""Block averages and differences: the values, their units, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ctinr.geometry import Grid
from ctinr.operators import BlockAverage, Gradient


def test_a_block_is_averaged():
    image = np.arange(24.0).reshape(4, 6)
    blocks = image.reshape(2, 2, 3, 2).mean(axis=(1, 3))
    average = BlockAverage(Grid((4, 6), (1.0, 0.5), (3.0, 4.0)), 2)
    assert average(torch.as_tensor(image)).numpy() == pytest.approx(blocks)
    assert average.range == Grid((2, 3), (2.0, 1.0), (3.0, 4.0))


def test_the_average_keeps_the_mean_and_a_constant():
    average = BlockAverage(Grid((6, 3, 9)), 3)
    image = torch.rand(6, 3, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert float(average(image).mean()) == pytest.approx(float(image.mean()))
    assert average(torch.full((6, 3, 9), 0.25)).unique().tolist() == [0.25]


@pytest.mark.parametrize(
    "factor, kind, message",
    [
        (4, ValueError, r"`factor` must divide each side of the grid \(4, 6\); got 4\. Crop the"),
        (0, ValueError, r"`factor` must be at least 1; got 0\."),
        (-2, ValueError, r"`factor` must be at least 1; got -2\."),
        (2.0, TypeError, r"`factor` must be a whole number; got 2\.0\."),
        (2.5, TypeError, r"`factor` must be a whole number; got 2\.5\."),
    ],
)
def test_blocks_that_do_not_fit_are_refused(factor, kind, message):
    with pytest.raises(kind, match=message):
        BlockAverage(Grid((4, 6)), factor)


def test_the_remedy_for_blocks_that_do_not_fit_works():
    assert BlockAverage(Grid((7, 9))[:6, :8], 2).range.shape == (3, 4)


def test_the_gradient_of_a_plane_is_its_slope_per_mm():
    grid = Grid((4, 5), (0.5, 2.0), (10.0, -3.0))
    y, x = np.meshgrid(grid.cell_centers(0), grid.cell_centers(1), indexing="ij")
    slopes = Gradient(grid)(torch.as_tensor(3.0 * y - 0.25 * x)).numpy()
    assert slopes.shape == (2, 4, 5)
    assert slopes[0, :-1] == pytest.approx(3.0)
    assert slopes[1, :, :-1] == pytest.approx(-0.25)


def test_there_is_no_difference_past_the_last_cell():
    image = torch.rand(4, 5, generator=torch.Generator().manual_seed(1))
    slopes = Gradient(Grid((4, 5)))(image)
    assert not slopes[0, -1].any()
    assert not slopes[1, :, -1].any()
    assert slopes[0, :-1].equal(image[1:] - image[:-1])


def test_the_total_variation_of_a_step_is_its_height_times_its_length():
    grid = Grid((6, 8), (0.5, 0.25))
    image = torch.zeros(6, 8, dtype=torch.float64)
    image[:, 3:] = 1.7
    variation = Gradient(grid)(image).norm(dim=0).sum() * grid.cell_measure
    assert float(variation) == pytest.approx(1.7 * 6 * 0.5)


@pytest.mark.parametrize("shape, spacing", [((30, 30), 1.0), ((40, 30), (0.5, 2.0))])
def test_the_norm_of_the_gradient_is_that_of_the_finest_ripple(shape, spacing):
    grid = Grid(shape, spacing)
    bound = float(np.sqrt(sum(4 / step**2 for step in grid.spacing)))
    norm = Gradient(grid).norm(iterations=200)
    assert 0.97 * bound < norm <= bound


def test_reprs_say_how_they_were_made():
    grid = Grid((4, 6))
    assert repr(BlockAverage(grid, 2)) == f"BlockAverage({grid!r}, 2)"
    assert repr(Gradient(grid)) == f"Gradient({grid!r})"
