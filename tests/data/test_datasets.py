"""Data sets for training: the same items in the same order, whoever reads them."""

from __future__ import annotations

import os
import pickle
import shutil

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ctinr.data import Noise, ScanDataset, read_scan, simulate, write_scan, write_scans
from ctinr.data import datasets as module
from tests.data.scans import BEAMS, example
from tests.data.test_scan_sets import several


@pytest.fixture
def folder(tmp_path):
    """Five scans in two files: three and two."""
    write_scans(tmp_path / "a.h5", several())
    write_scans(tmp_path / "b.h5", several(count=2))
    return tmp_path


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_items_are_the_scans_in_the_order_of_the_files(folder):
    found = ScanDataset(folder)
    assert len(found) == 5
    assert (found.geometry, found.grid, found.has_truth) == (
        several()[0].geometry,
        several()[0].grid,
        True,
    )
    for index, scan in enumerate([*several(), *several(count=2)]):
        wanted = {"sinogram": scan.sinogram, "truth": scan.truth, "index": torch.tensor(index)}
        assert equal(found[index], wanted)
        assert equal(found[index - 5], wanted)
    for index in (5, -6):
        with pytest.raises((IndexError, ValueError), match="`index` must be"):
            found[index]
    assert [int(item["index"]) for item in found] == [0, 1, 2, 3, 4]


def test_single_scans_and_volumes(tmp_path):
    for name in "ab":
        write_scan(tmp_path / f"{name}.h5", example())
    assert torch.equal(ScanDataset(tmp_path)[1]["truth"], example().truth)
    write_scans(tmp_path / "c.h5", several("helix", truth=False))
    found = ScanDataset(tmp_path / "c.h5")
    assert found.geometry == BEAMS["helix"]
    assert found[2].keys() == {"sinogram", "index"}
    assert torch.equal(found[2]["sinogram"], several("helix", truth=False)[2].sinogram)


def test_views_are_those_of_a_scan(folder):
    scan, found = read_scan(folder / "a.h5", slice=2, num_views=3), ScanDataset(folder, num_views=3)
    assert found.geometry == scan.geometry
    assert torch.equal(found[2]["sinogram"], scan.sinogram)
    with pytest.raises(ValueError, match="`num_views` must be at most 7"):
        ScanDataset(folder, num_views=8)


def test_the_noise_of_an_item_is_its_own(folder):
    noise = Noise(photons=1e4, electronic=3.0, seed=5)
    found = ScanDataset(folder, noise=noise)
    assert equal(found[3], found[3])
    exact = ScanDataset(folder)
    relative = [found[i]["sinogram"] - exact[i]["sinogram"] for i in (0, 3)]
    # The same values in two places of the data set.
    assert torch.equal(exact[0]["sinogram"], exact[3]["sinogram"])
    assert not torch.equal(*relative)
    assert 0.5 < float(relative[0].std()) / 0.013 < 2
    other = ScanDataset(folder, noise=Noise(photons=1e4, electronic=3.0, seed=6))
    assert not torch.equal(other[0]["sinogram"], found[0]["sinogram"])
    assert not torch.equal(simulate(exact[0]["sinogram"], noise)[0], found[0]["sinogram"])


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.slow
def test_workers_change_nothing(folder, method):
    found = ScanDataset(folder, num_views=3, noise=Noise(photons=1e3))
    # Opened here first, so that a fork would inherit open files.
    wanted = [found[index] for index in range(5)]
    for workers in (1, 2):
        loader = DataLoader(
            found, batch_size=2, num_workers=workers, multiprocessing_context=method
        )
        batches = list(loader)
        for name in ("sinogram", "truth", "index"):
            together = torch.cat([batch[name] for batch in batches])
            assert torch.equal(together, torch.stack([item[name] for item in wanted]))
    assert equal(found[4], wanted[4])


def test_without_workers(folder):
    found = ScanDataset(folder)
    batches = list(DataLoader(found, batch_size=2))
    assert [batch["index"].tolist() for batch in batches] == [[0, 1], [2, 3], [4]]
    assert torch.equal(batches[1]["truth"][1], found[3]["truth"])


