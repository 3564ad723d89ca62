"""Files that are whole or not there: written beside, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from ctinr import checks

# The disk is full, a quota or the largest size of a file is reached.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Give a path beside `path` to write to, which becomes `path` once the block has ended.

    Until then an older file of that name stays as it is; if the block fails, or the process is
    killed, it stays for good and nothing else bears its name.

    Parameters
    ----------
    path : path
        Where the file shall be.
    overwrite : bool
        Whether an older file may be replaced.

    Raises
    ------
    FileExistsError
        If there is a file and `overwrite` is false.
    FileNotFoundError, IsADirectoryError
        If its folder does not exist, or `path` is a folder.
    PermissionError, OSError
        If the folder cannot be written to, or the disk is full.
    """
    path = Path(path)
    _check_target(path, overwrite)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with _no_permission(path):
            partial.touch(exist_ok=False)
        with enough_room(path, "path"):
            yield partial
            _flush(partial)
        _check_target(path, overwrite)
        with _no_permission(path):
            os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def existing(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that exists.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        If there is nothing, or a folder, or it may not be seen.
    """
    path = Path(path)
    with readable(path):
        found, is_folder = path.exists(), path.is_dir()
    if is_folder:
        raise IsADirectoryError(checks.message("path", "name a file", f"the folder '{path}'"))
    if not found:
        folder = path.parent
        remedy = "" if folder.is_dir() else f"The folder '{folder}' does not exist either."
        rule = "name a file that exists"
        raise FileNotFoundError(checks.message("path", rule, f"'{path}'", remedy))
    return path


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say which file may not be read, and what to do."""
    try:
        yield
    except PermissionError as error:
        rule, remedy = "name a file that may be read", "Change its permissions."
        raise PermissionError(checks.message("path", rule, f"'{path}'", remedy)) from error


@contextlib.contextmanager
def enough_room(path: str | os.PathLike[str], argument: str) -> Iterator[None]:
    """Say which file or folder there was no room for, as the system does not, and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        rule, remedy = "lie on a disk with room for it", "Make room, or choose another place."
        told = OSError(
            checks.message(argument, rule, f"'{path}' ({os.strerror(error.errno)})", remedy)
        )
        # So that whoever called this says it of the place that it was given.
        told.errno = error.errno
        raise told from error


@contextlib.contextmanager
def naming(path: str | os.PathLike[str], contents: Mapping[str, str]) -> Iterator[None]:
    """Let errors about an argument that was read from a file name the file and what is in it.

    Parameters
    ----------
    path : path
        The file.
    contents : mapping
        From the name of an argument to what should be in the file: "a valid field /sinogram".

    Raises
    ------
    TypeError, ValueError
        In place of an error in the house's form about one of these arguments; others pass.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        argument = next(iter(str(error).split("`")[1:2]), "")
        if argument not in contents:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        rule = f"name a file with {contents[argument]}"
        raise kind(checks.message("path", rule, f"'{path}'", str(error))) from error


def _check_target(path: Path, overwrite: bool) -> None:
    with _no_permission(path):
        if path.is_dir():
            given = f"the folder '{path}'"
            raise IsADirectoryError(checks.message("path", "name a file", given))
        if not path.parent.is_dir():
            given = f"'{path}'"
            rule, remedy = "lie in a folder that exists", f"Make '{path.parent}' first."
            raise FileNotFoundError(checks.message("path", rule, given, remedy))
        if path.exists() and not overwrite:
            rule, remedy = "not exist yet", "Choose another name, or overwrite it."
            raise FileExistsError(checks.message("path", rule, f"'{path}'", remedy))


@contextlib.contextmanager
def _no_permission(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        rule = "lie in a folder that can be written to"
        remedy = "Choose another folder or change its permissions."
        raise PermissionError(checks.message("path", rule, f"'{path}'", remedy)) from error


def _flush(path: Path) -> None:
    """Make sure that the content is on the disk before the name is."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
