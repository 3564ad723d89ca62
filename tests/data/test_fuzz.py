"""Damaged files end in a clear error that names the file, or are read rightly after all."""

from __future__ import annotations

import collections
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data import fuzzing

ROOT = Path(__file__).parents[2]
# `python -m tests.data.fuzzing KIND 0 2000 FOLDER` tries as many as one likes.
FEW, MANY = 60, 180
BYTES = [way.__name__.strip("_") for way in fuzzing.BYTES]
# Texts of variable length, of which our own files have none, are read by code of the HDF5 library
# that crashes or loops for good on some damaged bytes; not all of them can be found before it.
OF_THE_LIBRARY = 0.005


def tried(kind, first, last, folder):
    """What was done and found, by number; that the process died is such a finding."""
    found = {}
    while first < last:
        arguments = [kind, str(first), str(last), str(folder)]
        ran = subprocess.run(
            [sys.executable, "-m", "tests.data.fuzzing", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [json.loads(line) for line in ran.stdout.splitlines()]
        for line in lines:
            death = f"died: {_name(ran.returncode)}"
            found[line["number"]] = (line["damage"], line.get("verdict", death))
        if ran.returncode >= 0:
            assert ran.returncode == 0, ran.stderr
            break
        first = lines[-1]["number"] + 1
        for path in folder.iterdir():
            path.unlink()
    return found


def _name(code):
    return signal.Signals(-code).name if code < 0 else str(code)


def summary(found):
    return collections.Counter(verdict.split(":")[0] for _, verdict in found.values())


def offences(found):
    return {n: what for n, what in found.items() if what[1] not in ("error", "right")}


@pytest.mark.slow
@pytest.mark.parametrize("kind", fuzzing.WHOLE)
def test_damaged_files_are_told(tmp_path, kind):
    found = tried(kind, 0, FEW, tmp_path)
    assert len(found) == FEW
    assert not offences(found)
    # Neither would be hard to achieve alone.
    assert min(summary(found)[each] for each in ("error", "right")) > FEW / 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", fuzzing.WHOLE)
def test_very_many_damaged_files_are_told(tmp_path, kind):
    found = tried(kind, FEW, MANY, tmp_path)
    print(kind, dict(summary(found)))
    assert len(found) == MANY - FEW
    if kind not in ("exchange", "nxtomo"):
        assert not offences(found)
    in_bytes = {n: what for n, what in offences(found).items() if what[0] in BYTES}
    died = {n: what for n, what in in_bytes.items() if what[1].startswith("died")}
    assert len(died) <= OF_THE_LIBRARY * MANY
    assert offences(found) == died


def test_an_unclear_error_is_an_offence(tmp_path, monkeypatch):
    fuzzing.WHOLE["single"](tmp_path / "a.h5")

    def judged(error):
        def fail(*_, **__):
            raise error

        monkeypatch.setattr("ctinr.data.read_scan", fail)
        return fuzzing.verdict(tmp_path / "a.h5", "single", exact=None)

    assert judged(ValueError(f"`path` must be whole; got '{tmp_path / 'a.h5'}'.")) == "error"
    assert judged(ValueError("`path` must be whole; got 'b.h5'.")).startswith("unclear")
    assert judged(TypeError("'NoneType' object is not iterable")).startswith("unclear")
    assert judged(RecursionError("too deep")).startswith("escaped")


def test_another_scan_is_an_offence(tmp_path):
    from ctinr.data import read_scan

    fuzzing.WHOLE["single"](tmp_path / "a.h5")
    scan = read_scan(tmp_path / "a.h5")
    assert fuzzing.verdict(tmp_path / "a.h5", "single", exact=scan) == "right"
    assert fuzzing.verdict(tmp_path / "a.h5", "single", exact=scan[:3]).startswith("wrong")
