from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch

from ctinr.data import read_exchange, read_scan
from ctinr.geometry import Grid
from tests.data import beamline
from tests.data.beamline import (
    ANGLES,
    BINS,
    CENTER,
    EXACT,
    PIXEL,
    VIEWS,
    change,
    content,
)


@pytest.fixture
def path(tmp_path):
    beamline.write(tmp_path / "a.h5")
    return tmp_path / "a.h5"


@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_row_becomes_line_integrals(path, row):
    scan = read_exchange(path, slice=row)
    np.testing.assert_allclose(scan.sinogram.numpy(), EXACT[:, row], atol=2e-4)
    np.testing.assert_allclose(scan.geometry.angles, ANGLES, atol=1e-12)
    assert scan.sinogram.dtype == torch.float32
    assert scan.truth is None
    assert scan.metadata["slice"] == row
    assert scan.metadata["title"] == f"A tooth, slice {row}"
    assert scan.metadata["source"] == "a.h5"
    assert scan.metadata["dead_bins"] == ()
    assert scan.metadata["floored_values"] == 0


def test_the_axis_is_found_and_put_at_zero(path):
    scan = read_exchange(path, slice=0, pitch=0.5)
    assert scan.metadata["center"] == pytest.approx(CENTER, abs=0.05)
    assert scan.metadata["center_from"] == "the data"
    assert np.interp(CENTER, range(BINS), scan.geometry.detector.bin_centers()) == pytest.approx(
        0, abs=0.03
    )
    assert scan.grid == Grid((BINS, BINS), 0.5)


def test_the_axis_can_be_said(path):
    scan = read_exchange(path, slice=0, center=50.0)
    assert scan.geometry.detector.bin_centers()[50] == pytest.approx(0)
    assert (scan.metadata["center"], scan.metadata["center_from"]) == (50.0, "the caller")


def test_the_middle_row_is_read_if_none_is_said(path):
    assert read_exchange(path).metadata["slice"] == 1


@pytest.mark.parametrize("row", [3, 100])
def test_a_row_that_there_is_not_is_refused(path, row):
    rule = rf"`slice` must be less than 3, the number of rows in '.*a\.h5'; got {row}"
    with pytest.raises(ValueError, match=rule):
        read_exchange(path, slice=row)


def test_rows_are_counted_from_zero(path):
    with pytest.raises(ValueError, match="`slice` must be at least 0; got -1"):
        read_exchange(path, slice=-1)


def test_the_axes_may_be_in_the_order_of_sinograms(path):
    expected = read_exchange(path, slice=2).sinogram
    for name in ("data", "data_white", "data_dark"):
        values = content(path, f"exchange/{name}").swapaxes(0, 1)
        change(path, f"exchange/{name}", values, axes="y:theta:x")
    assert torch.equal(read_exchange(path, slice=2).sinogram, expected)


# ------------------------------------------------------------------ the rest of the file


def test_without_a_size_of_bins_one_is_a_millimetre_with_a_warning(path):
    scan = read_exchange(path, slice=0)
    assert scan.geometry.detector.pitch == (1.0,)
    assert any("1 bin was taken to be 1 mm" in sentence for sentence in scan.warnings())
    assert not any("1 mm" in said for said in read_exchange(path, slice=0, pitch=1.0).warnings())


@pytest.mark.parametrize(
    "value, units", [(2500.0, "um"), (2500.0, None), (2.5, "mm"), (0.0025, "m")]
)
def test_the_size_of_bins_is_read_with_its_unit(path, value, units):
    change(path, PIXEL, [value], **({"units": units} if units else {}))
    scan = read_exchange(path, slice=0)
    assert scan.geometry.detector.pitch[0] == pytest.approx(2.5)
    assert scan.grid.spacing == scan.geometry.detector.pitch * 2
    assert scan.warnings() == ()


@pytest.mark.parametrize("value, units", [(-1.0, "mm"), (1.0, "furlong"), (np.nan, "mm")])
def test_a_size_that_is_no_length_is_refused(path, value, units):
    change(path, PIXEL, value, units=units)
    with pytest.raises(ValueError, match=rf"/{PIXEL} is a positive length; got '.*a\.h5' with"):
        read_exchange(path, slice=0)


def test_without_a_title_the_file_gives_its_name(path):
    change(path, "exchange/title")
    assert read_exchange(path, slice=0).metadata["title"] == "a, slice 0"


def test_data_of_another_dimension_are_refused(path):
    change(path, "exchange/data", np.ones((VIEWS, BINS)))
    with pytest.raises(ValueError, match=r"/exchange/data has three axes; got '.*a\.h5' with"):
        read_exchange(path, slice=0)


def test_only_the_row_is_read(path, monkeypatch):
    read = []
    original = h5py.Dataset.__getitem__

    def watched(self, selection, *rest):
        result = original(self, selection, *rest)
        read.append((self.name, np.size(result)))
        return result

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watched)
    read_exchange(path, slice=0)
    assert dict(read)["/exchange/data"] == VIEWS * BINS
    assert dict(read)["/exchange/data_white"] == 6 * BINS


def test_read_scan_takes_it(path):
    scan = read_scan(path, slice=2, num_views=10, pitch=None, center=60.0)
    assert scan.metadata["views"] == tuple(range(0, 40, 4))
    assert scan.metadata["slice"] == 2
    assert scan.metadata["center"] == 60.0


def test_a_truncated_file_is_named(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError, match=r"must name a whole HDF5 file; got '.*a\.h5' .*truncated"):
        read_scan(path, slice=0)


def test_a_field_without_values_is_named_and_a_title_without_is_none(tmp_path):
    beamline.write(tmp_path / "a.h5")
    beamline.change(tmp_path / "a.h5", "exchange/title", h5py.Empty("S1"))
    assert read_scan(tmp_path / "a.h5", center=60.3).metadata["title"] == "a, slice 1"
    beamline.change(tmp_path / "a.h5", "exchange/theta", h5py.Empty("f4"))
    with pytest.raises(ValueError, match=r"field /exchange/theta holds something; got '.*a\.h5'"):
        read_scan(tmp_path / "a.h5", center=60.3)


def test_a_number_that_signals_is_no_warning_but_an_error(tmp_path):
    beamline.write(tmp_path / "a.h5")
    values = beamline.content(tmp_path / "a.h5", "exchange/data")
    values.view(np.uint32)[3, 1, 5] = 0x7F800001
    beamline.change(tmp_path / "a.h5", "exchange/data", values)
    with pytest.raises(ValueError, match=r"usable field /exchange/data; got '.*a\.h5'.*finite"):
        read_scan(tmp_path / "a.h5", center=60.3)
