"""What a method costs: its wall time and the most memory that was resident while it ran."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ctinr.recon.allocation import return_freed_memory

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Cost:
    """Time and memory of a stretch of work; filled when the stretch ends.

    Parameters
    ----------
    seconds : float
        Wall time.
    peak_memory : int or None
        The most memory that was resident in the process during the stretch, bytes; None where
        the system does not tell.
    separate : bool
        Whether the peak is that of this stretch alone. Where the system cannot reset its mark it
        is the peak of the process up to then, which an earlier stretch may have set.
    """

    seconds: float = 0.0
    peak_memory: int | None = None
    separate: bool = False


@contextmanager
def measured_cost() -> Iterator[Cost]:
    """Measure the block: yield a `Cost` that is complete when the block ends, however it does.

    Memory that earlier work has freed and the process kept does not count.
    """
    return_freed_memory()
    cost = Cost(separate=reset_peak())
    begun = time.perf_counter()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - begun
        cost.peak_memory = peak_resident()


def reset_peak() -> bool:
    """Ask the system to start its peak of resident memory anew; return whether it did."""
    try:
        CLEAR.write_text("5")
    except OSError:
        return False
    return True


def peak_resident() -> int | None:
    """Return the peak of resident memory since the last reset, bytes, or None if not known."""
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", STATUS.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return int(found[1]) * 1024 if found else _peak_of_process()


def _peak_of_process() -> int | None:
    try:
        import resource
    except ImportError:  # there is none on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
