"""Features of networks at points: parts against the whole, and what a fit's observer sees."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ctinr import Grid, Identity, Observation, fit
from ctinr.networks import (
    BWReLU,
    CoordinateNetwork,
    Linear,
    Siren,
    condition_number,
    feature_condition,
    feature_factor,
    feature_gram,
)
from ctinr.recon.observers import Curve


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def relu_network(width: int) -> CoordinateNetwork:
    generator = seeded(2)
    body = nn.Sequential(
        Linear(2, width, generator=generator),
        nn.ReLU(),
        Linear(width, width, generator=generator),
        nn.ReLU(),
    )
    return CoordinateNetwork(body, output=Linear(width, 1, generator=generator))


NETWORKS = {
    "wavelets": BWReLU(width=12, depth=2, scale=9.0).build(2, generator=seeded(0)).double(),
    "sines": Siren(width=9, depth=2).build(2, generator=seeded(1)).double(),
    "relus": relu_network(14).double(),
}
POINTS = torch.rand(7, 43, 2, generator=seeded(3), dtype=torch.float64) * 2 - 1


def whole(network: CoordinateNetwork, points: Tensor) -> Tensor:
    return network.features(points).detach().flatten(0, -2)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("part", [7, 100, 301, 10_000])
def test_parts_are_the_whole(network: CoordinateNetwork, part: int) -> None:
    features = whole(network, POINTS)
    expected = features.T @ features / 301
    gram, factor = (run(network, POINTS, part=part) for run in (feature_gram, feature_factor))
    assert (gram - expected).abs().max() < 1e-14
    assert factor.shape == gram.shape
    assert (factor.T @ factor - expected).abs().max() < 1e-14


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("part", [5, 4096])
def test_the_condition_is_that_of_the_feature_matrix(network: CoordinateNetwork, part: int) -> None:
    features = whole(network, POINTS)
    live = features[:, features.norm(dim=0) > 0]
    found = feature_condition(network, POINTS, live_only=True, part=part)
    assert found == pytest.approx(np.linalg.cond(live.numpy()), rel=1e-9)
    if live.shape == features.shape:
        gram = condition_number(feature_gram(network, POINTS, part=part))
        assert found**2 == pytest.approx(gram, rel=1e-6)


def test_with_fewer_points_than_features_it_is_over_as_many_values() -> None:
    network, few = NETWORKS["wavelets"], POINTS[0, :8]
    expected = np.linalg.cond(whole(network, few).numpy())
    for part in (3, 8):
        assert feature_factor(network, few, part=part).shape == (8, 12)
        assert feature_condition(network, few, part=part) == pytest.approx(expected, rel=1e-10)
    assert condition_number(feature_gram(network, few)) == math.inf


def test_the_factor_sees_what_the_gram_matrix_has_lost() -> None:
    network = copy.deepcopy(NETWORKS["wavelets"])
    with torch.no_grad():
        last = network.linears[-1]
        last.weight[1] = last.weight[0]
        last.bias[1] = last.bias[0] + 1e-12
    expected = np.linalg.cond(whole(network, POINTS).numpy())
    assert expected > 1e10
    assert feature_condition(network, POINTS, part=50) == pytest.approx(expected, rel=1e-3)
    assert condition_number(feature_gram(network, POINTS)) == math.inf


def test_a_dead_feature_is_infinite_unless_left_out() -> None:
    network = copy.deepcopy(NETWORKS["wavelets"])
    before = feature_condition(network, POINTS, live_only=True)
    assert before == feature_condition(network, POINTS) < math.inf
    with torch.no_grad():
        network.linears[-1].bias[4] = -50
    live = np.delete(whole(network, POINTS).numpy(), 4, axis=1)
    assert feature_condition(network, POINTS) == math.inf
    found = feature_condition(network, POINTS, live_only=True, part=20)
    assert found == pytest.approx(np.linalg.cond(live), rel=1e-10)
    with torch.no_grad():
        network.linears[-1].bias[:] = -50
    assert feature_condition(network, POINTS, live_only=True) == math.inf


def test_sums_are_taken_in_float64() -> None:
    network = BWReLU(width=6, depth=2, scale=9.0).build(2, generator=seeded(0))
    points = POINTS.float().repeat(200, 1, 1)
    features = whole(network, points)
    exact = features.double().T @ features.double() / len(features)
    assert features.dtype == torch.float32
    assert feature_gram(network, points, part=5000).dtype == torch.float64
    assert (feature_gram(network, points, part=5000) - exact).abs().max() < 1e-14


def test_an_observer_follows_it_through_a_fit_and_changes_nothing() -> None:
    grid = Grid((6, 6))
    points = grid.coordinates()
    data = Observation(Identity(grid), torch.rand(6, 6, generator=seeded(0)))
    plain, watched = (
        BWReLU(width=8, depth=2, scale=9.0).build(2, generator=seeded(0)) for _ in range(2)
    )
    curve = Curve(lambda step: feature_condition(watched, points, live_only=True), every=2)
    options = {"grid": grid, "iterations": 6, "precision": "float32"}
    expected = fit(plain, data, **options)
    result = fit(watched, data, observers=[curve], **options)
    assert curve.indices == [2, 4, 6]
    assert curve.values[-1] == feature_condition(plain, points, live_only=True)
    assert len(set(curve.values)) == 3
    assert torch.equal(result.image, expected.image)


@pytest.mark.parametrize("call", [feature_gram, feature_factor, feature_condition])
def test_bad_input_is_refused(call) -> None:
    network = NETWORKS["sines"]
    with pytest.raises(TypeError, match="`network` must be a CoordinateNetwork; got 'Linear'"):
        call(nn.Linear(2, 3), POINTS)
    with pytest.raises(ValueError, match=r"`points` must end with the shape \(2,\) of a point"):
        call(network, POINTS[..., :1])
    with pytest.raises(ValueError, match="`points` must not be empty; got Tensor of shape"):
        call(network, POINTS[:0])
    with pytest.raises(ValueError, match="`part` must be at least 1; got 0"):
        call(network, POINTS, part=0)
