"""The parallel beam in three dimensions: slices, rows of the detector, and the methods."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.projectors import Projector
from ctinr.recon.cgls import cgls
from ctinr.recon.fbp import fbp
from ctinr.recon.inr import inr
from ctinr.recon.tv import tv

WIDTHS = np.array([9.0, 7.0, 8.0])  # of a Gaussian along z, y, x, mm
MIDDLE = np.array([1.0, -3.0, 2.0])


def gaussian(grid: Grid) -> torch.Tensor:
    centers = [grid.cell_centers(axis) for axis in range(3)]
    parts = [
        np.exp(-(((at - middle) / width) ** 2))
        for at, middle, width in zip(centers, MIDDLE, WIDTHS, strict=True)
    ]
    return torch.as_tensor(np.einsum("i,j,k->ijk", *parts))


def integrals(geometry: ParallelBeam) -> torch.Tensor:
    """Line integrals of the Gaussian along any rays, from the quadratic in the exponent."""
    rays = geometry.rays()
    start = (rays.points - MIDDLE[::-1]) / WIDTHS[::-1]
    slope = rays.directions / WIDTHS[::-1]
    a, b, c = (slope**2).sum(-1), (start * slope).sum(-1), (start**2).sum(-1)
    return torch.as_tensor(np.sqrt(math.pi / a) * np.exp(b**2 / a - c))


def scan(spacing: float, backend: str = "numba") -> Projector:
    grid = Grid(tuple(round(60 / spacing) for _ in range(3)), spacing, (0.3, -1.0, 0.5))
    detector = Detector((20, 40), (2.0, 2.1), (0.7, -0.4))
    return Projector(ParallelBeam([0.2, 1.1, 2.9, -1.0], detector), grid, backend)


def test_a_row_of_rays_runs_at_its_height():
    rays = scan(3.0).geometry.rays()
    assert rays.shape == (4, 20, 40) and rays.points.shape[-1] == 3
    heights = Detector(20, 2.0, 0.7).bin_centers()
    np.testing.assert_array_equal(
        rays.points[..., 2], np.broadcast_to(heights[:, None], (4, 20, 40))
    )
    plane = scan(3.0).geometry.slice.rays()
    np.testing.assert_array_equal(rays.points[:, 3, :, :2], plane.points)
    np.testing.assert_array_equal(rays.directions[:, 7, :, :2], plane.directions)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_exact_line_integrals_are_met_to_second_order(backend):
    errors = []
    for spacing in (3.0, 1.5):
        A = scan(spacing, backend)
        exact = integrals(A.geometry)
        errors.append(float((A(gaussian(A.domain)) - exact).norm() / exact.norm()))
    assert errors[1] < 0.01
    assert 3.4 < errors[0] / errors[1] < 4.6


def test_rows_on_slices_are_the_slices():
    grid = Grid((5, 12, 14), (1.5, 1.0, 1.0), (2.0, 0.0, 0.0))
    A = Projector(ParallelBeam(equal_angles(6), Detector((5, 20), (1.5, 1.0), (2.0, 0.0))), grid)
    volume = torch.rand(2, 5, 12, 14, generator=torch.Generator().manual_seed(0))
    plane = Projector(A.geometry.slice, grid.slice)
    assert torch.equal(A(volume), plane(volume).movedim(1, 2))


def test_fbp_finds_the_values_between_the_rows():
    grid = Grid((30, 44, 44), 1.2, (0.4, -1.0, 0.5))
    detector = Detector((28, 60), (1.5, 1.2), (0.6, 0.3))
    A = Projector(ParallelBeam(equal_angles(90), detector), grid)
    volume, y = gaussian(grid), integrals(A.geometry)
    found = fbp(A, torch.stack([y, 2 * y])).image
    assert (found[0] - volume).norm() < 0.02 * volume.norm()
    torch.testing.assert_close(found[1], 2 * found[0])


def test_beyond_the_detector_fbp_is_zero():
    A = Projector(ParallelBeam(equal_angles(8), Detector((2, 20))), Grid((8, 12, 12)))
    found = fbp(A, torch.ones(A.range.shape)).image
    assert not found[:3].any() and not found[5:].any()
    assert found[3:5].abs().sum() > 0


def test_iterative_methods_take_a_volume():
    A = Projector(
        ParallelBeam(equal_angles(16), Detector((6, 22), (1.0, 1.2))), Grid((6, 16, 16), 1.0)
    )
    volume = torch.zeros(6, 16, 16)
    volume[1:5, 4:12, 5:11] = 0.02
    y = A(volume)
    assert (A(cgls(A, y, iterations=30).image) - y).norm() < 0.02 * y.norm()
    varied_little = tv(A, y, weight=1e-4, iterations=300).image
    assert (varied_little - volume).norm() < 0.1 * volume.norm()


def test_what_needs_single_slices_says_so():
    A = scan(6.0)
    with pytest.raises(ValueError, match=r"`A` must be a projector of slices, with a line of bins"):
        inr(A, torch.zeros(A.range.shape))
    with pytest.raises(ValueError, match="`grid` must have three axes, for an area of bins; got"):
        Projector(A.geometry, Grid((5, 5)))


@pytest.mark.parametrize(
    ("height", "covered"), [(40.0, True), (43.0, True), (50.0, False)], ids=["in", "bin", "out"]
)
def test_it_says_whether_a_volume_is_covered(height, covered):
    geometry = ParallelBeam(equal_angles(5), Detector((20, 60), 2.0))
    assert geometry.covers(Grid((10, 30, 30), (height / 10, 2.0, 2.0))) == covered
    assert not geometry.covers(Grid((10, 80, 30), 2.0))
