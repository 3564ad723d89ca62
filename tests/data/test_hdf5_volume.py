"""A volume on disk: written slice by slice, read slice by slice."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch

from ctinr.data import Volume, is_volume, read_volume, write_scan, write_volume
from ctinr.data.hdf5_stream import streamed
from ctinr.geometry import Grid
from tests.data.scans import example
from tests.limits import little_room

GRID = Grid((3, 4, 5), (2.0, 0.1 + 0.2, 1.0), (7.0, 0.0, -1 / 3))
CELLS = np.random.default_rng(0).normal(size=GRID.shape).astype(np.float32)
ABOUT = {"method": "fbp", "failed_slices": (8,), "failed_reasons": ("Kein Licht: µ.",)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "v.h5"


def written(path, **options):
    volume = Volume(path, GRID, (7, 8, 9), ABOUT)
    write_volume(volume, iter(CELLS), **options)
    return volume


@pytest.mark.parametrize("compression", ["none", "gzip", "lzf"])
def test_all_is_read_back(path, compression):
    written(path, compression=compression)
    volume = read_volume(path)
    assert (volume.grid, volume.slices, len(volume)) == (GRID, (7, 8, 9), 3)
    assert dict(volume.metadata) == ABOUT
    assert volume.failed == {8: "Kein Licht: µ."}
    assert torch.equal(volume[:], torch.from_numpy(CELLS))
    assert torch.equal(volume[1:], volume[:][1:])
    assert torch.equal(volume[-1], torch.from_numpy(CELLS[2]))
    with h5py.File(path) as file:
        cells = file["volume"]
        assert cells.chunks == (1, 4, 5) and cells.fletcher32
        assert cells.compression == (None if compression == "none" else compression)
        assert (cells.attrs["units"], cells.attrs["axes"]) == (b"1/mm", b"z y x")


def test_kinds_are_told_apart(path, tmp_path):
    written(path)
    write_scan(tmp_path / "scan.h5", example())
    (tmp_path / "a.txt").write_text("text")
    assert is_volume(path)
    assert not any(is_volume(tmp_path / name) for name in ("scan.h5", "a.txt", "none.h5"))
    rule = "`path` must name a file whose attribute `format` is 'ctinr-volume'; got '.*' with 'cti"
    with pytest.raises(ValueError, match=rule):
        read_volume(tmp_path / "scan.h5")


def begin(field, value):
    """Change the first entry of a field, on purpose."""
    del field.attrs["crc32"]
    field[0] = value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda file: file.attrs.__setitem__("version", 9),
            "name a file of schema version 1 at most",
        ),
        (lambda file: file.__delitem__("slices"), "name a file with the field /slices"),
        (lambda file: begin(file["grid/shape"], 4), "the shape .* of its grid"),
        (lambda file: begin(file["grid/spacing"], -1), "a valid field /grid/spacing"),
    ],
)
def test_what_does_not_fit_is_named(path, change, message):
    written(path)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(ValueError, match=message):
        read_volume(path)


def test_damage_is_noticed(path):
    written(path)
    content = bytearray(path.read_bytes())
    at = content.index(CELLS[1].tobytes())
    content[at] ^= 1
    path.write_bytes(content)
    volume = read_volume(path)
    assert torch.equal(volume[0], torch.from_numpy(CELLS[0]))
    with pytest.raises(OSError, match="whose field /volume cannot be read"):
        volume[1]


def test_places_and_compressions_are_checked(path):
    volume = written(path)
    with pytest.raises(IndexError, match="`places` must be one of the 3 slices"):
        volume[3]
    with pytest.raises(ValueError, match="`compression` must be one of 'none', 'gzip', 'lzf'"):
        written(path, compression="zip")


@pytest.mark.parametrize("room", [0, 100, 3000, 6000])
def test_a_full_disk_is_an_error_and_no_crash(path, room):
    with little_room(room), pytest.raises(OSError, match="File too large"):
        written(path)


def test_an_error_in_the_block_is_its_own(path):
    with pytest.raises(ZeroDivisionError), streamed(path) as (file, _):
        file["a"] = 1 / 0
