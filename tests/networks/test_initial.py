"""The initial spread of a wavelet network, against what the networks do."""

from __future__ import annotations

import pytest
import torch

from ctinr.networks import BWReLU
from ctinr.networks.activations import Wavelet
from ctinr.networks.initial import spatial_variance
from tests.networks.reference import psi


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spreads(family: BWReLU, axes: int = 2) -> list[float]:
    """The standard deviation over the points of each wavelet layer's arguments, all neurons'."""
    network = family.build(axes, generator=seeded(0))
    x = torch.rand(4000, axes, generator=seeded(1)) * 2 - 1
    found = []
    for layer in network.body:
        if isinstance(layer, Wavelet):
            found.append(float((layer.scale * x).var(0).mean().sqrt().detach()))
        x = layer(x)
    return found


@pytest.mark.parametrize("linear_layers", [False, True])
@pytest.mark.parametrize("spread", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("scale", [0.3, 3.0, 50.0])
def test_every_hidden_layer_has_the_spread(
    scale: float, spread: float, linear_layers: bool
) -> None:
    family = BWReLU(depth=5, scale=scale, spread=spread, linear_layers=linear_layers)
    for found in spreads(family)[1:]:
        assert found == pytest.approx(spread, rel=0.2)


def test_each_layer_has_a_scale_of_its_own() -> None:
    found = spreads(BWReLU(depth=4, scale=(3.0, 0.5, 40.0, 7.0)), axes=1)
    assert found[1:] == pytest.approx([0.3] * 3, rel=0.2)


def test_without_it_small_scales_fade() -> None:
    found = spreads(BWReLU(scale=1.0, init="torch"))
    assert found[2] < 0.1 * found[0]


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.05, 0.3, 2.0])
def test_variance_over_the_points(spread: float) -> None:
    half = 1.5 + 2 * spread
    biases = torch.linspace(1.5 - half, 1.5 + half, 2001, dtype=torch.float64)
    normal = torch.randn(4000, generator=seeded(0), dtype=torch.float64)
    expected = float(psi(biases[:, None] + spread * normal).var(1).mean())
    # Arguments beyond twice the spread leave the interval of the biases, where they meet nothing.
    assert spatial_variance(spread) == pytest.approx(expected, rel=0.05)
