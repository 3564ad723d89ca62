"""Files of one format become files of another, from the command line."""

from __future__ import annotations

import numpy as np
import pytest

from ctinr.data import read_scan, reader_of, write_scan
from recon_scripts import convert
from recon_scripts._scans import phantom_scan
from recon_scripts._setups import Setup
from recon_scripts._terminal import guarded
from tests.data import beamline, nexus


def converted(source, target=None, **options):
    return guarded(convert.main, convert.Convert(source=source, target=target, **options))


@pytest.fixture
def path(tmp_path):
    beamline.write(tmp_path / "a.h5")
    return tmp_path / "a.h5"


def test_the_name_of_the_new_file_says_its_format(path, tmp_path, capsys):
    assert converted(path, tmp_path / "b.nxs") == 0
    assert reader_of(tmp_path / "b.nxs").name == "NXtomo file (NeXus)"
    assert converted(path, tmp_path / "c.h5", slice=2) == 0
    assert reader_of(tmp_path / "c.h5").name == "ctinr scan (HDF5)"
    assert np.array_equal(read_scan(tmp_path / "c.h5").sinogram, read_scan(path, slice=2).sinogram)
    assert converted(tmp_path / "b.nxs", tmp_path / "d.h5", to="exchange") == 0
    assert reader_of(tmp_path / "d.h5").name == "Scientific Data Exchange file (HDF5)"
    assert "Scientific Data Exchange file (HDF5)" in capsys.readouterr().out


def test_a_folder_gets_a_file_of_the_same_name(path, tmp_path):
    assert converted(path, to="nxtomo", out=tmp_path / "new") == 0
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["a.nxs"]


def test_views_and_the_center_are_passed_on(path, tmp_path):
    assert converted(path, tmp_path / "b.h5", views=10, center=61.0, pitch=0.2) == 0
    scan = read_scan(tmp_path / "b.h5")
    assert (scan.num_views, scan.metadata["center"]) == (10, 61.0)
    assert scan.geometry.detector.pitch == (0.2,)


def test_angles_come_from_a_file(path, tmp_path):
    beamline.change(path, "exchange/theta")
    (tmp_path / "angles.txt").write_text("\n".join(str(angle) for angle in beamline.ANGLES))
    assert converted(path, tmp_path / "b.h5", angles=tmp_path / "angles.txt") == 0
    assert read_scan(tmp_path / "b.h5").geometry.angles == tuple(beamline.ANGLES)


def test_equal_angles_over_so_many_degrees(path, tmp_path):
    np.save(tmp_path / "a.npy", beamline.EXACT)
    assert converted(tmp_path / "a.npy", tmp_path / "b.h5", span_deg=180.0, slice=1) == 0
    np.testing.assert_allclose(read_scan(tmp_path / "b.h5").geometry.angles, beamline.ANGLES)


def test_what_looks_wrong_is_said(path, tmp_path, capsys):
    np.save(tmp_path / "a.npy", 1e4 * np.exp(-beamline.EXACT))
    assert converted(tmp_path / "a.npy", tmp_path / "b.h5", span_deg=180.0, center=60.0) == 0
    said = capsys.readouterr().out
    assert "stack of views" in said
    assert "Note: The size of a bin is not known" in said
    assert "Note: The values look like counts or transmissions" in said


def test_a_scan_without_frames_says_what_is_lost(tmp_path, capsys):
    write_scan(tmp_path / "a.h5", phantom_scan("disk", size=16, views=12))
    assert converted(tmp_path / "a.h5", tmp_path / "b.nxs") == 0
    said = capsys.readouterr().out
    assert "The axis of rotation, bin 8, is not in the file" in said
    assert "The truth is not in the file." in said


def test_invalid_frames_are_named(tmp_path, capsys):
    nexus.write(tmp_path / "a.nxs")
    assert converted(tmp_path / "a.nxs", tmp_path / "b.h5", to="exchange") == 0
    assert "Frames left out because they are marked as invalid: 1." in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, message",
    [
        ({"slice": 0, "to": "nxtomo"}, "`slice` must be left out where frames are copied"),
        ({"entry": "x", "to": "nxtomo"}, "`entry` must be left out where frames are copied"),
        ({"target": None}, "`target` must be given; got nothing. Name a new file B, or"),
        ({"source": None}, "`source` must be given; got nothing. Name a file A."),
        ({"target": "same"}, "`target` must be another file than the source"),
        ({"out": "folder"}, "`out` must be left out where B is named"),
        ({"span_deg": 180.0}, "`span` must be left out for a Scientific Data Exchange file"),
    ],
)
def test_what_cannot_be_done_is_said(path, tmp_path, capsys, options, message):
    given = {"source": path, "target": tmp_path / "b.h5", "overwrite": True, **options}
    given["target"] = path if given["target"] == "same" else given["target"]
    given["out"] = tmp_path / "new" if "out" in given else None
    before = path.read_bytes()
    assert guarded(convert.main, convert.Convert(**given)) == 2
    assert message in capsys.readouterr().err
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.h5"]


def test_a_picture_and_a_fan_are_refused(tmp_path, capsys):
    fan = phantom_scan("disk", size=16, views=12, setup=Setup("fan-flat"))
    write_scan(tmp_path / "fan.h5", fan)
    assert converted(tmp_path / "fan.h5", tmp_path / "b.nxs") == 2
    assert "`scan` must have a parallel beam to be written as frames" in capsys.readouterr().err
    (tmp_path / "a.png").write_bytes(b"a picture")
    assert converted(tmp_path / "a.png", tmp_path / "b.h5") == 2
    assert "`source` must name a measured scan; got the picture" in capsys.readouterr().err


def test_an_older_file_is_kept(path, tmp_path, capsys):
    (tmp_path / "b.nxs").write_text("mine")
    assert converted(path, tmp_path / "b.nxs") == 2
    assert (tmp_path / "b.nxs").read_text() == "mine"
    assert "`path` must not exist yet" in capsys.readouterr().err
    assert converted(path, tmp_path / "b.nxs", overwrite=True) == 0
