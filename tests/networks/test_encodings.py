"""Encodings against what they should be: frequencies, interpolation, hashing."""

from __future__ import annotations

import itertools

import pytest
import torch

from ctinr.networks import FourierFeatures, HashGrid
from ctinr.networks.encodings import FourierEncoding, HashEncoding, octaves


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("samples", "count"), [(2, 1), (3, 1), (4, 2), (256, 8), (326, 8), (512, 9)]
)
def test_octaves_end_at_the_nyquist_frequency(samples: int, count: int) -> None:
    frequencies = octaves(2, samples)
    assert frequencies.shape == (2 * count, 2)
    assert frequencies.max() <= samples / 4 < 2 * frequencies.max()
    assert frequencies.max() == 2.0 ** (count - 2)


def test_the_highest_octave_alternates_from_sample_to_sample() -> None:
    samples = 8
    points = ((torch.arange(samples) + 0.5) / samples * 2 - 1)[:, None]
    cosines = FourierEncoding(octaves(1, samples))(points)[:, 3]
    # Two cycles a unit on a domain of two: four cycles of eight samples, met between the extremes.
    assert cosines.abs().max() < 1e-6
    sines = FourierEncoding(octaves(1, samples))(points)[:, 6]
    torch.testing.assert_close(sines, sines[0] * (-1.0) ** torch.arange(samples))


def test_random_frequencies_have_the_bandwidth() -> None:
    family = FourierFeatures(samples=400, encoding="random", frequencies=4000, bandwidth=0.2)
    frequencies = family.build(2, generator=seeded(0)).body[0].frequencies
    assert frequencies.shape == (4000, 2)
    assert frequencies.std().item() == pytest.approx(0.2 * 100, rel=0.03)


def test_hashed_features_are_linear_between_nodes() -> None:
    encoding = HashEncoding((4,), axes=2, features=3, size=64, generator=seeded(0))
    nodes = torch.linspace(-1, 1, 5)
    grid = torch.stack(torch.meshgrid(nodes, nodes, indexing="ij"), dim=-1)
    values = encoding(grid)
    points = torch.rand(50, 2, generator=seeded(1)) * 2 - 1
    expected = torch.nn.functional.grid_sample(
        values.movedim(-1, 0)[None], points.flip(-1)[None, None], align_corners=True
    )[0, :, 0].T
    torch.testing.assert_close(encoding(points), expected, rtol=1e-5, atol=1e-8)
    assert len({tuple(value) for value in values.flatten(0, 1).tolist()}) == 25


def test_fine_grids_share_their_table() -> None:
    encoding = HashEncoding((63,), axes=3, features=1, size=100, generator=seeded(0))
    nodes = torch.randint(0, 64, (200, 3), generator=seeded(1))
    expected = [(i ^ (j * 2_654_435_761) ^ (k * 805_459_861)) % 100 for i, j, k in nodes.tolist()]
    values = encoding(nodes / 63 * 2 - 1)[:, 0]
    torch.testing.assert_close(values, encoding.tables[0, expected, 0], rtol=1e-3, atol=1e-8)


def test_resolutions_grow_by_one_factor() -> None:
    sides = HashGrid(coarsest=4, samples=256, levels=7).resolutions
    assert sides == (4, 8, 16, 32, 64, 128, 256)
    assert HashGrid(coarsest=4, samples=256, levels=1).resolutions == (4,)


def test_points_on_the_edge_and_beyond_are_finite() -> None:
    corners = torch.tensor(list(itertools.product((-1.5, -1.0, 1.0, 1.5), repeat=2)))
    values = HashGrid(width=8).build(2, generator=seeded(0))(corners)
    assert values.isfinite().all()
