"""DICOM-CT-PD: files written to the specification, with the exact integrals of a ball.

Where the focus, columns and rows are follows the formulas of the format, in its own frame (y up).
"""

from __future__ import annotations

import math
import sys

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ctinr.checks import BackendUnavailable
from ctinr.data import convert, read_dicom_ct_pd, read_scan, reader_of
from ctinr.projectors import Projector
from phantoms import ball

COLUMNS, ROWS, WIDTH, HEIGHT = 40, 6, 2.0, 3.0
NEAR, FAR, CENTRAL, PITCH = 300.0, 500.0, (21.25, 3.0), 24.0
PHI = np.linspace(1.0, 1.0 + 3 * math.pi, 24)
Z = 200.0 + PITCH * (PHI - PHI[0]) / (2 * math.pi)
# In the frame of the format, (x, y up, z).
BALL, RADIUS, VALUE = np.array([11.0, 7.0, 217.0]), 9.0, 0.02
SLOPE, INTERCEPT = 1e-5, -0.01


def projections(*, flat=False, phi=PHI, heights=Z):
    """∫ of the ball, (view, column, row): the order in which the files have them."""
    column, row = np.meshgrid(np.arange(COLUMNS) + 1, np.arange(ROWS) + 1, indexing="ij")
    u, v = (column - CENTRAL[0]) * WIDTH, (row - CENTRAL[1]) * HEIGHT
    views = []
    for angle, z in zip(phi, heights, strict=True):
        focus = np.array([-NEAR * math.sin(angle), NEAR * math.cos(angle), z])
        ahead, across = -focus * [1, 1, 0] / NEAR, np.array([math.cos(angle), math.sin(angle), 0])
        along, aside = (FAR, u) if flat else (FAR * np.cos(u / FAR), FAR * np.sin(u / FAR))
        ray = np.multiply.outer(along * np.ones_like(u), ahead) + aside[..., None] * across
        ray = ray + v[..., None] * np.array([0, 0, 1.0])
        ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
        off = np.linalg.norm(np.cross(BALL - focus, ray), axis=-1)
        views.append(2 * VALUE * np.sqrt(np.clip(RADIUS**2 - off**2, 0, None)))
    return np.stack(views)


def tags(view, phi=PHI, heights=Z):
    return {
        0x70290010: ("LO", "DetectorSystemArrangementModule"),
        0x70291010: ("US", ROWS),
        0x70291011: ("US", COLUMNS),
        0x70291002: ("FL", WIDTH),
        0x70291006: ("FL", HEIGHT),
        0x7029100B: ("CS", "CYLINDRICAL"),
        0x70310010: ("LO", "DetectorDynamicsModule"),
        0x70311001: ("FL", float(phi[view]) % (2 * math.pi)),
        0x70311002: ("FL", float(heights[view])),
        0x70311003: ("FL", NEAR),
        0x70311031: ("FL", FAR),
        0x70311033: ("FL", list(CENTRAL)),
        0x70330010: ("LO", "SourceDynamicsModule"),
        0x7033100B: ("FL", 0.0),
        0x7033100C: ("FL", 0.0),
        0x7033100D: ("FL", 0.0),
        0x7033100E: ("CS", "FFSNONE"),
        0x70331065: ("FL", [1e4 + view + 10 * column for column in range(COLUMNS)]),
        0x70390010: ("LO", "PreprocessingFlagsModule"),
        0x70391009: ("CS", "YES"),
    }


def write_view(path, view, values, *, syntax=ExplicitVRLittleEndian, changed=None):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"1.2.3.{view + 1}"
    meta.TransferSyntaxUID = syntax
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    file.InstanceNumber = view + 1
    file.Rows, file.Columns = values.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated = file.BitsStored = 16
    file.HighBit, file.PixelRepresentation = 15, 0
    file.RescaleSlope, file.RescaleIntercept = str(SLOPE), str(INTERCEPT)
    file.PixelData = np.round((values - INTERCEPT) / SLOPE).astype("<u2").tobytes()
    for tag, entry in (tags(view) | (changed or {})).items():
        if entry is not None:
            file.add_new(tag, *entry)
    file.save_as(path, enforce_file_format=True)


