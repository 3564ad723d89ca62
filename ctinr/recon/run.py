"""The one loop over iterations: every iterative method is a generator of steps that it drives."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from torch import Tensor

from ctinr import checks
from ctinr.recon.interval import Interval

# What every reason says that is not the reader's wish but a number that is no longer finite.
BECAME = " became "


@dataclass(frozen=True, eq=False)
class Step:
    """What a method shows after one iteration.

    Parameters
    ----------
    index : int
        Number of the iteration, from 1.
    loss : float
        The value that the method makes small, or a bound on it.
    image : Tensor, shape (*batch, *grid.shape)
        The image at this point, detached; 1/mm. A method may reuse the memory in the next step,
        so whoever keeps it makes a copy.
    gap : float, optional
        Primal–dual gap relative to the primal value, where the method has one.
    """

    index: int
    loss: float
    image: Tensor
    gap: float | None = None


def last_step(steps: Iterable[Step]) -> Step:
    """Return the last of some steps; nobody watches, and an interrupt goes through."""
    return deque(steps, maxlen=1)[0]


class Diverged(FloatingPointError):
    """The loss of a method is no longer finite, so there is no further step.

    Parameters
    ----------
    message : str
        What went wrong and what to do.
    reason : str
        The same in a few words, for `Reconstruction.stopped_by`.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Observer(Protocol):
    """Something that looks at every step: progress, recording, budgets, stopping, checkpoints.

    An observer that peeks at the ground truth has a name that starts with `Oracle`.
    """

    def begin(self, iterations: int) -> None:
        """Be told, before the first step, how many there will be at most."""
        ...

    def observe(self, step: Step) -> str | None:
        """Look at a step; return a reason to stop, in a few words, or None to go on."""
        ...

    def end(self) -> None:
        """Be told that there will be no more steps, whatever the reason."""
        ...


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """The result of a method.

    Parameters
    ----------
    image : Tensor, shape (*batch, *grid.shape)
        The final image, 1/mm.
    losses : tuple of float
        The loss after every iteration; empty for a direct method.
    iterations : int
        How many were run.
    stopped_by : str
        Why it ended, in a few words: "iterations", "gap", "interrupted", … After a loss that was
        no longer finite "loss became nan at iteration 37"; the image is then the last good one.
    seconds : float
        Wall time of the loop.
    method : str
        Name of the method.
    parameters : mapping
        What the method was run with, plain values only.
    record : mapping
        What the run found out: how parameters were chosen, engine, precision, plain values only.
    interval : Interval, optional
        Between which values the truth lies, where that was asked for; see `uncertainty`.
    """

    image: Tensor
    losses: tuple[float, ...] = ()
    iterations: int = 0
    stopped_by: str = "direct"
    seconds: float = 0.0
    method: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    record: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    interval: Interval | None = None

    @property
    def diverged(self) -> bool:
        """Whether it ended because a loss or the image was no longer finite."""
        return BECAME in self.stopped_by


def run(
    steps: Iterable[Step],
    iterations: int,
    observers: Sequence[Observer] = (),
    *,
    method: str = "",
    parameters: Mapping[str, Any] = MappingProxyType({}),
    earlier: Sequence[float] = (),
) -> Reconstruction:
    """Drive a method for at most `iterations` steps and return what it reached.

    The only loop over iterations in the package. An interrupt from the keyboard ends it after the
    last whole step, and what was reached is returned with ``stopped_by="interrupted"``. So does a
    method that raises `Diverged`, with its reason.

    Parameters
    ----------
    steps : iterable of Step
        The method.
    iterations : int
        The most steps to take, at least 1.
    observers : sequence of Observer
        Each sees every step; the first that gives a reason stops the run.
    method, parameters
        Go into the result unchanged.
    earlier : sequence of float
        The losses of steps that were taken before, by a run that this one goes on with. They count
        as its own.

    Raises
    ------
    KeyboardInterrupt
        If interrupted before the first step was finished: there is nothing to return.
    Diverged
        If the first step had no finite loss: there is nothing to return either.
    """
    checks.count(iterations, "iterations")
    begun = time.perf_counter()
    losses = [*earlier]
    last: Step | None = None
    reason = "iterations"
    for observer in observers:
        observer.begin(iterations)
    try:
        for last, reason in _watched(  # noqa: B007
            iter(steps), iterations, observers, first=len(losses) + 1
        ):
            losses.append(last.loss)
    except KeyboardInterrupt:
        if last is None:
            raise
        reason = "interrupted"
    except Diverged as error:
        if last is None:
            raise
        reason = error.reason
    finally:
        for observer in observers:
            observer.end()
    if last is None:
        raise ValueError(checks.message("steps", "yield at least one step", "none"))
    return Reconstruction(
        image=last.image.detach().clone(),
        losses=tuple(losses),
        iterations=len(losses),
        stopped_by=reason,
        seconds=time.perf_counter() - begun,
        method=method,
        parameters=MappingProxyType(dict(parameters)),
    )


def _watched(
    steps: Iterator[Step], iterations: int, observers: Sequence[Observer], *, first: int
) -> Iterator[tuple[Step, str]]:
    """Yield each step with the reason to end after it; the last one carries the true reason."""
    for count, step in enumerate(steps, start=first):
        answers = [observer.observe(step) for observer in observers]
        reasons = [answer for answer in answers if answer]
        yield step, reasons[0] if reasons else "converged" if count < iterations else "iterations"
        if reasons or count == iterations:
            return
