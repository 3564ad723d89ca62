"""A checkpoint holds a tree to the last bit, is whole or not there, and says when it is not."""

from __future__ import annotations

import math

import h5py
import pytest
import torch

from ctinr.data import Checkpoint, checkpoint

STATE = {
    "losses": [0.1, 1e-30, 3.0],
    "betas": (0.9, 0.99),
    "groups": [{"lr": 0.02, "params": [0, 1], "foreach": None, "amsgrad": False}],
    "state": {0: {"step": torch.tensor(3.0), "mean": torch.rand(3, 4) / 3}, 1: {}},
    "generator": torch.Generator().manual_seed(3).get_state(),
    "precise": torch.rand(2, dtype=torch.float64),
    "empty": torch.empty(0),
    "infinite": math.inf,
    "text": "ü",
}


def alike(one, other):
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and all(map(alike, one, other)) and len(one) == len(other)
    return one == other and type(one) is type(other)


@pytest.fixture
def kept(tmp_path):
    return Checkpoint(tmp_path / "fit.checkpoint")


def test_a_state_comes_back_to_the_last_bit(kept):
    assert kept.load() is None
    kept.save(STATE)
    assert alike(kept.load(), STATE)
    kept.save({"losses": [2.0]})
    assert kept.load() == {"losses": [2.0]}
    kept.remove()
    assert kept.load() is None
    kept.remove()


def test_a_state_that_cannot_be_written_leaves_the_one_before(kept, monkeypatch, tmp_path):
    kept.save(STATE)

    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "seal", full)
    with pytest.raises(OSError, match="room for it"):
        kept.save({"losses": []})
    assert alike(kept.load(), STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["fit.checkpoint"]


def test_a_damaged_file_is_told(kept):
    kept.save(STATE)
    with h5py.File(kept.path, "r+") as file:
        file["tensors/1"][0, 0] += 1
    with pytest.raises(OSError, match=r"whose field /tensors/1 is not what was written"):
        kept.load()
    content = kept.path.read_bytes()
    kept.path.write_bytes(content[: len(content) // 2])
    with pytest.raises(OSError, match="`path` must name a whole HDF5 file"):
        kept.load()


def test_another_file_is_not_taken_for_one(kept):
    with h5py.File(kept.path, "w") as file:
        file.attrs["format"] = "ctinr-scan"
    with pytest.raises(ValueError, match="`path` must name a checkpoint"):
        kept.load()


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="`every` must be at least 0"):
        Checkpoint(tmp_path / "a", every=-1.0)
    with pytest.raises(FileNotFoundError, match="`path` must lie in a folder that exists"):
        Checkpoint(tmp_path / "nowhere" / "a")
