"""Data steps after the network: as many as the withheld views clearly ask for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.networks import BWReLU
from ctinr.projectors import Projector
from ctinr.recon.inr import inr
from ctinr.recon.neural_field import data_steps
from ctinr.recon.neural_field import field as field_module
from ctinr.recon.neural_field.data_steps import Remembered
from ctinr.recon.neural_field.field import fitted_field
from ctinr.recon.neural_field.finish import Finish
from ctinr.recon.neural_field.judge import Judge
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.neural_field.trials import Trial
from ctinr.recon.rendering import render_grid
from ctinr.recon.selection import Choice
from phantoms import disk

FAMILY = BWReLU(width=16, depth=2)
TINY = Recipe(prior="tv", weight=1e-3, warm=20, rounds=3, refit=2, steps=20)


@pytest.fixture(scope="module")
def scan():
    grid = Grid((24, 28), 2.0)
    A = Projector(ParallelBeam(equal_angles(30), Detector(40, 2.0)), grid)
    phantom = disk(18.0, 0.02, center=(2.0, -3.0)) + disk(4.0, 0.03, center=(-6.0, 4.0))
    rays = A.geometry.rays()
    return A, torch.as_tensor(phantom.line_integrals(rays.points, rays.directions)).float()


class Near(Remembered):
    """Lets steps near the network start at its image."""

    def between(self, image):
        return image


def deciding(squares, most=5, *, trial=99, prior="tv"):
    """A finish whose images are numbers, counted up by its steps, with these squared errors.

    A trial is the number that it is to be after its last steps.
    """
    told = [torch.tensor(each) for each in squares]
    told += [torch.full_like(told[0], 9e9)] * (100 - len(told)) if told else []
    choice = Choice(1.0, (1.0,), (0.1,), "rule")
    image = torch.tensor(trial)
    began = replace(Trial.of(prior, choice, image - 50), ended=image)
    remembered = Near(torch.tensor(0))
    measured = (lambda n: told[int(n)], lambda n: float(told[int(n)].sum()))
    return Finish(lambda n: n + 1, remembered, began, *measured, most)


def decided(squares, most=5):
    finish = deciding(squares, most)
    assert finish.sees(torch.tensor(0)) is False
    # The error is that of the image after the steps, which the refit starts from.
    assert finish.error == pytest.approx(sum(squares[finish.count]))
    assert finish.remembered.image == finish.count
    assert finish.start == ("network" if finish.count else None)
    return finish.count


def test_steps_are_taken_as_long_as_each_gains_clearly():
    clear, by_chance, none = [3.0, 3.2, 3.1], [4.1, 2.2, 4.2], [4.0, 4.2, 4.1]
    assert decided([[4.0, 4.2, 4.1], clear, none]) == 1
    assert decided([[4.0, 4.2, 4.1], by_chance, none]) == 0
    assert decided([none, [5.0, 5.2, 5.1]]) == 0
    falling = [[9.0 - n, 9.2 - n, 9.1 - n] for n in range(9)]
    assert decided(falling) == 5 and decided(falling, 2) == 2 and decided(falling, 0) == 0
    # One that is large counts however it scatters; one view has no scatter to measure a gain by.
    assert decided([none, [4.2, 0.2, 4.3], none]) == 1
    assert decided([[2.0], [1.7]]) == 0 and decided([[2.0], [1.5]]) == 1
    assert decided([[0.0, 0.0], [0.0, 0.0]]) == 0


def test_it_is_decided_once_and_what_was_decided_can_be_gone_on_with():
    first = deciding([[9.0, 9.0], [1.0, 1.0], [1.0, 1.0]])
    first.sees(torch.tensor(0))
    assert first.count == 1 and not first.sees(torch.tensor(1)) and first.count == 1
    other = deciding([])
    other.restore(first.state())
    assert not other.sees(torch.tensor(0)) and (other.count, other.error) == (1, 2.0)
    other.restore(None)
    assert other.count == 1
    start = torch.tensor(4.0)
    assert float(first.taken(lambda n: 3 * n, torch.tensor(2.0), first=start)) == 12.0


def test_the_first_step_starts_where_it_is_better():
    worse = [[9.0, 9.2], [5.0, 5.2], *[[9.0, 9.2]] * 5]
    finish = deciding([*worse, [3.0, 3.1], [2.0, 2.1], [2.0, 2.1]], trial=7)
    finish.sees(torch.tensor(0))
    assert (finish.count, finish.start) == (2, "trial") and finish.error == pytest.approx(4.1)
    assert finish.remembered.image == 8
    began = torch.tensor([7, 8])
    assert finish.taken(lambda n: n + 1, torch.zeros(2), first=began).tolist() == [9, 10]
    restored = deciding([], trial=7)
    restored.restore(finish.state())
    assert restored.start == "trial"
    finish.called_off = True
    assert finish.start is None
    near = deciding([*worse, [5.1, 5.2]], trial=7)
    near.sees(torch.tensor(0))
    assert near.start == "network"


@pytest.mark.parametrize(
    "network, near, trial, expected",
    [
        # What the views cannot tell apart from the image of plug-and-play is not chosen by chance.
        ([4.0, 2.2, 4.1], [3.9, 2.3, 4.1], [4.2, 2.1, 4.3], (1, "trial")),
        ([4.0, 4.2, 4.1], [4.1, 4.3, 4.2], [5.0, 5.2, 5.1], (0, None)),
        ([4.0, 4.2, 4.1], [3.0, 3.2, 3.1], [5.0, 5.2, 5.1], (1, "network")),
        ([4.0, 4.2, 4.1], [5.0, 5.2, 5.1], [3.0, 3.2, 3.1], (1, "trial")),
        ([3.0, 3.2, 3.1], [4.0, 4.2, 4.1], [4.0, 4.2, 4.1], (0, None)),
        ([4.0], [3.9], [4.1], (1, "trial")),
    ],
)
def test_beside_plug_and_play_the_network_has_to_be_clearly_better(network, near, trial, expected):
    worst = [[9.0] * len(network)] * 5
    finish = deciding([network, near, *worst, trial, worst[0]], trial=7, prior="nonlocal")
    finish.sees(torch.tensor(0))
    assert (finish.count, finish.start) == expected


@pytest.mark.parametrize(
    "network, near, trial, vain",
    [
        ([4.0, 4.2], [3.0, 3.2], [2.9, 3.2], True),
        # They lean to the network's image, or to a step from it.
        ([2.8, 3.2], [4.0, 4.2], [2.9, 3.2], False),
        ([4.0, 4.2], [2.8, 3.2], [2.9, 3.2], False),
        ([3.0, 3.0], [3.0, 3.0], [3.0, 3.0], False),
    ],
)
def test_rounds_are_in_vain_where_the_trial_is_ahead_half_way(network, near, trial, vain):
    squares = [network, near, *[[9.0, 9.0]] * 5, trial]
    given = {"trial": 7, "prior": "nonlocal"}
    finish = deciding(squares, **given)
    assert finish.is_vain(torch.tensor(0)) is vain is finish.foregone
    assert finish.is_vain(torch.tensor(0)) is vain
    # A short trial is not what the network competes with; and some ask for its own image.
    assert not deciding(squares, trial=7).is_vain(torch.tensor(0))
    assert not deciding(squares, 0, **given).is_vain(torch.tensor(0))
    other = deciding([], **given)
    other.restore(finish.state())
    assert other.foregone is vain


def test_after_rounds_in_vain_the_image_is_the_trials_and_the_fit_ends():
    squares = [[4.0, 4.2], [3.0, 3.2], *[[9.0, 9.0]] * 5, [2.9, 3.2], [1.9, 2.0]]
    finish = deciding(squares, trial=7, prior="nonlocal")
    assert finish.is_vain(torch.tensor(0)) and finish.sees(torch.tensor(0))
    assert (finish.count, finish.start) == (2, "trial") and finish.error == pytest.approx(3.9)
    assert finish.sees(torch.tensor(0)) and finish.count == 2


def test_it_is_asked_once_half_way_whether_more_is_in_vain():
    def asked(rounds, answer):
        seen = []
        judge = Judge(lambda image: 1.0, lambda image: seen.append(image) or answer, rounds)
        return [judge.has_enough(torch.tensor(n)) for n in range(rounds)], seen

    assert asked(15, True) == ([n == 7 for n in range(15)], [7])
    assert asked(4, False) == ([False] * 4, [2])
    # The image of the warm start has not been through any round.
    assert asked(1, True) == ([False], [])


def once(function):
    """Return a function that remembers its first result."""
    found = []

    def remembered(*given):
        found.extend([function(*given)] * (not found))
        return found[0]

    return remembered


@pytest.mark.slow
def test_a_fit_in_vain_ends_half_way_with_the_image_that_it_would_have_had(scan, monkeypatch):
    A, y = scan
    recipe = replace(TINY, prior="nonlocal", weight=1e-4, rounds=4)
    given = {"family": FAMILY, "recipe": recipe}
    # Trials are the same for both.
    monkeypatch.setattr(field_module, "_trial_of", once(field_module._trial_of))
    short = fitted_field(A, y, **given)
    monkeypatch.setattr(Finish, "is_vain", lambda own, image: False)
    whole = fitted_field(A, y, **given)
    # So small a network is no match for a run on pixels.
    assert short.result.record["rounds_cut_short"] and not whole.result.record["rounds_cut_short"]
    assert (short.finish.start, short.finish.count) == (whole.finish.start, whole.finish.count)
    assert short.finish.start == "trial" and torch.equal(short.result.image, whole.result.image)
    assert (short.result.iterations, whole.result.iterations) == (20 + 40, 20 + 80 + 40)
    assert (short.result.stopped_by, whole.result.stopped_by) == ("converged", "iterations")


@pytest.mark.slow
@pytest.mark.parametrize("start", ["network", "trial"])
def test_the_image_is_the_one_after_these_steps(scan, monkeypatch, start):
    A, y = scan
    if start == "network":
        monkeypatch.setattr(Finish, "_further", lambda own, image: own.step(image))
    # They begin at the network's image then, and not between it and their last target.
    monkeypatch.setattr(data_steps, "KEPT", 0.0)
    field = fitted_field(A, y, family=FAMILY, recipe=TINY)
    # So small a network draws less than data without noise hold.
    assert field.finish.count > 0 and field.result.record["data_steps_after"] == field.finish.count
    step, image = field.trial.whole_step(field.task), render_grid(field.network, A.domain)
    assert field.result.record["data_steps_from"] == start
    alone = inr(A, y, family=FAMILY, recipe=replace(TINY, finish=0))
    assert torch.equal(alone.image, (image * field.task.scale).clamp(min=0))
    assert alone.record["data_steps_after"] == 0
    image = field.trial.image if start == "trial" else image
    for _ in range(field.finish.count):
        image = step(image)
    assert torch.equal(field.result.image, (image * field.task.scale).clamp(min=0))
    assert field.result.record["withheld_error"] < alone.record["withheld_error"]


@pytest.mark.slow
def test_nothing_follows_a_fit_that_was_ended(scan):
    class Ends:
        def begin(self, iterations):
            self.last = iterations == 20 + 5 * 20

        def observe(self, step):
            return "enough" if self.last and step.index == 119 else None

        def end(self):
            pass

    A, y = scan
    field = fitted_field(A, y, family=FAMILY, recipe=TINY, observers=[Ends()])
    assert field.result.stopped_by == "enough" and field.result.record["data_steps_after"] == 0
    # They had been decided on by then; the members of an ensemble take none either.
    assert field.finish.count > 0 and field.finish.steps == 0
    still = torch.ones(2, 3)
    assert torch.equal(field.finish.taken(lambda image: 2 * image, still, first=still), still)
    image = render_grid(field.network, A.domain) * field.task.scale
    assert torch.equal(field.result.image, image.clamp(min=0))


def test_a_number_of_steps_that_is_none_is_refused():
    with pytest.raises(ValueError, match="`finish` must be"):
        Recipe(finish=-1)
