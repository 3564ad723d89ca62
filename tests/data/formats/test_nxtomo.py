from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch

from ctinr.data import read_nxtomo, read_scan, reader_of
from ctinr.geometry import Grid
from tests.data import nexus
from tests.data.beamline import change
from tests.data.nexus import ANGLES, BINS, CENTER, EXACT, KEYS, VIEWS

DETECTOR, SAMPLE = "entry/instrument/camera", "entry/sample"


@pytest.fixture
def path(tmp_path):
    nexus.write(tmp_path / "a.nxs")
    return tmp_path / "a.nxs"


@pytest.mark.parametrize("row", [0, 2])
def test_a_row_becomes_line_integrals(path, row):
    scan = read_nxtomo(path, slice=row)
    np.testing.assert_allclose(scan.sinogram.numpy(), EXACT[:, row], atol=2e-4)
    np.testing.assert_allclose(scan.geometry.angles, ANGLES, atol=1e-12)
    assert scan.metadata["title"] == f"A tooth, slice {row}"
    assert scan.metadata["source"] == "a.nxs"
    assert scan.metadata["slice"] == row


def test_the_geometry_is_in_mm_about_the_axis(path):
    scan = read_nxtomo(path, slice=0, center=CENTER)
    assert scan.geometry.detector.shape == (BINS,)
    assert scan.geometry.detector.pitch[0] == pytest.approx(2.5e-3)
    assert scan.geometry.detector.offset[0] == pytest.approx((47.5 - 45.4) * 2.5e-3)
    assert scan.grid == Grid((BINS, BINS), scan.geometry.detector.pitch[0])
    found = read_nxtomo(path, slice=0)
    assert found.metadata["center"] == pytest.approx(CENTER, abs=0.1)
    assert read_nxtomo(path, slice=0, pitch=0.5).geometry.detector.pitch == (0.5,)


@pytest.mark.parametrize("layout", nexus.NAMES)
def test_the_entry_is_found_by_what_it_defines(tmp_path, layout):
    nexus.write(tmp_path / "a.dat", layout)
    assert reader_of(tmp_path / "a.dat").name == "NXtomo file (NeXus)"
    scan = read_scan(tmp_path / "a.dat", slice=1, num_views=10)
    np.testing.assert_allclose(scan.sinogram.numpy(), EXACT[::3, 1], atol=2e-4)
    assert scan.metadata["views"] == tuple(range(0, VIEWS, 3))


def test_invalid_frames_are_left_out_and_counted(path):
    assert any("marks them as invalid: 1." in said for said in read_nxtomo(path).warnings())


def test_a_drifting_beam_is_interpolated_between_both_flat_fields(tmp_path):
    nexus.write(tmp_path / "a.nxs", drift=0.2)
    scan = read_nxtomo(tmp_path / "a.nxs", slice=0)
    np.testing.assert_allclose(scan.sinogram.numpy(), EXACT[:, 0], atol=2e-4)


def test_flat_fields_of_one_side_are_averaged(path):
    keys = KEYS.copy()
    keys[-2:] = 3
    change(path, f"{DETECTOR}/image_key", keys)
    np.testing.assert_allclose(read_nxtomo(path, slice=0).sinogram, EXACT[:, 0], atol=2e-4)


def test_without_flat_frames_counts_are_refused_with_the_field(path):
    keys = np.where(KEYS == 1, 3, KEYS)
    change(path, f"{DETECTOR}/image_key", keys)
    rule = rf"usable field /{DETECTOR}/data; got '.*a\.nxs'\. `frames` must be transmissions"
    with pytest.raises(ValueError, match=rule):
        read_nxtomo(path, slice=0)


def test_only_the_row_is_read(path, monkeypatch):
    read = []
    original = h5py.Dataset.__getitem__

    def watched(self, selection, *rest):
        result = original(self, selection, *rest)
        read.append((self.name, np.size(result)))
        return result

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watched)
    read_nxtomo(path, slice=0)
    assert dict(read)[f"/{DETECTOR}/data"] == len(KEYS) * BINS


@pytest.mark.parametrize("name", [f"{DETECTOR}/image_key", f"{SAMPLE}/rotation_angle"])
def test_a_missing_field_is_named(path, name):
    change(path, name)
    with pytest.raises(ValueError, match=rf"with the field /{name}; got '.*a\.nxs' without it"):
        read_nxtomo(path)


def test_angles_must_be_in_the_unit_that_they_claim(path):
    change(path, f"{SAMPLE}/rotation_angle", np.deg2rad(nexus.angles()))
    rule = rf"/{SAMPLE}/rotation_angle is in degrees, as it claims; got .* look like radians"
    with pytest.raises(ValueError, match=rule):
        read_nxtomo(path)
    change(path, f"{SAMPLE}/rotation_angle", nexus.angles(), units="rad")
    with pytest.raises(ValueError, match=r"is in radians, as it claims; got .* look like degrees"):
        read_nxtomo(path)
    assert read_nxtomo(path, angles=ANGLES.tolist(), slice=0).num_views == VIEWS


@pytest.mark.parametrize(
    "keys, rule",
    [
        (KEYS[:-1], "has one key for each frame; got '.*' with 37 keys for 38 frames"),
        (np.where(KEYS == 3, 4, KEYS), "holds 0, 1, 2 or 3; got '.*' with"),
        (np.where(KEYS == 0, 3, KEYS), "marks projections with 0; got '.*' without one"),
    ],
)
def test_keys_that_are_none_are_refused(path, keys, rule):
    change(path, f"{DETECTOR}/image_key", keys)
    with pytest.raises(ValueError, match=rf"field /{DETECTOR}/image_key {rule}"):
        read_nxtomo(path)


def test_a_size_without_unit_is_in_metres_with_a_warning(path):
    change(path, f"{DETECTOR}/x_pixel_size")
    assert any("taken to be 1 mm" in said for said in read_nxtomo(path).warnings())
    change(path, f"{DETECTOR}/x_pixel_size", 1e-5)
    scan = read_nxtomo(path)
    assert scan.geometry.detector.pitch[0] == pytest.approx(0.01)
    assert any("was taken to be in m" in sentence for sentence in scan.warnings())


def test_the_size_in_the_object_goes_before_that_of_the_detector(path):
    change(path, f"{SAMPLE}/x_pixel_size", 4.0, units="um")
    assert read_nxtomo(path).geometry.detector.pitch[0] == pytest.approx(4e-3)


def test_a_size_that_no_millimetres_can_say_is_refused(path):
    change(path, f"{SAMPLE}/x_pixel_size", 1e308, units="m")
    with pytest.raises(ValueError, match=r"x_pixel_size is a positive length; got .*1e.308 m"):
        read_nxtomo(path)


def test_of_several_entries_one_must_be_named(path):
    with h5py.File(path, "r+") as file:
        file.copy("entry", "entry0001")
    with pytest.raises(ValueError, match=r"`entry` must be given.*one of entry, entry0001"):
        read_nxtomo(path)
    assert torch.equal(
        read_nxtomo(path, entry="entry0001").sinogram, read_scan(path, entry="entry").sinogram
    )
    with pytest.raises(ValueError, match=r"`entry` must be one of entry, entry0001; got x"):
        read_nxtomo(path, entry="x")


def test_an_entry_of_another_definition_is_not_taken(path):
    change(path, "entry/definition", "NXmx")
    with pytest.raises(ValueError, match="nor an NXtomo"):
        read_scan(path)
    with pytest.raises(ValueError, match=r"field `definition` is 'NXtomo'; got '.*' without one"):
        read_nxtomo(path)
