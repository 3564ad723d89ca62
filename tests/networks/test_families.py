"""Families: sizes, shapes, seeds, initial statistics, and errors in their hyper-parameters."""

from __future__ import annotations

import dataclasses
import math
from types import MappingProxyType

import pytest
import torch

from ctinr.networks import (
    BWReLU,
    CoordinateNetwork,
    Family,
    Finer,
    FourierFeatures,
    Gauss,
    HashGrid,
    Linear,
    ReLU,
    Siren,
    Wire,
    families,
    hidden_matrices,
    other_parameters,
    variation_norm,
)
from ctinr.networks.activations import Gabor, Gaussian, Sine, Wavelet

SMALL = (
    BWReLU(width=16, depth=2),
    BWReLU(width=16, depth=3, linear_layers=True, kernel="torch"),
    BWReLU(width=16, depth=2, scale=(2.0, 4.0), learned_scale=True, skip=True),
    BWReLU(width=16, depth=2, init="torch"),
    Siren(width=16, depth=2),
    Finer(width=16, depth=2),
    Gauss(width=16, depth=2, scale=3.0),
    Wire(width=16, depth=2, omega=5.0, scale=3.0),
    ReLU(width=16, depth=2, skip=True),
    FourierFeatures(width=16, depth=2, samples=32),
    FourierFeatures(width=16, depth=2, encoding="random", frequencies=5),
    HashGrid(width=16, depth=2, coarsest=2, samples=20, levels=3, entries=64),
)

every_family = pytest.mark.parametrize("family", SMALL, ids=repr)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_names() -> None:
    assert isinstance(families, MappingProxyType)
    assert families["bw-relu"] is BWReLU and families["hash-grid"] is HashGrid
    assert len(set(families.values())) == len(families) == 8
    assert all(issubclass(family, Family) for family in families.values())


@pytest.mark.parametrize(("linear_layers", "expected"), [(False, 181_801), (True, 362_401)])
def test_number_of_parameters(linear_layers: bool, expected: int) -> None:
    family = BWReLU(width=300, depth=3, linear_layers=linear_layers)
    assert num_parameters(family.build(2)) == expected


@pytest.mark.parametrize("name", families)
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_depth_counts_activated_layers(name: str, depth: int) -> None:
    network = families[name](width=8, depth=depth).build(3)
    activations = (Wavelet, Sine, Gaussian, Gabor, torch.nn.ReLU)
    assert sum(isinstance(layer, activations) for layer in network.body) == depth


def test_a_flat_start_is_zero_and_its_first_step_moves_the_output_layer_alone() -> None:
    flat, random = (
        BWReLU(width=16, depth=2, init=init).build(2, 3, generator=seeded(0))
        for init in ("flat", "spread")
    )
    points = torch.rand(50, 2, generator=seeded(1)) * 2 - 1
    assert torch.equal(flat.features(points), random.features(points))
    assert not flat(points).any()
    shallow = BWReLU(width=16, depth=1, init="flat").build(2, generator=seeded(0))
    assert float(variation_norm(shallow).detach()) == 0
    (flat(points) - 1).square().mean().backward()
    gradients = [float(each.grad.abs().max()) for each in flat.parameters()]  # type: ignore[union-attr]
    assert gradients[-2] > 0 and gradients[-1] > 0 and not any(gradients[:-2])


@every_family
def test_representation_evaluates_back(family: Family) -> None:
    assert eval(repr(family)) == family
    with pytest.raises(dataclasses.FrozenInstanceError):
        family.width = 3  # type: ignore[attr-defined]


@every_family
@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 3, 4), (0,)], ids=str)
def test_any_leading_shape_of_points(family: Family, shape: tuple[int, ...]) -> None:
    network = family.build(2, 3, generator=seeded(0))
    values = network(torch.zeros(*shape, 2))
    assert values.shape == (*shape, 3)
    assert values.dtype == torch.float32


@every_family
def test_points_are_treated_one_by_one(family: Family) -> None:
    network = family.build(2, generator=seeded(0)).double()
    points = torch.rand(4, 5, 2, dtype=torch.float64, generator=seeded(1)) * 2 - 1
    single = torch.stack([network(point) for point in points.flatten(0, 1)]).reshape(4, 5, 1)
    torch.testing.assert_close(network(points), single, rtol=1e-12, atol=1e-12)
    assert single.std() > 1e-6


@every_family
def test_values_are_linear_in_the_output_weights(family: Family) -> None:
    network = family.build(2, 2, generator=seeded(0))
    points = torch.rand(7, 2, generator=seeded(1))
    features = network.features(points)
    assert features.shape == (7, 32 if isinstance(family, Wire) else 16)
    expected = features @ network.output.weight.T + network.output.bias
    if network.skip is not None:
        expected = expected + network.skip(points)
    torch.testing.assert_close(network(points), expected)


