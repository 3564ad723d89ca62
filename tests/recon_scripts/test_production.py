"""Many simulated scans: the same files however they come about, and nothing lost by a stop."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import phantoms
from ctinr.data import ScanDataset, read_scan
from ctinr.data.locks import locked_folder
from recon_scripts import simulate
from recon_scripts._production import fewer_of, make
from recon_scripts._recipes import is_random, item, recipe_of
from recon_scripts._terminal import guarded

ROOT = Path(__file__).parents[2]
TINY = {"object": "random-ellipses", "count": 5, "per_file": 2, "size": 16, "views": 6}


def options(**given):
    return simulate.Simulate(**(TINY | given))


def run(**given):
    return guarded(simulate.main, options(**given))


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What comes out without any stop."""
    folder = tmp_path_factory.mktemp("whole")
    assert run(out=folder) == 0
    return folder


def test_all_scans_are_there_and_differ(whole):
    assert sorted(contents(whole)) == ["dataset.json", *(f"scans_000{n}.h5" for n in range(3))]
    found = ScanDataset(whole)
    assert len(found) == 5
    truths, noisy = (torch.stack([each[n] for each in found]) for n in ("truth", "sinogram"))
    assert len(torch.unique(truths, dim=0)) == len(torch.unique(noisy, dim=0)) == 5
    scan = read_scan(whole / "scans_0001.h5", slice=1)
    assert scan.metadata["item"] == 3
    assert scan.metadata["photons"] == 1e5
    phantom = phantoms.by_name("random-ellipses", scan.metadata["phantom_seed"])
    raster = phantom.raster(scan.grid.shape, scan.grid.spacing, supersampling=4)
    np.testing.assert_allclose(scan.truth, raster, rtol=1e-6)


def test_another_seed_shares_no_scan(whole):
    mine = {item(recipe_of(options()), index).metadata["phantom_seed"] for index in range(5)}
    other = {item(recipe_of(options(seed=1)), index).metadata["phantom_seed"] for index in range(5)}
    assert len(mine | other) == 10


def test_a_stop_costs_what_is_not_written_yet(whole, tmp_path, monkeypatch, capsys):
    def stopped(recipe, folder, numbers, **given):
        def told(count):
            if count == 4:
                raise KeyboardInterrupt

        make(recipe, folder, numbers, **given | {"told": told})

    with monkeypatch.context() as patched:
        patched.setattr("recon_scripts._production.make", stopped)
        assert run(out=tmp_path / "a") == 130
    assert "Interrupted: 1 of 3 files are there. The same command" in capsys.readouterr().out
    assert sorted(contents(tmp_path / "a")) == ["dataset.json", "scans_0000.h5"]
    assert run(out=tmp_path / "a") == 0
    assert "Already there: 1 of 3 files." in capsys.readouterr().out
    assert contents(tmp_path / "a") == contents(whole)


