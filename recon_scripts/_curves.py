"""How a method gets on over time, recorded for the figures and for nothing else."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ctinr.recon.observers import Curve, OraclePSNR, Watcher
from ctinr.recon.run import Step
from ctinr.report import Convergence, DataRange

# A PSNR of every step would cost as much as a cheap step does.
EVERY = 5


class FinalCurve(Watcher):
    """Record a curve of the last run: the fits that choose parameters come before it."""

    def __init__(self, make: Callable[[], Curve]) -> None:
        self._make, self.curve = make, make()

    def begin(self, iterations: int) -> None:
        """Start a new curve."""
        self.curve = self._make()
        self.curve.begin(iterations)

    def observe(self, step: Step) -> str | None:
        """Pass the step on."""
        return self.curve.observe(step)


def curve_of(truth: Tensor | None, data_range: DataRange | None) -> Curve:
    """Return what to record: the PSNR where the truth is known, else the loss."""
    if truth is None or data_range is None:
        return Curve(lambda step: step.loss, every=EVERY)
    return OraclePSNR(truth, data_range=data_range.value, every=EVERY)


def convergence(curve: Curve, truth_known: bool) -> Convergence | None:
    """Return what was recorded, or None if there was nothing to record."""
    if not curve.values:
        return None
    quantity = "psnr" if truth_known else "loss"
    return Convergence(quantity, tuple(curve.seconds), tuple(curve.values))