def write(folder, *, values=None, changed=None, names="{:03d}.dcm", **given):
    """Write a scan; `changed` maps a view, or None for all, to other entries."""
    folder.mkdir()
    values, changed = projections() if values is None else values, changed or {}
    for view, each in enumerate(values):
        other = changed.get(None, {}) | changed.get(view, {})
        write_view(folder / names.format(view), view, each, changed=other, **given)
    return folder


def turned(point, scan):
    """A point of the format's frame in ours: y down, z from the origin of the helix."""
    return (point[0], -point[1], point[2] - scan.metadata["z_of_origin"])


def assert_exact(scan):
    rays = scan.geometry.rays()
    seen = ball(RADIUS, VALUE, center=turned(BALL, scan))
    exact = seen.line_integrals(rays.points, rays.directions)
    assert exact.max() > 0.3
    np.testing.assert_allclose(scan.sinogram.numpy(), exact, atol=2e-3)


def test_the_ball_is_where_it_was(tmp_path):
    scan = read_scan(write(tmp_path / "a"))
    beam = scan.geometry
    assert_exact(scan)
    assert (beam.curved, beam.source_distance, beam.detector_distance) == (True, 300.0, 200.0)
    assert beam.helical_pitch == pytest.approx(-PITCH, rel=1e-5)
    assert beam.detector.shape == (ROWS, COLUMNS)
    np.testing.assert_allclose(np.diff(beam.angles), -np.diff(PHI), atol=1e-6)
    for axis in (1, 2):
        flipped = np.abs(scan.sinogram.flip(axis).numpy() - scan.sinogram.numpy())
        assert flipped.max() > 0.1


def test_the_grid_holds_what_was_scanned(tmp_path):
    scan = read_scan(write(tmp_path / "a"))
    center = turned(BALL, scan)[::-1]
    for axis in range(3):
        cells = scan.grid.cell_centers(axis)
        assert cells[0] < center[axis] - RADIUS
        assert cells[-1] > center[axis] + RADIUS
    truth = ball(RADIUS, VALUE, center=center[::-1]).raster(
        scan.grid.shape, scan.grid.spacing, center=scan.grid.center
    )
    seen = Projector(scan.geometry, scan.grid, backend="torch")(scan.sinogram.new_tensor(truth))
    gap = np.linalg.norm(seen - scan.sinogram) / np.linalg.norm(scan.sinogram)
    assert gap < 0.15


def test_other_ways_to_write_the_same(tmp_path):
    whole = read_scan(write(tmp_path / "a"))
    implicit = read_scan(write(tmp_path / "b", syntax=ImplicitVRLittleEndian))
    upright = read_scan(write(tmp_path / "c", values=projections().transpose(0, 2, 1)))
    for scan in (implicit, upright):
        np.testing.assert_array_equal(scan.sinogram, whole.sinogram)
        assert scan.geometry == whole.geometry
    names = dict(names="{:03d}.IMA")
    assert read_scan(write(tmp_path / "d", **names)).geometry == whole.geometry


def test_the_number_of_the_view_decides_not_the_name(tmp_path):
    whole, folder = read_scan(write(tmp_path / "a")), write(tmp_path / "b")
    for view, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"{99 - view}-again.dcm")
    np.testing.assert_array_equal(read_scan(folder).sinogram, whole.sinogram)


def test_a_circle_and_a_flat_detector(tmp_path):
    level = np.full_like(PHI, 215.0)
    flat = {0x7029100B: ("CS", "FLAT"), 0x70311002: ("FL", 215.0)}
    values = projections(flat=True, heights=level)
    scan = read_scan(write(tmp_path / "a", values=values, changed={None: flat}))
    assert (scan.geometry.curved, scan.geometry.helical_pitch) == (False, 0.0)
    assert scan.metadata["z_of_origin"] == pytest.approx(215.0)
    assert scan.grid.shape[0] == ROWS
    assert_exact(scan)


