"""Scans that commands work on, and the commands that only make or describe one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ctinr.data import read_scan, write_scan
from ctinr.geometry import Grid, VectorBeam
from ctinr.projectors import Projector
from ctinr.recon.fdk import fdk
from recon_scripts import info, simulate
from recon_scripts._facts import scan_information
from recon_scripts._options import ScanOptions
from recon_scripts._scans import coarsened, load_scan, named_after, phantom_scan
from recon_scripts._terminal import guarded


@pytest.fixture
def picture(tmp_path):
    y, x = np.mgrid[-1:1:24j, -1:1:30j]
    path = tmp_path / "picture.png"
    Image.fromarray((200 * (x**2 + y**2 < 0.6)).astype(np.uint8)).save(path)
    return path


def test_a_phantom_lies_whole_in_the_image_and_on_the_detector():
    scan = phantom_scan("forbild-thorax", size=32, views=9)
    assert scan.geometry.shape == (9, 34)
    assert scan.truth.shape == (32, 32)
    assert float(scan.truth[[0, -1]].abs().max()) == 0.0
    assert scan.warnings() == ()
    assert scan.metadata["photons"] == 1e5
    assert "exact line integrals" in scan.metadata["source"]


def test_no_photons_no_noise():
    exact = phantom_scan("disk", size=16, views=4, photons=0)
    noisy = phantom_scan("disk", size=16, views=4, photons=1e3)
    assert "photons" not in exact.metadata
    assert not torch.equal(exact.sinogram, noisy.sinogram)
    same = phantom_scan("disk", size=16, views=4, photons=1e3)
    assert torch.equal(noisy.sinogram, same.sinogram)


def test_only_a_piecewise_constant_phantom_is_home_ground():
    assert "remarks" in phantom_scan("disk", size=16, views=4).metadata
    assert "remarks" not in phantom_scan("bump", size=16, views=4).metadata


def test_a_picture_is_scanned_in_simulation(picture):
    scan = load_scan(picture, ScanOptions(views=7, seed=3))
    assert scan.num_views == 7
    assert scan.metadata["photons"] == 1e5
    assert scan.metadata["seed"] == 3
    assert load_scan(picture, ScanOptions(views=7, photons=50.0)).metadata["photons"] == 50.0


def test_the_papers_protocol_has_its_views_and_no_noise(picture):
    scan = load_scan(picture, ScanOptions(protocol="paper"))
    assert scan.num_views == 100
    assert scan.geometry.angles[-1] == pytest.approx(np.pi)
    assert float(scan.truth.max()) == 1.0
    assert "photons" not in scan.metadata


def test_photons_belong_to_pictures(tmp_path):
    write_scan(tmp_path / "scan.h5", phantom_scan("disk", size=16, views=6))
    message = r"`photons` must be left out unless a picture is scanned; got 5\.0\."
    with pytest.raises(ValueError, match=message):
        load_scan(tmp_path / "scan.h5", ScanOptions(photons=5.0))


def test_no_photons_are_no_noise_of_a_picture_either(picture, tmp_path):
    assert "photons" not in load_scan(picture, ScanOptions(views=7, photons=0.0)).metadata
    config = simulate.Simulate(object=str(picture), views=5, photons=0.0, out=tmp_path / "a.h5")
    assert guarded(simulate.main, config) == 0
    assert "photons" not in read_scan(tmp_path / "a.h5").metadata


def test_the_papers_protocol_has_no_photons(picture, tmp_path, capsys):
    rule = r"`photons` must be left out with --protocol paper; got 5\.0\. Its data have no noise"
    with pytest.raises(ValueError, match=rule):
        load_scan(picture, ScanOptions(protocol="paper", photons=5.0))
    config = simulate.Simulate(
        object=str(picture), protocol="paper", photons=5.0, out=tmp_path / "a.h5"
    )
    assert guarded(simulate.main, config) == 2
    assert "`photons` must be left out with --protocol paper" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, message",
    [
        ({"object": "disk", "protocol": "paper"}, "`protocol` must be left out unless a picture"),
        ({"size": 64}, "`size` must be left out unless a phantom is scanned; got 64."),
        ({"object": "disk", "views": 0}, "`views` must be at least 1; got 0."),
        ({"views": 0}, "`views` must be at least 1; got 0."),
        (
            {"beam": "fan-flat"},
            "`beam` must be left out unless a phantom is scanned; got fan-flat",
        ),
        (
            {"object": "disk", "source_distance": 9.0},
            "`source_distance` must be left out unless the beam is a fan or a cone; got 9.0",
        ),
        (
            {"object": "disk", "beam": "fan-flat", "source_distance": 9.0},
            "`source_distance` must be more than",
        ),
        (
            {"object": "disk", "beam": "cone-flat"},
            "`object` must be one of shepp-logan-3d, shepp-logan-3d-modified, ball for --beam "
            "cone-flat; got 'disk'",
        ),
        (
            {"object": "ball"},
            "must be one of shepp-logan, shepp-logan-modified, forbild-head, forbild-thorax, "
            "disk, box, bump, random-ellipses, smooth-blobs, tissue, gradients, trabeculae, "
            "rock, weave for --beam parallel; got 'ball'. "
            "Volumes are scanned with --beam parallel-3d, cone-flat, cone-curved, helix.",
        ),
        (
            {"object": "disk", "rows": 9},
            "`rows` must be left out unless the beam is one of volumes; got 9",
        ),
        ({"rows": 9}, "`rows` must be left out unless a phantom is scanned; got 9"),
        ({"object": "ball", "beam": "helix", "rows": 0}, "`rows` must be at least 1; got 0"),
        (
            {"object": "ball", "beam": "cone-flat", "helical_pitch": 9.0},
            "`helical_pitch` must be left out unless the beam is a helix; got 9.0",
        ),
        (
            {"object": "ball", "beam": "helix", "helical_pitch": 0.0},
            "`helical_pitch` must be 4.245 mm a turn or more; got 0.0. With none it is a circle",
        ),
        (
            {"object": "ball", "beam": "helix", "source_distance": 140.0},
            "`source_distance` must be more than 147.078 mm for a helix; got 140.0",
        ),
        ({"object": "disc"}, "`object` must name a picture or one of the phantoms shepp-logan"),
    ],
)
def test_what_simulate_cannot_do_is_said(picture, tmp_path, capsys, options, message):
    given = {"object": str(picture), "out": tmp_path / "a.h5", **options}
    assert guarded(simulate.main, simulate.Simulate(**given)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "a.h5").exists()


def test_messages_speak_of_the_options_of_the_command_line(picture, tmp_path):
    write_scan(tmp_path / "scan.h5", phantom_scan("disk", size=16, views=6))
    with pytest.raises(ValueError, match=r"^`views` must be at most 6, .*; got 7\.$"):
        load_scan(tmp_path / "scan.h5", ScanOptions(views=7))
    with pytest.raises(ValueError, match=r"^`views` must be at least 1; got 0\.$"):
        load_scan(tmp_path / "scan.h5", ScanOptions(views=0))
    with pytest.raises(ValueError, match=r"^`views` must be at least 2; got 1\.$"):
        load_scan(picture, ScanOptions(views=1, protocol="paper"))
    rule = r"^`coarsen` must divide both sides of the image, \(16, 16\); got 5\.$"
    with pytest.raises(ValueError, match=rule):
        load_scan(tmp_path / "scan.h5", ScanOptions(coarsen=5))


def test_coarse_cells_cover_the_same_place():
    scan = phantom_scan("disk", size=32, views=4)
    coarse = coarsened(scan, 2)
    assert coarse.grid.shape == (16, 16)
    assert coarse.grid.extent == pytest.approx(scan.grid.extent)
    assert float(coarse.truth.mean()) == pytest.approx(float(scan.truth.mean()), rel=1e-6)
    assert coarsened(scan, 1) is scan


def test_folders_are_named_after_the_scan(picture):
    assert str(named_after(picture, "comparison")) == "picture-comparison"
    assert str(named_after(None, "comparison")) == "smoke-comparison"


def test_simulate_writes_a_file_that_can_be_read(tmp_path, capsys):
    config = simulate.Simulate(object="shepp-logan", views=8, size=24, out=tmp_path / "a.h5")
    assert guarded(simulate.main, config) == 0
    scan = read_scan(tmp_path / "a.h5")
    assert scan.geometry.num_views == 8
    assert scan.truth.shape == (24, 24)
    assert scan.metadata["title"] == "Shepp–Logan"
    assert "8 views" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize("kind", ["flat", "curved"])
def test_simulate_scans_a_phantom_by_a_fan(tmp_path, capsys, kind):
    given = {"object": "disk", "views": 40, "size": 32, "photons": 0, "beam": f"fan-{kind}"}
    config = simulate.Simulate(**given, detector_distance=5.0, out=tmp_path / "a.h5")
    assert guarded(simulate.main, config) == 0
    assert f"Fan beam with a {kind} detector, 40 views" in capsys.readouterr().out
    scan = read_scan(tmp_path / "a.h5")
    assert scan.geometry.curved == (kind == "curved")
    assert scan.geometry.detector_distance == 5.0
    assert scan.geometry.source_distance == pytest.approx(2 * scan.grid.extent[0])
    assert scan.warnings() == () and scan.geometry.covers(scan.grid)
    projected = Projector(scan.geometry, scan.grid)(scan.truth)
    assert (projected - scan.sinogram).norm() < 0.05 * scan.sinogram.norm()


def volume(tmp_path, beam, **options):
    given = {"object": "ball", "views": 20, "size": 16, "photons": 0, "beam": beam} | options
    config = simulate.Simulate(**given, out=tmp_path / f"{beam}.h5")
    assert guarded(simulate.main, config) == 0
    return read_scan(tmp_path / f"{beam}.h5")


@pytest.mark.parametrize("beam", ["parallel-3d", "cone-flat", "cone-curved", "helix"])
def test_simulate_scans_a_volume_that_every_view_sees_whole(tmp_path, beam):
    scan = volume(tmp_path, beam)
    assert scan.warnings() == () and scan.geometry.covers(scan.grid)
    assert scan.truth.shape == scan.grid.shape == (16, 16, 16)
    assert "remarks" in scan.metadata and "ball" in scan.metadata["source"]
    projected = Projector(scan.geometry, scan.grid)(scan.truth)
    assert (projected - scan.sinogram).norm() < 0.05 * scan.sinogram.norm()


def test_a_helix_is_what_was_asked_for(tmp_path):
    scan = volume(tmp_path, "helix", helical_pitch=-52.0, rows=11, detector_distance=0.0)
    assert scan.geometry.helical_pitch == -52.0
    assert scan.geometry.detector.shape[0] == 11
    assert scan.geometry.magnification == 1.0
    # 208 mm of height are four turns, and half a turn beyond it at either end a fifth.
    angles = np.array(scan.geometry.angles)
    assert np.diff(angles) == pytest.approx(np.pi / 10)
    assert angles[-1] == -angles[0] == pytest.approx(5 * np.pi)


def test_fdk_takes_what_simulate_makes(tmp_path):
    for beam in ("cone-flat", "cone-curved", "helix"):
        scan = volume(tmp_path, beam, views=40)
        image = fdk(Projector(scan.geometry, scan.grid), scan.sinogram).image
        assert float(image[8, 8, 8]) == pytest.approx(0.0206, rel=0.02)


@pytest.mark.parametrize("beam", ["cone-flat", "helix", "parallel-3d"])
def test_info_tells_of_a_volume(tmp_path, capsys, beam):
    volume(tmp_path, beam)
    config = info.Info(scan=tmp_path / f"{beam}.h5", out=tmp_path / "info")
    assert guarded(info.main, config) == 0
    told = json.loads((tmp_path / "info" / "info.json").read_text())["scan"]
    assert told["Volume"] == "16 × 16 × 16 cells of 13 × 13 × 13 mm"
    assert told["Field of view"].startswith("radius ")
    assert "on it z from " in told["Field of view"] and told["Detector"].count("×") == 1
    assert ("Helix" in told) == (beam == "helix")
    if beam != "parallel-3d":
        assert told["Beam"].startswith("Cone beam with a flat detector")
        assert told["Magnification"] == "1.5, on the axis of rotation"
    shown = capsys.readouterr().out
    assert "of its detector" not in shown and "▓ its detector" in shown and "mean" in shown


def test_info_tells_of_views_given_as_vectors(tmp_path, capsys):
    scan = volume(tmp_path, "cone-flat")
    vectors = VectorBeam.of(scan.geometry)
    photons = tuple(range(1, 21))
    metadata = {**scan.metadata, "photons": photons}
    scan = replace(scan, geometry=vectors, metadata=metadata)
    facts = scan_information(scan, None)
    assert facts["Views"] == "20 given as vectors"
    assert facts["Beam"] == "Diverging views given as vectors"
    assert facts["Field of view"] == "not all corners of the grid in every view"
    assert facts["Photons a ray"] == "1 to 20, one number a view"
    assert "Axis of rotation" not in facts
    write_scan(tmp_path / "vectors.h5", scan)
    assert guarded(info.main, info.Info(scan=tmp_path / "vectors.h5", out=tmp_path / "i")) == 0
    assert (tmp_path / "i" / "geometry.png").exists()
    small = replace(scan, grid=Grid((8, 8, 8), scan.grid.spacing), truth=None)
    assert scan_information(small, None)["Field of view"] == "all corners of the grid in every view"


def test_simulate_overwrites_only_when_asked(tmp_path, capsys):
    config = simulate.Simulate(object="disk", smoke=True, out=tmp_path / "a.h5")
    (tmp_path / "a.h5").write_text("precious")
    assert guarded(simulate.main, config) == 2
    assert "`path` must not exist yet" in capsys.readouterr().err
    assert (tmp_path / "a.h5").read_text() == "precious"


def test_simulate_puts_a_preview_into_a_folder(tmp_path):
    config = simulate.Simulate(object="disk", smoke=True, out=tmp_path / "folder")
    assert guarded(simulate.main, config) == 0
    names = sorted(path.name for path in (tmp_path / "folder").iterdir())
    assert names == ["scan.h5", "scan.png"]
    config = simulate.Simulate(object="ball", beam="helix", smoke=True, out=tmp_path / "volume")
    assert guarded(simulate.main, config) == 0
    assert (tmp_path / "volume" / "scan.png").read_bytes().startswith(b"\x89PNG")


def test_simulate_scans_a_picture(picture, tmp_path):
    config = simulate.Simulate(object=str(picture), views=5, out=tmp_path / "a.h5")
    assert guarded(simulate.main, config) == 0
    assert read_scan(tmp_path / "a.h5").metadata["source"] == "picture.png"


def test_info_tells_what_a_file_is(tmp_path, capsys):
    write_scan(tmp_path / "scan.h5", phantom_scan("disk", size=16, views=6))
    config = info.Info(scan=tmp_path / "scan.h5", out=tmp_path / "info")
    assert guarded(info.main, config) == 0
    shown = capsys.readouterr().out
    for expected in ("ctinr scan (HDF5)", "6 from 0° to 150°", "numba", "can run", "16 × 16"):
        assert expected in shown
    told = json.loads((tmp_path / "info" / "info.json").read_text())
    assert (tmp_path / "info" / "geometry.png").read_bytes().startswith(b"\x89PNG")
    assert told["scan"]["Recognised as"] == "ctinr scan (HDF5)"
    assert told["Engines"]["torch"] == "can run"


def test_the_rest_of_a_zero_is_a_zero():
    scan = phantom_scan("disk", size=16, views=6)
    almost = torch.where(scan.truth > 0, scan.truth, -1e-18)
    facts = scan_information(replace(scan, truth=almost), None)
    assert facts["Truth"].startswith("0 to ")


def test_info_without_a_scan_describes_the_installation(capsys):
    assert guarded(info.main, info.Info()) == 0
    shown = capsys.readouterr().out
    assert "Recognised" not in shown
    assert "forbild-thorax" in shown
