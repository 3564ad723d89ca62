"""The folder of an unfinished run: one at a time, and only the one that began it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ctinr.batch import unfinished as module
from ctinr.batch.unfinished import claimed, folder_of

SETTINGS = {"method": "tv", "numbers": {"weight": 0.1}, "slices": [0, 20]}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "v.h5"


def begun(out, settings=SETTINGS, *, overwrite=False):
    with claimed(out) as unfinished:
        unfinished.begin(settings, overwrite=overwrite)
        unfinished.journal.touch()
        return unfinished


def test_what_is_kept_is_told_again(out):
    begun(out)
    with claimed(out) as unfinished:
        unfinished.keep(numbers={"weight": 0.1 + 0.2})
    with claimed(out) as unfinished:
        assert unfinished.told == {"settings": SETTINGS, "numbers": {"weight": 0.1 + 0.2}}
        unfinished.begin(SETTINGS, overwrite=False)
        assert unfinished.journal.exists()


def test_another_command_is_refused_and_told_apart(out):
    begun(out)
    other = {**SETTINGS, "method": "fbp", "seed": 3}
    message = (
        r"`out` must have no unfinished run of another command or input; got '.*v\.h5\.partial': "
        r'method "tv", now "fbp"; seed null, now 3\. Give the same command .* --overwrite'
    )
    with pytest.raises(FileExistsError, match=message):
        begun(out, other)
    assert (folder_of(out) / "slices.journal").exists()
    begun(out, other, overwrite=True)
    with claimed(out) as unfinished:
        assert unfinished.told == {"settings": other}


def test_starting_anew_drops_what_was_done(out):
    begun(out)
    (folder_of(out) / "volume.h5").touch()
    with claimed(out) as unfinished:
        unfinished.begin({"method": "fbp"}, overwrite=True)
        assert not unfinished.journal.exists() and not unfinished.volume.exists()


def test_two_at_once_are_refused(out):
    message = (
        rf"`out` must not be worked on by another run; got '.*partial', locked by process "
        rf"{os.getpid()}\. Wait for it"
    )
    with claimed(out), pytest.raises(BlockingIOError, match=message), claimed(out):
        pass
    with claimed(out):
        pass


@pytest.mark.slow
def test_a_process_that_was_killed_holds_no_lock(out):
    code = (
        "import os, signal; from pathlib import Path; from ctinr.batch.unfinished import claimed\n"
        f"with claimed(Path({str(out)!r})) as run:\n"
        "    run.begin({}, overwrite=False); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with claimed(out) as unfinished:
        assert unfinished.told == {"settings": {}}


def test_nothing_stays_where_nothing_was_begun(out):
    with claimed(out):
        assert folder_of(out).is_dir()
    assert list(out.parent.iterdir()) == []


def test_a_folder_of_somebody_else_is_left_alone(out):
    folder_of(out).mkdir()
    (folder_of(out) / "thesis.tex").write_text("years of work")
    message = r"of somebody else's .* which holds 'thesis\.tex'\. Choose another name"
    with pytest.raises(FileExistsError, match=message), claimed(out):
        pass
    assert (folder_of(out) / "thesis.tex").read_text() == "years of work"


def test_places_that_cannot_be_are_said(out, tmp_path):
    out.mkdir()
    with pytest.raises(IsADirectoryError, match="`out` must name a file"), claimed(out):
        pass
    missing = tmp_path / "no" / "v.h5"
    with pytest.raises(FileNotFoundError, match="must lie in a folder that ex"), claimed(missing):
        pass
    (tmp_path / "w.h5.partial").touch()
    message = "`out` must leave the place of its folder free; got the file"
    with pytest.raises(FileExistsError, match=message), claimed(tmp_path / "w.h5"):
        pass


def test_a_read_only_folder_is_named(out, monkeypatch):
    def refuse(*arguments, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.Path, "mkdir", refuse)
    message = "`out` must lie in a folder that can be written to; got .* Choose another folder"
    with pytest.raises(PermissionError, match=message), claimed(out):
        pass
