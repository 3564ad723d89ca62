"""What a worker that was started for one run does first and last; Dask calls it by its name."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any


def dask_setup(worker: Any) -> None:
    """Load what blocks are computed with, and see that the process ends at once when it is told.

    Python would take apart everything that is loaded, for a second or two that whoever started
    the worker waits. Nothing is lost: all that a worker made was sent.
    """
    import ctinr.batch.blocks  # noqa: F401

    atexit.register(_leave)


def _leave() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
