"""Ctrl-C: the first one ends the work with what was reached; more of them do not spoil that."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

KINDS = (signal.SIGINT, signal.SIGTERM)
# How long repeats count as the same wish; what is still not over by then may be stuck.
PATIENCE = 10.0


class Interrupt:
    """A handler that raises KeyboardInterrupt, and not again for some seconds.

    A method that is interrupted needs a moment to return what it has; an impatient second Ctrl-C
    in that moment would throw it away.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience, self._last = patience, float("-inf")

    def __call__(self, number: int, frame: Any) -> None:
        """Be told of a signal."""
        now = time.monotonic()
        if now - self._last >= self._patience:
            self._last = now
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C, and being told to end, raise a KeyboardInterrupt in the block."""
    with _handled_by(Interrupt()):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let a second Ctrl-C not cost what the first one kept: interrupts are ignored in the block."""
    with _handled_by(signal.SIG_IGN):
        yield


@contextmanager
def _handled_by(handler: Any) -> Iterator[None]:
    before = [signal.signal(kind, handler) for kind in KINDS]
    try:
        yield
    finally:
        for kind, old in zip(KINDS, before, strict=True):
            signal.signal(kind, old)
