"""A loss that is no longer finite: the fit ends with the last good image and network."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import pytest
import torch

from ctinr.geometry import Grid
from ctinr.networks import BWReLU, Ensemble, ReLU
from ctinr.operators import Identity, Observation
from ctinr.recon.fit import fit, fit_steps, norm_record
from ctinr.recon.observers import Progress
from ctinr.recon.optimizers import AdamOnly, constant
from ctinr.recon.rendering import render_grid
from ctinr.recon.scale import select_scale
from ctinr.recon.stages import Stage

GRID = Grid((9, 12))
EXACT = {"grid": GRID, "precision": "float32", "schedule": constant}


def network(seed=0, family=None):
    family = family or BWReLU(width=16, depth=2)
    return family.build(2, generator=torch.Generator().manual_seed(seed))


@dataclass
class Failing:
    """A penalty of nothing, whose value and gradient are NaN from a call on."""

    good: int
    value: float = math.nan

    def __call__(self, image, *, grid, network):
        self.good -= 1
        return 0 * image.sum() if self.good >= 0 else self.value * image.sum()


@pytest.fixture
def truth():
    y, x = GRID.coordinates().unbind(-1)
    return Observation(Identity(GRID), torch.exp(-4 * (x - 0.2) ** 2 - 6 * y**2))


def test_a_loss_that_becomes_nan_ends_the_fit_with_the_last_good_image(truth):
    twin, net, images = network(), network(), []
    fit(twin, truth, iterations=6, **EXACT)
    seen = Progress(lambda done, total, loss: images.append(done))
    result = fit(net, truth, iterations=20, penalty=Failing(7), observers=(seen,), **EXACT)
    assert result.stopped_by == "loss became nan at iteration 8" and result.diverged
    assert result.iterations == len(result.losses) == 7 and images == [*range(1, 8)]
    # The seventh loss was that of the parameters after six updates.
    for kept, expected in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.equal(kept, expected)
    assert torch.equal(result.image, render_grid(twin, GRID))
    assert result.record == norm_record(twin)
    assert not fit(twin, truth, iterations=2, **EXACT).diverged


def test_an_absurd_learning_rate_ends_the_fit_with_what_it_started_from(truth):
    net = network()
    result = fit(net, truth, iterations=50, optimizer=AdamOnly(1e30), **EXACT)
    assert re.fullmatch(r"loss became (nan|inf) at iteration 2", result.stopped_by)
    assert torch.equal(result.image, render_grid(network(), GRID))


def test_the_last_update_may_be_the_one_that_spoils_the_image(truth):
    # Its ReLUs pass the overflow on; wavelets of such numbers are zero.
    net, start = network(family=ReLU(width=16)), network(family=ReLU(width=16))
    result = fit(net, truth, iterations=1, optimizer=AdamOnly(1e30), **EXACT)
    assert re.fullmatch(r"image became (nan|inf) after iteration 1", result.stopped_by)
    assert result.diverged and torch.equal(result.image, render_grid(start, GRID))


def test_an_ensemble_gets_its_good_parameters_back(truth):
    def fitted(iterations, **given):
        several = Ensemble([network(seed=seed) for seed in (0, 1)])
        return fit(several, truth, iterations=iterations, **EXACT, **given)

    lost = fitted(20, penalty=Failing(3))
    assert lost.diverged and torch.equal(lost.image, fitted(2).image)


def test_a_first_step_that_is_not_finite_is_an_error_with_a_remedy(truth):
    rule = r"`loss` must stay finite; got inf at iteration 1\..*Lower the learning"
    with pytest.raises(FloatingPointError, match=rule):
        fit(network(), truth, iterations=50, penalty=Failing(0, math.inf), **EXACT)


def test_whoever_takes_the_steps_one_by_one_is_told(truth):
    stage = Stage(GRID, (truth,), 9, Failing(4))
    taken = fit_steps(network(), (stage,))
    assert [next(taken).index for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(FloatingPointError, match="`loss` must stay finite; got nan at iteration 5"):
        next(taken)


def test_scales_of_a_fit_that_diverged_are_not_compared(truth):
    rule = r"`loss` must stay finite; got a fit whose loss became (nan|inf) at iteration 2\. Lower"
    with pytest.raises(FloatingPointError, match=rule):
        select_scale(truth, grid=GRID, family=BWReLU(width=8), optimizer=AdamOnly(1e30))
