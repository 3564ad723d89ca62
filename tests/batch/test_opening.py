"""Stacks of every kind: each slice is what the reader of one slice makes of it."""

from __future__ import annotations

import os
import pickle

import h5py
import numpy as np
import pytest
import torch

from ctinr.batch import open_stack
from ctinr.data import read_scan, write_scan
from ctinr.geometry import Grid
from recon_scripts._scans import phantom_scan
from recon_scripts._setups import Setup
from tests.batch.stacks import scan_of_rows, spoil, write
from tests.data import beamline, nexus


def test_rows_of_a_parallel_beam_are_slices(tmp_path):
    path, scan = write(tmp_path / "a.h5", 6), scan_of_rows(6)
    stack = open_stack(path)
    assert (len(stack), stack.geometry, stack.grid) == (6, scan.geometry.slice, scan.grid)
    rows = list(stack.read(0, 6))
    assert torch.equal(torch.stack(rows), scan.sinogram.movedim(1, 0))
    assert torch.equal(next(stack.read(4, 5)), rows[4])


def test_the_height_of_a_slice_is_that_of_its_row(tmp_path):
    stack = open_stack(write(tmp_path / "a.h5", 6))
    assert np.allclose(stack.grid.cell_centers(0), scan_of_rows(6).geometry.detector.bin_centers(0))


@pytest.mark.parametrize("module", [beamline, nexus], ids=["exchange", "nxtomo"])
def test_frames_become_the_line_integrals_of_each_row(tmp_path, module):
    path = tmp_path / "a.h5"
    module.write(path)
    stack = open_stack(path)
    assert abs(stack.metadata["center"] - module.CENTER) < 0.3
    assert stack.metadata["center_from"] == "slice 1"
    for number, row in enumerate(stack.read(0, module.ROWS)):
        scan = read_scan(path, slice=number, center=stack.metadata["center"])
        assert torch.equal(row, scan.sinogram)
        assert (stack.geometry, stack.grid.slice) == (scan.geometry, scan.grid)
    assert stack.grid.spacing[0] == stack.geometry.detector.pitch[0]


def test_the_entry_is_that_which_is_named(tmp_path):
    path = tmp_path / "a.h5"
    nexus.write(path)
    with h5py.File(path, "r+") as file:
        file.copy("entry", "other")
        file["other/instrument/camera/data"][...] *= 2
    given = {"entry": "other", "center": nexus.CENTER}
    stack = open_stack(path, **given)
    assert torch.equal(next(stack.read(1, 2)), read_scan(path, slice=1, **given).sinogram)
    assert stack.options == {"entry": "other"}


def test_rows_may_be_counted_first(tmp_path):
    beamline.write(tmp_path / "a.h5")
    frames = beamline.content(tmp_path / "a.h5", "exchange/data")
    expected = list(open_stack(tmp_path / "a.h5").read(1, 3))
    beamline.change(tmp_path / "a.h5", "exchange/data", frames.swapaxes(0, 1), axes="y:theta:x")
    for name in ("exchange/data_white", "exchange/data_dark"):
        values = beamline.content(tmp_path / "a.h5", name)
        beamline.change(tmp_path / "a.h5", name, values.swapaxes(0, 1))
    found = list(open_stack(tmp_path / "a.h5").read(1, 3))
    assert torch.equal(torch.stack(found), torch.stack(expected))


def test_samples_of_lodopab_are_slices(tmp_path):
    path = tmp_path / "observation_test_000.hdf5"
    values = np.random.default_rng(0).random((3, 1000, 513), dtype=np.float32)
    with h5py.File(path, "w") as file:
        file["data"] = values
    stack = open_stack(path, num_views=100)
    assert stack.grid.shape == (3, 362, 362)
    assert "have nothing to do with one another" in stack.metadata["warnings"][-1]
    scan = read_scan(path, slice=2, num_views=100)
    assert torch.equal(next(stack.read(2, 3)), scan.sinogram)
    assert stack.geometry == scan.geometry


