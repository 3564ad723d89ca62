"""The folder of a run that is not finished: what it was asked, what is done, and who works on it.

`VOLUME.h5.partial` lies beside the place of the volume, on the same disk, so that the finished
volume is moved there by one rename. It holds the lock, the settings and the journal.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ctinr import checks
from ctinr.data.files import enough_room, replacing
from ctinr.data.locks import lock

SUFFIX = ".partial"
LOCK, SETTINGS, JOURNAL, VOLUME = "lock", "settings.json", "slices.journal", "volume.h5"
OURS = {LOCK, SETTINGS, JOURNAL, VOLUME}


class Unfinished:
    """The folder of an unfinished run, while this process alone works on it.

    Parameters
    ----------
    out : Path
        Where the volume shall be.
    folder : Path
        The folder, locked.
    """

    def __init__(self, out: Path, folder: Path) -> None:
        self.out, self.folder = out, folder

    @property
    def journal(self) -> Path:
        """Where the slices are kept that are done."""
        return self.folder / JOURNAL

    @property
    def volume(self) -> Path:
        """Where the volume is put together."""
        return self.folder / VOLUME

    @property
    def told(self) -> dict[str, Any]:
        """What was kept by `keep`: nothing if this is a new run."""
        path = self.folder / SETTINGS
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def keep(self, **facts: Any) -> None:
        """Write down plain values, beside those that are kept already."""
        text = json.dumps({**self.told, **facts}, indent=1)
        with replacing(self.folder / SETTINGS, overwrite=True) as partial:
            partial.write_text(text, encoding="utf-8")

    def begin(self, settings: Mapping[str, Any], *, overwrite: bool) -> None:
        """Go on with a run of these settings, or begin it.

        Raises
        ------
        FileExistsError
            If there is an unfinished run of others and `overwrite` is false.
        """
        wanted, found = json.loads(json.dumps(settings)), self.told.get("settings")
        if found == wanted:
            return
        if found is not None and not overwrite:
            names = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
            told = "; ".join(
                f"{n} {_short(found.get(n))}, now {_short(wanted.get(n))}" for n in names
            )
            rule = "have no unfinished run of another command or input"
            remedy = "Give the same command to go on with it, or --overwrite to start anew."
            given = f"'{self.folder}': {told}"
            raise FileExistsError(checks.message("out", rule, given, remedy))
        for name in OURS - {LOCK}:
            (self.folder / name).unlink(missing_ok=True)
        self.keep(settings=wanted)

    def finish(self) -> None:
        """Give the volume that was put together its place; an older one there goes now."""
        with self.volume.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(self.volume, self.out)
        _flush_folder(self.out.parent)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def folder_of(out: Path) -> Path:
    """Return the folder of an unfinished run of a volume."""
    return out.with_name(out.name + SUFFIX)


@contextlib.contextmanager
def claimed(out: Path) -> Iterator[Unfinished]:
    """Make the folder of a volume, or take one over, and lock it as long as the block lasts.

    The lock goes when the process does, however it ends.

    Raises
    ------
    BlockingIOError
        If another process works on it.
    FileExistsError
        If something else lies there.
    OSError
        If nothing can be written there, or the disk is full.
    """
    folder = folder_of(out)
    _check_place(out, folder)
    with enough_room(out, "out"), _locked(folder) as file:
        foreign = sorted({entry.name for entry in folder.iterdir()} - OURS)
        foreign = [name for name in foreign if not name.startswith(f".{SETTINGS}.")]
        if foreign:
            rule = "lie beside no folder of somebody else's of the name that it needs"
            given = f"'{folder}', which holds {foreign[0]!r}"
            raise FileExistsError(checks.message("out", rule, given, "Choose another name."))
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        try:
            yield Unfinished(out, folder)
        finally:
            if folder.is_dir() and {entry.name for entry in folder.iterdir()} == {LOCK}:
                shutil.rmtree(folder, ignore_errors=True)


def _check_place(out: Path, folder: Path) -> None:
    if out.is_dir():
        given = f"the folder '{out}'"
        raise IsADirectoryError(checks.message("out", "name a file", given))
    if not out.parent.is_dir():
        rule, remedy = "lie in a folder that exists", f"Make '{out.parent}' first."
        raise FileNotFoundError(checks.message("out", rule, f"'{out}'", remedy))
    if folder.exists() and not folder.is_dir():
        rule, remedy = "leave the place of its folder free", "Choose another name."
        raise FileExistsError(checks.message("out", rule, f"the file '{folder}'", remedy))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[BinaryIO]:
    path = folder / LOCK
    while True:
        try:
            folder.mkdir(exist_ok=True)
            file = path.open("a+b")
        except PermissionError as error:
            rule = "lie in a folder that can be written to"
            remedy = "Choose another folder or change its permissions."
            raise PermissionError(checks.message("out", rule, f"'{folder}'", remedy)) from error
        except FileNotFoundError:
            # Another run has just finished, and removed its folder.
            continue
        with file:
            lock(file, "out", partial(_held, file, folder))
            if _is_still(file, path):
                yield file
                return


def _held(file: BinaryIO, folder: Path) -> str:
    file.seek(0)
    other = file.read(20).decode(errors="replace") or "unknown"
    return f"'{folder}', locked by process {other}"


def _is_still(file: BinaryIO, path: Path) -> bool:
    """Tell whether the file that is locked is the one of that name, and not a removed one."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _flush_folder(folder: Path) -> None:
    """Make sure that a new name is on the disk."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
