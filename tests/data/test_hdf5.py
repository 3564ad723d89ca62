from __future__ import annotations

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch

from ctinr.data import read_scan, write_scan
from tests.data.scans import METADATA, example, fan_example
from tests.limits import little_room


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "scan.h5"
    write_scan(path, example())
    return path


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("truth", [True, False])
def test_every_field_comes_back_bit_for_bit(tmp_path, dtype, truth):
    scan = example(dtype, truth=truth)
    write_scan(tmp_path / "a.h5", scan)
    back = read_scan(tmp_path / "a.h5")
    assert torch.equal(back.sinogram, scan.sinogram)
    assert back.sinogram.dtype == dtype
    assert back.geometry == scan.geometry
    assert back.grid == scan.grid
    assert dict(back.metadata) == dict(scan.metadata)
    assert {k: type(v) for k, v in back.metadata.items()} == {
        k: type(v) for k, v in scan.metadata.items()
    }
    if truth:
        assert torch.equal(back.truth, scan.truth)
        assert back.truth.dtype == dtype
    else:
        assert back.truth is None


@pytest.mark.parametrize("curved", [False, True])
def test_a_fan_comes_back_as_it_was(tmp_path, curved):
    scan = fan_example(curved=curved)
    write_scan(tmp_path / "fan.h5", scan)
    back = read_scan(tmp_path / "fan.h5")
    assert back.geometry == scan.geometry
    assert torch.equal(back.sinogram, scan.sinogram)
    with h5py.File(tmp_path / "fan.h5") as file:
        assert file["geometry"].attrs["beam"] == b"fan"
        assert file["geometry"].attrs["detector"] == (b"curved" if curved else b"flat")
        assert file["geometry/source_distance"].attrs["units"] == b"mm"
        assert file["geometry/source_distance"][()] == [10 / 3]


def test_the_file_says_what_its_fields_are(path):
    with h5py.File(path) as file:
        assert (file.attrs["format"], file.attrs["version"]) == (b"ctinr-scan", 1)
        assert file["sinogram"].attrs["units"] == b"1"
        assert file["sinogram"].attrs["axes"] == b"angle u"
        assert file["geometry"].attrs["beam"] == b"parallel"
        assert file["geometry/angles"].attrs["units"] == b"rad"
        assert file["geometry/angles"].dtype == np.float64
        assert file["geometry/detector/pitch"].attrs["units"] == b"mm"
        assert file["grid/spacing"].attrs["units"] == b"mm"
        assert file["truth"].attrs["units"] == b"1/mm"
        assert file["metadata/photons"][()] == METADATA["photons"]
        assert file["metadata/title"].asstr()[()] == METADATA["title"]


def test_the_same_scan_gives_the_same_bytes(tmp_path, path):
    write_scan(tmp_path / "again.h5", example())
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


# ------------------------------------------------------------------ writing


def test_only_scans_are_written(tmp_path):
    with pytest.raises(TypeError, match="`scan` must be a Scan"):
        write_scan(tmp_path / "a.h5", torch.zeros(3))
    assert os.listdir(tmp_path) == []


def test_an_older_file_is_not_overwritten_unasked(path):
    with pytest.raises(FileExistsError, match=r"`path` must not exist yet; got '.*scan\.h5'"):
        write_scan(path, example(truth=False))
    assert read_scan(path).truth is not None
    write_scan(path, example(truth=False), overwrite=True)
    assert read_scan(path).truth is None


def test_a_failure_in_the_middle_leaves_the_older_file(path, monkeypatch):
    before = path.read_bytes()

    def fail(value):
        raise OSError("No space left on device")

    monkeypatch.setattr("ctinr.data.hdf5_metadata.stored", fail)
    with pytest.raises(OSError, match="No space left"):
        write_scan(path, example(truth=False), overwrite=True)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.slow
def test_a_killed_process_leaves_the_older_file(path):
    before = path.read_bytes()
    code = (
        "import os, ctinr.data.hdf5 as hdf5, ctinr.data.hdf5_metadata as fields\n"
        "fields.stored = lambda value: os._exit(9)\n"
        f"scan = hdf5.read_hdf5_scan({str(path)!r})\n"
        f"hdf5.write_scan({str(path)!r}, scan, overwrite=True)\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 9
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.touch", denied)
    with pytest.raises(PermissionError, match=r"can be written to; got '.*a\.h5'"):
        write_scan(tmp_path / "a.h5", example())


def test_a_full_disk_is_named_and_leaves_the_older_file(path):
    before = path.read_bytes()
    rule = r"`path` must lie on a disk with room for it; got '.*scan\.h5' \(.*\)\. Make room"
    with little_room(1000), pytest.raises(OSError, match=rule):
        write_scan(path, example(), overwrite=True)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
