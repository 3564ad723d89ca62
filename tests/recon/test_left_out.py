"""The estimated error of filtered backprojections, against the true one for every beam."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
import torch

from ctinr.data import Noise, simulated_scan
from ctinr.geometry import ConeBeam, Detector, FanBeam, Grid, ParallelBeam, VectorBeam, equal_angles
from ctinr.metrics import psnr
from ctinr.projectors import Projector
from ctinr.recon.fbp import backproject, fbp
from ctinr.recon.fdk import backproject_cone, fdk
from ctinr.recon.left_out import LeftOutRays
from ctinr.recon.tuned_filter import (
    oracle_fbp,
    oracle_fdk,
    oracle_filter,
    tuned_fbp,
    tuned_fdk,
)
from phantoms import Ellipsoid, VolumePhantom, ball, bump, disk

TURN = 2 * math.pi
PLANE, VOLUME = Grid((96, 96), 1.0), Grid((20, 28, 28), 2.0)
LINE, AREA = Detector(120, 1.5), Detector((36, 44), 3.0)
SHORT = equal_angles(60, span=math.pi + 0.7)
BEAMS = {
    "parallel": ParallelBeam(equal_angles(60), Detector(100)),
    "fan-flat": FanBeam(equal_angles(60, span=TURN), LINE, 160.0, 80.0),
    "fan-curved": FanBeam(equal_angles(60, span=TURN), LINE, 160.0, 80.0, curved=True),
    "fan-short": FanBeam(SHORT, LINE, 160.0, 80.0),
    "cone-flat": ConeBeam(equal_angles(40, span=TURN), AREA, 120.0, 60.0),
    "cone-curved": ConeBeam(equal_angles(40, span=TURN), AREA, 120.0, 60.0, curved=True),
    "parallel-3d": ParallelBeam(equal_angles(40), Detector((20, 30), 2.0)),
}
# Off the axis, so that rays meet it nearer to the source from one side than from the other.
FLAT = disk(38.0, 0.02, center=(3.0, -2.0)) + disk(9.0, 0.02, center=(18.0, 12.0))
FLAT += disk(3.0, -0.02, center=(-20.0, 5.0)) + disk(2.0, 0.04, center=(-6.0, -22.0))
BODY = ball(17.0, 0.02, center=(2.0, -1.0, 0.5)) + VolumePhantom(
    (Ellipsoid(0.02, (7.0, 6.0, 2.0), (4.0, 3.0, 5.0), 0.4),)
)
FILTERS = [("ram-lak", 1.0), ("hann", 1.0), ("ram-lak", 0.63), ("cosine", 0.5), ("hann", 0.32)]


@functools.cache
def scanned(kind, photons):
    geometry = BEAMS[kind]
    phantom, grid = (FLAT, PLANE) if len(geometry.shape) == 2 else (BODY, VOLUME)
    truth = phantom.raster(grid.shape, grid.spacing)
    noise = Noise(photons, seed=1)
    scan = simulated_scan(phantom.line_integrals, geometry, grid, truth=truth, noise=noise)
    return Projector(geometry, grid), scan.sinogram, scan.truth


@pytest.mark.parametrize(
    ("kind", "photons"),
    [(kind, 2e3) for kind in BEAMS if kind != "parallel-3d"]
    + [("parallel", 2e5), ("fan-flat", 2e5)],
)
def test_differences_of_the_error_are_those_against_the_truth(kind, photons):
    A, y, truth = scanned(kind, photons)
    method, rays = (
        fdk if isinstance(A.geometry, ConeBeam) else fbp,
        LeftOutRays(y, A.range, A.domain),
    )
    told, true = [], []
    for window, cutoff in FILTERS:
        image = method(A, y, window=window, cutoff=cutoff).image
        told.append(rays.error(image, (window, cutoff)))
        true.append(float((image - truth).square().sum() / truth.square().sum()))
    told, true = np.array(told), np.array(true)
    assert np.ptp(true) > 0.01
    off = np.abs((told - told.mean()) - (true - true.mean())).max()
    assert off < 0.25 * np.ptp(true) + 0.002, (told, true)


# How far the sum over rays may be off the energy of a smooth object: quadrature of a parallel beam;
# cells away from the plane of a circle; the distance from the source that is left out of a fan.
SUMS = {"parallel": 3e-3, "cone-flat": 5e-3, "cone-curved": 5e-3, "fan-flat": 8e-3}
SUMS |= {"fan-curved": 8e-3, "fan-short": 0.02}


@pytest.mark.parametrize("kind", SUMS)
def test_the_sum_over_rays_is_the_energy_of_the_object(kind):
    geometry, smooth = BEAMS[kind], bump((30.0, 26.0), 0.02, center=(3.0, -4.0))
    grid = PLANE if len(geometry.shape) == 2 else VOLUME
    if grid is VOLUME:
        smooth = VolumePhantom((Ellipsoid(0.02, (2.0, -3.0, 0.0), (20.0, 18.0, 14.0), power=3),))
    y = simulated_scan(smooth.line_integrals, geometry, grid, bin_samples=1).sinogram
    fine = grid.refine(3)
    image = smooth.raster(fine.shape, fine.spacing, supersampling=1)
    energy = float((image**2).sum()) * fine.cell_measure
    assert LeftOutRays(y, geometry, grid).energy == pytest.approx(energy, rel=SUMS[kind])


WIDE = equal_angles(90, span=TURN)


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("is_cone", [False, True])
def test_backprojection_is_transposed_by_weighted_rays(is_cone, curved):
    """Of rays at large angles alone, where the weights differ most from 1."""
    if is_cone:
        area, grid = Detector((44, 84), 1.5, (6.0, 0.0)), Grid((24, 44, 44), 1.5)
        geometry = ConeBeam(WIDE, area, 45.0, 15.0, curved=curved)
        x: Any = VolumePhantom((Ellipsoid(0.02, (0.0, 0.0, 6.0), (28.0, 28.0, 8.0), power=3),))
    else:
        geometry = FanBeam(WIDE, Detector(140, 0.9), 70.0, 20.0, curved=curved)
        grid, x = PLANE, bump((44.0, 44.0), 0.02)
    rays = geometry.rays()
    y = x.line_integrals(rays.points, rays.directions)
    far = np.broadcast_to(np.abs(geometry.fan_angles()) > 0.3, geometry.shape)
    weights = LeftOutRays(torch.as_tensor(y), geometry, grid)._weights.after
    back = backproject_cone if is_cone else backproject
    image = back(torch.as_tensor(far.astype(float)), geometry, grid).numpy()
    wanted = (image * x.raster(grid.shape, grid.spacing)).sum() * grid.cell_measure
    # Of a fan the square of the distance from the middle of the ray is left out.
    rel = 0.01 if is_cone else 0.05
    assert (weights * far * y).sum() == pytest.approx(wanted, rel=rel)


@pytest.mark.parametrize("kind", ["fan-flat", "fan-curved", "fan-short"])
@pytest.mark.parametrize("photons", [2e3, 2e5])
def test_the_filter_of_a_fan_is_not_too_smooth(kind, photons):
    """On withheld views a cut-off is chosen that costs more."""
    A, y, truth = scanned(kind, photons)
    own = tuned_fbp(A, y)
    best = oracle_fbp(A, y, truth, data_range=0.04).record["psnr"]
    assert psnr(own.image, truth, data_range=0.04) > best - 0.6
    assert "leaving out each ray" in own.record["choice"]["rule"]


@pytest.mark.parametrize("kind", ["cone-flat", "cone-curved", "parallel-3d"])
def test_the_filter_of_a_volume_is_near_the_best(kind):
    A, y, truth = scanned(kind, 2e3)
    is_cone = isinstance(A.geometry, ConeBeam)
    own = (tuned_fdk if is_cone else tuned_fbp)(A, y)
    best = (oracle_fdk if is_cone else oracle_fbp)(A, y, truth, data_range=0.04)
    assert psnr(own.image, truth, data_range=0.04) > best.record["psnr"] - 0.4
    assert own.image.shape == truth.shape and 0 < own.record["withheld_error"] < 0.3
    plain = (fdk if is_cone else fbp)(A, y).image
    assert psnr(plain, truth, data_range=0.04) < best.record["psnr"] - 1


@pytest.mark.slow
def test_a_helix_is_judged_on_withheld_views():
    angles = np.linspace(-9, 9, 61)
    helix = ConeBeam(angles, AREA, 120.0, 60.0, helical_pitch=30.0)
    A = Projector(helix, Grid((10, 14, 14), 4.0))
    y = simulated_scan(BODY.line_integrals, helix, A.domain, noise=Noise(1e4)).sinogram
    own = tuned_fdk(A, y)
    assert "withheld views" in own.record["choice"]["rule"]
    assert own.record["withheld_error"] == min(own.record["choice"]["errors"])


def test_the_variance_of_the_noise_is_found_beside_edges():
    A, y, _ = scanned("fan-flat", 1e4)
    rays = A.geometry.rays()
    exact = torch.as_tensor(FLAT.line_integrals(rays.points, rays.directions))
    found, true = LeftOutRays(y, A.range, A.domain).noise, (exact.exp() / 1e4).mean(0)
    assert found.shape == (120,)
    # Columns that see the details have some more.
    assert float(found.median()) == pytest.approx(float(true.median()), rel=0.25)
    assert 0.9 < float(found.mean() / true.mean()) < 1.6


def test_beams_without_angles_are_refused():
    A = Projector(VectorBeam.of(BEAMS["fan-flat"]), PLANE)
    with pytest.raises(TypeError, match=r"`A` must be a projector of views with angles.*tv, sirt"):
        tuned_fbp(A, torch.zeros(A.range.shape))
    with pytest.raises(TypeError, match="For a ConeBeam there is fdk"):
        tuned_fbp(Projector(BEAMS["cone-flat"], VOLUME), torch.zeros(BEAMS["cone-flat"].shape))
    with pytest.raises(TypeError, match="`A` must be a projector of a ConeBeam"):
        oracle_filter(
            fdk,
            Projector(BEAMS["fan-flat"], PLANE),
            torch.zeros(BEAMS["fan-flat"].shape),
            truth=torch.zeros(PLANE.shape),
            data_range=1.0,
        )
