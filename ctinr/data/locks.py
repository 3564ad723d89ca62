"""Files and folders that one run at a time works on; a lock ends with the process that holds it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from ctinr import checks


def lock(file: BinaryIO | int, argument: str, described: Callable[[], str]) -> None:
    """Lock an open file or folder for as long as it is open.

    Parameters
    ----------
    file : file or int
        What is open, or its number.
    argument : str
        Whose error it is if it cannot be locked.
    described : callable
        Returns what is locked, for the error.

    Raises
    ------
    BlockingIOError
        If another process has it.
    OSError
        If the system knows no such locks.
    """
    try:
        import fcntl
    except ImportError as error:
        rule, remedy = "lie on a system with file locks", "Use Linux or macOS."
        raise OSError(checks.message(argument, rule, described(), remedy)) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        rule, remedy = "not be worked on by another run", "Wait for it, or choose another name."
        raise BlockingIOError(checks.message(argument, rule, described(), remedy)) from error


@contextlib.contextmanager
def locked_folder(folder: Path, argument: str) -> Iterator[None]:
    """Lock a folder in the block; nothing is written into it for that.

    Raises
    ------
    BlockingIOError, OSError
        As `lock` does.
    """
    number = os.open(folder, os.O_RDONLY)
    try:
        lock(number, argument, lambda: f"the folder '{folder}'")
        yield
    finally:
        os.close(number)
