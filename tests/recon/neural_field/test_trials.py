"""The prior that is chosen, and when cells are too coarse for the withheld views to tell."""

from __future__ import annotations

import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.projectors import Projector
from ctinr.recon.levels import Problem
from ctinr.recon.neural_field import trials
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.neural_field.task import Task
from ctinr.recon.neural_field.trials import Trial, beside_data, coarse_for
from ctinr.recon.neural_field.variance_trials import bin_noise
from ctinr.recon.selection import Choice, split_views, withhold_views
from ctinr.recon.tuned import tuned_tv
from phantoms import shepp_logan

HEAD = shepp_logan(radius=26.0)


def scanned(spacing, *, deviation=0.0):
    """Return exact line integrals of a head, with noise."""
    grid = Grid((round(54 / spacing), round(60 / spacing)), spacing, (2.0, -1.0))
    A = Projector(ParallelBeam(equal_angles(30), Detector(round(84 / spacing), spacing)), grid)
    rays = A.geometry.rays()
    y = torch.as_tensor(HEAD.line_integrals(rays.points, rays.directions)).float()
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    return Problem(A, y + deviation * noise)


@pytest.fixture(scope="module")
def task():
    problem = scanned(1.5, deviation=0.01)
    return Task.of(problem, split_views(problem.A.geometry), ())


@pytest.mark.slow
def test_cells_are_coarse_for_exact_data_of_sharp_edges_and_not_beside_their_noise():
    exact, noisy = scanned(1.0), scanned(1.0, deviation=0.02)
    image = tuned_tv(exact.A, exact.y).image
    assert coarse_for(exact, image)
    assert not coarse_for(noisy, tuned_tv(noisy.A, noisy.y).image)
    # Data of the cells themselves leave nothing of the kind unexplained.
    assert not coarse_for(Problem(exact.A, exact.A(image)), image)


@pytest.mark.slow
def test_an_image_is_beside_the_data_if_far_more_is_left_than_of_another_and_than_noise():
    problem = scanned(1.5, deviation=0.02)
    image = tuned_tv(problem.A, problem.y).image
    noise, left = bin_noise(problem), problem.unexplained(image)
    assert 0.2 < left / noise < 1.5 and 0.5 < noise / 0.02**2 < 2
    worse = 0.9 * image
    assert problem.unexplained(worse) > 2 * max(noise, left)
    assert beside_data(problem, worse, image)
    # As far beside as the other is no reason, and what noise may hide is none either.
    assert not beside_data(problem, worse, worse)
    assert not beside_data(problem, image, image)
    quiet = Problem(problem.A, problem.A(image))
    assert not beside_data(quiet, 0.999 * image, image)


@pytest.mark.parametrize("doubt", [None, "coarse_for", "beside_data"])
@pytest.mark.parametrize(
    "errors, best", [((0.1, 0.2), "tv"), ((0.2, 0.19), "nonlocal"), ((0.2, 0.1), "nonlocal")]
)
def test_the_prior_explains_the_withheld_views_and_by_far_where_there_is_doubt(
    task, monkeypatch, errors, best, doubt
):
    def trial(prior, error, other):
        choice = Choice(1.0, (1.0, 2.0), (error, other), "rule")
        return lambda *_: Trial.of(prior, choice, torch.tensor(error))

    # Images are their errors. That others which were tried may have less is not what counts.
    monkeypatch.setattr(Task, "error", lambda own, image: float(image))
    monkeypatch.setattr(trials, "variation_trial", trial("tv", errors[0], 1.0))
    monkeypatch.setattr(trials, "nonlocal_trial", trial("nonlocal", errors[1], 0.01))
    for name in ("coarse_for", "beside_data"):
        monkeypatch.setattr(trials, name, lambda *_, name=name: name == doubt)
    names = ("auto", "tv", "nonlocal")
    found = {prior: trials.best_trial(task, Recipe(prior=prior)) for prior in names}
    best = "tv" if doubt and errors[1] == 0.19 else best
    assert [found[prior].prior for prior in names] == [best, "tv", "nonlocal"]
    assert found["auto"].choice.value == (best, 1.0)
    assert found["auto"].choice.errors == (errors[0], 1.0, errors[1], 0.01)
    assert found["tv"].choice.candidates == (("tv", 1.0), ("tv", 2.0))


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["tv", "nonlocal"])
def test_the_weight_that_was_chosen_given_gives_the_same_data_step(task, prior):
    chosen = trials.best_trial(task, Recipe(prior=prior))
    given = trials.best_trial(task, Recipe(prior=prior, weight=chosen.weight(task)))
    assert given.value == pytest.approx(chosen.value) and len(given.choice.candidates) == 1
    steps = [each.blind_step(task)(chosen.image) for each in (chosen, given)]
    assert torch.allclose(*steps, atol=1e-4)
    # Of more views the misfit grows with them, a variance does not.
    more = 30 / 27 if prior == "tv" else 1.0
    assert chosen.weight(task) == pytest.approx(more * chosen.value)


@pytest.mark.slow
def test_the_units_of_the_data_are_those_of_the_weight():
    """Data ten times as large are explained at a weight ten times, a variance a hundred times."""
    problem = scanned(2.0, deviation=0.01)
    split = split_views(problem.A.geometry)
    tasks = [Task.of(each, split, ()) for each in (problem, problem.scaled(10))]
    variation = [trials.variation_trial(each, Recipe()) for each in tasks]
    further = [
        trials.nonlocal_trial(task, Recipe(), start.image)
        for task, start in zip(tasks, variation, strict=True)
    ]
    images = zip(tasks, variation, further, strict=True)
    sides = [
        (coarse_for(task.fitted, tv.image), beside_data(task.fitted, pnp.image, tv.image))
        for task, tv, pnp in images
    ]
    assert sides[0] == sides[1]
    for (one, other), factor in ((variation, 10), (further, 100)):
        assert other.value == pytest.approx(factor * one.value, rel=1e-3)
        assert torch.allclose(one.image, other.image, atol=1e-3)


def test_nothing_that_chooses_knows_of_the_views_that_judge():
    problem = scanned(3.0, deviation=0.01)
    split = withhold_views(30, fraction=0.2, seed=3)
    altered = problem.y.clone()
    altered[list(split.withheld)] += 1
    images = [
        trials.best_trial(
            Task.of(Problem(problem.A, y), split, ()), Recipe(prior="tv", weight=1e-3)
        )
        for y in (problem.y, altered)
    ]
    assert torch.equal(images[0].image, images[1].image)
    assert images[0].choice.error < images[1].choice.error
