"""The neural recipe: it reconstructs, chooses without the truth, and says what it did."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.metrics import psnr
from ctinr.networks import BWReLU, Siren
from ctinr.projectors import Projector
from ctinr.recon.fbp import fbp
from ctinr.recon.inr import inr
from ctinr.recon.levels import Problem
from ctinr.recon.neural_field.data_steps import ENDINGS
from ctinr.recon.neural_field.judge import Judge
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.neural_field.task import Task
from ctinr.recon.neural_field.trials import variation_trial
from ctinr.recon.observers import Curve, Watcher, relative_error
from ctinr.recon.optimizers import AdamOnly
from ctinr.recon.run import Step
from ctinr.recon.selection import split_views, withhold_views
from phantoms import disk

SHORT = Recipe(prior="tv", weight=1e-2, warm=20, rounds=16, refit=6, steps=20)
FAMILY = BWReLU(width=32, depth=2)
WIDE = BWReLU(width=96, depth=3, init="torch")


class Kept(Watcher):
    """Keeps the image of one step of the last fit, counted from its end."""

    def __init__(self, place):
        self._place = place

    def begin(self, iterations):
        self._index = iterations + 1 + self._place

    def observe(self, step):
        if step.index == self._index:
            self.image = step.image.clone()


@pytest.fixture(scope="module")
def scan():
    grid = Grid((36, 40), 1.5, (2.0, -1.0))
    A = Projector(ParallelBeam(equal_angles(18), Detector(56, 1.5, 0.7)), grid)
    phantom = disk(18.0, 0.02, center=(2.0, -3.0)) + disk(6.0, 0.03, center=(-6.0, 4.0))
    rays = A.geometry.rays()
    y = torch.as_tensor(phantom.line_integrals(rays.points, rays.directions)).float()
    truth = phantom.raster(grid.shape, grid.spacing, grid.center)
    return A, y, torch.as_tensor(truth).float()


@pytest.mark.slow
def test_it_beats_fbp_on_few_views(scan):
    A, y, truth = scan
    neural = inr(A, y, family=WIDE, recipe=SHORT)
    classical = fbp(A, y)
    own, other = (psnr(result.image, truth, data_range=0.05) for result in (neural, classical))
    assert own > other + 1.0
    assert neural.iterations == 20 + 22 * 20 and neural.method == "neural field"
    assert (neural.image >= 0).all()


@pytest.mark.slow
def test_the_second_family_works_as_well(scan):
    A, y, truth = scan
    family = Siren(width=32, depth=2, omega_first=10.0, omega_hidden=10.0)
    neural = inr(A, y, family=family, recipe=SHORT)
    error = (neural.image - truth).norm() / truth.norm()
    assert error < 0.35
    assert "Siren" in neural.parameters["network"]


@pytest.mark.slow
def test_the_choice_is_the_least_withheld_error_and_is_recorded(scan):
    A, y, _ = scan
    recipe = Recipe(warm=10, rounds=1, refit=1, steps=20)
    split = withhold_views(18, fraction=0.2, seed=3)
    result = inr(A, y, family=FAMILY, recipe=recipe, split=split)
    choice = result.record["choice"]
    tried = dict(zip(choice["candidates"], choice["errors"], strict=True))
    assert {prior for prior, _ in tried} == {"tv", "nonlocal"}
    prior, value = choice["value"]
    assert result.parameters["prior"] == prior
    assert result.parameters["weight"] == value * (18 / 14 if prior == "tv" else 1)
    least = min(tried, key=tried.get)
    assert prior == least[0] and value >= least[1]
    # That of the full fit before it had seen those views, not that of the trial.
    assert result.record["withheld_error"] not in choice["errors"]
    assert result.record["split"] == split.to_dict()


@pytest.mark.slow
def test_the_withheld_error_is_that_of_a_fit_that_did_not_see_those_views(scan):
    A, y, _ = scan
    split = withhold_views(18, fraction=0.2, seed=3)
    recipe = Recipe(prior="tv", weight=1e-3, warm=10, rounds=3, refit=2, steps=20, finish=0)

    def images_and_error(data):
        blind = Kept(-2 * 20)
        result = inr(A, data, family=FAMILY, recipe=recipe, split=split, observers=[blind])
        error = result.record["withheld_error"]
        withheld = A.restricted(split.withheld), data[list(split.withheld)]
        assert error == pytest.approx(relative_error(withheld[0], blind.image, withheld[1]))
        return blind.image, result.image, error

    altered = y.clone()
    altered[list(split.withheld)] *= 2
    (before, after, error), (same, other, larger) = map(images_and_error, (y, altered))
    # Until the refit nothing depends on the withheld views; after it everything does.
    assert torch.equal(before, same) and larger > error
    assert not torch.allclose(after, other, rtol=1e-2)


@pytest.mark.slow
def test_the_units_of_the_data_do_not_matter(scan):
    A, y, _ = scan
    # How trials choose the variance is tested beside them.
    given = {"prior": "nonlocal", "warm": 5, "rounds": 1, "refit": 1, "steps": 20}
    one, other = (
        inr(A, factor * y, family=FAMILY, recipe=Recipe(weight=1e-4 * factor**2, **given))
        for factor in (1.0, 64.0)
    )
    assert torch.allclose(64 * one.image, other.image, rtol=1e-3, atol=1e-4 * other.image.max())


@pytest.mark.slow
def test_observers_see_images_on_the_grid_in_every_stage(scan):
    A, y, _ = scan
    shapes = []

    def measure(step: Step) -> float:
        shapes.append(tuple(step.image.shape))
        return step.loss

    recipe = Recipe(prior="nonlocal", weight=1e-4, warm=2, rounds=1, refit=1, steps=20)
    inr(A, y, family=FAMILY, recipe=recipe, observers=[Curve(measure)])
    # The trials, then 2 + 20 and a refit of 20.
    assert len(shapes) > len(ENDINGS["long"]) + 42 and set(shapes) == {(36, 40)}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits(scan):
    A, y, _ = scan
    recipe = Recipe(prior="tv", weight=1e-3, warm=3, rounds=1, refit=1, steps=20)
    images = [inr(A, y, family=FAMILY, recipe=recipe, seed=seed).image for seed in (0, 0, 1)]
    assert torch.equal(images[0], images[1]) and not torch.equal(images[0], images[2])


class Ended(Watcher):
    """Ends the run of that number at that step, as Ctrl-C or a time budget does."""

    def __init__(self, fit, index, *, by_key):
        self._fit, self._index, self._by_key = fit, index, by_key
        self.fits = 0

    def begin(self, iterations):
        self.fits += 1

    def observe(self, step):
        if self.fits != self._fit or step.index != self._index:
            return None
        if self._by_key:
            raise KeyboardInterrupt
        return "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize("by_key", [True, False])
@pytest.mark.parametrize("prior, fit", [("tv", 1), ("tv", 2), ("auto", 2), ("nonlocal", 0)])
def test_an_interrupt_of_the_trials_leaves_the_warm_start(scan, prior, fit, by_key):
    A, y, _ = scan
    recipe = Recipe(prior=prior, warm=60, rounds=2, refit=1, steps=20)
    # The trials of total variation come first; after them, the second non-local one.
    fit = (
        fit
        or len(
            variation_trial(
                Task.of(Problem(A, y), split_views(A.geometry), ()), recipe
            ).choice.candidates
        )
        + 2
    )
    ended = Ended(fit, 2, by_key=by_key)
    result = inr(A, y, family=FAMILY, recipe=recipe, observers=[ended])
    # The network has been taken to the best trial; nothing is observed, and no round is begun.
    assert result.stopped_by == "interrupted" and ended.fits == fit and result.iterations == 60
    assert relative_error(A, result.image, y) < 0.6
    assert np.isfinite(result.record["withheld_error"])


def test_an_interrupt_of_the_fit_keeps_what_was_reached(scan):
    A, y, _ = scan
    recipe = Recipe(prior="tv", weight=1e-3, warm=5, rounds=2, refit=1, steps=20)
    ended = Ended(2, 17, by_key=True)
    result = inr(A, y, family=FAMILY, recipe=recipe, observers=[ended])
    assert result.stopped_by == "interrupted" and result.iterations == 16
    assert np.isfinite(result.image.numpy()).all()
    # The fit was not judged; the trial was.
    assert result.record["withheld_error"] == result.record["choice"]["errors"][0]


def test_a_fit_that_diverges_shows_its_last_good_image(scan):
    A, y, _ = scan
    short = {"warm": 4, "rounds": 2, "refit": 1, "steps": 20}
    recipe = Recipe(prior="tv", weight=1e-3, **short, optimizer=AdamOnly(1e30))
    result = inr(A, y, family=FAMILY, recipe=recipe)
    assert result.diverged and result.stopped_by.startswith("loss became ")
    assert np.isfinite(result.image.numpy()).all() and np.isfinite(result.record["withheld_error"])


def test_a_fit_whose_withheld_error_rises_is_ended():
    def ends(errors, rounds):
        told = iter(errors)
        judge = Judge(lambda image: next(told), lambda image: False, rounds)
        return [judge.has_enough(torch.zeros(1)) for _ in errors]

    # A fifth of the rounds after the least one of those that count.
    rising = [0.5] * 25 + [0.1, *[0.2] * 24]
    assert ends(rising, 50).index(True) == 35
    assert ends([*[0.5] * 7, 0.1, *[0.2] * 7], 15).index(True) == 10
    assert not any(ends([0.5] * 25 + [0.1, *[0.104] * 24], 50))
    assert not any(ends([1 / n for n in range(1, 51)], 50))
    # While steps are large, in the first half of the rounds, a rise says nothing.
    assert not any(ends([0.01, *[0.5] * 19, *[0.1] * 20], 40))


def test_bad_arguments_are_named(scan):
    A, y, _ = scan
    broken = y.clone()
    broken[3, 4] = torch.nan
    with pytest.raises(ValueError, match=r"`y` must be finite everywhere.*\(3, 4\)"):
        inr(A, broken)
    with pytest.raises(ValueError, match=r"`y` must end with the shape \(18, 56\)"):
        inr(A, y[:, 1:])
    with pytest.raises(ValueError, match="`y` must be one sinogram"):
        inr(A, y[None])
    with pytest.raises(ValueError, match="`weight` must be above zero"):
        Recipe(prior="tv", weight=-1.0)
    with pytest.raises(ValueError, match="`weight` must be left out unless a prior is named"):
        Recipe(weight=1.0)
    with pytest.raises(ValueError, match="`prior` must be one of"):
        Recipe(prior="wavelets")
