"""Arrays of views and files of many scans as stacks: the same slices, and little is decoded."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import tifffile
import torch

from ctinr.batch import Job, Method, open_stack, read_volume, reconstruct_stack
from ctinr.batch.opening import KINDS
from ctinr.data import read_scan, write_scans
from ctinr.data.readers import READERS
from ctinr.geometry import Grid
from recon_scripts import info, reconstruct
from recon_scripts._scans import phantom_scan
from recon_scripts._terminal import guarded
from tests.data.arrays import ANGLES, BINS, CENTER, EXACT, ROWS, VIEWS, write

KNOWN = {"pitch": 0.5, "center": CENTER}


@pytest.mark.parametrize("kind", ["plain.tif", "squeezed.tif", "folder", "array.npy", "arrays.npz"])
def test_rows_of_views_are_slices(tmp_path, kind):
    stack = open_stack(write(tmp_path, kind), **KNOWN)
    assert stack.grid == Grid((ROWS, BINS, BINS), 0.5)
    assert stack.geometry.angles == tuple(ANGLES)
    rows = torch.stack(list(stack.read(0, ROWS)))
    assert np.array_equal(rows, EXACT.swapaxes(0, 1))
    again = pickle.loads(pickle.dumps(stack))
    assert torch.equal(next(again.read(2, 3)), rows[2])


def test_packed_arrays_are_read_view_by_view(tmp_path):
    for order in ("C", "F"):
        np.savez_compressed(
            tmp_path / f"{order}.npz", data=np.asarray(EXACT, order=order), angles=ANGLES
        )
    assert np.array_equal(next(open_stack(tmp_path / "C.npz").read(1, 2)), EXACT[:, 1])
    with pytest.raises(
        ValueError, match=r"`path` must be stored view by view; got '.*F\.npz' with"
    ):
        open_stack(tmp_path / "F.npz")


def test_counts_have_their_flat_field_beside_them(tmp_path):
    path = write(tmp_path, "folder")
    gain = np.random.default_rng(0).uniform(900, 1100, (ROWS, BINS))
    for view, frame in enumerate(gain * np.exp(-EXACT)):
        tifffile.imwrite(path / f"view_{view:04d}.tif", frame.astype(np.float32))
    tifffile.imwrite(path / "white.tif", np.tile(gain, (4, 1, 1)).astype(np.float32))
    stack = open_stack(path, values="counts", **KNOWN)
    for number, row in enumerate(stack.read(0, ROWS)):
        assert torch.equal(row, read_scan(path, slice=number, values="counts", **KNOWN).sinogram)
    assert stack.options == {"values": "counts"}
    os.utime(path / "white.tif", ns=(1, 1))
    with pytest.raises(OSError, match="`scan` must stay as it is while it is reconstructed"):
        next(stack.read(0, 1))


def test_strips_of_other_rows_are_not_decoded(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, EXACT, rowsperstrip=1, compression="deflate", photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        at = file.pages[3].dataoffsets[0]
    stack = open_stack(path, span=np.pi, **KNOWN)
    content = bytearray(path.read_bytes())
    content[at : at + 20] = bytes(20)
    path.write_bytes(content)
    os.utime(path, ns=(stack.identity.changed, stack.identity.changed))
    assert np.array_equal(next(stack.read(2, 3)), EXACT[:, 2])
    with pytest.raises(OSError, match=r"`path` must name a whole file; got '.*a\.tif'"):
        next(stack.read(0, 1))


def test_a_view_of_another_type_is_refused(tmp_path):
    path = write(tmp_path, "folder")
    stack = open_stack(path, **KNOWN)
    tifffile.imwrite(path / "view_0003.tif", EXACT[3].astype(np.float64))
    with pytest.raises(ValueError, match=r"views of one type, float32; got '.*view_0003"):
        next(stack.read(0, 1))


def test_many_scans_of_a_file_are_slices(tmp_path):
    scans = [phantom_scan("disk", size=16, views=8, seed=seed) for seed in range(3)]
    write_scans(tmp_path / "a.h5", scans)
    stack = open_stack(tmp_path / "a.h5", num_views=4)
    assert (len(stack), stack.grid.slice) == (3, scans[0].grid)
    assert "have nothing to do with one another" in stack.metadata["warnings"][-1]
    for row, scan in zip(stack.read(0, 3), scans, strict=True):
        assert torch.equal(row, scan.with_views(4).sinogram)


def test_all_that_is_no_stack_says_why():
    assert all(reader.single for reader in READERS if reader not in KINDS.values())


def test_options_are_those_of_the_reader(tmp_path):
    path = write(tmp_path, "array.npy")
    with pytest.raises(ValueError, match="`entry` must be left out for a stack of views"):
        open_stack(path, entry="entry1")
    with pytest.raises(ValueError, match="`slice` must be left out for all slices; got 1"):
        open_stack(path, slice=1)
    with pytest.raises(TypeError, match="`colour` must be one of"):
        open_stack(path, colour=1)


def test_commands_are_told_alike_where_the_rays_are(tmp_path, capsys):
    path, out = write(tmp_path, "folder"), tmp_path / "v.h5"
    (path / "angles.txt").unlink()
    told = {"scan": path, "span_deg": 180.0, "pitch": 0.5, "center": CENTER}
    config = reconstruct.Reconstruct(**told, method="fbp", window="hann", out=out)
    assert guarded(reconstruct.main, config) == 0
    stack = open_stack(path, span=np.pi, **KNOWN)
    job = Job(Method("fbp", window="hann"))
    reconstruct_stack(stack, tmp_path / "w.h5", job)
    assert torch.equal(read_volume(out)[:], read_volume(tmp_path / "w.h5")[:])
    assert guarded(info.main, info.Info(**told)) == 0
    assert f"{VIEWS} of {ROWS} × {BINS}" in capsys.readouterr().out
