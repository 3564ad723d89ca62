"""The folder of a result: never overwritten unasked, never half written, checked at the start."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from ctinr import checks
from ctinr.data.files import enough_room

# All that the commands ever write; a folder that holds anything else is not replaced.
OURS = (
    "result.h5",
    "scan.h5",
    "metrics.json",
    "info.json",
    "doctor.json",
    "report.html",
    "figures",
    "estimate.npy",
    "estimate.wav",
    "network.pt",
    "*.png",
)


@contextmanager
def output_folder(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder to write into, which becomes `path` when the block ends well.

    The folder that is yielded lies beside `path` and is made at once, so what would stop the
    result from being written stops it before anything is computed. If the block fails, it is
    removed, and whatever was at `path` stays as it was.

    Parameters
    ----------
    path : path
        Where the result shall be; folders above it are made.
    overwrite : bool
        Replace an earlier result that is there. It goes only when the new one is complete.

    Raises
    ------
    FileExistsError
        If there is something at `path` and `overwrite` is not set, or something is there that is
        not an earlier result.
    OSError
        If nothing can be written there, or the disk is full.
    """
    target = Path(path).resolve()
    _require_free(target, overwrite=overwrite)
    partial = _make_beside(target)
    try:
        with enough_room(target, "out"):
            yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _move_into_place(partial, target, overwrite=overwrite)


def _require_free(target: Path, *, overwrite: bool) -> None:
    """Raise unless a result may be put at the place."""
    if not (target.exists() or target.is_symlink()):
        return
    given = f"{str(target)!r}, which exists"
    if not target.is_dir():
        remedy = "It is a file; choose another name."
        raise FileExistsError(checks.message("out", "be a folder to make", given, remedy))
    entries = sorted(entry.name for entry in target.iterdir())
    if entries and not overwrite:
        remedy = "Choose another folder, or replace the result that is there with --overwrite."
        raise FileExistsError(checks.message("out", "be a new folder", given, remedy))
    foreign = [name for name in entries if not any(fnmatch(name, ours) for ours in OURS)]
    if foreign:
        given = f"{str(target)!r}, which also holds {foreign[0]!r}"
        rule, remedy = "hold nothing but an earlier result", "Choose another folder."
        raise FileExistsError(checks.message("out", rule, given, remedy))


def _make_beside(target: Path) -> Path:
    """Make and return an empty folder beside the place, on the same file system."""
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
    except OSError as error:
        given = f"{str(target)!r} ({error.strerror or error})"
        rule, remedy = "be in a folder that can be written to", "Choose another one with --out."
        raise OSError(checks.message("out", rule, given, remedy)) from error
    return partial


def _move_into_place(partial: Path, target: Path, *, overwrite: bool) -> None:
    """Give the complete folder its name; what an earlier result was there goes after that.

    Whatever stops this (somebody may have made the folder in the meantime) costs no result: the
    new one stays where it is and the error says so.
    """
    old = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    try:
        _require_free(target, overwrite=overwrite)
        if target.exists():
            os.replace(target, old)
        os.replace(partial, target)
    except OSError as error:
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise OSError(f"{error} The new result is kept in {str(partial)!r}.") from error
    shutil.rmtree(old, ignore_errors=True)
