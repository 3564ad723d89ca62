"""Choices without the truth: they come close to those with it, and are recorded."""

from __future__ import annotations

import pytest
import torch

from ctinr.data import Noise, simulate
from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.metrics import psnr
from ctinr.projectors import Projector
from ctinr.recon.selection import Split, choose, withhold_views
from ctinr.recon.tuned import oracle_tv, tuned_tv
from ctinr.recon.tuned_filter import oracle_fbp, tuned_fbp
from phantoms import disk


@pytest.fixture(scope="module")
def scan():
    grid = Grid((48, 48), 2.0)
    A = Projector(ParallelBeam(equal_angles(24), Detector(56, 2.0)), grid)
    phantom = disk(40.0, 0.02, center=(2.0, -1.0)) + disk(12.0, 0.015, center=(-10.0, 8.0))
    rays = A.geometry.rays()
    exact = torch.as_tensor(phantom.line_integrals(rays.points, rays.directions))
    y, _ = simulate(exact, Noise(photons=2e4, seed=1))
    truth = torch.as_tensor(phantom.raster(grid.shape, grid.spacing)).float()
    return A, y.float(), truth


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tuned", "oracle", "loss"), [(tuned_fbp, oracle_fbp, 0.7), (tuned_tv, oracle_tv, 0.7)]
)
def test_a_choice_from_the_data_is_close_to_the_one_against_the_truth(scan, tuned, oracle, loss):
    A, y, truth = scan
    split = withhold_views(24, fraction=0.25, seed=2)
    own = psnr(tuned(A, y, split=split).image, truth, data_range=0.035)
    best = oracle(A, y, truth, data_range=0.035).record["psnr"]
    assert best - loss < own <= best + 0.3


@pytest.mark.slow
def test_the_record_says_what_was_tried(scan):
    A, y, _ = scan
    split = withhold_views(24, fraction=0.2, seed=1)
    for tuned in (tuned_fbp, tuned_tv):
        record = tuned(A, y, split=split).record
        choice = record["choice"]
        assert len(choice["candidates"]) == len(choice["errors"]) > 2
        assert choice["value"] in choice["candidates"]
        assert record["split"] == split.to_dict()
        assert 0 < record["withheld_error"] < 0.3


def test_the_least_withheld_error_wins(scan):
    A, y, truth = scan
    split = Split(tuple(range(0, 24, 2)), tuple(range(1, 24, 2)))
    seen = []

    def reconstruct(operator, data, factor):
        seen.append((operator.geometry.num_views, tuple(data.shape)))
        return factor * truth

    choice = choose(reconstruct, A, y, (0.5, 1.0, 2.0), split=split)
    assert choice.value == 1.0 and choice.error == min(choice.errors)
    assert set(seen) == {(12, (12, 56))}


def test_splits_spread_and_repeat():
    first, again = withhold_views(60, seed=4), withhold_views(60, seed=4)
    assert first == again and len(first.withheld) == 6
    assert sorted(first.fitted + first.withheld) == list(range(60))
    gaps = [b - a for a, b in zip(first.withheld, first.withheld[1:], strict=False)]
    assert min(gaps) > 1 and max(gaps) <= 20
    assert withhold_views(60, seed=5) != first


def test_bad_splits_are_named():
    with pytest.raises(ValueError, match="`withheld` must have no view in common"):
        Split((0, 1), (1, 2))
    with pytest.raises(ValueError, match="`num_views` must be at least 3"):
        withhold_views(2)
    with pytest.raises(ValueError, match="`fraction` must"):
        withhold_views(10, fraction=0.9)