def test_photon_statistics_are_kept(tmp_path):
    scan = read_scan(write(tmp_path / "a"), num_views=12)
    middle = 1e4 + 10 * (COLUMNS - 1) / 2
    assert scan.metadata["photons"] == pytest.approx([middle + view for view in range(0, 24, 2)])
    profile = scan.metadata["photon_profile"]
    assert len(profile) == COLUMNS
    assert np.mean(profile) == pytest.approx(1.0)
    assert profile[-1] > profile[0]
    without = read_scan(write(tmp_path / "b", changed={3: {0x70331065: None}}))
    assert "photons" not in without.metadata


def test_it_is_recognised_and_converted(tmp_path):
    folder = write(tmp_path / "a")
    assert reader_of(folder).name == "DICOM-CT-PD (folder)"
    convert(folder, tmp_path / "a.h5")
    scan, again = read_scan(folder), read_scan(tmp_path / "a.h5")
    np.testing.assert_array_equal(again.sinogram, scan.sinogram)
    assert (again.geometry, again.grid) == (scan.geometry, scan.grid)


@pytest.mark.parametrize(
    "view, entry, rule",
    [
        (
            5,
            {0x7033100E: ("CS", "FFSZ")},
            "a flying focal spot; got '.*005.dcm' with the mode FFSZ",
        ),
        (5, {0x7033100C: ("FL", 0.6)}, r"a flying focal spot; got '.*005.dcm' .* \[0.0, 0.6"),
        (5, {0x70311003: ("FL", 301.0)}, "one 70311003 for all views; got '.*005.dcm' with 301"),
        (5, {0x70311002: ("FL", 190.0)}, "on one circle or helix; got '.*', whose views lie up to"),
        (5, {0x70311001: None}, r"with the tag \(7031,1001\); got '.*005.dcm' without"),
        (
            5,
            {0x70311001: ("FL", math.nan)},
            r"1 finite number in the tag \(7031,1001\); got '.*005",
        ),
        (None, {0x70311033: ("FL", 3.0)}, r"2 finite numbers in the tag \(7031,1033\)"),
        (
            None,
            {0x7029100B: ("CS", "SPHERICAL")},
            "is CYLINDRICAL or FLAT; got '.*000.dcm' with 'S",
        ),
        (None, {0x7029100B: None}, r"files with the tag \(7029,100b\); got '.*000.dcm' without"),
        (
            None,
            {0x70391009: ("CS", "NO")},
            "of line integrals, after the logarithm; got '.*000.dcm'",
        ),
        (
            None,
            {0x70311031: ("FL", 250.0)},
            "behind the axis of rotation; got '.*000.dcm' with 250",
        ),
        (
            None,
            {0x70291010: ("US", 7)},
            "the 7 rows and 40 columns of the detector; got '.*000.dcm'",
        ),
    ],
)
def test_what_does_not_fit_is_told(tmp_path, view, entry, rule):
    folder = write(tmp_path / "a", changed={view: entry})
    with pytest.raises(ValueError, match=rule):
        read_dicom_ct_pd(folder)


@pytest.mark.parametrize("size", [0, 100, 800, -10])
def test_a_truncated_file_is_named(tmp_path, size):
    folder = write(tmp_path / "a")
    path = folder / "007.dcm"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises((OSError, ValueError), match=r"^`path` must .*007\.dcm"):
        read_dicom_ct_pd(folder)


def test_a_folder_without_files_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"files that end in \.dcm or \.ima; got '.*' without one"):
        read_dicom_ct_pd(tmp_path)
    with pytest.raises(IsADirectoryError, match=r"Of folders, known are: .*DICOM-CT-PD"):
        read_scan(tmp_path)


def test_without_pydicom_it_says_how_to_get_it(tmp_path, monkeypatch):
    folder = write(tmp_path / "a")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(BackendUnavailable, match=r"pip install 'ctinr\[dicom\]'"):
        read_dicom_ct_pd(folder)


def test_other_dicom_files_lack_the_tags(tmp_path):
    folder = write(tmp_path / "a")
    for path in folder.iterdir():
        file = pydicom.dcmread(path)
        file.remove_private_tags()
        file.save_as(path)
    with pytest.raises(ValueError, match=r"files with the tag \(70.*; got '.*000\.dcm' without"):
        read_dicom_ct_pd(folder)