@pytest.mark.slow
def test_killed_and_gone_on_with_by_two_workers_it_is_the_same(whole, tmp_path):
    folder = tmp_path / "a"
    arguments = ["random-ellipses", "--count", "5", "--per-file", "2", "--size", "16"]
    arguments += ["--views", "6", "--workers", "2", "--out", str(folder)]
    # Slow from the second file on, so that there is time to kill it.
    code = (
        "import time, recon_scripts._production as module, recon_scripts.simulate as simulate\n"
        "whole = module.file_names\n"
        "write = __import__('ctinr.data').data.write_scans\n"
        "def slow(path, scans, **given):\n"
        "    write(path, scans, **given)\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    __import__('ctinr.data').data.write_scans = slow\n"
        "    from recon_scripts._terminal import command\n"
        "    command(simulate.Simulate, simulate.main)\n"
    )
    (tmp_path / "slow.py").write_text(code)
    command = [sys.executable, str(tmp_path / "slow.py"), *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        for _ in range(600):
            if (folder / "scans_0000.h5").exists():
                break
            time.sleep(0.1)
        process.kill()
    assert sorted(contents(folder)) == ["dataset.json", "scans_0000.h5"]
    (folder / ".scans_0001.h5.0123.partial").write_bytes(b"half")
    assert run(out=folder, workers=2) == 0
    assert contents(folder) == contents(whole)


def test_other_options_do_not_go_on_with_it(tmp_path, capsys):
    folder = tmp_path / "a"
    assert run(out=folder, count=3) == 0
    before = contents(folder)
    assert run(out=folder, count=3, views=7) == 2
    assert "`out` must name a folder whose scans were made with the same" in capsys.readouterr().err
    assert contents(folder) == before
    assert run(out=folder, count=1, views=7, overwrite=True) == 0
    assert sorted(contents(folder)) == ["dataset.json", "scans_0000.h5"]
    assert ScanDataset(folder).geometry.num_views == 7


@pytest.mark.parametrize("first", [1, 2, 3])
def test_more_scans_are_those_that_are_made_at_once(whole, tmp_path, first):
    assert run(out=tmp_path / "a", count=first) == 0
    kept = contents(tmp_path / "a")
    assert run(out=tmp_path / "a") == 0
    assert contents(tmp_path / "a") == contents(whole)
    if first > 1:
        assert kept["scans_0000.h5"] == contents(whole)["scans_0000.h5"]
    assert run(out=tmp_path / "a", count=first) == 2


def test_more_is_only_what_has_the_same_files_and_pictures():
    recipe = recipe_of(options(count=9, per_file=1)).to_dict()
    assert fewer_of({**recipe, "count": 8}, recipe)
    assert not fewer_of({**recipe, "count": 8, "views": 7}, recipe)
    assert not fewer_of({**recipe, "count": 10}, recipe)
    assert not fewer_of(recipe, {**recipe, "count": 10**4 + 1})
    pictures = {**recipe, "count": 2, "pictures": ("a", "b")}
    assert fewer_of({**pictures, "count": 1, "pictures": ("a",)}, pictures)
    assert not fewer_of({**pictures, "count": 1, "pictures": ("b",)}, pictures)


def test_two_runs_do_not_write_into_one_folder(tmp_path, capsys):
    folder = tmp_path / "a"
    folder.mkdir()
    with locked_folder(folder, "out"):
        assert run(out=folder) == 2
    said = capsys.readouterr().err
    assert "`out` must not be worked on by another run; got the folder" in " ".join(said.split())
    assert contents(folder) == {}
    assert run(out=folder, count=1) == 0


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    for overwrite in (False, True):
        assert run(out=tmp_path, overwrite=overwrite) == 2
        assert "`out` must name an empty folder or a new one" in capsys.readouterr().err
        assert contents(tmp_path) == {"notes.txt": b"mine"}
    assert run(out=tmp_path / "notes.txt") == 2
    assert run(out=tmp_path / "a.h5") == 2


def test_a_file_that_is_not_whole_is_named(tmp_path, capsys):
    folder = tmp_path / "a"
    assert run(out=folder, count=3) == 0
    (folder / "scans_0001.h5").write_bytes((folder / "scans_0000.h5").read_bytes())
    assert run(out=folder, count=3) == 2
    assert "`out` must hold a file scans_0001.h5 of 1 scans; got" in capsys.readouterr().err


def test_a_full_disk_keeps_what_was_written(whole, tmp_path, monkeypatch, capsys):
    folder, write = tmp_path / "a", Path.write_bytes

    def full(path, content):
        if ".scans_0001" in path.name:
            write(path, content[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        assert run(out=folder) == 2
    assert "`path` must lie on a disk with room for it; got" in capsys.readouterr().err
    assert sorted(contents(folder)) == ["dataset.json", "scans_0000.h5"]
    assert run(out=folder) == 0
    assert contents(folder) == contents(whole)


def test_a_folder_of_pictures(tmp_path, capsys):
    folder, random = tmp_path / "pictures", np.random.default_rng(0)
    folder.mkdir()
    for name in ("b.png", "a.png", "c.png"):
        Image.fromarray(random.integers(0, 255, (8, 10), dtype=np.uint8)).save(folder / name)
    given = {"object": str(folder), "size": None, "views": 5}
    assert run(**given, count=None, out=tmp_path / "all", electronic=2.0) == 0
    assert len(ScanDataset(tmp_path / "all")) == 3
    scan = read_scan(tmp_path / "all" / "scans_0000.h5", slice=0)
    assert (scan.metadata["source"], scan.metadata["electronic_noise"]) == ("a.png", 2.0)
    assert run(**given, count=1, out=tmp_path / "one") == 0
    assert len(ScanDataset(tmp_path / "one")) == 1
    Image.fromarray(random.integers(0, 255, (9, 10), dtype=np.uint8)).save(folder / "b.png")
    assert run(**given, count=2, out=tmp_path / "two") == 2
    error = capsys.readouterr().err
    assert "`object` must hold pictures of (8, 10) cells, as the first one has; got" in error
    assert "b.png" in error


def test_a_volume_and_a_phantom_without_seed(tmp_path, capsys):
    given = {"object": "ball", "beam": "cone-flat", "views": 3, "count": 2}
    assert run(**given, out=tmp_path / "a") == 0
    assert "The object is the same in all scans; only the noise differs." in capsys.readouterr().out
    one, two = ScanDataset(tmp_path / "a")
    assert torch.equal(one["truth"], two["truth"])
    assert not torch.equal(one["sinogram"], two["sinogram"])
    assert run(**given, photons=0.0, out=tmp_path / "b") == 2
    assert "`count` must be left out for ball, of which all scans" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_random_phantoms_lie_inside_the_grid_that_all_share():
    drawn = [name for name in phantoms.catalogue if is_random(name)]
    assert "tissue" in drawn
    assert "forbild-head" not in drawn
    for name in drawn:
        grid = item(recipe_of(options(object=name)), 1).grid
        assert grid == item(recipe_of(options()), 0).grid
        assert 2 * phantoms.by_name(name, 7).radius < min(grid.extent)


def test_a_smoke_run_is_small(tmp_path):
    assert run(smoke=True, count=1000, out=tmp_path / "a") == 0
    assert len(ScanDataset(tmp_path / "a")) == 3


@pytest.mark.parametrize(
    "given, message",
    [
        ({"count": None}, "`per_file` must be left out unless many scans are made; got 2."),
        ({"count": 0}, "`count` must be at least 1; got 0."),
        ({"workers": 0}, "`workers` must be at least 1; got 0."),
        ({"per_file": 0}, "`per_file` must be at least 1; got 0."),
        ({"protocol": "paper"}, "`protocol` must be left out unless pictures are scanned"),
        ({"object": "nothing"}, "`object` must name a folder of pictures or a phantom for many"),
        ({"photons": 0.0, "electronic": 1.0}, "`electronic` must be left out with --photons 0"),
        ({"beam": "helix"}, "`object` must be one of shepp-logan-3d"),
        ({"size": 3}, "`size` must be at least 16; got 3."),
        ({"seed": -1}, "`seed` must be at least 0; got -1."),
    ],
)
def test_what_cannot_be_made_is_said_before_anything_is_made(tmp_path, capsys, given, message):
    assert run(**given, out=tmp_path / "a") == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_recipe_is_kept(whole):
    kept = json.loads((whole / "dataset.json").read_text())["recipe"]
    assert (kept["object"], kept["count"], kept["seed"]) == ("random-ellipses", 5, 0)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch, capsys):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied", str(tmp_path / "a"))

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.touch", denied)
        assert run(out=tmp_path / "a") == 2
    assert "lie in a folder that can be written to; got" in capsys.readouterr().err
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.mkdir", denied)
        assert run(out=tmp_path / "b") == 2
    assert "Permission denied" in capsys.readouterr().err


def test_pictures_are_never_written_over(tmp_path, capsys):
    Image.fromarray(np.arange(80, dtype=np.uint8).reshape(8, 10)).save(tmp_path / "a.png")
    before = contents(tmp_path)
    given = {"object": str(tmp_path), "size": None, "count": None}
    assert run(**given, out=tmp_path, overwrite=True) == 2
    assert "`out` must name an empty folder or a new one" in capsys.readouterr().err
    assert contents(tmp_path) == before
