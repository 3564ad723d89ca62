"""Images on coarser and other grids, and parts of a problem."""

from __future__ import annotations

import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.projectors import Projector
from ctinr.recon.levels import Problem, averaged_cells, resampled
from phantoms import bump


def problem(shape=(30, 27), bins=45, offset=1.5):
    grid = Grid(shape, 2.0, (1.0, -3.0))
    A = Projector(ParallelBeam(equal_angles(12), Detector(bins, 2.0, offset)), grid)
    rays = A.geometry.rays()
    phantom = bump((22.0, 22.0), 0.02, center=(2.0, -1.0))
    y = torch.as_tensor(phantom.line_integrals(rays.points, rays.directions)).float()
    return Problem(A, y)


def test_averaged_cells_lie_on_the_coarse_grid():
    grid = Grid((30, 27), 2.0, (1.0, -3.0))
    for factor in (1, 2, 4):
        coarse = grid.coarsen(factor)
        ramp = torch.as_tensor(grid.cell_centers(1)).float().expand(30, 27)
        means = averaged_cells(ramp, factor)
        assert tuple(means.shape) == coarse.shape
        expected = torch.as_tensor(coarse.cell_centers(1)).float()
        assert (means[:, 1:-1] - expected[1:-1]).abs().max() < factor * 2.0 * 0.51
        assert float(means[1:-1, 1:-1].mean()) == pytest.approx(
            float(expected[1:-1].mean()), abs=1.01
        )


def test_resampling_a_plane_is_exact_inside():
    source = Grid((10, 12), 3.0, (2.0, 1.0))
    target = source.refine(3)
    y = torch.as_tensor(source.cell_centers(0)).float()[:, None]
    x = torch.as_tensor(source.cell_centers(1)).float()
    image = resampled(2 * y + x, source, target=target)
    y = torch.as_tensor(target.cell_centers(0)).float()[:, None]
    x = torch.as_tensor(target.cell_centers(1)).float()
    assert (image - (2 * y + x))[2:-2, 2:-2].abs().max() < 1e-4
    assert resampled(image, target, target=target) is image


def test_restriction_takes_views_of_both():
    fine = problem()
    few = fine.restricted((0, 5))
    assert torch.equal(few.y, fine.y[[0, 5]])
    assert few.A.geometry.angles == (fine.A.geometry.angles[0], fine.A.geometry.angles[5])
