"""The variation norm against the total variation that it claims to be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ctinr.networks import (
    BWReLU,
    CoordinateNetwork,
    Ensemble,
    FourierFeatures,
    Linear,
    ReLU,
    Siren,
    has_variation_norm,
    to_relu,
    variation_norm,
)
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


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 3.7])
def test_one_dimension_is_the_variation_of_the_derivative(scale: float) -> None:
    network = BWReLU(width=20, depth=1, scale=scale).build(1, generator=seeded(3)).double()
    expected = variation_of_the_derivative(network)
    assert expected > 1
    assert variation_norm(network).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("skip", [False, True])
def test_relus_count_without_the_factor_of_the_wavelet(skip: bool) -> None:
    network = ReLU(width=20, depth=1, skip=skip).build(1, generator=seeded(3)).double()
    layer = network.linears[0]
    kinks = (-layer.bias / layer.weight[:, 0]).detach().sort().values
    points = torch.cat([kinks[:1] - 1, (kinks[1:] + kinks[:-1]) / 2, kinks[-1:] + 1])
    points = points[:, None].requires_grad_()
    (slopes,) = torch.autograd.grad(network(points).sum(), points)
    expected = float(slopes[:, 0].diff().abs().sum())
    assert variation_norm(network).item() == pytest.approx(expected, rel=1e-10)


def test_a_learned_scale_gets_a_gradient() -> None:
    network = BWReLU(width=5, depth=1, scale=2.5, learned_scale=True).build(1, generator=seeded(0))
    (scale,) = (value for name, value in network.named_parameters() if name.endswith("scale"))
    norm = variation_norm(network)
    norm.backward()
    assert scale.grad is not None
    assert scale.grad.item() == pytest.approx(norm.item() / 2.5, rel=1e-6)


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
    text = (
        "`network` must be a CoordinateNetwork of linear layers and activations of kind Wavelet or"
    )
    mixed = nn.Sequential(Linear(1, 4), Wavelet(1.0), Linear(4, 4), nn.Tanh())
    unbroken = nn.Sequential(Linear(1, 4), Wavelet(1.0), nn.ReLU(), Linear(4, 4))
    for network in (
        Siren(width=4).build(1),
        nn.Linear(1, 1),
        FourierFeatures(width=4).build(1),
        CoordinateNetwork(mixed, output=Linear(4, 1)),
        CoordinateNetwork(unbroken, output=Linear(4, 1)),
    ):
        assert not has_variation_norm(network)
        with pytest.raises(TypeError, match=text):
            variation_norm(network)


@pytest.mark.parametrize(
    "family",
    [
        BWReLU(width=9, depth=1),
        BWReLU(width=9, depth=3, scale=(2.0, 5.0, 1.0), skip=True),
        BWReLU(width=9, depth=2, linear_layers=True, scale=7.0),
        BWReLU(width=9, depth=2, learned_scale=True),
    ],
    ids=repr,
)
def test_wavelets_are_relus(family: BWReLU) -> None:
    network = family.build(2, 3, generator=seeded(1)).double()
    points = torch.rand(500, 2, generator=seeded(2), dtype=torch.float64) * 2 - 1
    twin = to_relu(network)
    assert all(isinstance(layer, Linear | nn.ReLU) for layer in twin.body)
    assert twin.output.weight.shape == (3, 7 * 9)
    values, same = network(points), twin(points)
    assert values.std() > 0.01
    assert (values - same).abs().max() < 1e-12 * values.abs().max()


def test_one_hidden_layer_has_the_same_norm_as_relus() -> None:
    network = BWReLU(width=30, depth=1, scale=4.0).build(2, generator=seeded(1)).double()
    norm, same = variation_norm(network), variation_norm(to_relu(network))
    assert same.item() == pytest.approx(norm.item(), rel=1e-12)


def test_only_wavelets_are_rewritten() -> None:
    with pytest.raises(TypeError, match="`network` must be a CoordinateNetwork of linear layers"):
        to_relu(ReLU(width=4).build(1))


@pytest.mark.parametrize("learned", [False, True])
def test_an_ensemble_has_a_norm_for_each_of_its_members(learned: bool) -> None:
    families = [BWReLU(width=9, depth=2, scale=scale, learned_scale=learned) for scale in (1, 3, 5)]
    networks = [
        family.build(2, generator=torch.Generator().manual_seed(seed))
        for seed, family in enumerate(families)
    ]
    ensemble = Ensemble(networks)
    assert has_variation_norm(ensemble)
    norms = variation_norm(ensemble)
    torch.testing.assert_close(norms, torch.stack([variation_norm(each) for each in networks]))
    norms.sum().backward()
    variation_norm(networks[1]).backward()
    expected = networks[1].body[0].weight.grad
    torch.testing.assert_close(ensemble.stacked["body/0/weight"].grad[1], expected)
