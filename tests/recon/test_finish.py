"""Data steps after the network: as many as the withheld views clearly ask for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.networks import BWReLU
from ctinr.projectors import Projector
from ctinr.recon import data_steps
from ctinr.recon.field import fitted_field
from ctinr.recon.finish import Finish
from ctinr.recon.inr import inr
from ctinr.recon.recipe import Recipe
from ctinr.recon.selection import standard_errors
from ctinr.recon.stages import render_grid
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


def deciding(squares, most=5):
    """A finish whose images are numbers, counted up by its steps, with these squared errors."""
    told = [torch.tensor(each) for each in squares]
    return Finish(lambda n: n + 1, lambda n: told[int(n)], lambda n: float(n) + 10.0, most)


def decided(squares, most=5):
    finish = deciding(squares, most)
    assert finish.sees(torch.tensor(0)) is False
    # The error is that of the image after the steps.
    assert finish.error == 10.0 + finish.count
    return finish.count


def test_gains_are_measured_by_their_scatter():
    gains = torch.tensor([1.0, 2.0, 3.0])
    assert standard_errors(gains) == pytest.approx(2.0 * 3**0.5)
    assert standard_errors(-gains) == -standard_errors(gains)
    assert standard_errors(torch.tensor([0.5, 0.5])) == float("inf")
    assert standard_errors(torch.tensor([-0.5])) == -float("inf")
    assert standard_errors(torch.zeros(4)) == 0.0


def test_steps_are_taken_as_long_as_each_gains_clearly():
    clear, by_chance, none = [3.0, 3.2, 3.1], [4.2, 0.2, 4.3], [4.0, 4.2, 4.1]
    assert decided([[4.0, 4.2, 4.1], clear, none]) == 1
    assert decided([[4.0, 4.2, 4.1], by_chance, none]) == 0
    assert decided([none, [5.0, 5.2, 5.1]]) == 0
    falling = [[9.0 - n, 9.2 - n, 9.1 - n] for n in range(9)]
    assert decided(falling) == 5 and decided(falling, 2) == 2 and decided(falling, 0) == 0
    # One view has no scatter to measure a gain by.
    assert decided([[2.0], [1.0]]) == 0


def test_it_is_decided_once_and_what_was_decided_can_be_gone_on_with():
    first = deciding([[9.0, 9.0], [1.0, 1.0], [1.0, 1.0]])
    first.sees(torch.tensor(0))
    assert first.count == 1 and not first.sees(torch.tensor(1)) and first.count == 1
    other = deciding([])
    other.restore(first.state())
    assert not other.sees(torch.tensor(0)) and (other.count, other.error) == (1, 11.0)
    other.restore(None)
    assert other.count == 1
    assert float(first.taken(lambda n: 3 * n, torch.tensor(2.0))) == 6.0


def test_the_image_is_that_of_the_network_after_these_steps(scan, monkeypatch):
    A, y = scan
    # They begin at the network's image then, and not between it and their last target.
    monkeypatch.setattr(data_steps, "KEPT", 0.0)
    field = fitted_field(A, y, family=FAMILY, recipe=TINY)
    # So small a network draws less than data without noise hold.
    assert field.finish.count > 0 and field.result.record["data_steps_after"] == field.finish.count
    step, image = field.trial.whole_step(field.task), render_grid(field.network, A.domain)
    alone = inr(A, y, family=FAMILY, recipe=replace(TINY, finish=0))
    assert torch.equal(alone.image, (image * field.task.scale).clamp(min=0))
    assert alone.record["data_steps_after"] == 0
    for _ in range(field.finish.count):
        image = step(image)
    assert torch.equal(field.result.image, (image * field.task.scale).clamp(min=0))
    assert field.result.record["withheld_error"] < alone.record["withheld_error"]


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
    assert torch.equal(field.finish.taken(lambda image: 2 * image, still), still)
    image = render_grid(field.network, A.domain) * field.task.scale
    assert torch.equal(field.result.image, image.clamp(min=0))


def test_a_number_of_steps_that_is_none_is_refused():
    with pytest.raises(ValueError, match="`finish` must be"):
        Recipe(finish=-1)
