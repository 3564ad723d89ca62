"""Many networks as one: the same values, and the same fit, as one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ctinr.geometry import Grid
from ctinr.networks import (
    BWReLU,
    Ensemble,
    HashGrid,
    Wire,
    families,
    hidden_matrices,
    other_parameters,
    set_product_dtype,
)
from ctinr.operators import Identity, Observation
from ctinr.recon.fit import fit
from ctinr.recon.optimizers import AdamOnly, MuonAdam


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def built(family, seeds=(0, 1, 2)):
    return [family.build(2, generator=seeded(seed)) for seed in seeds]


POINTS = torch.rand(6, 5, 2, generator=seeded(9)) * 2 - 1


@pytest.mark.parametrize("name", families)
def test_values_are_those_of_the_members(name: str) -> None:
    networks = built(families[name](width=8, depth=2))
    ensemble = Ensemble(networks)
    together = ensemble(POINTS)
    assert together.shape == (6, 5, 3)
    expected = torch.cat([network(POINTS) for network in networks], dim=-1)
    torch.testing.assert_close(together, expected)
    for network, member in zip(networks, ensemble.members(), strict=True):
        torch.testing.assert_close(member(POINTS), network(POINTS), rtol=0, atol=0)


def test_members_may_differ_in_scale() -> None:
    networks = [BWReLU(width=8, scale=c).build(2, generator=seeded(0)) for c in (1.0, 4.0)]
    ensemble = Ensemble(networks)
    expected = torch.cat([network(POINTS) for network in networks], dim=-1)
    torch.testing.assert_close(ensemble(POINTS), expected)
    assert ensemble.member(1).body[1].scale.item() == 4.0
    assert networks[1].body[1].scale == 4.0


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [MuonAdam(), AdamOnly()])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.usefixtures("native_bfloat16")
def test_a_fit_of_all_is_the_fit_of_each(optimizer, precision) -> None:
    grid = Grid((8, 9))
    truths = torch.rand(2, 8, 9, generator=seeded(5))
    family = BWReLU(width=8, depth=3)
    ensemble = Ensemble(built(family, (0, 1)))
    given = {"grid": grid, "iterations": 4, "optimizer": optimizer, "precision": precision}
    together = fit(ensemble, Observation(Identity(grid), truths), **given)
    for seed, (truth, image) in enumerate(zip(truths, together.image, strict=True)):
        alone = fit(built(family, (seed,))[0], Observation(Identity(grid), truth), **given)
        # Adam divides by gradients, so that rounding grows a little from step to step.
        near = 1e-4 if precision == "float32" else 2e-2
        torch.testing.assert_close(image, alone.image, rtol=near, atol=near)
    assert (together.image[0] - together.image[1]).abs().max() > 0.1


def test_groups_of_parameters() -> None:
    ensemble = Ensemble(built(BWReLU(width=8, depth=3)))
    assert [tuple(matrix.shape) for matrix in hidden_matrices(ensemble)] == [(3, 8, 8)] * 2
    assert len(other_parameters(ensemble)) == 6
    assert len(list(ensemble.parameters())) == 8


def test_the_format_of_products_reaches_the_members() -> None:
    ensemble = Ensemble(built(BWReLU(width=8)))
    before = ensemble(POINTS)
    set_product_dtype(ensemble, torch.bfloat16)
    assert 1e-6 < (ensemble(POINTS) - before).abs().max() < 0.05


def test_networks_are_copied() -> None:
    networks = built(HashGrid(width=8))
    ensemble = Ensemble(networks)
    with torch.no_grad():
        next(ensemble.parameters()).zero_()
        next(ensemble.member(0).parameters()).fill_(7)
    assert next(networks[0].parameters()).abs().sum() > 0
    assert next(ensemble.parameters()).abs().sum() == 0


def test_bad_members() -> None:
    with pytest.raises(ValueError, match="`networks` must not be empty; got none"):
        Ensemble([])
    network = BWReLU(width=8).build(2)
    for other in (BWReLU(width=9), BWReLU(width=8, depth=2), Wire(width=8), families["relu"](8)):
        with pytest.raises(ValueError, match="`networks` must have one layout"):
            Ensemble([network, other.build(2)])
    with pytest.raises(ValueError, match="`networks` must have one layout"):
        Ensemble([network, replace(BWReLU(width=8), skip=True).build(2)])
    with pytest.raises(ValueError, match="`networks` must have one channel each; got 3 channels"):
        Ensemble([network.__class__(network.body, output=BWReLU(width=8).build(2, 3).output)])
    with pytest.raises(IndexError, match="`index` must be below 1; got 1"):
        Ensemble([network]).member(1)
