"""How many threads the engines of this process use."""

from __future__ import annotations

import numba
import torch

from ctinr import checks


def use_threads(number: int) -> None:
    """Let torch and numba use so many threads, as far as numba was started with so many."""
    checks.count(number, "number")
    torch.set_num_threads(number)
    numba.set_num_threads(min(number, int(numba.config.NUMBA_NUM_THREADS)))  # type: ignore[attr-defined]
