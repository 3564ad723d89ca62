"""Frames go from one format to another and back without a bit being changed."""

from __future__ import annotations

import shutil
from collections import namedtuple

import h5py
import numpy as np
import pytest

from ctinr.data import read_scan
from ctinr.data.formats import acquisition as module
from ctinr.data.formats.acquisition import acquisition_of_scan
from ctinr.data.formats.exchange_frames import exchange_acquisition, write_exchange
from ctinr.data.formats.nxtomo_frames import nxtomo_acquisition, write_nxtomo
from tests.data import beamline, nexus
from tests.data.beamline import PIXEL, change, content
from tests.data.scans import example, fan_example, of_beam

FIELDS = ("exchange/data", "exchange/data_white", "exchange/data_dark", "exchange/theta")


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 5 * 3 * 128 * 4)


def to_nxtomo(source, target):
    with h5py.File(source) as file:
        write_nxtomo(target, exchange_acquisition(file))


def to_exchange(source, target):
    with h5py.File(source) as file:
        write_exchange(target, nxtomo_acquisition(file))


@pytest.mark.parametrize("axes", [None, "y:theta:x"])
def test_exchange_to_nxtomo_and_back_is_the_same(tmp_path, axes):
    beamline.write(tmp_path / "a.h5")
    change(tmp_path / "a.h5", PIXEL, 1.3, units="um")
    whole = [content(tmp_path / "a.h5", name) for name in FIELDS]
    if axes:
        for name, values in zip(FIELDS[:3], whole, strict=False):
            change(tmp_path / "a.h5", name, values.swapaxes(0, 1), axes=axes)
    to_nxtomo(tmp_path / "a.h5", tmp_path / "b.nxs")
    to_exchange(tmp_path / "b.nxs", tmp_path / "c.h5")
    for name, values in zip(FIELDS, whole, strict=True):
        again = content(tmp_path / "c.h5", name)
        assert again.dtype == values.dtype
        assert again.tobytes() == values.tobytes()
    first, second = (read_scan(tmp_path / name, slice=1) for name in ("a.h5", "c.h5"))
    assert np.array_equal(first.sinogram, second.sinogram)
    assert first.geometry == second.geometry
    assert first.metadata["title"] == second.metadata["title"]
    middle = read_scan(tmp_path / "b.nxs", slice=1)
    assert np.array_equal(first.sinogram, middle.sinogram)
    assert first.geometry == middle.geometry


def test_nxtomo_to_exchange_and_back_keeps_the_order(tmp_path):
    nexus.write(tmp_path / "a.nxs")
    to_exchange(tmp_path / "a.nxs", tmp_path / "b.h5")
    to_nxtomo(tmp_path / "b.h5", tmp_path / "c.nxs")
    valid = nexus.KEYS != 3
    detector = "entry/instrument/detector"
    assert np.array_equal(content(tmp_path / "c.nxs", f"{detector}/image_key"), nexus.KEYS[valid])
    assert np.array_equal(content(tmp_path / "c.nxs", f"{detector}/data"), nexus.frames()[valid])
    angles = content(tmp_path / "c.nxs", "entry/sample/rotation_angle")
    assert np.array_equal(angles, nexus.angles()[valid])
    first, last = (read_scan(tmp_path / name, slice=1) for name in ("a.nxs", "c.nxs"))
    # The moment of a view counts the invalid frame too, which the second file does not have.
    np.testing.assert_allclose(first.sinogram, last.sinogram, atol=1e-12)


def test_an_nxtomo_file_keeps_invalid_frames(tmp_path):
    nexus.write(tmp_path / "a.nxs", "diamond")
    with h5py.File(tmp_path / "a.nxs") as file:
        write_nxtomo(tmp_path / "b.nxs", nxtomo_acquisition(file))
    assert np.array_equal(content(tmp_path / "b.nxs", "entry/data/data"), nexus.frames())
    assert np.array_equal(content(tmp_path / "b.nxs", "entry/data/image_key"), nexus.KEYS)


def test_types_of_frames_that_differ_are_widened_and_not_rounded(tmp_path):
    beamline.write(tmp_path / "a.h5")
    white = content(tmp_path / "a.h5", FIELDS[1]).astype(np.uint32) + 2**25 + 1
    change(tmp_path / "a.h5", FIELDS[1], white)
    to_nxtomo(tmp_path / "a.h5", tmp_path / "b.nxs")
    frames = content(tmp_path / "b.nxs", "entry/data/data")
    assert np.array_equal(frames[4:10], white)


def test_a_scan_becomes_transmissions(tmp_path):
    scan = example()
    for write, name in ((write_nxtomo, "a.nxs"), (write_exchange, "a.h5")):
        write(tmp_path / name, acquisition_of_scan(scan))
        again = read_scan(tmp_path / name, center=4 + 1 / 0.9)
        np.testing.assert_allclose(again.sinogram, scan.sinogram, atol=1e-6)
        np.testing.assert_allclose(again.geometry.angles, scan.geometry.angles, atol=1e-12)
        assert again.geometry.detector.pitch == scan.geometry.detector.pitch
        assert again.geometry.detector.offset == pytest.approx(scan.geometry.detector.offset)
        assert again.metadata["title"] == f"{scan.metadata['title']}, slice 0"


def test_a_fan_is_no_frames():
    rule = "`scan` must have a parallel beam to be written as frames; got FanBeam"
    with pytest.raises(ValueError, match=rule):
        acquisition_of_scan(fan_example())


def test_a_full_disk_is_noticed_before(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10))
    beamline.write(tmp_path / "a.h5")
    with pytest.raises(OSError, match=r"`path` must lie on a disk with room.*needs 0 MB where 0"):
        to_nxtomo(tmp_path / "a.h5", tmp_path / "b.nxs")
    assert not (tmp_path / "b.nxs").exists()


def test_an_order_that_does_not_fit_is_refused(tmp_path):
    beamline.write(tmp_path / "a.h5")
    change(tmp_path / "a.h5", "exchange/image_key", np.zeros(5))
    with pytest.raises(ValueError, match=r"/exchange/image_key has one key for each frame; got"):
        to_nxtomo(tmp_path / "a.h5", tmp_path / "b.nxs")


def test_a_scan_of_several_rows_keeps_them(tmp_path):
    scan = of_beam("parallel-3d")
    write_nxtomo(tmp_path / "a.nxs", acquisition_of_scan(scan))
    for row in range(4):
        found = read_scan(tmp_path / "a.nxs", slice=row, center=4.0)
        assert found.geometry.detector.pitch == pytest.approx((0.3,))
        np.testing.assert_allclose(found.sinogram, scan.sinogram[:, row], atol=1e-5)
