"""Observers of a run: recording, time budgets, stopping rules, progress."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ctinr import checks, metrics
from ctinr.operators import LinearOperator
from ctinr.recon.run import Observer, Step


class Watcher:
    """An observer that does nothing; the others override what they need."""

    def begin(self, iterations: int) -> None:
        """Do nothing."""

    def observe(self, step: Step) -> str | None:
        """Go on."""
        return None

    def end(self) -> None:
        """Do nothing."""


class InPlace:
    """An observer in place of another one, to which it passes everything on."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def begin(self, iterations: int) -> None:
        """Pass it on."""
        self._observer.begin(iterations)

    def observe(self, step: Step) -> str | None:
        """Pass it on."""
        return self._observer.observe(step)

    def end(self) -> None:
        """Pass it on."""
        self._observer.end()


class TimeBudget(Watcher):
    """Stop after the first step that ends past a number of seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = checks.positive(seconds, "seconds")
        self._begun = time.perf_counter()

    def begin(self, iterations: int) -> None:
        """Start the clock."""
        self._begun = time.perf_counter()

    def observe(self, step: Step) -> str | None:
        """Stop when the time is over."""
        return "time budget" if time.perf_counter() - self._begun >= self._seconds else None


class GapBelow(Watcher):
    """Stop when the relative primal–dual gap falls below a tolerance."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = checks.positive(tolerance, "tolerance")

    def observe(self, step: Step) -> str | None:
        """Stop when the method reports a gap that small."""
        small = step.gap is not None and step.gap <= self._tolerance
        return "gap" if small else None


class Progress(Watcher):
    """Tell a function how far the run is: ``report(done, total, loss)`` after every step."""

    def __init__(self, report: Callable[[int, int, float], None]) -> None:
        self._report, self._total = report, 0

    def begin(self, iterations: int) -> None:
        """Remember how many steps there will be."""
        self._total = iterations

    def observe(self, step: Step) -> str | None:
        """Report."""
        self._report(step.index, self._total, step.loss)
        return None


@dataclass(eq=False)
class Curve(Watcher):
    """Record a number of every step over the iterations and over time.

    Parameters
    ----------
    measure : callable
        From a step to the number.
    every : int
        Measure only every so many steps.
    """

    measure: Callable[[Step], float]
    every: int = 1
    indices: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    _begun: float = field(default_factory=time.perf_counter, repr=False)

    def begin(self, iterations: int) -> None:
        """Start the clock."""
        self._begun = time.perf_counter()

    def observe(self, step: Step) -> str | None:
        """Measure."""
        if step.index % self.every == 0:
            self.seconds.append(time.perf_counter() - self._begun)
            self.indices.append(step.index)
            self.values.append(float(self.measure(step)))
        return None


class Patient(Curve):
    """A curve that stops the run when its least value is too many steps ago.

    Parameters
    ----------
    measure, every
        As for `Curve`.
    reason : str
        What the run says it was stopped by.
    patience : int or None
        The number of those steps; None never stops.
    """

    def __init__(
        self, measure: Callable[[Step], float], every: int, *, reason: str, patience: int | None
    ) -> None:
        super().__init__(measure, checks.count(every, "every"))
        self._reason = reason
        self._patience = math.inf if patience is None else checks.count(patience, "patience")

    @property
    def best(self) -> int:
        """The index of the step with the least value so far."""
        return self.indices[min(range(len(self.values)), key=self.values.__getitem__)]

    def observe(self, step: Step) -> str | None:
        """Measure, and stop when nothing has improved for too long."""
        super().observe(step)
        late = len(self.values) > 0 and step.index - self.best >= self._patience
        return self._reason if late else None


class WithheldError(Patient):
    """Record the relative error on rays that the method does not see, and stop when it rises.

    Parameters
    ----------
    operator : LinearOperator
        The forward model of the withheld rays.
    data : Tensor
        Their measured values.
    patience : int or None
        Stop when the error has not improved for so many steps; None never stops.
    every : int
        Measure only every so many steps.
    """

    def __init__(
        self,
        operator: LinearOperator,
        data: Tensor,
        *,
        patience: int | None = None,
        every: int = 1,
    ) -> None:
        super().__init__(self._error, every, reason="withheld error", patience=patience)
        self._operator, self._data = operator, data

    def _error(self, step: Step) -> float:
        return relative_error(self._operator, step.image, self._data)


class OraclePSNR(Curve):
    """Record the PSNR against the truth: for figures and oracle rows, never for a choice.

    Parameters
    ----------
    truth : Tensor
        The true image.
    data_range : float
        The range of values that the PSNR refers to.
    every : int
        Measure only every so many steps.
    """

    def __init__(self, truth: Tensor, *, data_range: float, every: int = 1) -> None:
        super().__init__(self._psnr, every)
        self._truth, self._data_range = truth, data_range

    def _psnr(self, step: Step) -> float:
        return metrics.psnr(step.image, self._truth, data_range=self._data_range)


def relative_error(operator: LinearOperator, image: Tensor, data: Tensor) -> float:
    """Return ‖A x − y‖ / ‖y‖, the error on rays; no unit."""
    with torch.no_grad():
        scale = data.norm().clamp(min=torch.finfo(data.dtype).tiny)
        return float((operator(image.to(data.dtype)) - data).norm() / scale)
