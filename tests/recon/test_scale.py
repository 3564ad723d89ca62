"""Choosing the scale by least variation norm at equal misfit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ctinr.geometry import Grid
from ctinr.networks import BWReLU, variation_norm
from ctinr.operators import Identity, Observation, Select
from ctinr.recon.fit import fit
from ctinr.recon.optimizers import AdamOnly
from ctinr.recon.penalties import VariationNorm
from ctinr.recon.scale import select_scale

GRID = Grid((200,), 0.01)
FAMILY = BWReLU(width=40, depth=1, skip=True)


def samples() -> Observation:
    x = GRID.coordinates()[:, 0]
    mask = torch.zeros(200, dtype=torch.bool)
    mask[5::12] = True
    A = Select(GRID, mask)
    return Observation(A, A(torch.sin(3 * x)))


def choice(**given):
    given = {"iterations": 400, "optimizer": AdamOnly(1e-2), "seeds": (0, 1), **given}
    return select_scale(samples(), grid=GRID, family=FAMILY, scales=(1.0, 6.0, 20.0), **given)


@pytest.fixture(scope="module")
def chosen():
    return choice(misfit=0.05)


@pytest.mark.slow
def test_the_smooth_function_wants_a_small_scale(chosen) -> None:
    assert chosen.scale == 1.0
    assert chosen.norms[0] < chosen.norms[1] < chosen.norms[2]
    truth = torch.sin(3 * GRID.coordinates()[:, 0])
    errors = (chosen.networks(GRID.coordinates()) - truth[:, None]).square().mean(0)
    assert errors[:2].max() < errors[2:].min()


def test_norms_are_those_at_the_misfit(chosen) -> None:
    assert chosen.misfits.shape[:2] == chosen.curves.shape[:2] == (3, 2)
    for norm, misfits, curves in zip(chosen.norms, chosen.misfits, chosen.curves, strict=True):
        bounds = []
        for one, other in zip(misfits, curves, strict=True):
            after = int(np.argmax(one <= 0.05))
            assert after > 0 and one[after] <= 0.05 < one[after - 1]
            bounds.append(sorted(other[after - 1 : after + 1]))
        low, high = np.mean(bounds, axis=0)
        assert low <= norm <= high


def test_the_first_entry_is_before_the_first_step(chosen) -> None:
    network = BWReLU(width=40, depth=1, skip=True, scale=6.0)
    built = network.build(1, generator=torch.Generator().manual_seed(1))
    assert chosen.curves[1, 1, 0] == pytest.approx(variation_norm(built).item(), rel=1e-5)
    data = samples()
    image = built(GRID.coordinates())[:, 0].detach()
    misfit = data.residual(image).norm() / data.data.norm()
    assert chosen.misfits[1, 1, 0] == pytest.approx(misfit.item(), rel=1e-4)


def test_the_common_misfit_is_the_least_that_all_reach() -> None:
    found = choice(iterations=60)
    assert found.misfit == found.misfits.min(axis=-1).max()
    assert all(math.isfinite(norm) for norm in found.norms)
    assert found.to_dict()["scale"] == found.scale


def test_the_fit_ends_when_all_have_had_the_misfit(chosen) -> None:
    assert chosen.stopped_by == "misfit of all networks"
    assert (chosen.misfits.min(axis=-1) <= 0.05).all()
    assert not (chosen.misfits[..., :-1].min(axis=-1) <= 0.05).all()
    assert chosen.misfits.shape == chosen.curves.shape


def test_what_was_never_reached_is_not_chosen() -> None:
    with pytest.raises(ValueError, match="`misfit` must be reached with one scale at least, the b"):
        choice(iterations=10, misfit=1e-6)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"scales": (3.0,)}, r"`scales` must be two numbers or more, rising; got \(3.0,\)"),
        ({"scales": (3.0, 2.0)}, "`scales` must be two numbers or more, rising"),
        ({"scales": (0.0, 2.0)}, "`scale` must be above zero; got 0.0"),
        ({"seeds": ()}, "`seeds` must not be empty; got none"),
        ({"misfit": -1.0}, "`misfit` must be above zero; got -1.0"),
        ({"every": 0}, "`every` must be at least 1; got 0"),
        ({"iterations": 0}, "`iterations` must be at least 1; got 0"),
    ],
)
def test_bad_input(given, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        select_scale(Observation(Identity(GRID), torch.ones(200)), grid=GRID, **given)


def test_the_norm_as_a_penalty_changes_the_fit() -> None:
    data = samples()
    norms = {}
    for weight in (0.0, 1e-3):
        network = BWReLU(width=40, depth=1, scale=6.0).build(
            1, generator=torch.Generator().manual_seed(0)
        )
        given = {"iterations": 100, "optimizer": AdamOnly(1e-2), "penalty": VariationNorm(weight)}
        record = fit(network, data, grid=GRID, **given).record
        assert record["variation_norm"] == pytest.approx(variation_norm(network).item())
        norms[weight] = record["variation_norm"]
    assert norms[1e-3] < 0.8 * norms[0.0]
