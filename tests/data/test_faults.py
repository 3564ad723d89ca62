"""What goes wrong around reading and writing is told of the right file, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from ctinr.data import convert, read_scan, write_scan, write_scans
from ctinr.data.formats import acquisition as module
from tests.data import beamline, nexus
from tests.data.beamline import change
from tests.data.scans import example
from tests.data.test_scan_sets import several
from tests.limits import little_room

ROOT = Path(__file__).parents[2]


@pytest.fixture
def source(tmp_path):
    beamline.write(tmp_path / "a.h5")
    return tmp_path / "a.h5"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def denied(*_, **__):
    raise PermissionError(13, "Permission denied")


def test_a_full_disk_leaves_an_older_set(tmp_path):
    write_scans(tmp_path / "a.h5", several())
    before = (tmp_path / "a.h5").read_bytes()
    rule = r"`path` must lie on a disk with room for it; got '.*a\.h5' \(.*\)\. Make room"
    with little_room(1000), pytest.raises(OSError, match=rule):
        write_scans(tmp_path / "a.h5", several(count=2), overwrite=True)
    assert (tmp_path / "a.h5").read_bytes() == before
    assert names(tmp_path) == ["a.h5"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room cannot be reserved here")
@pytest.mark.parametrize("room", [50, 70000])
def test_a_disk_without_room_for_the_frames_is_told_of_the_target(source, room):
    """Alone in a process, which the HDF5 library ends where it finds no room itself."""
    code = (
        "import sys\n"
        "from ctinr.data import convert\n"
        "from tests.limits import little_room\n"
        "source, target, room = sys.argv[1:]\n"
        "with little_room(int(room)):\n"
        "    try:\n"
        "        convert(source, target, to='nxtomo')\n"
        "    except OSError as error:\n"
        "        print(error)\n"
    )
    target = source.with_name("b.nxs")
    arguments = [str(source), str(target), str(room)]
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0
    assert ran.stdout.startswith(f"`path` must lie on a disk with room for it; got '{target}' (")
    assert names(source.parent) == ["a.h5"]


def test_what_was_reserved_and_not_needed_is_given_back(source):
    convert(source, source.with_name("b.nxs"), to="nxtomo")
    assert source.with_name("b.nxs").stat().st_size < 1.5 * source.stat().st_size


@pytest.mark.parametrize("to", ["ctinr", "exchange", "nxtomo"])
def test_a_folder_that_cannot_be_written_to_is_the_targets(source, monkeypatch, to):
    before = source.read_bytes()
    monkeypatch.setattr("pathlib.Path.touch", denied)
    options = {} if to == "nxtomo" else {"center": 60.3} if to == "ctinr" else {}
    start = source
    if to == "exchange":
        start = source.with_name("a.nxs")
        nexus.write(start)
    with pytest.raises(PermissionError, match=r"can be written to; got '.*b\.out'"):
        convert(start, source.with_name("b.out"), to=to, **options)
    assert source.read_bytes() == before
    assert not source.with_name("b.out").exists()


def test_a_source_that_is_cut_off_while_frames_are_copied_is_named(source, monkeypatch):
    # Larger than what the library reads ahead.
    with h5py.File(source, "r+") as file:
        frames = np.tile(file["exchange/data"][()], (1, 10, 1))
    change(source, "exchange/data", frames)
    change(source, "exchange/data_white")
    change(source, "exchange/data_dark")
    monkeypatch.setattr(module, "BLOCK", 5 * 30 * 128 * 4)
    whole = module.Acquisition.blocks

    def cut(self, chosen):
        for number, block in enumerate(whole(self, chosen)):
            yield block
            if number == 0:
                with source.open("r+b") as file:
                    file.truncate(300000)

    monkeypatch.setattr(module.Acquisition, "blocks", cut)
    with pytest.raises(OSError, match=r"stays as it is while it is read; got '.*a\.h5', which has"):
        convert(source, source.with_name("b.nxs"), to="nxtomo")
    assert names(source.parent) == ["a.h5"]


def test_a_source_that_is_cut_off_while_it_is_read_is_named(source, monkeypatch):
    from ctinr.data.formats import exchange

    frames_of = exchange.frames_of

    def cut(file):
        with source.open("r+b") as content:
            content.truncate(30000)
        return frames_of(file)

    monkeypatch.setattr(exchange, "frames_of", cut)
    with pytest.raises(OSError, match=r"whole HDF5 file; got '.*a\.h5' .*field /exchange/data"):
        read_scan(source, center=60.3)


def test_a_source_that_is_replaced_while_it_is_read_is_read_as_it_was(source, monkeypatch):
    from ctinr.data.formats import exchange

    wanted, frames_of = read_scan(source, center=60.3), exchange.frames_of

    def replaced(file):
        other = source.with_name("other.h5")
        shutil.copy(source, other)
        beamline.change(other, "exchange/data", np.ones((40, 3, 128), np.float32))
        other.replace(source)
        return frames_of(file)

    monkeypatch.setattr(exchange, "frames_of", replaced)
    assert np.array_equal(read_scan(source, center=60.3).sinogram, wanted.sinogram)


@pytest.mark.parametrize("other", ["a.h5", "link.h5", "sub/../a.h5"])
def test_a_target_that_is_the_source_is_refused(source, other):
    (source.parent / "sub").mkdir()
    (source.parent / "link.h5").symlink_to(source)
    before = source.read_bytes()
    with pytest.raises(ValueError, match="`target` must be another file than the source; got"):
        convert(source, source.parent / other, to="nxtomo", overwrite=True)
    assert source.read_bytes() == before


def test_a_source_that_cannot_be_read_leaves_an_older_target(tmp_path):
    write_scan(tmp_path / "b.h5", example())
    before = (tmp_path / "b.h5").read_bytes()
    write_scan(tmp_path / "a.h5", example())
    (tmp_path / "a.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:2000])
    with pytest.raises(OSError, match=r"whole HDF5 file; got '.*a\.h5'"):
        convert(tmp_path / "a.h5", tmp_path / "b.h5", overwrite=True)
    assert (tmp_path / "b.h5").read_bytes() == before
    assert names(tmp_path) == ["a.h5", "b.h5"]
