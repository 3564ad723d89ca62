"""The variation norm against the total variation that it claims to be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ctinr.networks import BWReLU, CoordinateNetwork, Linear, Siren, variation_norm
from ctinr.networks.activations import Wavelet


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def variation_of_the_derivative(network: CoordinateNetwork) -> float:
    """TV(f') on the line, from slopes measured between all kinks of all neurons."""
    layer, activation = network.body
    halves = torch.arange(7, dtype=torch.float64) / 2
    kinks = (halves / activation.scale - layer.bias[:, None]) / layer.weight
    kinks = kinks.detach().flatten().sort().values
    middles = (kinks[1:] + kinks[:-1]) / 2
    points = torch.cat([kinks[:1] - 1, middles, kinks[-1:] + 1])[:, None].requires_grad_()
    (slopes,) = torch.autograd.grad(network(points).sum(), points)
    return float(slopes[:, 0].diff().abs().sum())


@pytest.mark.parametrize("scale", [1.0, 3.7])
def test_one_dimension_is_the_variation_of_the_derivative(scale: float) -> None:
    network = BWReLU(width=20, depth=1, scale=scale).build(1, generator=seeded(3)).double()
    expected = variation_of_the_derivative(network)
    assert expected > 1
    assert variation_norm(network).item() == pytest.approx(expected, rel=1e-10)


def test_layers_are_summed_with_rows_before_and_columns_after() -> None:
    network = BWReLU(width=7, depth=2, scale=2.0).build(3, 2, generator=seeded(0))
    first, second, last = (layer.weight.detach() for layer in (*network.linears, network.output))
    expected = sum(
        16 * 2.0 * after[:, k].norm() * before[k].norm()
        for before, after in ((first, second), (second, last))
        for k in range(7)
    )
    assert variation_norm(network).item() == pytest.approx(float(expected), rel=1e-6)


def test_with_linear_layers_each_wavelet_layer_has_matrices_of_its_own() -> None:
    family = BWReLU(width=5, depth=3, scale=2.0, linear_layers=True)
    network = family.build(2, generator=seeded(0))
    pairs = zip(network.linears[::2], [*network.linears[1::2], network.output], strict=True)
    expected = sum(
        32 * (after.weight.norm(dim=0) * before.weight.norm(dim=1)).sum().item()
        for before, after in pairs
    )
    assert variation_norm(network).item() == pytest.approx(expected, rel=1e-6)


def test_it_is_differentiable_even_where_neurons_are_dead() -> None:
    network = BWReLU(width=6, depth=2).build(2, generator=seeded(0)).double()
    before, after = network.linears[0].weight, network.output.weight
    variation_norm(network).backward()
    assert before.grad is not None and before.grad.abs().min() > 0
    # |v| |w| is homogeneous: moving along the output weights changes the last layer's term.
    last = 48 * (after.norm(dim=0) * network.linears[1].weight.norm(dim=1)).sum()
    assert after.grad is not None
    assert (after.grad * after).sum().item() == pytest.approx(last.item(), rel=1e-12)
    network.zero_grad()
    with torch.no_grad():
        before[0] = 0
    variation_norm(network).backward()
    assert all(_finite(parameter.grad) for parameter in network.parameters())


def _finite(gradient: Tensor | None) -> bool:
    return gradient is None or bool(gradient.isfinite().all())


def test_a_network_of_another_kind_is_refused() -> None:
    text = "`network` must be a CoordinateNetwork of linear layers and wavelets; got"
    mixed = nn.Sequential(Linear(1, 4), Wavelet(1.0), Linear(4, 4), nn.ReLU())
    for network in (
        Siren(width=4).build(1),
        nn.Linear(1, 1),
        CoordinateNetwork(mixed, output=Linear(4, 1)),
    ):
        with pytest.raises(TypeError, match=text):
            variation_norm(network)
