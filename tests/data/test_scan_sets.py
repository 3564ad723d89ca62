"""Files of many scans: what goes in comes out, one at a time, and the same bytes each time."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from ctinr.data import contents_of, read_scan, read_scan_of_set, reader_of, write_scans
from tests.data.scans import BEAMS, METADATA, of_beam


def several(kind="parallel", count=3, *, truth=True):
    """Scans of noise whose metadata differ in a number, a text and a list."""
    scan, random = of_beam(kind), torch.Generator().manual_seed(1)
    return [
        replace(
            scan,
            sinogram=torch.rand(scan.sinogram.shape, generator=random),
            truth=torch.rand(scan.grid.shape, generator=random) if truth else None,
            metadata=METADATA | {"seed": 7 * item, "title": f"Nr. {item} — α"} | own,
        )
        for item, own in enumerate([{"warnings": ("Ä.",)}, {}, {"photons": 2.0}][:count])
    ]


@pytest.fixture
def path(tmp_path):
    write_scans(tmp_path / "set.h5", several())
    return tmp_path / "set.h5"


@pytest.mark.parametrize("kind", BEAMS)
def test_every_scan_comes_back(tmp_path, kind):
    scans = several(kind)
    write_scans(tmp_path / "a.h5", scans)
    for number, scan in enumerate(scans):
        found = read_scan(tmp_path / "a.h5", slice=number)
        assert torch.equal(found.sinogram, scan.sinogram)
        assert torch.equal(found.truth, scan.truth)
        assert (found.geometry, found.grid) == (scan.geometry, scan.grid)
        assert found.metadata == {**scan.metadata, "slice": number}
        assert type(found.metadata["photons"]) is float


def test_what_is_equal_and_of_another_kind_stays_of_its_kind(tmp_path):
    scans = [replace(several()[0], metadata={"flag": flag}) for flag in (1, True, 1.0)]
    write_scans(tmp_path / "a.h5", scans)
    found = [read_scan(tmp_path / "a.h5", slice=n).metadata["flag"] for n in range(3)]
    assert [type(each) for each in found] == [int, bool, float]


def test_the_bytes_are_the_same_each_time(tmp_path, path):
    write_scans(tmp_path / "b.h5", several())
    assert (tmp_path / "b.h5").read_bytes() == path.read_bytes()


def test_without_truth(tmp_path):
    write_scans(tmp_path / "a.h5", several(truth=False))
    assert read_scan_of_set(tmp_path / "a.h5").truth is None


def test_it_is_recognised(path):
    assert reader_of(path).name == "ctinr scans, many in a file (HDF5)"
    assert contents_of(path) == {"Scans": "3, counted from 0"}
    assert read_scan(path, slice=1, num_views=3).num_views == 3
    rule = r"`slice` must be less than 3, the number of scans in '.*set\.h5'; got 3\. Scans are"
    with pytest.raises(ValueError, match=rule):
        read_scan(path, slice=3)


@pytest.mark.parametrize(
    "spoiled, rule",
    [
        ({"geometry": BEAMS["fan-flat"]}, "have the geometry of the first scan"),
        ({"truth": None}, "have a truth, or none, of the first scan"),
        ({"sinogram": of_beam("parallel").sinogram.double()}, "have the type of values of the"),
    ],
)
def test_scans_that_are_not_alike_are_refused(tmp_path, spoiled, rule):
    scans = several()
    scans[1] = replace(scans[1], **spoiled)
    with pytest.raises(ValueError, match=rf"`scans\[1\]` must {rule}"):
        write_scans(tmp_path / "a.h5", scans)
    with pytest.raises(ValueError, match="`scans` must be at least one; got none"):
        write_scans(tmp_path / "a.h5", [])
    with pytest.raises(TypeError, match=r"`scans\[0\]` must be a Scan"):
        write_scans(tmp_path / "a.h5", ["scan"])
    assert not list(tmp_path.iterdir())


def test_what_is_wrong_is_said_with_the_file_and_the_field(path):
    with h5py.File(path, "r+") as file:
        del file["items"].attrs["crc32"], file["observation"].attrs["crc32"]
        file["items"][1] = b"{"
        file["observation"][2] = np.nan
    assert read_scan(path).num_views == 7
    with pytest.raises(ValueError, match=r"/items holds JSON objects; got '.*' with .* scan 1"):
        read_scan(path, slice=1)
    with pytest.raises(ValueError, match=r"a valid field /observation; got '.*set\.h5'.*finite"):
        read_scan(path, slice=2)
    with h5py.File(path, "r+") as file:
        del file["items"]
        file["items"] = [b"{}"]
    with pytest.raises(ValueError, match="3 in /observation, 3 in /ground_truth, 1 in /items"):
        read_scan(path)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 2
    with pytest.raises(ValueError, match=r"version 1 at most; got '.*set\.h5' of version 2"):
        read_scan(path)


def test_a_field_that_claims_more_than_the_file_holds_is_refused(path):
    with h5py.File(path, "r+") as file:
        units = file["observation"].attrs["units"]
        del file["observation"]
        shape = (3, 10**6, 10**6)
        file.create_dataset("observation", shape, "f4", chunks=(1, 100, 100))
        file["observation"].attrs["units"] = units
    rule = "whose field /observation claims 1000000000000 values and holds 0 bytes"
    with pytest.raises(OSError, match=rule):
        read_scan(path)
