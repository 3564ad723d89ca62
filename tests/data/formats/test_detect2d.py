from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from ctinr.data import binned, read_scan, reader_of
from ctinr.geometry import FanBeam, Grid
from ctinr.projectors import Projector
from ctinr.recon.fbp import fbp
from tests.data import fans

VIEWS, BINS, PITCH, SOURCE, WHOLE = 90, 1912, 0.0748, 431.019989, 529.000488
ANGLES = np.arange(VIEWS) * 2 * np.pi / VIEWS


def write(folder, number, *, offset=0.0, mode="mode2"):
    """A slice as it is published, with fewer views: the last one repeats the first."""
    exact = fans.sinogram(ANGLES, BINS, PITCH, source=SOURCE, behind=WHOLE - SOURCE, offset=offset)
    gain = np.random.default_rng(0).uniform(2e4, 3e4, BINS).round()
    path = folder / f"slice{number:05d}" / mode
    path.mkdir(parents=True)
    counts = gain * np.exp(-exact) + 500
    counts = np.concatenate([counts, counts[:1]]).round().astype(np.uint16)
    frames = {"sinogram": counts, "dark": np.full((1, BINS), 500)}
    frames |= {"flat1": (gain + 400)[None], "flat2": (gain + 600)[None]}
    for name, values in frames.items():
        tifffile.imwrite(path / f"{name}.tif", values.astype(np.uint16))
    return path, exact


def test_counts_become_line_integrals(tmp_path):
    path, exact = write(tmp_path, 3000)
    assert reader_of(path).name == "2DeteCT slice (folder)"
    scan = read_scan(path)
    assert scan.sinogram.shape == (VIEWS, BINS)
    np.testing.assert_allclose(scan.sinogram, exact[:, ::-1], atol=2e-3)
    assert scan.metadata["title"] == "2DeteCT slice 3000, mode2"
    assert scan.metadata["source"] == "slice03000/mode2"
    assert scan.warnings() == ()


def test_the_geometry_is_that_of_the_scanner(tmp_path):
    beam = read_scan(write(tmp_path, 3000)[0]).geometry
    assert isinstance(beam, FanBeam)
    assert beam.source_distance == pytest.approx(431.02, abs=1e-3)
    assert beam.source_distance + beam.detector_distance == pytest.approx(529.0, abs=1e-3)
    assert (beam.detector.shape, beam.detector.pitch) == ((1912,), (0.0748,))
    np.testing.assert_allclose(beam.angles, np.pi - ANGLES, atol=1e-12)


@pytest.mark.parametrize(
    "number, offset",
    [(1, 0.0748), (2830, 0.0748), (2831, 0.0), (5520, 0.0), (5521, 0.0748), (5871, 0)],
)
def test_the_axis_is_half_a_published_bin_off_up_to_slice_2830(tmp_path, number, offset):
    scan = read_scan(write(tmp_path, number)[0])
    assert scan.geometry.detector.offset == (offset,)


@pytest.mark.parametrize("number, offset", [(7, -PITCH), (4000, 0.0)])
def test_the_picture_has_the_rows_of_the_published_ones(tmp_path, number, offset):
    path, _ = write(tmp_path, number, offset=offset)
    scan = replace(binned(read_scan(path), 8), grid=Grid((128, 128), 0.5))
    image = fbp(Projector(scan.geometry, scan.grid, backend="torch"), scan.sinogram).image
    for x, y, _, value in fans.DISKS:
        assert fans.value_at(scan, image, x, y) == pytest.approx(value, rel=0.1)
        assert abs(fans.value_at(scan, image, x, -y)) < 0.2 * value
        assert abs(fans.value_at(scan, image, -x, y)) < 0.2 * value


def test_the_mode_can_be_said(tmp_path):
    write(tmp_path, 3000, mode="mode1")
    path, _ = write(tmp_path, 3000, mode="mode2")
    assert read_scan(path.parent).metadata["title"].endswith("mode2")
    assert read_scan(path.parent, mode=1).metadata["title"].endswith("mode1")
    with pytest.raises(ValueError, match="`mode` must be left out for the folder of a mode; got 1"):
        read_scan(path, mode=1)
    with pytest.raises(ValueError, match="`mode` must be one of 1, 2, 3; got 4"):
        read_scan(path.parent, mode=4)
    with pytest.raises(FileNotFoundError, match=r"file that exists; got '.*mode3/sinogram\.tif'"):
        read_scan(path.parent, mode=3)


def test_what_does_not_fit_is_refused(tmp_path):
    path, _ = write(tmp_path, 3000)
    whole = (path / "flat2.tif").read_bytes()
    tifffile.imwrite(path / "flat2.tif", np.ones((1, 956), np.uint16))
    with pytest.raises(
        ValueError, match=r"rows of 1912 bins; got '.*flat2\.tif' of shape \(1, 956\)"
    ):
        read_scan(path)
    (path / "flat2.tif").write_bytes(whole[:100])
    with pytest.raises(OSError, match=r"name a whole file; got '.*flat2\.tif'"):
        read_scan(path)
    tifffile.imwrite(path / "flat2.tif", np.full((1, 1912), 400, np.uint16))
    tifffile.imwrite(path / "flat1.tif", np.full((1, 1912), 400, np.uint16))
    rule = r"a usable flat1\.tif and flat2\.tif; got '.*mode2'\. `white` must be brighter than dark"
    with pytest.raises(ValueError, match=rule):
        read_scan(path)
    path.parent.rename(tmp_path / "renamed")
    with pytest.raises((ValueError, IsADirectoryError)):
        read_scan(tmp_path / "renamed")
