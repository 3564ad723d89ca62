"""Fans through the methods that choose for themselves, and arcs that see too little for FBP."""

from __future__ import annotations

import math

import pytest
import torch

from ctinr.geometry import Detector, FanBeam, Grid, equal_angles
from ctinr.metrics import psnr
from ctinr.networks import BWReLU
from ctinr.projectors import Projector
from ctinr.recon.fbp import fbp
from ctinr.recon.inr import inr
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.rough import rough_image
from ctinr.recon.selection import split_views
from ctinr.recon.tuned import tuned_tv
from ctinr.recon.tuned_filter import oracle_fbp, tuned_fbp
from phantoms import disk


def scanned(angles, *, curved=False):
    grid = Grid((44, 48), 2.0, (1.0, -2.0))
    detector = Detector(76, 2.4, 0.6)
    A = Projector(FanBeam(angles, detector, 160.0, 60.0, curved=curved), grid)
    phantom = disk(36.0, 0.02, center=(0.0, -1.0)) + disk(11.0, 0.015, center=(-10.0, 8.0))
    rays = A.geometry.rays()
    y = torch.as_tensor(phantom.line_integrals(rays.points, rays.directions)).float()
    noise = 0.01 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    truth = phantom.raster(grid.shape, grid.spacing, grid.center)
    return A, y + noise, torch.as_tensor(truth).float()


def quality(result, truth) -> float:
    return psnr(result.image, truth, data_range=0.035)


@pytest.mark.slow
@pytest.mark.parametrize("curved", [False, True])
def test_methods_choose_for_a_fan(curved):
    A, y, truth = scanned(equal_angles(36, span=2 * math.pi), curved=curved)
    plain, own = fbp(A, y), tuned_fbp(A, y)
    best = oracle_fbp(A, y, truth, data_range=0.035).record["psnr"]
    assert best - 2 < quality(own, truth) <= best
    assert "leaving out each ray" in own.record["choice"]["rule"]
    assert quality(tuned_tv(A, y), truth) > quality(plain, truth) + 4


@pytest.mark.slow
def test_the_neural_field_takes_a_fan():
    A, y, truth = scanned(equal_angles(36, span=2 * math.pi))
    recipe = Recipe(prior="tv", warm=20, rounds=8, refit=3, steps=20)
    field = inr(A, y, family=BWReLU(width=64), recipe=recipe)
    assert quality(field, truth) > quality(fbp(A, y), truth) + 1


@pytest.mark.slow
def test_an_arc_that_is_too_short_for_fbp_is_none_for_tv():
    angles = [2.4 * k / 30 for k in range(30)]
    A, y, truth = scanned(angles)
    with pytest.raises(ValueError, match="have views over a half turn and the fan angle"):
        fbp(A, y)
    assert not rough_image(A, y).any()
    assert quality(tuned_tv(A, y), truth) > 24


def test_opposite_views_of_a_fan_are_withheld_one_by_one():
    geometry = scanned(equal_angles(40, span=2 * math.pi))[0].geometry
    split = split_views(geometry, fraction=0.2, seed=1)
    assert len(split.withheld) == 8
    opposite = {(view + 20) % 40 for view in split.withheld}
    assert opposite & set(split.fitted)