def test_views_pitch_center_and_coarser_cells(tmp_path):
    path = tmp_path / "a.h5"
    beamline.write(path)
    stack = open_stack(path, num_views=7, pitch=0.2, center=61.0, coarsen=2)
    scan = read_scan(path, slice=2, pitch=0.2, center=61.0, num_views=7)
    assert stack.geometry == scan.geometry
    assert torch.equal(next(stack.read(2, 3)), scan.sinogram)
    assert stack.grid == Grid((3, 64, 64), (0.2, 0.4, 0.4))
    with pytest.raises(ValueError, match=r"`coarsen` must divide both sides of a slice, \(128, 12"):
        open_stack(path, coarsen=3)
    with pytest.raises(ValueError, match="`views` must be at most 40"):
        open_stack(path, num_views=41)


def test_a_row_that_cannot_be_read_says_why_and_the_others_are_there(tmp_path):
    path = tmp_path / "a.h5"
    beamline.write(path)
    frames = beamline.content(path, "exchange/data")
    frames[3, 1, 5] = np.nan
    beamline.change(path, "exchange/data", frames)
    white = beamline.content(path, "exchange/data_white")
    white[:, 2] = beamline.DARK
    beamline.change(path, "exchange/data_white", white)
    rows = list(open_stack(path).read(0, 3))
    assert isinstance(rows[0], torch.Tensor)
    assert rows[1].startswith("`frames` must be finite everywhere; got 1 NaN")
    assert rows[2].startswith("`white` must be brighter than dark in most bins")


def test_nan_in_line_integrals_is_one_slices_own(tmp_path):
    path = write(tmp_path / "a.h5", 6)
    spoil(path, 2)
    rows = list(open_stack(path).read(0, 6))
    assert [isinstance(row, str) for row in rows] == [False, False, True, False, False, False]
    assert rows[2].startswith("`sinogram` must be finite everywhere")


def test_where_no_row_can_be_read_the_reason_is_the_files(tmp_path):
    path = tmp_path / "a.h5"
    beamline.write(path)
    beamline.change(path, "exchange/theta")
    with pytest.raises(ValueError, match="must name a file with the field /exchange/theta"):
        open_stack(path)


def test_a_file_that_is_written_to_is_noticed(tmp_path):
    path = write(tmp_path / "a.h5", 6)
    stack = open_stack(path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(OSError, match="`scan` must stay as it is while it is reconstructed"):
        next(stack.read(0, 2))


def test_it_can_be_sent_to_another_process(tmp_path):
    stack = open_stack(write(tmp_path / "a.h5", 6), num_views=5)
    again = pickle.loads(pickle.dumps(stack))
    assert vars(again) == vars(stack)
    assert torch.equal(next(again.read(1, 2)), next(stack.read(1, 2)))


def test_one_slice_is_a_stack_too_and_a_cone_is_none(tmp_path):
    fan = phantom_scan("disk", size=16, views=12, setup=Setup("fan-flat"))
    write_scan(tmp_path / "fan.h5", fan)
    stack = open_stack(tmp_path / "fan.h5")
    assert (len(stack), stack.grid.slice) == (1, fan.grid)
    assert torch.equal(next(stack.read(0, 1)), fan.sinogram)
    cone = phantom_scan("ball", size=16, views=12, setup=Setup("cone-flat"))
    write_scan(tmp_path / "cone.h5", cone)
    with pytest.raises(
        ValueError, match=r"`scan` must be of slices: .* Rows of a cone beam are no"
    ):
        open_stack(tmp_path / "cone.h5")
    (tmp_path / "a.png").write_bytes(b"a picture")
    with pytest.raises(ValueError, match="`scan` must name a file of slices: ctinr scan"):
        open_stack(tmp_path / "a.png")
    with pytest.raises(ValueError, match="`center` must be left out for a ctinr scan"):
        open_stack(tmp_path / "fan.h5", center=3.0)