def test_it_is_pickled_without_open_files(folder):
    found = ScanDataset(folder)
    wanted = found[4]
    again = pickle.loads(pickle.dumps(found))
    assert not again._open._files
    assert equal(again[4], wanted)


def test_another_process_opens_its_own(folder, monkeypatch):
    found = ScanDataset(folder)
    wanted = found[4]
    with found._open.reading(folder / "b.h5") as inherited:
        pass
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert equal(found[4], wanted)
    with found._open.reading(folder / "b.h5") as own:
        assert own is not inherited
    # Closed, it would be closed for the parent too.
    assert inherited.id.valid


def test_few_files_are_open_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_OPEN", 2)
    for name in "abcd":
        write_scan(tmp_path / f"{name}.h5", example())
    found = ScanDataset(tmp_path)
    for index in (0, 1, 2, 3, 0):
        assert torch.equal(found[index]["sinogram"], example().sinogram)
        assert len(found._open._files) <= 2


def test_lodopab_in_training_is_as_it_is_read(tmp_path):
    random = np.random.default_rng(0)
    for name, shape in (("observation", (2, 1000, 513)), ("ground_truth", (2, 362, 362))):
        with h5py.File(tmp_path / f"{name}_train_000.hdf5", "w") as file:
            file["data"] = random.random(shape, dtype=np.float32)
    found = ScanDataset(tmp_path, num_views=50)
    scan = read_scan(tmp_path / "observation_train_000.hdf5", slice=1, num_views=50)
    assert len(found) == 2
    assert (found.geometry, found.grid) == (scan.geometry, scan.grid)
    torch.testing.assert_close(found[1]["sinogram"], scan.sinogram, rtol=1e-6, atol=0)
    torch.testing.assert_close(found[1]["truth"], scan.truth, rtol=1e-6, atol=0)


def test_files_that_do_not_go_together_are_named(folder):
    write_scans(folder / "c.h5", several("fan-flat"))
    rule = r"`paths` must name files that have the rays of '.*a\.h5'; got '.*c\.h5'"
    with pytest.raises(ValueError, match=rule):
        ScanDataset(folder)
    with h5py.File(folder / "d.h5", "w") as file:
        file["image"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"name a file of scans: .*; got '.*d\.h5'\. Convert"):
        ScanDataset([folder / "d.h5"])
    with pytest.raises(FileNotFoundError, match=r"a folder with HDF5 files; got '.*none'"):
        (folder / "none").mkdir()
        ScanDataset(folder / "none")
    with pytest.raises(FileNotFoundError, match=r"name a file that exists; got '.*gone'"):
        ScanDataset(folder / "gone")
    with pytest.raises(ValueError, match="`paths` must name at least one file"):
        ScanDataset([])


def test_a_file_that_changes_is_named(folder):
    found = ScanDataset(folder)
    shutil.copy(folder / "b.h5", folder / "a.h5")
    with pytest.raises(ValueError, match=r"stays as it was .*; got '.*a\.h5', whose field /obs"):
        found[2]
    found = ScanDataset([folder / "b.h5"] * 2)
    with h5py.File(folder / "b.h5", "r+") as file:
        file["observation"][0] = 1.0
        file["observation"][1] = np.nan
    with pytest.raises(OSError, match=r"whose field /observation is not what was written"):
        found[2]
    found = ScanDataset([folder / "b.h5"] * 2)
    with h5py.File(folder / "b.h5", "r+") as file:
        del file["observation"].attrs["crc32"]
    with pytest.raises(ValueError, match=r"a usable field /observation; got '.*b\.h5'.*finite"):
        found[3]
    (folder / "a.h5").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.h5"):
        ScanDataset(folder / "a.h5")


def test_a_file_that_is_cut_off_while_it_is_read_is_named(folder):
    found = ScanDataset(folder)
    assert found[0]["sinogram"].shape == (7, 9)
    with h5py.File(folder / "a.h5") as file:
        end = file["observation"].id.get_chunk_info(2).byte_offset + 10
    with (folder / "a.h5").open("r+b") as file:
        file.truncate(end)
    with pytest.raises(OSError, match=r"undamaged file; got '.*a\.h5', whose field /observation"):
        found[2]
