"""Memory that is used again and again: how a process keeps it instead of handing it back."""

from __future__ import annotations

import ctypes

# Numbers of the options in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_AT_THE_TOP, LARGEST_KEPT = 2**31 - 1, 2**30


def keep_freed_memory() -> bool:
    """Let this process keep the memory of freed tensors for the next ones, where it can be told.

    By default the C library returns large blocks to the system at once, and the next tensor of
    the same size is made of new pages, each cleared and mapped on first touch. An iterative
    method does this many times a step: kept, the steps of a fit on a full grid take half the
    time. The process does not get larger than at its peak, but stays that large.

    The commands call this first. A program of your own may, once, before it makes its tensors;
    the package never does it behind your back, since it concerns the whole process.

    Returns
    -------
    bool
        Whether it was done: on Linux with glibc. Elsewhere nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    options = ((M_MMAP_THRESHOLD, LARGEST_KEPT), (M_TRIM_THRESHOLD, KEPT_AT_THE_TOP))
    return all([mallopt(option, size) == 1 for option, size in options])


def return_freed_memory() -> bool:
    """Hand the memory of freed tensors back to the system, so that what is resident is in use.

    Returns
    -------
    bool
        Whether the C library could be told: on Linux with glibc.
    """
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return False
    malloc_trim(0)
    return True
