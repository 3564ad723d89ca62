"""All slices of a file from the command line: which options, what is said, and with which code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ctinr.batch import read_volume
from ctinr.batch.blocks import BlockTask
from recon_scripts import info, reconstruct
from recon_scripts._stacks import parsed_slices
from recon_scripts._terminal import guarded
from tests.batch.stacks import cells, spoil, write

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "a.h5", 20)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "v.h5"


def run(path, out, **options):
    given = {"method": "fbp", "window": "hann", **options}
    return guarded(reconstruct.main, reconstruct.Reconstruct(scan=path, out=out, **given))


def test_a_name_of_a_file_asks_for_a_volume(path, out, capsys):
    assert run(path, out, slices="4:", compression="gzip", memory_budget="100MB", views=6) == 0
    said = capsys.readouterr().out
    assert "FBP with window hann, cutoff 1.0" in said
    assert "16 slices in " in said and f"Volume: {out}" in said
    volume = read_volume(out)
    assert volume.slices == tuple(range(4, 20)) and volume[:].isfinite().all()
    assert guarded(info.main, info.Info(scan=out)) == 0
    said = capsys.readouterr().out
    assert "ctinr volume (HDF5)" in said and "16 x 16 x 16 (z, y, x)" in said
    assert "a.h5, slices 4 to 19" in said and "window hann, cutoff 1.0" in said


def test_slices_that_fail_are_listed_and_the_code_says_so(path, out, capsys):
    for row in (2, 9):
        spoil(path, row)
    assert run(path, out) == 1
    said = capsys.readouterr().out
    assert "Not reconstructed, and NaN in the volume: 2." in said
    assert "slice 9: `sinogram` must be finite everywhere" in said
    assert run(path, out) == 1
    assert "Done by an earlier run: 20 of 20 slices." in capsys.readouterr().out
    assert guarded(info.main, info.Info(scan=out)) == 0
    assert "2 slices (slice 2: `sinogram` must be" in " ".join(capsys.readouterr().out.split())


def test_an_interrupt_says_how_to_go_on(path, out, capsys, monkeypatch):
    solve = BlockTask.solve

    def once(self, first, rows):
        if first > 0:
            raise KeyboardInterrupt
        return solve(self, first, rows)

    with monkeypatch.context() as patch:
        patch.setattr(BlockTask, "solve", once)
        assert run(path, out) == 130
    said = capsys.readouterr().out
    assert f"Interrupted: 8 of 20 slices are kept in {out}.partial. The same command goes" in said
    assert run(path, out) == 0
    assert "Done by an earlier run: 8 of 20 slices." in capsys.readouterr().out


def interrupted(*given):
    """Be ended by Ctrl-C, also where a shell has the process ignore that."""
    raise KeyboardInterrupt


def test_another_command_on_an_unfinished_volume_is_refused(path, out, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(BlockTask, "solve", interrupted)
        assert run(path, out) == 130
    assert run(path, out, window="cosine") == 2
    said = capsys.readouterr().err
    assert 'numbers {"window": "hann", "cutoff": 1.0}, now {"window": "cosine"' in said
    assert run(path, out, window="cosine", overwrite=True) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_the_same_command_goes_on(path, out, kind):
    write(path.with_name("b.h5"), 400)
    command = [sys.executable, "-m", "recon_scripts.reconstruct", str(path.with_name("b.h5"))]
    command += ["--method", "tv", "--weight", "0.002", "--out", str(out)]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)
    journal, end = out.with_name("v.h5.partial") / "slices.journal", time.monotonic() + 60
    while time.monotonic() < end and not (journal.exists() and journal.stat().st_size):
        time.sleep(0.01)
    process.send_signal(kind)
    said, troubles = process.communicate(timeout=60)
    assert process.returncode == 130, troubles
    assert "slices are kept in" in said and not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slices": "4"}, "`slices` must be two numbers with a colon between them, as in 10:20"),
        ({"slices": "9:4"}, "`slices` must be some of the 20 slices, counted from 0"),
        ({"slices": "0:21"}, "`slices` must be some of the 20 slices"),
        ({"slice": 3}, "`slice` must be left out where --out names a volume; got 3. --slices A:B"),
        ({"photons": 1e4}, "`photons` must be left out where --out names a volume"),
        ({"time_budget": 3.0}, "`time_budget` must be left out where --out names a volume"),
        ({"method": "fdk"}, "`method` must be one of fbp, tv, inr where --out names a volume"),
        ({"weight": 1.0}, "`weight` must be left out unless the method is tv or inr"),
        ({"memory_budget": "1kB"}, "`memory_budget` must be at least"),
        ({"memory_budget": "much"}, "`memory_budget` must be a size such as 2GB"),
        ({"engine": "abacus"}, "abacus"),
        ({"threads": 2}, "`threads` must be left out unless --workers is given"),
        ({"views": 99}, "`views` must be at most 12"),
        ({"center": 3.0}, "`center` must be left out for a ctinr scan"),
        ({"scan": None}, "`scan` must be given; got nothing. Name a file of slices."),
    ],
)
def test_what_cannot_be_done_is_said(path, out, capsys, options, message):
    assert run(options.pop("scan", path), out, **options) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert sorted(each.name for each in out.parent.iterdir()) == ["a.h5"]


@pytest.mark.parametrize("option", [{"slices": "0:3"}, {"workers": 2}, {"window": "hann"}])
def test_options_of_volumes_are_refused_for_one_scan(path, tmp_path, capsys, option):
    config = reconstruct.Reconstruct(scan=path, out=tmp_path / "folder", **option)
    assert guarded(reconstruct.main, config) == 2
    (name,) = option
    assert f"`{name}` must be left out unless --out names a file" in capsys.readouterr().err


def test_without_dask_the_command_says_how_to_install_it(path, out, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert run(path, out, workers=2) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "Install it with: pip install 'ctinr[cluster]'" in said
    assert not out.with_name("v.h5.partial").exists()


def test_where_a_range_goes():
    assert parsed_slices("3:7") == (3, 7)
    assert parsed_slices(" :7") == (0, 7)
    assert parsed_slices("3:") == (3, None)


def test_a_smoke_run_makes_its_own_stack(out, capsys):
    assert run(None, out, smoke=True, window=None, samples=2) == 0
    assert cells(out).shape == (24, 24, 24)
    assert "24 slices" in capsys.readouterr().out
