"""The time that a method may take, all of its fits together."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from ctinr.recon.observers import Watcher
from ctinr.recon.run import Reconstruction, Step

# Why a run ended, as the report knows it.
OUT_OF_TIME = "time budget"


class Deadline(Watcher):
    """End a method when its time is over, all its fits together, as an interrupt would.

    The methods already know how to end on an interrupt with the best that they have; a budget of
    each fit would give a method that makes twelve of them twelve times as long.
    """

    def __init__(self, seconds: float | None) -> None:
        self._end = time.perf_counter() + (math.inf if seconds is None else seconds)
        self.passed = False

    def observe(self, step: Step) -> str | None:
        """Say after every step whether the time is over."""
        self.passed = self.passed or time.perf_counter() >= self._end
        return "interrupted" if self.passed else None

    def judged(self, found: Reconstruction) -> Reconstruction:
        """Return the result with the true reason for its end."""
        own = self.passed and found.stopped_by == "interrupted"
        return replace(found, stopped_by=OUT_OF_TIME) if own else found
