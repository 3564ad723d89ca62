from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch

from ctinr.data import read_scan, reader_of
from ctinr.geometry import Grid
from ctinr.projectors import Projector
from ctinr.recon.fbp import fbp
from tests.data.beamline import change

# The data set's numbers, from its paper: metres, attenuation in 1/m.
LARGEST, HALF_SIDE = 81.35858, 0.13
# Two blobs, x, y and radius in m and the value that pictures have: nothing is symmetric.
BLOBS = ((0.05, -0.02, 0.03, 0.5), (-0.06, -0.07, 0.02, 0.8))
OFF = ((0.01, 0.08, 0.02, 0.3),)


def picture(blobs):
    """A picture (x, y): the first index counts x, as in the data set's own code."""
    centers = (np.arange(362) + 0.5) / 362 * 2 * HALF_SIDE - HALF_SIDE
    x, y = centers[:, None], centers[None, :]
    return sum(value * ((x - a) ** 2 + (y - b) ** 2 < r**2) for a, b, r, value in blobs)


def observation(blobs):
    """Exact integrals in m of the values of pictures, (view, bin)."""
    angles = (np.arange(1000) + 0.5) * np.pi / 1000
    reach = np.sqrt(2) * HALF_SIDE
    bins = (np.arange(513) + 0.5) / 513 * 2 * reach - reach
    total = np.zeros((1000, 513))
    for x, y, radius, value in blobs:
        off = bins - (x * np.cos(angles) + y * np.sin(angles))[:, None]
        total += 2 * value * np.sqrt(np.clip(radius**2 - off**2, 0, None))
    return total


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lodopab")
    with h5py.File(folder / "observation_test_027.hdf5", "w") as file:
        file["data"] = np.stack([observation(OFF), observation(BLOBS)]).astype(np.float32)
    with h5py.File(folder / "ground_truth_test_027.hdf5", "w") as file:
        file["data"] = np.stack([picture(OFF), picture(BLOBS)]).astype(np.float32)
    return folder


@pytest.fixture(scope="module")
def scan(folder):
    return read_scan(folder / "observation_test_027.hdf5", slice=1)


def test_it_is_recognised_by_name_and_shape(folder, tmp_path):
    assert reader_of(folder / "observation_test_027.hdf5").name == "LoDoPaB-CT observations (HDF5)"
    with h5py.File(tmp_path / "observation_test_000.hdf5", "w") as file:
        file["data"] = np.zeros((2, 30, 40))
    with pytest.raises(ValueError, match="name a file of a known kind"):
        reader_of(tmp_path / "observation_test_000.hdf5")


def test_the_geometry_is_that_of_the_paper_in_mm(scan):
    angles = np.asarray(scan.geometry.angles)
    assert angles[0] == pytest.approx(np.pi / 2000)
    assert angles[-1] == pytest.approx(np.pi - np.pi / 2000)
    edges = scan.geometry.detector.edges()
    np.testing.assert_allclose(edges, [-183.8, 183.8], atol=0.05)
    assert scan.grid == Grid((362, 362), 260 / 362)
    assert scan.metadata["title"] == "LoDoPaB-CT test_027, sample 1"


def test_units_are_those_of_the_house(scan):
    assert float(scan.truth.max()) == pytest.approx(0.8 * LARGEST / 1000)
    assert float(scan.sinogram.max()) == pytest.approx(observation(BLOBS).max() * LARGEST)
    assert scan.metadata["data_range"] == pytest.approx(0.8 * LARGEST / 1000)
    assert scan.metadata["full_range"] == pytest.approx(0.08135858)
    assert scan.warnings() == ()


def test_the_truth_lies_where_the_observation_saw_it(scan):
    # The blob at x = 50 mm, y = -20 mm: column from x, row from y.
    row, column = (round((at + 130) / 260 * 362 - 0.5) for at in (-20, 50))
    assert float(scan.truth[row, column]) == pytest.approx(0.5 * LARGEST / 1000)
    assert float(scan.truth[column, row]) == 0.0


def test_projecting_the_truth_and_reconstructing_the_observation_agree(scan):
    few = scan.with_views(125)
    image = fbp(Projector(few.geometry, few.grid, backend="torch"), few.sinogram).image
    size = torch.linalg.norm(few.truth)
    # One bin of the edge of each blob is what a reconstruction from bins of 0.7 mm may miss.
    assert torch.linalg.norm(image - few.truth) < 0.16 * size
    for wrong in (few.truth.T, few.truth.flip(0), few.truth.flip(1)):
        assert torch.linalg.norm(image - wrong) > size
    fewer = scan.with_views(20)
    projected = Projector(fewer.geometry, fewer.grid, backend="torch")(fewer.truth)
    size = torch.linalg.norm(fewer.sinogram)
    assert torch.linalg.norm(projected - fewer.sinogram) < 0.012 * size


def test_subsets_are_every_so_manieth_angle(folder):
    few = read_scan(folder / "observation_test_027.hdf5", num_views=50)
    assert few.metadata["views"] == tuple(range(0, 1000, 20))
    assert few.geometry.angles[1] == pytest.approx(20.5 * np.pi / 1000)
    assert few.metadata["slice"] == 0


def test_only_the_sample_is_read(folder, monkeypatch):
    read = []
    original = h5py.Dataset.__getitem__

    def watched(self, selection, *rest):
        result = original(self, selection, *rest)
        read.append(np.size(result))
        return result

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watched)
    read_scan(folder / "observation_test_027.hdf5")
    assert read == [1000 * 513, 362 * 362]


def test_without_its_pictures_the_truth_is_not_known(tmp_path):
    with h5py.File(tmp_path / "observation_challenge_000.hdf5", "w") as file:
        file["data"] = observation(OFF)[None]
    scan = read_scan(tmp_path / "observation_challenge_000.hdf5")
    assert scan.truth is None
    assert "data_range" not in scan.metadata


def test_what_does_not_fit_is_refused(tmp_path):
    path, pictures = (
        tmp_path / f"{name}_train_000.hdf5" for name in ("observation", "ground_truth")
    )
    with h5py.File(path, "w") as file:
        file["data"] = observation(OFF)[None]
    with pytest.raises(
        ValueError, match=r"`slice` must be less than 1, the number of samples in '"
    ):
        read_scan(path, slice=1)
    with pytest.raises(ValueError, match="`slice` must be at least 0"):
        read_scan(path, slice=-1)
    with h5py.File(pictures, "w") as file:
        file["data"] = np.zeros((1, 300, 362))
    rule = r"/data has the shape \(sample, 362, 362\); got '.*ground_truth_train_000\.hdf5'"
    with pytest.raises(ValueError, match=rule):
        read_scan(path)
    change(path, "data", np.where(observation(OFF)[None] > 0.01, np.nan, 0))
    pictures.unlink()
    with pytest.raises(
        ValueError, match=r"usable field /data; got '.*' ?\. `sinogram` must be finite"
    ):
        read_scan(path)
