"""Products in bfloat16: refused where they are emulated, dropped where the first steps suffer."""

from __future__ import annotations

import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.networks import BWReLU, Ensemble
from ctinr.operators import Identity, Observation
from ctinr.projectors import Projector
from ctinr.recon import short_products
from ctinr.recon.fit import fit
from ctinr.recon.inr import inr
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.rendering import render_grid
from ctinr.recon.run import Diverged, Step
from ctinr.recon.short_products import apply_precision
from tests.recon.test_checkpoints import EndsAt, Memory

GRID = Grid((24, 32))
FAMILY = BWReLU(width=24, depth=3)


def network(seed=0):
    return FAMILY.build(2, generator=torch.Generator().manual_seed(seed))


def fitted(net, wanted=None, *, iterations=50, **given):
    if wanted is None:
        y, x = GRID.coordinates().unbind(-1)
        wanted = torch.exp(-4 * (x - 0.2) ** 2 - 6 * y**2)
    return fit(net, Observation(Identity(GRID), wanted), grid=GRID, iterations=iterations, **given)


def native(monkeypatch, is_it, *, fast=True):
    monkeypatch.setattr(short_products, "bf16_is_native", lambda device: is_it)
    monkeypatch.setattr(short_products, "bf16_is_fast", lambda device: is_it and fast)


def test_where_it_is_emulated_it_is_refused_and_not_chosen(monkeypatch):
    native(monkeypatch, False)
    message = r"`precision` must be one that the cpu multiplies natively; got bfloat16"
    with pytest.raises(ValueError, match=message + r".*use 'auto' or 'float32'"):
        fitted(network(), precision="bfloat16")
    A = Projector(ParallelBeam(equal_angles(12), Detector(40)), GRID)
    with pytest.raises(ValueError, match=message):
        inr(A, torch.ones(12, 40), recipe=Recipe(precision="bfloat16"))
    assert fitted(network()).parameters["precision"] == "float32"


@pytest.mark.slow
def test_where_it_is_native_it_is_taken_and_trying_it_leaves_no_trace(monkeypatch):
    native(monkeypatch, True)
    chosen, asked = fitted(network()), fitted(network(), precision="bfloat16")
    assert chosen.parameters["precision"] == "bfloat16"
    assert torch.equal(chosen.image, asked.image) and chosen.losses == asked.losses


@pytest.mark.slow
def test_where_it_is_native_but_no_faster_it_is_taken_only_if_asked_for(monkeypatch):
    native(monkeypatch, True, fast=False)
    assert fitted(network()).parameters["precision"] == "float32"
    assert fitted(network(), precision="bfloat16").parameters["precision"] == "bfloat16"


@pytest.mark.parametrize("members", [1, 2])
def test_a_network_that_fits_to_the_last_digits_keeps_them(monkeypatch, members):
    native(monkeypatch, True)
    nets = [network(seed) for seed in range(members)]
    net = nets[0] if members == 1 else Ensemble(nets)
    result = fitted(net, render_grid(net, GRID).detach())
    assert result.parameters["precision"] == "float32"
    assert result.losses[0] < 1e-9


@pytest.mark.parametrize("iterations, tried", [(49, False), (50, True)])
def test_a_short_fit_is_not_worth_trying(monkeypatch, iterations, tried):
    native(monkeypatch, True)
    monkeypatch.setattr(short_products, "costs_nothing", lambda *_: False)
    used = fitted(network(), iterations=iterations).parameters["precision"]
    assert used == ("float32" if tried else "bfloat16")


@pytest.mark.parametrize(
    "losses, diverges, expected",
    [
        ((1.0, 1.05), (), "bfloat16"),
        ((1.0, 1.15), (), "float32"),
        ((1.0, 0.5), (), "bfloat16"),
        ((1.0, 1.0), (torch.bfloat16,), "float32"),
        # Where neither gets anywhere the fit itself says so.
        ((1.0, 1.0), (torch.bfloat16, None), "bfloat16"),
    ],
)
def test_five_steps_in_each_format_decide(monkeypatch, losses, diverges, expected):
    native(monkeypatch, True)
    taken = []

    def first_steps(twin):
        dtype = twin.hidden[0].product_dtype
        for index in range(100):
            if index == 3 and dtype in diverges:
                raise Diverged("`loss` must stay finite", "loss became nan")
            taken.append(dtype)
            yield Step(index, losses[dtype is not None], torch.zeros(1))

    net = network()
    assert apply_precision(net, "auto", first_steps) == expected
    assert {each.product_dtype for each in net.hidden} == {
        torch.bfloat16 if expected == "bfloat16" else None
    }
    if not diverges:
        assert taken == [torch.bfloat16] * 5 + [None] * 5


@pytest.mark.parametrize("costs", [False, True])
def test_the_neural_field_tries_it_too(monkeypatch, costs):
    native(monkeypatch, True)
    seen = []

    def costs_nothing(net, first_steps):
        seen.append([step.loss for step, _ in zip(first_steps(net), range(2), strict=False)])
        return not costs

    monkeypatch.setattr(short_products, "costs_nothing", costs_nothing)
    A = Projector(ParallelBeam(equal_angles(12), Detector(40)), GRID)
    y = A(torch.ones(24, 32))
    short = Recipe(prior="tv", weight=1e-3, warm=50, rounds=1, refit=1, steps=2, finish=0)
    result = inr(A, y, family=FAMILY, recipe=short)
    assert result.parameters["precision_used"] == ("float32" if costs else "bfloat16")
    assert len(seen) == 1 and 0 < seen[0][1] < seen[0][0]


@pytest.mark.slow
def test_a_fit_goes_on_in_the_format_that_it_began_with(monkeypatch):
    native(monkeypatch, True)
    store = Memory()
    whole = fitted(network())
    fitted(network(), checkpoint=store, observers=[EndsAt(50, 7)])
    # By now the first steps might say something else.
    monkeypatch.setattr(short_products, "costs_nothing", lambda *_: False)
    result = fitted(network(), checkpoint=store)
    assert result.parameters["precision"] == "bfloat16"
    assert torch.equal(result.image, whole.image)