@every_family
def test_every_parameter_gets_a_gradient(family: Family) -> None:
    network = family.build(2, generator=seeded(0))
    network(torch.rand(200, 2, generator=seeded(1))).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@every_family
def test_a_seed_decides_every_bit_and_nothing_else_is_drawn_from(family: Family) -> None:
    state = torch.get_rng_state()
    first, again, other = (family.build(2, generator=seeded(seed)) for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), state)
    for one, same, different in zip(
        first.parameters(), again.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(one, same)
        # Scales that are learned, and biases that begin at zero, are no draws.
        assert one.ndim == 0 or not one.any() or not torch.equal(one, different)


def test_bw_relu_starts_uniform_with_the_inverse_root_of_the_inputs() -> None:
    network = BWReLU(width=400, depth=2, init="torch").build(2, generator=seeded(0))
    for layer, inputs in zip([*network.linears, network.output], (2, 400, 400), strict=True):
        bound = 1 / math.sqrt(inputs)
        assert 0.95 * bound < layer.weight.abs().max() <= bound
        assert layer.bias.abs().max() <= bound
    hidden = network.hidden[0]
    for values in (hidden.weight, hidden.bias):
        assert 0.95 * bound < values.abs().max() <= bound
        assert values.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.08)


def test_siren_starts_with_arguments_of_variance_one_and_arcsine_activations() -> None:
    family = Siren(width=512, depth=4)
    network = family.build(2, generator=seeded(0))
    activations = torch.rand(2000, 2, generator=seeded(1)) * 2 - 1
    for index, layer in enumerate(network.linears):
        if index > 0:
            arguments = family.omega_hidden * activations @ layer.weight.T
            assert arguments.std().item() == pytest.approx(1, rel=0.05)
        activations = network.body[2 * index + 1](layer(activations))
        assert activations.std().item() == pytest.approx(math.sqrt(1 / 2), rel=0.03)


def test_siren_bounds() -> None:
    network = Siren(width=512, depth=2, omega_hidden=20).build(2, generator=seeded(0))
    hidden = math.sqrt(6 / 512) / 20
    layers = [*network.linears, network.output]
    for layer, bound in zip(layers, (1 / 2, hidden, hidden), strict=True):
        assert 0.98 * bound < layer.weight.abs().max() <= bound
    for layer, inputs in zip(layers, (2, 512, 512), strict=True):
        assert layer.bias.abs().max() <= 1 / math.sqrt(inputs)
    assert [layer.omega for layer in network.body[1::2]] == [30, 20]


@pytest.mark.parametrize(("linear_layers", "count"), [(False, 2), (True, 4)])
def test_two_groups_of_parameters(linear_layers: bool, count: int) -> None:
    network = BWReLU(width=8, depth=3, linear_layers=linear_layers).build(2)
    matrices, others = hidden_matrices(network), other_parameters(network)
    assert [tuple(matrix.shape) for matrix in matrices] == count * [(8, 8)]
    both = {id(parameter) for parameter in (*matrices, *others)}
    assert both == {id(parameter) for parameter in network.parameters()}
    assert len(matrices) + len(others) == len(both)
    outer = (network.linears[0].weight, network.output.weight)
    assert all(any(weight is other for other in others) for weight in outer)


