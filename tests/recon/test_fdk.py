"""FDK: the right values, for circles and helices, and what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ctinr.geometry import ConeBeam, Detector, FanBeam, Grid, ParallelBeam, equal_angles
from ctinr.projectors import Projector
from ctinr.recon.cgls import cgls
from ctinr.recon.fbp import fbp
from ctinr.recon.fdk import backproject_cone, fdk
from ctinr.recon.kernels import cone_torch
from ctinr.recon.rough import rough_image
from ctinr.recon.tv import tv
from phantoms import VolumePhantom, ball

VALUE = 0.02
FULL = equal_angles(180, span=2 * math.pi)
SHORT = equal_angles(130, span=math.pi + 0.56)
WIDE, NARROW = Detector((60, 80), (2.0, 1.6)), Detector((60, 60), (2.0, 1.6), (0.7, 20.0))
GRID = Grid((40, 48, 48), 1.2)
# Two turns and a half either way, so that the grid is turned around wholly.
LONG = tuple((np.arange(-450, 450) * 2 * math.pi / 180).tolist())


def integrals(geometry: ConeBeam, phantom: VolumePhantom) -> torch.Tensor:
    rays = geometry.rays()
    return torch.as_tensor(phantom.line_integrals(rays.points, rays.directions)).float()


def distance(grid: Grid, center: tuple[float, float, float]) -> np.ndarray:
    z, y, x = np.meshgrid(*(grid.cell_centers(axis) for axis in range(3)), indexing="ij")
    return np.sqrt((x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2)


CIRCLES = {
    "full": (FULL, WIDE, GRID),
    "fine": (FULL, Detector((90, 120), (1.3, 1.06)), Grid((60, 72, 72), 0.8)),
    "uneven": (FULL, WIDE, Grid((30, 48, 60), (1.6, 1.2, 0.96))),
    "offset": (FULL, NARROW, GRID),
    "short": (SHORT, WIDE, GRID),
    "scaled": (FULL, Detector((60, 80), (1.2, 0.96)), GRID),
}


@pytest.mark.parametrize("curved", [False, True], ids=["flat", "curved"])
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n == "fine" else ()) for n in CIRCLES]
)
def test_the_middle_of_a_ball_has_the_right_value(name, curved):
    angles, detector, grid = CIRCLES[name]
    behind = 0.0 if name == "scaled" else 100.0
    cone = ConeBeam(angles, detector, 150.0, behind, curved=curved)
    image = fdk(Projector(cone, grid), integrals(cone, ball(20.0, VALUE))).image.numpy()
    apart = distance(grid, (0, 0, 0))
    assert image[apart < 5].mean() == pytest.approx(VALUE, rel=0.003)
    # Away from the plane of the circle values fall.
    assert image[apart < 16].mean() == pytest.approx(VALUE, rel=0.005)
    assert image[apart < 16].min() > 0.97 * VALUE
    assert image[apart < 16].max() < 1.02 * VALUE
    outside = (apart > 23) & (apart < 26)
    assert abs(image[outside].mean()) < 0.01 * VALUE


@pytest.mark.parametrize("curved", [False, True], ids=["flat", "curved"])
@pytest.mark.parametrize("pitch", [20.0, -30.0, 40.0])
def test_a_helix_has_the_right_value_at_every_height(pitch, curved):
    detector, grid = Detector((40, 56), (3.0, 2.3)), Grid((26, 32, 32), 1.8)
    helix = ConeBeam(LONG[::2], detector, 150.0, 100.0, curved=curved, helical_pitch=pitch)
    center = (3.0, -2.0, 7.0 if curved else 0.0)
    image = fdk(Projector(helix, grid), integrals(helix, ball(17.0, VALUE, center=center))).image
    apart, image = distance(grid, center), image.numpy()
    assert image[apart < 4].mean() == pytest.approx(VALUE, rel=0.005)
    assert image[apart < 12].mean() == pytest.approx(VALUE, rel=0.005)
    assert np.ptp(image[apart < 12]) < 0.03 * VALUE


@pytest.mark.slow
def test_things_are_where_they_are():
    """Off centre, on a grid off centre, and no mirror image would fit."""
    grid, center = Grid((30, 40, 44), 1.2, (3.0, -4.0, 5.0)), (9.0, -11.0, 7.0)
    phantom = ball(6.0, VALUE, center=center)
    for cone in (
        ConeBeam(FULL, WIDE, 150.0, 100.0),
        ConeBeam(FULL, WIDE, 150.0, 100.0, curved=True),
        ConeBeam(LONG[::2], WIDE, 150.0, 100.0, helical_pitch=25.0),
    ):
        image = fdk(Projector(cone, grid), integrals(cone, phantom), window="hann").image.numpy()
        inside = distance(grid, center) < 9
        weights = np.clip(image, 0, None) * inside
        z, y, x = np.meshgrid(*(grid.cell_centers(axis) for axis in range(3)), indexing="ij")
        found = [(weights * axis).sum() / weights.sum() for axis in (x, y, z)]
        assert found == pytest.approx(center, abs=0.12)  # a tenth of a cell


def test_the_plane_of_a_circle_is_the_fan():
    row = Detector((1, 80), (1.0, 1.6), (0.0, 0.4))
    grid = Grid((1, 40, 44), 1.2)
    for curved in (False, True):
        cone = ConeBeam(FULL, row, 150.0, 100.0, curved=curved)
        fan = FanBeam(FULL, row.line, 150.0, 100.0, curved=curved)
        y = integrals(cone, ball(20.0, VALUE))
        wanted = fbp(Projector(fan, grid.slice), y[:, 0], window="hann").image
        given = fdk(Projector(cone, grid), y, window="hann").image[0]
        assert (given - wanted).abs().max() < 2e-5 * wanted.max()


def test_cells_that_some_views_miss_are_the_mean_of_those_that_see_them():
    """A cylinder, much longer than the detector is high."""
    low = Detector((20, 80), (2.0, 1.6))
    cone = ConeBeam(FULL, low, 150.0, 100.0)
    rays = cone.rays()
    (x, y, _), (along_x, along_y, _) = (
        np.moveaxis(part, -1, 0) for part in (rays.points, rays.directions)
    )
    across = np.hypot(along_x, along_y)
    beside = (x * along_y - y * along_x) / across
    chords = 2 * np.sqrt(np.maximum(0, 20.0**2 - beside**2)) / across
    image = fdk(Projector(cone, GRID), torch.as_tensor(VALUE * chords).float()).image.numpy()
    z = GRID.cell_centers(0)
    y, x = np.meshgrid(GRID.cell_centers(1), GRID.cell_centers(2), indexing="ij")
    inside = np.hypot(x, y) < 16
    # A detector of 40 mm sees 24 on the axis, 21.4 at 16 mm before it and 26.6 behind it.
    some = np.abs(z) < 11.5
    ratios = image[some][:, inside] / VALUE
    assert ratios.mean() == pytest.approx(1, abs=0.01)
    # Without that a cell that half of the views miss would have half the value.
    assert np.abs(ratios - 1).max() < 0.12
    assert not image[np.abs(z) > 14.5].any()


def test_a_batch_and_double_precision(monkeypatch):
    cone, grid = ConeBeam(FULL[::4], Detector((12, 30), 3.0), 150.0, 100.0), Grid((7, 12, 13), 3.0)
    A, y = Projector(cone, grid), integrals(cone, ball(14.0, VALUE))
    one = fdk(A, y).image
    both = fdk(A, torch.stack([y, -2 * y])[None].double()).image
    assert both.shape == (1, 2, *grid.shape) and both.dtype == torch.float64
    assert (both[0, 0] - one).abs().max() < 1e-5 * one.max()
    assert torch.equal(both[0, 1], -2 * both[0, 0])
    whole = fdk(A, y, kernel="torch").image
    monkeypatch.setattr(cone_torch, "CELLS", 300)
    assert (fdk(A, y, kernel="torch").image - whole).abs().max() < 1e-6 * one.max()


@pytest.mark.slow
def test_methods_that_iterate_start_from_it():
    cone, grid = ConeBeam(FULL[::6], Detector((20, 26), 3.0), 150.0, 100.0), Grid((12, 14, 14), 3.0)
    A, y = Projector(cone, grid), integrals(cone, ball(14.0, VALUE))
    assert torch.equal(rough_image(A, y), fdk(A, y).image)
    found = cgls(A, y, iterations=15).image
    assert (A(found) - y).norm() < 0.08 * y.norm()
    truth = torch.as_tensor(ball(14.0, VALUE).raster(grid.shape, grid.spacing)).float()
    few = tv(A, A(truth), weight=1e-4, iterations=200).image
    assert (few - truth).norm() < 0.6 * (fdk(A, A(truth)).image - truth).norm()


@pytest.mark.parametrize(
    "window", ["hann", lambda fraction: 1 - fraction], ids=["name", "function"]
)
def test_a_window_tapers(window):
    cone, grid = ConeBeam(FULL[::4], Detector((12, 30), 3.0), 150.0, 100.0), Grid((7, 12, 13), 3.0)
    A = Projector(cone, grid)
    noise = torch.randn(A.range.shape, generator=torch.Generator().manual_seed(0))
    assert fdk(A, noise, window=window).image.std() < 0.7 * fdk(A, noise).image.std()


def test_what_cannot_be_reconstructed_is_refused():
    helix = ConeBeam(LONG, WIDE, 150.0, 100.0, helical_pitch=70.0)
    y = torch.zeros(helix.shape)
    with pytest.raises(ValueError, match=r"a helical pitch of 70 mm, and 5.* mm is the largest"):
        fdk(Projector(helix, GRID), y)
    assert not rough_image(Projector(helix, GRID), y).any()
    arc = ConeBeam(FULL[:60], WIDE, 150.0, 100.0)
    with pytest.raises(ValueError, match=r"^`A` must have views over a half turn and the fan"):
        fdk(Projector(arc, GRID), torch.zeros(arc.shape))
    fan = Projector(FanBeam(FULL, Detector(9), 50.0, 30.0), Grid((4, 4)))
    with pytest.raises(TypeError, match=r"^`A` must be a projector of a ConeBeam; got FanBeam\."):
        fdk(fan, torch.zeros(fan.range.shape))
    cone = Projector(ConeBeam(FULL, Detector((2, 9)), 50.0, 30.0), Grid((2, 4, 4)))
    with pytest.raises(TypeError, match=r"ParallelBeam or FanBeam; got ConeBeam\. For a ConeBeam"):
        fbp(cone, torch.zeros(cone.range.shape))
    with pytest.raises(ValueError, match=r"^`y` must end with the shape"):
        fdk(cone, torch.zeros(3, 2, 9))
    with pytest.raises(ValueError, match=r"^`y` must be finite"):
        fdk(cone, torch.full(cone.range.shape, math.nan))
    with pytest.raises(ValueError, match=r"^`grid` must have three axes"):
        backproject_cone(torch.zeros(cone.range.shape), cone.geometry, Grid((4, 4)))
    with pytest.raises(ValueError, match=r"^`sinogram` must end with the shape"):
        backproject_cone(torch.zeros(2, 3, 4), cone.geometry, Grid((2, 4, 4)))
    stack = Projector(ParallelBeam(FULL, Detector((2, 9))), Grid((2, 4, 4)))
    with pytest.raises(TypeError, match=r"projector of a ConeBeam; got ParallelBeam"):
        fdk(stack, torch.zeros(stack.range.shape))


def test_the_views_may_come_in_any_order():
    order = np.random.default_rng(0).permutation(len(LONG))
    helix = ConeBeam(LONG, Detector((30, 40), (4.0, 3.2)), 150.0, 100.0, helical_pitch=25.0)
    mixed = replace(helix, angles=tuple(np.array(LONG)[order].tolist()))
    grid = Grid((9, 16, 16), 3.0)
    y = integrals(helix, ball(17.0, VALUE))
    wanted = fdk(Projector(helix, grid), y).image
    given = fdk(Projector(mixed, grid), y[torch.as_tensor(order)]).image
    assert (given - wanted).abs().max() < 1e-5 * wanted.max()
