"""The compiled backprojection of a parallel beam and its plain twin agree."""

from __future__ import annotations

import math

import numba
import pytest
import torch

from ctinr.checks import BackendUnavailable
from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, equal_angles
from ctinr.recon.fbp import backproject

TURN = equal_angles(23)
GRID, UNEVEN = Grid((24, 20)), Grid((17, 33), (1.7, 0.96), (-4.0, 5.0))
SCANS = {
    "plain": (ParallelBeam(TURN, Detector(40)), GRID),
    "uneven": (ParallelBeam(TURN, Detector(37, 1.3, 2.2)), UNEVEN),
    "narrow": (ParallelBeam(TURN, Detector(9, 1.1, -3.0)), UNEVEN),
    "one bin": (ParallelBeam([0.3, 4.0], Detector(1, 3.0)), GRID),
    "one cell": (ParallelBeam(TURN, Detector(12)), Grid((1, 1), 0.5, (2.0, 1.0))),
}


def noise(*shape, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)


@pytest.mark.parametrize("batch", [1, 2, 8, 11])
@pytest.mark.parametrize("name", SCANS)
def test_it_computes_what_its_twin_does(name, batch):
    geometry, grid = SCANS[name]
    views = noise(batch, *geometry.shape, dtype=torch.float64)
    wanted = backproject(views, geometry, grid, kernel="torch")
    found = backproject(views, geometry, grid, kernel="numba")
    assert wanted.abs().max() > 0 and found.dtype == torch.float64
    assert (found - wanted).abs().max() < 1e-13 * wanted.abs().max()
    single = backproject(views.float(), geometry, grid, kernel="numba")
    assert single.dtype == torch.float32
    twin = backproject(views.float(), geometry, grid, kernel="torch")
    assert (single - twin).abs().max() < 3e-6 * wanted.abs().max()


def test_bits_follow_neither_from_threads_nor_from_what_is_beside():
    geometry, grid = SCANS["uneven"]
    views = noise(11, *geometry.shape)
    before = numba.get_num_threads()
    wanted = backproject(views, geometry, grid, kernel="numba")
    try:
        numba.set_num_threads(1)
        assert torch.equal(backproject(views, geometry, grid, kernel="numba"), wanted)
    finally:
        numba.set_num_threads(before)
    assert torch.equal(backproject(views[2:7], geometry, grid, kernel="numba"), wanted[2:7])


def test_views_may_lie_anyhow_in_memory_and_stay_as_they_are():
    geometry, grid = SCANS["plain"]
    views = noise(3, *geometry.shape)
    turned = views.movedim(0, -1).contiguous().movedim(-1, 0)
    kept = turned.clone()
    wanted = backproject(views, geometry, grid, kernel="numba")
    assert torch.equal(backproject(turned, geometry, grid, kernel="numba"), wanted)
    assert torch.equal(turned, kept)


def test_gradients_and_fans_are_the_plain_ones():
    geometry, grid = SCANS["plain"]
    views = noise(*geometry.shape).requires_grad_()
    backproject(views, geometry, grid).sum().backward()
    assert views.grad is not None and views.grad.abs().sum() > 0
    fan = FanBeam(equal_angles(9, span=2 * math.pi), Detector(40), 60.0, 20.0)
    assert torch.equal(
        backproject(noise(*fan.shape), fan, grid),
        backproject(noise(*fan.shape), fan, grid, kernel="torch"),
    )
    with pytest.raises(ValueError, match="`kernel` must be auto or torch for a fan"):
        backproject(noise(*fan.shape), fan, grid, kernel="numba")
    with pytest.raises(BackendUnavailable, match="has no gradient, and the views require one"):
        backproject(views, geometry, grid, kernel="numba")
