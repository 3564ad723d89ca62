"""The search for a variance: falling, rising, the largest alike, and on from there."""

from __future__ import annotations

import math

import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.projectors import Projector
from ctinr.recon.levels import Problem
from ctinr.recon.neural_field import variance_trials
from ctinr.recon.neural_field.task import Task
from ctinr.recon.neural_field.variance_trials import FLOOR, VarianceTrials, beyond_noise, ended
from ctinr.recon.run import Reconstruction
from phantoms import shepp_logan


class Told(VarianceTrials):
    """Trials whose squared errors, in three views, are told: of a variance, and of what went on."""

    def __init__(self, squares, further=lambda variance: math.inf, ended_at=()):
        nothing = torch.zeros(2, 2)
        problem = Problem(lambda image: torch.ones(3, 2), nothing[:1].expand(3, 2))
        task = Task(problem, problem, problem, 1.0, ())
        object.__setattr__(task, "squares", lambda image: image)
        object.__setattr__(task, "error", lambda image: float(image.sum().sqrt()))
        super().__init__(task, nothing)
        self._told, self._further, self._ended_at, self.tried = squares, further, ended_at, []

    def _run(self, variance, start, ending):
        self.tried.append(variance)
        if variance in self._ended_at:
            raise KeyboardInterrupt
        value = self._told(variance) if start is self._start else self._further(variance)
        return value * torch.tensor([0.9, 1.0, 1.1])


def away_from(best):
    """Squares that rise clearly on both sides of a variance."""
    return lambda variance: 1 + math.log2(variance / best) ** 2


@pytest.fixture(autouse=True)
def beyond(monkeypatch):
    """Let every scan be one without noise."""
    monkeypatch.setattr(variance_trials, "beyond_noise", lambda *_: True)


# The start leaves ones unexplained, so the path is 2, 1, 1/2, …
@pytest.mark.parametrize(
    "best, tried", [(1.0, [2, 1, 0.5]), (0.25, [2, 1, 0.5, 0.25, 0.125]), (8.0, [2, 1, 4, 8, 16])]
)
def test_the_path_falls_or_rises_as_long_as_the_error_falls(best, tried):
    trials = Told(away_from(best))
    choice = trials.choice()
    assert choice.value == best and trials.tried == [*tried, best / 2]
    assert choice.candidates == tuple(tried) and not choice.interrupted


def test_of_those_alike_the_largest_is_chosen():
    class Alike(Told):
        def _run(self, variance, start, ending):
            image = super()._run(variance, start, ending)
            # Better in the mean, but by chance.
            return image + torch.tensor([-0.4, 0.3, 0.0]) if variance == 1 else image

    trials = Alike(lambda variance: 1.0 if variance >= 1 else 2.0)
    assert trials.choice().value == 2


def test_it_goes_on_at_smaller_variances_as_long_as_the_gain_is_clear_and_worth_it():
    falling = {0.5: 0.8, 0.25: 0.6, 0.125: 0.597}
    trials = Told(away_from(1.0), falling.get)
    choice = trials.choice()
    assert choice.value == 0.25 and trials.tried[-3:] == [0.5, 0.25, 0.125]
    errors = dict(zip(choice.candidates, choice.errors, strict=True))
    assert errors[0.25] == pytest.approx(math.sqrt(3 * 0.6))
    # The one that was tried from the start is now known better.
    assert len(errors) == 4 and errors[0.5] == pytest.approx(math.sqrt(3 * 0.8))
    assert torch.allclose(trials.images[0.25].mean(), torch.tensor(0.6))


@pytest.mark.parametrize("ended_at, value", [(0.5, 1), (0.25, 0.5)])
def test_an_interrupt_leaves_the_best_that_was_done(ended_at, value):
    trials = Told(away_from(1.0), {0.5: 0.8}.get, (ended_at,))
    choice = trials.choice()
    assert choice.interrupted and choice.value == value


@pytest.fixture
def ending(monkeypatch):
    """Return what ends a trial whose squared error was 1, and what was made of its image."""

    def found(*, long, short=(1.0,), stopped_by="iterations"):
        told = {"long": iter(long), "short": iter(short)}

        def pnp_run(task, variance, start, name):
            image = next(told[name]) * torch.ones(3)
            return Reconstruction(image, method="told", stopped_by=stopped_by)

        monkeypatch.setattr(variance_trials, "pnp_run", pnp_run)
        end = ended(Told(away_from(1.0))._task, 1.0, torch.ones(3))
        assert end.interrupted == (stopped_by == "interrupted")
        return end.name, float(end.ended[0]), float(end.image[0])

    return found


def test_the_ending_is_the_one_that_explains_the_withheld_views_better(ending):
    assert ending(long=[0.99], short=[0.98]) == ("short", pytest.approx(0.98), 1.0)
    assert ending(long=[0.98], short=[0.99]) == ("long", pytest.approx(0.98), 1.0)
    assert ending(long=[1.2], short=[1.1]) == ("short", pytest.approx(1.1), 1.0)
    # By far: then the image is replaced, and both tried again.
    more = ending(long=[0.5, 0.45], short=[0.9, 0.4])
    assert more == ("short", pytest.approx(0.4), 0.5)
    falling = ending(long=[0.5**n for n in range(1, 9)], short=[1.0] * 9)
    assert falling == ("long", 0.5**5, 0.5**4)


def test_an_interrupt_of_the_ending_leaves_the_image(ending):
    assert ending(long=[0.5], stopped_by="interrupted") == ("short", 1.0, 1.0)


def test_where_there_is_noise_it_is_the_least_that_is_tried(monkeypatch):
    monkeypatch.setattr(variance_trials, "beyond_noise", lambda *_: False)
    monkeypatch.setattr(variance_trials, "bin_noise", lambda _: 0.4 / FLOOR)
    # A hundredth of the error is not worth going on; half of it is.
    trials = Told(away_from(0.1), lambda variance: 4.9)
    assert trials.choice().value == pytest.approx(0.4)
    assert trials.tried == pytest.approx([2, 1, 0.5, 0.4, 0.2])
    further = {0.2: 1.2, 0.1: 1.2}
    gone_on = Told(away_from(0.1), lambda variance: further[round(variance, 6)])
    assert gone_on.choice().value == pytest.approx(0.2)
    monkeypatch.setattr(variance_trials, "bin_noise", lambda _: 3.0 / FLOOR)
    assert Told(away_from(0.1)).choice().value == pytest.approx(3.0)


def test_data_are_explained_beyond_their_noise_or_not():
    geometry = ParallelBeam(equal_angles(20), Detector(60, 1.0))
    A = Projector(geometry, Grid((40, 40)))
    truth = torch.as_tensor(shepp_logan(radius=19.0).raster((40, 40), 1.0)).float()
    y = A(truth)
    noise = 0.3 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    assert beyond_noise(Problem(A, y), truth)
    assert not beyond_noise(Problem(A, y + noise), truth)
    assert not beyond_noise(Problem(A, y), 0.9 * truth)
