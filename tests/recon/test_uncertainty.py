"""Intervals: members as if alone, errors like the image's own, and levels that hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.networks import BWReLU, Ensemble
from ctinr.projectors import Projector
from ctinr.recon.fit import fit_steps
from ctinr.recon.inr import inr
from ctinr.recon.interval import interval_of, resampled
from ctinr.recon.neural_field.data_steps import NonlocalStep
from ctinr.recon.neural_field.field import fitted_field
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.observers import Watcher
from ctinr.recon.optimizers import AdamOnly
from ctinr.recon.rendering import render_grid
from ctinr.recon.stages import Splitting
from ctinr.recon.uncertainty import uncertainty, with_interval
from phantoms import disk

FAMILY = BWReLU(width=24, depth=2)
SHORT = Recipe(prior="tv", weight=1e-3, warm=20, rounds=8, refit=4, steps=20)
TINY = replace(SHORT, warm=2, rounds=1, refit=1, steps=20)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def scan():
    grid = Grid((24, 28), 2.0)
    A = Projector(ParallelBeam(equal_angles(14), Detector(40, 2.0)), grid)
    phantom = disk(18.0, 0.02, center=(2.0, -3.0)) + disk(6.0, 0.03, center=(-6.0, 4.0))
    rays = A.geometry.rays()
    y = torch.as_tensor(phantom.line_integrals(rays.points, rays.directions)).float()
    y = y + 0.01 * torch.randn(y.shape, generator=seeded(0))
    return A, y, torch.as_tensor(phantom.raster(grid.shape, grid.spacing)).float()


@pytest.fixture(scope="module")
def field(scan):
    return fitted_field(*scan[:2], family=FAMILY, recipe=SHORT)


@pytest.fixture(scope="module")
def found(field):
    return with_interval(field, members=4)


@pytest.mark.slow
def test_the_image_is_that_of_inr_with_an_interval_about_it(scan):
    options = {"family": FAMILY, "recipe": TINY, "seed": 3}
    alone, found = inr(*scan[:2], **options), uncertainty(*scan[:2], members=2, **options)
    assert torch.equal(found.image, alone.image) and alone.interval is None
    assert found.interval.members == 2
    other = with_interval(fitted_field(*scan[:2], **options), members=2, seed=4).interval
    assert not torch.equal(found.interval.std, other.std)


@pytest.mark.slow
def test_steps_that_only_touch_up_come_after_a_run_on_the_members_own_data(scan, monkeypatch):
    recipe = replace(TINY, prior="nonlocal", weight=1e-3)
    field = fitted_field(*scan[:2], family=FAMILY, recipe=recipe)
    field.finish.from_trial, field.finish.count = True, 1
    field = replace(field, trial=replace(field.trial, ending="short"))
    wide = float(with_interval(field, members=3).interval.std.mean())
    # Members that begin at one image and are only touched up are too much alike.
    monkeypatch.setattr(NonlocalStep, "anew", NonlocalStep.finishing)
    assert wide > 1.5 * float(with_interval(field, members=3).interval.std.mean())


@pytest.mark.slow
def test_the_truth_lies_within(scan, field, found):
    truth, interval = scan[2], found.interval
    assert torch.equal(found.image, field.result.image)
    assert (interval.level, interval.members) == (0.9, 4)
    told = found.record["ensemble"]
    assert (told["members"], told["level"], told["stopped_by"]) == (4, 0.9, "iterations")
    assert (interval.lower >= 0).all() and (interval.lower <= found.image).all()
    assert (found.image <= interval.upper).all() and bool((interval.std > 0).any())
    inside = ((truth >= interval.lower) & (truth <= interval.upper)).float().mean()
    # So short a fit has not settled, which its members, that go on from it, cannot tell.
    assert 0.65 < float(inside) <= 0.97


@pytest.mark.slow
def test_a_higher_level_is_a_wider_interval(field, found):
    wider = with_interval(field, members=4, level=0.99).interval
    assert torch.equal(wider.std, found.interval.std)
    assert float((wider.upper - found.interval.upper).min()) >= 0
    assert float(wider.upper.sum()) > 1.1 * float(found.interval.upper.sum())
    assert wider.factors == found.interval.factors


@pytest.mark.slow
def test_another_unit_is_another_unit_of_the_interval(scan):
    A, y, _ = scan
    one, other = (
        uncertainty(A, unit * y, members=2, family=FAMILY, recipe=recipe).interval.std
        for unit, recipe in ((1.0, TINY), (64.0, replace(TINY, weight=64 * TINY.weight)))
    )
    torch.testing.assert_close(other, 64 * one, rtol=1e-2, atol=1e-3 * 64 * float(one.max()))


def test_splitting_takes_each_member_as_if_it_were_alone():
    grid = Grid((6, 7))
    wanted = torch.rand(3, *grid.shape, generator=seeded(5))
    networks = [FAMILY.build(2, generator=seeded(seed)) for seed in range(3)]

    def fitted(network, target):
        stage = Splitting(grid, lambda image: (image + target) / 2, rounds=2, steps=3)
        # One optimiser for all: the mean over the members makes gradients smaller, which Adam
        # does not see.
        list(fit_steps(network, [stage], optimizer=AdamOnly(1e-3)))
        return render_grid(network, grid)

    together = fitted(Ensemble(networks), wanted)
    for network, target, image in zip(networks, wanted, together, strict=True):
        torch.testing.assert_close(fitted(network, target), image, rtol=1e-3, atol=1e-4)


def test_signs_are_random_and_nothing_else_is():
    projection, residual = torch.rand(5, 6), torch.rand(5, 6) + 0.1
    data = resampled(projection, residual, 8, seed=3)
    signs = (data - projection) / residual
    torch.testing.assert_close(signs.abs(), torch.ones(8, 5, 6))
    assert abs(float(signs.mean())) < 0.2 and len(torch.unique(signs[:, 0, 0].round())) == 2
    assert torch.equal(data, resampled(projection, residual, 8, seed=3))
    assert not torch.equal(data, resampled(projection, residual, 8, seed=4))


@pytest.mark.parametrize("members", [2, 8])
def test_errors_of_one_size_are_covered_at_every_level(members):
    size = torch.linspace(0.5, 2.0, 160)[:, None] * torch.ones(160, 200)
    errors, own = (
        size * torch.randn(count, 160, 200, generator=seeded(count)) for count in (members, 1)
    )
    interval = interval_of(torch.full((160, 200), 9.0), errors, level=0.8)
    assert float(interval.std.mean()) == pytest.approx(float(size.mean()), rel=0.05)
    inside = (own[0] + 9 >= interval.lower) & (own[0] + 9 <= interval.upper)
    assert float(inside.float().mean()) == pytest.approx(0.8, abs=0.03)
    for level, factor in interval.factors:
        covered = (own[0].abs() <= factor * interval.std).float().mean()
        assert float(covered) == pytest.approx(level, abs=0.03)
    # Two know little: their own errors must not be part of what they are compared with.
    assert dict(interval.factors)[0.99] > {2: 2.8, 8: 2.6}[members]


def test_where_all_members_agree_the_interval_is_a_point():
    errors = torch.zeros(3, 8, 9)
    errors[:, :, 5:] = torch.rand(3, 8, 4, generator=seeded(1)) - 0.5
    interval = interval_of(torch.ones(8, 9), errors, level=0.9)
    assert (interval.upper[:, :4] == 1).all() and (interval.lower[:, :4] == 1).all()
    assert np.isfinite([factor for _, factor in interval.factors]).all()


class EndsRun(Watcher):
    """Ends the run of that number after some steps, by key or by its answer."""

    def __init__(self, number, by_key):
        self._number, self._by_key, self.runs, self.shapes = number, by_key, 0, set()

    def begin(self, iterations):
        self.runs += 1

    def observe(self, step):
        self.shapes.add(tuple(step.image.shape))
        if self.runs == self._number and step.index == 3:
            if self._by_key:
                raise KeyboardInterrupt
            return "interrupted"
        return None


@pytest.mark.parametrize("number, by_key", [(2, False), (3, True), (3, False)])
def test_an_interrupt_of_fit_or_ensemble_keeps_the_image(scan, number, by_key):
    watcher = EndsRun(number, by_key)
    result = uncertainty(*scan[:2], members=2, family=FAMILY, recipe=TINY, observers=[watcher])
    assert result.stopped_by == "interrupted" and result.interval is None
    assert watcher.runs == number and watcher.shapes == {(24, 28)}
    assert (result.image >= 0).all() and bool(result.image.any())


def test_members_that_diverge_are_told_and_the_image_is_kept(field, monkeypatch):
    from ctinr.recon import uncertainty as module

    def wild(network, stages, *, optimizer):
        return fit_steps(network, stages, optimizer=AdamOnly(1e30))

    monkeypatch.setattr(module, "fit_steps", wild)
    result = with_interval(field, members=2)
    assert result.interval is None and result.stopped_by == "iterations"
    assert "became" in result.record["ensemble"]["stopped_by"]


@pytest.mark.slow
def test_data_of_zeros_have_an_interval_of_zeros(scan):
    A, y, _ = scan
    result = uncertainty(A, torch.zeros_like(y), members=2, family=FAMILY, recipe=TINY)
    assert bool(result.interval.std.isfinite().all())


def test_bad_arguments_are_named_before_anything_is_computed(scan):
    with pytest.raises(ValueError, match=r"`members` must be at least 2.*no spread"):
        uncertainty(*scan[:2], members=1)
    for level in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match="`level` must"):
            uncertainty(*scan[:2], level=level)