def test_a_foreign_module_has_no_hidden_matrices() -> None:
    foreign = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Linear(4, 4))
    assert hidden_matrices(foreign) == []
    assert len(other_parameters(foreign)) == 4


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: BWReLU(width=0), ValueError, "`width` must be at least 1; got 0"),
        (lambda: BWReLU(width=2.5), TypeError, "`width` must be a whole number; got 2.5"),
        (lambda: BWReLU(depth=0), ValueError, "`depth` must be at least 1; got 0"),
        (lambda: BWReLU(scale=0), ValueError, "`scale` must be above zero; got 0"),
        (lambda: BWReLU(scale=-3.0), ValueError, "`scale` must be above zero; got -3.0"),
        (lambda: BWReLU(scale=math.nan), ValueError, "`scale` must be finite; got nan"),
        (lambda: BWReLU(linear_layers=3), ValueError, "`linear_layers` must be one of False, T"),
        (
            lambda: BWReLU(scale=(3.0, 2.0)),
            ValueError,
            "`scale` must be one number, or one for each",
        ),
        (lambda: BWReLU(scale=(3.0, 2.0, 0.0)), ValueError, "`scale` must be above zero; got 0.0"),
        (lambda: BWReLU(learned_scale="yes"), ValueError, "`learned_scale` must be one of False"),
        (lambda: BWReLU(skip=2), ValueError, "`skip` must be one of False, True; got 2"),
        (
            lambda: BWReLU(init="he"),
            ValueError,
            "`init` must be one of 'spread', 'flat', 'torch'; got",
        ),
        (lambda: BWReLU(spread=0), ValueError, "`spread` must be above zero; got 0"),
        (lambda: ReLU(width=0), ValueError, "`width` must be at least 1; got 0"),
        (lambda: Gauss(scale=-1), ValueError, "`scale` must be above zero; got -1"),
        (lambda: Wire(omega=0), ValueError, "`omega` must be above zero; got 0"),
        (lambda: Finer(first_bias=math.nan), ValueError, "`first_bias` must be finite; got nan"),
        (lambda: FourierFeatures(samples=1), ValueError, "`samples` must be at least 2; got 1"),
        (lambda: FourierFeatures(encoding="sine"), ValueError, "`encoding` must be one of 'posit"),
        (lambda: HashGrid(samples=8), ValueError, "`samples` must be at least 16; got 8"),
        (lambda: HashGrid().build(4), ValueError, "`axes` must be at most 3 for hashed grids; go"),
        (lambda: BWReLU(kernel="cuda"), ValueError, "`kernel` must be one of 'auto', 'numba'"),
        (lambda: Siren(width=0), ValueError, "`width` must be at least 1; got 0"),
        (lambda: Siren(depth=-1), ValueError, "`depth` must be at least 1; got -1"),
        (lambda: Siren(omega_first=0), ValueError, "`omega_first` must be above zero; got 0"),
        (lambda: Siren(omega_hidden=math.inf), ValueError, "`omega_hidden` must be finite; got"),
        (lambda: BWReLU().build(0), ValueError, "`axes` must be at least 1; got 0"),
        (lambda: Siren().build(2, 0), ValueError, "`channels` must be at least 1; got 0"),
    ],
)
def test_bad_hyper_parameters(make, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_points_of_another_dimension() -> None:
    network = BWReLU(width=4, depth=1).build(2)
    text = r"`points` must end with the shape \(2,\) of a point of this network; got Tensor of sha"
    with pytest.raises(ValueError, match=text):
        network(torch.zeros(5, 3))
    with pytest.raises(ValueError, match=text):
        network(torch.tensor(1.0))


def test_a_body_without_a_linear_layer() -> None:
    with pytest.raises(ValueError, match="`body` must contain a Linear layer; got 1 layers"):
        CoordinateNetwork(torch.nn.Sequential(torch.nn.ReLU()), output=Linear(2, 1))


def test_an_ensemble_by_vmap_over_parameters() -> None:
    networks = [BWReLU(width=8, depth=2).build(2, generator=seeded(seed)) for seed in range(3)]
    stacked, buffers = torch.func.stack_module_state(networks)
    points = torch.rand(5, 2, generator=seeded(9))

    def evaluate(parameters, buffers):
        return torch.func.functional_call(networks[0], (parameters, buffers), (points,))

    together = torch.func.vmap(evaluate)(stacked, buffers)
    torch.testing.assert_close(together, torch.stack([network(points) for network in networks]))


def test_wire_is_a_network_of_complex_numbers() -> None:
    family = Wire(width=6, depth=3, omega=5.0, scale=3.0)
    network = family.build(2, generator=seeded(0)).double()
    points = torch.rand(9, 2, dtype=torch.float64, generator=seeded(1)) * 2 - 1

    def neuron(z: torch.Tensor) -> torch.Tensor:
        return torch.exp(1j * family.omega * z - (family.scale * z.abs()) ** 2)

    z = neuron(network.linears[0](points))
    for layer in network.body[2::2]:
        weight, bias = torch.view_as_complex(layer.weight), torch.view_as_complex(layer.bias)
        z = neuron(z @ weight.T + bias)
    expected = torch.cat([z.real, z.imag], dim=-1)
    torch.testing.assert_close(network.features(points), expected, rtol=1e-12, atol=1e-14)
    assert expected.abs().max() > 1e-3


@pytest.mark.parametrize("family", [Gauss(width=64), Wire(width=64)], ids=repr)
def test_bumps_far_away_are_zero_and_not_numbers_that_processors_are_slow_with(family) -> None:
    network = family.build(2, generator=seeded(0))
    points = torch.rand(500, 2, generator=seeded(1)) * 2 - 1
    features = network.features(points)
    network.output(features).square().mean().backward()
    seen = [features.detach(), *(parameter.grad for parameter in network.parameters())]
    for values in seen:
        size = values.abs()
        assert not ((size > 0) & (size < torch.finfo(torch.float32).tiny)).any()
    assert (network.body[:2](points) == 0).any()
