from __future__ import annotations

import numpy as np
import pytest
import tifffile

from ctinr.data import read_scan, reader_of
from ctinr.geometry import FanBeam, Grid, ParallelBeam
from tests.data.arrays import ANGLES, BINS, CENTER, EXACT, ROWS, write, write_angles


@pytest.mark.parametrize("kind", ["plain.tif", "squeezed.tif", "folder", "array.npy", "arrays.npz"])
@pytest.mark.parametrize("row", [0, 2])
def test_a_row_is_read_with_the_angles_beside_it(tmp_path, kind, row):
    path = write(tmp_path, kind)
    assert reader_of(path).name == "stack of views (TIFF, npy, npz)"
    scan = read_scan(path, slice=row, pitch=0.5, center=CENTER)
    np.testing.assert_array_equal(scan.sinogram, EXACT[:, row])
    assert isinstance(scan.geometry, ParallelBeam)
    assert scan.geometry.angles == tuple(ANGLES)
    assert scan.geometry.detector.pitch == (0.5,)
    assert scan.geometry.detector.offset[0] == pytest.approx((31.5 - CENTER) * 0.5)
    assert scan.grid == Grid((BINS, BINS), 0.5)
    assert (scan.metadata["slice"], scan.metadata["source"]) == (row, path.name)
    assert scan.warnings() == ()


def test_what_is_not_known_is_found_or_said(tmp_path):
    scan = read_scan(write(tmp_path, "array.npy"))
    assert scan.metadata["slice"] == 1
    assert scan.metadata["center"] == pytest.approx(CENTER, abs=0.1)
    assert any("1 bin was taken to be 1 mm" in said for said in scan.warnings())


def test_a_sinogram_has_one_row(tmp_path):
    np.save(tmp_path / "a.npy", EXACT[:, 0])
    scan = read_scan(tmp_path / "a.npy", span=np.pi, num_views=12)
    np.testing.assert_allclose(scan.geometry.angles, ANGLES[::2])
    tifffile.imwrite(tmp_path / "b.tif", EXACT[:, 0])
    assert reader_of(tmp_path / "b.tif").name == "picture"
    given = read_scan(tmp_path / "b.tif", angles=ANGLES.tolist())
    np.testing.assert_array_equal(given.sinogram, EXACT[:, 0])
    write_angles(tmp_path / "b_angles.csv")
    np.testing.assert_array_equal(read_scan(tmp_path / "b.tif").sinogram, EXACT[:, 0])


def test_distances_make_it_a_fan(tmp_path):
    lengths = {"source_distance": 100.0, "detector_distance": 50.0, "pitch": 0.6}
    np.savez(tmp_path / "a.npz", sinogram=EXACT[:, 0], angles=ANGLES, **lengths)
    scan = read_scan(tmp_path / "a.npz", detector_distance=20.0)
    assert isinstance(scan.geometry, FanBeam)
    assert scan.geometry.source_distance == 100.0
    assert scan.geometry.detector_distance == 20.0
    assert scan.geometry.detector.offset == (0.0,)
    assert scan.grid.spacing[0] == pytest.approx(0.6 * 100 / 120)
    assert any("middle of the detector" in said for said in scan.warnings())
    assert read_scan(tmp_path / "a.npz", center=30.5).geometry.detector.offset[0] == pytest.approx(
        0.6
    )


@pytest.mark.parametrize("kind", ["plain.tif", "array.npy", "folder"])
def test_counts_have_their_flat_field_beside_them(tmp_path, kind):
    path = write(tmp_path, kind)
    gain = np.random.default_rng(0).uniform(900, 1100, (ROWS, BINS))
    suffix = path.suffix or ".tif"
    save = np.save if suffix == ".npy" else tifffile.imwrite
    place = path / "" if path.is_dir() else None
    frames = {"white": np.tile(gain + 10, (4, 1, 1)), "dark": np.full((2, ROWS, BINS), 10.0)}
    for name, values in frames.items():
        beside = path / f"{name}.tif" if place else path.with_name(f"{path.stem}_{name}{suffix}")
        save(beside, values.astype(np.float32))
    counts = (gain * np.exp(-EXACT) + 10).astype(np.float32)
    if path.is_dir():
        for view, frame in enumerate(counts):
            tifffile.imwrite(path / f"view_{view:04d}.tif", frame)
    else:
        save(path, counts)
    scan = read_scan(path, slice=2, values="counts", pitch=1.0)
    np.testing.assert_allclose(scan.sinogram, EXACT[:, 2], atol=1e-3)
    assert scan.warnings() == ()


