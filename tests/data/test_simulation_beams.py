"""Simulated scans of every geometry, against the phantoms' exact line integrals."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch

from ctinr.data import Noise, projected_scan, simulate, simulated_scan
from ctinr.geometry import ConeBeam, Detector, Grid, equal_angles
from ctinr.projectors import Projector
from phantoms import Ellipsoid, VolumePhantom, ball, disk
from tests.data.scans import BEAMS

EGG = VolumePhantom((Ellipsoid(0.6, (0.1, -0.2, 0.15), (0.9, 0.6, 0.8), 0.4, 0.3),))
DISK = disk(0.8, 0.6, center=(0.1, -0.2))
GRIDS = {2: Grid((8, 8), 0.3), 3: Grid((6, 8, 8), 0.3)}


def object_of(geometry):
    return DISK if len(geometry.shape) == 2 else EGG


@pytest.mark.parametrize("kind", BEAMS)
def test_a_scan_holds_exact_line_integrals(kind):
    geometry = BEAMS[kind]
    phantom, grid = object_of(geometry), GRIDS[len(geometry.shape)]
    scan = simulated_scan(phantom.line_integrals, geometry, grid, bin_samples=1)
    rays = geometry.rays()
    expected = torch.as_tensor(phantom.line_integrals(rays.points, rays.directions)).float()
    assert float(expected.max()) > 0.5
    torch.testing.assert_close(scan.sinogram, expected, rtol=0, atol=1e-6)
    assert scan.geometry == geometry and scan.grid == grid


@pytest.mark.parametrize("kind", BEAMS)
def test_a_bin_counts_the_photons_of_its_whole_area(kind):
    """Midpoint sums converge to the integral over a bin: error falls with the rays squared."""
    geometry = BEAMS[kind]
    given = object_of(geometry).line_integrals, geometry, GRIDS[len(geometry.shape)]
    one, few, many = (
        torch.exp(-simulated_scan(*given, bin_samples=samples).sinogram) for samples in (1, 5, 20)
    )
    assert float((few - many).norm()) < 0.3 * float((one - many).norm())


def test_rays_lie_along_rows_and_along_columns():
    """Of a plane wave's worth of rows one is dark: only v-samples see it in part."""
    cone = ConeBeam([0.0], Detector((1, 1), (2.0, 0.01)), 50.0, 0.0)

    def half(points, directions):
        height = points[..., 2] + directions[..., 2] * 50.0
        return np.where(height > 0.5, 50.0, 0.0)

    scan = simulated_scan(half, cone, Grid((2, 2, 2)), bin_samples=4)
    assert float(torch.exp(-scan.sinogram)) == pytest.approx(0.75, abs=1e-5)


@pytest.mark.parametrize("rays", [1, 37, 9 * 4, 9 * 4 * 4 * 3, 10**6])
@pytest.mark.parametrize("kind", ["parallel-3d", "helix", "vectors-3d", "fan-flat"])
def test_parts_give_what_the_whole_gives(monkeypatch, kind, rays):
    geometry = BEAMS[kind]
    given = object_of(geometry).line_integrals, geometry, GRIDS[len(geometry.shape)]
    whole = simulated_scan(*given, bin_samples=2).sinogram
    monkeypatch.setattr("ctinr.data.simulation.RAYS", rays)
    torch.testing.assert_close(simulated_scan(*given, bin_samples=2).sinogram, whole)


def test_memory_does_not_grow_with_the_rays_of_a_view(monkeypatch):
    """Each ray takes two vectors and more; the scan itself is a fraction of all of them."""
    monkeypatch.setattr("ctinr.data.simulation.RAYS", 1 << 13)
    cone = ConeBeam([0.0, 1.0], Detector((96, 96), 0.5), 90.0, 30.0)
    tracemalloc.start()
    scan = simulated_scan(ball(9.0).line_integrals, cone, Grid((4, 4, 4), 5.0), bin_samples=4)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All rays of one view would take 96² · 16 · 48 bytes, 7 MB, for points and directions alone.
    assert scan.sinogram.shape == (2, 96, 96) and most < 3e6


@pytest.mark.slow
def test_a_volume_is_projected_on_its_own_grid():
    cone = BEAMS["cone-flat"]
    image = torch.rand(8, 8, 8, generator=torch.Generator().manual_seed(0))
    grid = Grid((4, 4, 4), 0.3)
    scan = projected_scan(Projector, image, geometry=cone, grid=grid)
    assert scan.sinogram.shape == cone.shape
    mean = image.reshape(4, 2, 4, 2, 4, 2).mean((1, 3, 5))
    torch.testing.assert_close(scan.truth, mean)
    with pytest.raises(ValueError, match="`image` must be on a grid at least twice as fine"):
        projected_scan(Projector, image[0], geometry=cone, grid=grid)


# ------------------------------------------------------------------ photons a view


def test_photons_of_a_view_make_its_noise():
    photons = (100.0, 1e4, 1e6)
    measured, _ = simulate(torch.ones(3, 40, 2000), Noise(photons))
    for view, number in zip(measured.double(), photons, strict=True):
        assert float(view.std()) == pytest.approx(np.sqrt(np.e / number), rel=0.04)


def test_photons_of_a_view_stay_with_it():
    geometry = BEAMS["cone-flat"]
    noise = Noise(tuple(np.arange(1.0, 8.0) * 1000))
    scan = simulated_scan(EGG.line_integrals, geometry, GRIDS[3], noise=noise)
    assert scan.metadata["photons"] == (1e3, 2e3, 3e3, 4e3, 5e3, 6e3, 7e3)
    assert scan[::3].metadata["photons"] == (1e3, 4e3, 7e3)


def test_as_many_photons_in_every_view_are_one_number_of_them():
    integrals = torch.rand(4, 5, 6)
    several, one = (simulate(integrals, Noise(given))[0] for given in ((300.0,) * 4, 300.0))
    assert torch.equal(several, one)


@pytest.mark.parametrize(
    ("photons", "rule"),
    [
        ((1.0, 0.0), "`photons` must be above zero; got 0.0"),
        ((), "`photons` must be one number or one a view; got none"),
    ],
)
def test_photons_that_cannot_be_are_refused(photons, rule):
    with pytest.raises(ValueError, match=rule):
        Noise(photons)


def test_photons_of_other_views_are_refused():
    rule = "`photons` must be one number or one for each of the 3 views; got 2 of them"
    with pytest.raises(ValueError, match=rule):
        simulate(torch.zeros(3, 5), Noise((1.0, 2.0)))


def test_a_turn_is_seen_alike_from_all_sides():
    """A ball on the axis has one picture in every view of a circle, whatever the angle."""
    cone = ConeBeam(equal_angles(5, span=2 * np.pi), Detector((8, 8), 0.5), 9.0, 3.0)
    scan = simulated_scan(ball(1.0, 0.3).line_integrals, cone, GRIDS[3])
    assert float((scan.sinogram - scan.sinogram[:1]).abs().max()) < 1e-5
