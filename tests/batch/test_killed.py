"""Killed at any moment, a run goes on to the same bits, and no file is ever broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ctinr.batch import open_stack, reconstruct_stack
from ctinr.batch.job import Job
from tests.batch.killed import METHODS
from tests.batch.stacks import cells, write

ROOT = Path(__file__).parent.parent.parent


def killed(scan, out, *options):
    """Return how many kills there were until it was through."""
    command = [sys.executable, "-m", "tests.batch.killed", str(scan), str(out), *options]
    ran = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return int(ran.stdout.split()[-1])


def whole(scan, out, **options):
    reconstruct_stack(open_stack(scan), out, Job(**options))
    return cells(out).tobytes()


@pytest.mark.slow
def test_killed_between_any_two_moments(tmp_path):
    scan, out = write(tmp_path / "a.h5", 20), tmp_path / "v.h5"
    # A whole run has forty moments: halves of records, settings, slices of the volume, renames.
    assert killed(scan, out, "--points", "12", "--kills", "12", "--seed", "3") >= 5
    assert cells(out).tobytes() == whole(scan, tmp_path / "w.h5", method=METHODS["fbp"])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.h5", "v.h5", "w.h5"]


@pytest.mark.slow
def test_killed_while_an_older_file_is_to_be_replaced(tmp_path):
    scan, out = write(tmp_path / "a.h5", 20), tmp_path / "v.h5"
    out.write_text("mine")
    options = ("--points", "20", "--kills", "4", "--overwrite", "--compression", "gzip")
    assert killed(scan, out, *options) >= 2
    job = {"method": METHODS["fbp"], "compression": "gzip"}
    assert cells(out).tobytes() == whole(scan, tmp_path / "w.h5", **job)


@pytest.mark.slow
def test_killed_again_and_again_by_the_clock(tmp_path):
    # Twenty kills of 200 slices are tried by `python -m tests.batch.killed`, which takes a minute.
    scan, out = write(tmp_path / "a.h5", 20), tmp_path / "v.h5"
    options = ("--method", "tv", "--kills", "3", "--seconds", "0.3", "--seed", "0")
    assert killed(scan, out, *options) >= 2
    assert cells(out).tobytes() == whole(scan, tmp_path / "w.h5", method=METHODS["tv"])