def test_transmissions_are_put_through_the_logarithm(tmp_path):
    path = write(tmp_path, "array.npy")
    np.save(path, np.exp(-EXACT))
    scan = read_scan(path, slice=0, values="transmissions")
    np.testing.assert_allclose(scan.sinogram, EXACT[:, 0], atol=1e-5)


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("kind", ["plain.tif", "array.npy"])
def test_angles_are_never_guessed(tmp_path, kind):
    path = write(tmp_path, kind)
    (tmp_path / f"{path.stem}_angles.txt").unlink()
    rule = r"known angles; got '.*'\. `angles` must be given for the 24 views; got none"
    with pytest.raises(ValueError, match=rule + r".*Pass angles=…, or span=math\.pi"):
        read_scan(path)


def test_degrees_beside_the_file_are_refused(tmp_path):
    path = write(tmp_path, "array.npy")
    write_angles(tmp_path / "array_angles.txt", np.rad2deg(ANGLES))
    with pytest.raises(
        ValueError, match=r"angles in radians; got '.*array_angles\.txt' with angles"
    ):
        read_scan(path)


@pytest.mark.parametrize("text", ["0.1 north", ""])
def test_angles_that_are_no_numbers_are_refused(tmp_path, text):
    path = write(tmp_path, "array.npy")
    (tmp_path / "array_angles.txt").write_text(text)
    with pytest.raises((OSError, ValueError), match=r"array_angles\.txt'"):
        read_scan(path)


def test_another_number_of_angles_is_refused(tmp_path):
    path = write(tmp_path, "array.npy")
    with pytest.raises(ValueError, match="`angles` must have one angle for each of the 24 views"):
        read_scan(path, angles=ANGLES[:-1].tolist())
    with pytest.raises(ValueError, match="`span` must be left out where angles are given"):
        read_scan(path, angles=ANGLES.tolist(), span=np.pi)


def test_counts_without_a_flat_field_are_refused(tmp_path):
    path = write(tmp_path, "array.npy")
    rule = (
        r"`counts` must have a flat field beside them; got .*as 'array_white\.npy' or 'array_flat"
    )
    with pytest.raises(ValueError, match=rule):
        read_scan(path, values="counts")


def test_a_cone_is_no_fan(tmp_path):
    path = write(tmp_path, "array.npy")
    with pytest.raises(
        ValueError, match="`source_distance` must be left out for frames of several"
    ):
        read_scan(path, source_distance=9.0, detector_distance=1.0)
    np.save(path, EXACT[:, :1])
    with pytest.raises(
        ValueError, match="`detector_distance` must be given together with the other"
    ):
        read_scan(path, source_distance=9.0)


def test_a_row_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`slice` must be less than 3, the number of rows in"):
        read_scan(write(tmp_path, "plain.tif"), slice=3)


def test_values_that_are_not_finite_are_refused_with_the_file(tmp_path):
    path = write(tmp_path, "array.npy")
    values = EXACT.copy()
    values[3, 1, 7] = np.nan
    np.save(path, values)
    with pytest.raises(
        ValueError, match=r"usable values; got '.*array\.npy'\..*the first at \(3, 7\)"
    ):
        read_scan(path)


@pytest.mark.parametrize("values", [np.ones(5), np.ones((2, 2, 2, 2)), np.ones((3, 4), complex)])
def test_arrays_that_are_no_views_are_refused(tmp_path, values):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(
        ValueError, match=r"numbers \(angle, u\) or \(angle, v, u\); got '.*a\.npy'"
    ):
        read_scan(tmp_path / "a.npy", span=np.pi)


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(OSError, match=r"name a whole file; got '.*a\.npy'"):
        read_scan(tmp_path / "a.npy", span=np.pi)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_truncated_file_is_named(tmp_path, name):
    path = tmp_path / name
    (np.savez if name.endswith("z") else np.save)(path, EXACT)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(OSError, match=rf"must name a whole file; got '.*{name}'"):
        read_scan(path, span=np.pi)


def test_an_npz_file_of_other_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", something=EXACT)
    with pytest.raises(
        ValueError, match=r"with an array sinogram, projections or data; got '.*som"
    ):
        read_scan(tmp_path / "a.npz", span=np.pi)


def test_views_of_different_shapes_are_refused(tmp_path):
    path = write(tmp_path, "folder")
    tifffile.imwrite(path / "view_0005.tif", EXACT[0, :, :-1])
    with pytest.raises(
        ValueError, match=r"of one shape, \(3, 64\); got '.*view_0005\.tif' of shape"
    ):
        read_scan(path)


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(
        IsADirectoryError, match=r"got the folder '.*Of folders, known are: 2DeteCT"
    ):
        read_scan(tmp_path)
