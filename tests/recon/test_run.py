"""The one loop: it stops when it should, keeps what was reached, and tells why."""

from __future__ import annotations

import pytest
import torch

from ctinr.operators import Identity, Space
from ctinr.recon.observers import Curve, GapBelow, OraclePSNR, Progress, TimeBudget, WithheldError
from ctinr.recon.run import Step, run

TRUTH = torch.tensor([1.0, 2.0])


def halving(number=None, gap=None):
    """Yield images that halve their distance to the truth, in one reused memory."""
    image = torch.zeros(2)
    index = 0
    while number is None or index < number:
        index += 1
        image += (TRUTH - image) / 2
        yield Step(index, float((TRUTH - image).norm()), image, gap and gap / index)


def test_it_takes_as_many_steps_as_were_asked_for():
    result = run(halving(), 5, method="halving", parameters={"factor": 2})
    assert result.iterations == 5 == len(result.losses) and result.stopped_by == "iterations"
    assert torch.allclose(result.image, TRUTH * (1 - 2**-5))
    assert result.method == "halving" and result.parameters["factor"] == 2 and result.seconds > 0


def test_a_method_that_ends_by_itself_has_converged():
    assert run(halving(3), 10).stopped_by == "converged"
    assert run(halving(3), 3).stopped_by == "iterations"


def test_the_image_is_a_copy():
    steps = halving()
    result = run(steps, 2)
    kept = result.image.clone()
    next(steps)
    assert torch.equal(result.image, kept)


def test_an_interrupt_returns_the_last_whole_step():
    def interrupted():
        yield from halving(3)
        raise KeyboardInterrupt

    result = run(interrupted(), 10)
    assert result.stopped_by == "interrupted" and result.iterations == 3


def test_an_interrupt_before_the_first_step_is_passed_on():
    def interrupted():
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        run(interrupted(), 10)


def test_observers_are_ended_whatever_happens():
    ended = []

    class Ending(Curve):
        def end(self):
            ended.append(True)

    def failing():
        yield from halving(1)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run(failing(), 10, [Ending(lambda step: step.loss)])
    assert ended == [True]


def test_stopping_rules():
    assert run(halving(), 9, [TimeBudget(1e-9)]).stopped_by == "time budget"
    by_gap = run(halving(gap=1.0), 9, [GapBelow(0.25)])
    assert by_gap.stopped_by == "gap" and by_gap.iterations == 4
    wrong = WithheldError(Identity(Space((2,))), TRUTH * (1 - 2**-3), patience=2)
    by_error = run(halving(), 9, [wrong])
    assert by_error.stopped_by == "withheld error" and wrong.best == 3 and by_error.iterations == 5


def test_curves_and_progress():
    told = []
    curve = OraclePSNR(TRUTH, data_range=2.0, every=2)
    run(halving(), 6, [curve, Progress(lambda *what: told.append(what[:2]))])
    assert curve.indices == [2, 4, 6] and told == [(k, 6) for k in range(1, 7)]
    # Halving an error four times over gives 20 log10(4) dB.
    assert curve.values[1] - curve.values[0] == pytest.approx(12.0412, abs=1e-3)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="`iterations` must be at least 1"):
        run(halving(), 0)
    with pytest.raises(ValueError, match="`steps` must yield at least one step"):
        run(iter(()), 3)
    with pytest.raises(ValueError, match="`tolerance` must be above zero"):
        GapBelow(0.0)
