"""The table of engines: who can run where, and what is said when one cannot."""

from __future__ import annotations

import dataclasses
import sys

import pytest
import torch

from ctinr.checks import BackendUnavailable
from ctinr.geometry import Detector, Grid, ParallelBeam
from ctinr.projectors import BACKENDS, Backend, Projector, available_backends, registry

GEOMETRY, GRID = ParallelBeam([0.0, 0.3], Detector(6)), Grid((4, 5))
NUMBA, TORCH = (next(b for b in BACKENDS if b.name == name) for name in ("numba", "torch"))
ABSENT = Backend(
    name="absent",
    target="no.such.place:Engine",
    requires=(("math", "never needed"), ("no_such_module", "pip install no-such-module")),
)


@pytest.fixture
def with_absent(monkeypatch):
    """A registry whose first choice is not installed."""
    monkeypatch.setattr(registry, "BACKENDS", (ABSENT, *BACKENDS))


@pytest.mark.parametrize(
    "backend, device, dtype, obstacle",
    [
        (NUMBA, "cpu", torch.float32, None),
        (NUMBA, "cpu", torch.float64, None),
        (NUMBA, "cuda:0", torch.float32, "It runs on cpu, not on cuda."),
        (
            NUMBA,
            "cpu",
            torch.float16,
            "It handles torch.float32, torch.float64, not torch.float16.",
        ),
        (TORCH, "cuda", torch.float64, None),
        (TORCH, torch.device("mps"), torch.float32, None),
        (ABSENT, "cpu", torch.float32, "The module no_such_module is not installed; run: "
         "pip install no-such-module."),
    ],
)  # fmt: skip
def test_an_obstacle_is_a_sentence(backend, device, dtype, obstacle):
    assert backend.obstacle(GEOMETRY, GRID, device, dtype) == obstacle


def test_a_beam_that_an_engine_does_not_know_is_an_obstacle():
    class Spiral:
        pass

    obstacle = TORCH.obstacle(Spiral(), GRID, "cpu", torch.float32)
    assert obstacle == "It handles ParallelBeam, FanBeam, ConeBeam, VectorBeam, not Spiral."


def test_the_first_engine_that_can_run_is_chosen(with_absent):
    A = Projector(GEOMETRY, GRID)
    assert A.backend("cpu", torch.float32) is NUMBA
    assert A.backend("cuda", torch.float64) is TORCH
    assert Projector(GEOMETRY, GRID, "torch").backend("cpu", torch.float32) is TORCH


def test_an_engine_that_cannot_run_is_said_so_and_nothing_else_is_tried():
    with pytest.raises(BackendUnavailable) as failure:
        Projector(GEOMETRY, GRID, "numba").backend("cuda", torch.float64)
    assert str(failure.value) == (
        "backend 'numba' cannot run on cuda with torch.float64:\n"
        "  numba: It runs on cpu, not on cuda.\n"
        "These can: torch."
    )


def test_an_engine_that_is_not_installed_is_refused_with_the_command_that_installs_it(
    with_absent, monkeypatch
):
    A = Projector(GEOMETRY, GRID, "absent")
    monkeypatch.setattr(registry, "BACKENDS", registry.BACKENDS[:4])  # without the extras
    with pytest.raises(BackendUnavailable) as failure:
        A(torch.ones(4, 5))
    assert str(failure.value) == (
        "backend 'absent' cannot run on cpu with torch.float32:\n"
        "  absent: The module no_such_module is not installed; run: pip install no-such-module.\n"
        "These can: numba, torch."
    )
    with pytest.raises(BackendUnavailable, match="no_such_module"):
        A.T(torch.ones(2, 6))


def test_auto_with_no_engine_at_all_shows_the_whole_table(monkeypatch):
    picky = dataclasses.replace(ABSENT, name="picky", requires=(), devices=("xpu",))
    monkeypatch.setattr(registry, "BACKENDS", (ABSENT, picky))
    with pytest.raises(BackendUnavailable) as failure:
        Projector(GEOMETRY, GRID)(torch.ones(4, 5))
    assert str(failure.value).splitlines() == [
        "backend 'auto' cannot run on cpu with torch.float32:",
        "  absent: The module no_such_module is not installed; run: pip install no-such-module.",
        "  picky: It runs on xpu, not on cpu.",
        "No engine can.",
    ]


def test_an_unknown_engine_is_refused_at_once():
    message = (
        r"^`backend` must be one of 'numba', 'triton', 'torch', 'astra', 'astra_cuda', "
        r"'torch_radon'; got .*cuda_fast.*\.$"
    )
    with pytest.raises(ValueError, match=message):
        Projector(GEOMETRY, GRID, "cuda_fast")


def test_the_table_is_in_order_of_preference_and_nothing_is_chosen_after_the_reference():
    assert available_backends() == tuple(backend.name for backend in BACKENDS)
    assert available_backends() == (
        "numba",
        "triton",
        "torch",
        "astra",
        "astra_cuda",
        "torch_radon",
    )
    assert TORCH.devices == ()
    assert TORCH.requires == ()
    assert len(set(available_backends())) == len(BACKENDS)


def test_engines_of_the_package_are_matched_pairs():
    assert {backend.adjoint_gap for backend in (NUMBA, TORCH)} == {0.0}


@pytest.mark.parametrize("backend", [NUMBA, TORCH], ids=lambda backend: backend.name)
def test_an_engine_has_both_directions(backend):
    engine = backend.load()(GEOMETRY, GRID)
    assert engine.forward(torch.ones(3, 4, 5)).shape == (3, 2, 6)
    assert engine.transposed(torch.ones(3, 2, 6)).shape == (3, 4, 5)


def test_an_entry_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TORCH.devices = ("cuda",)


def test_an_engine_is_loaded_on_first_use(monkeypatch):
    places = {backend.target.partition(":")[0] for backend in BACKENDS}
    for place in places:
        monkeypatch.delitem(sys.modules, place, raising=False)
    for name in ("auto", "torch"):
        A = Projector(GEOMETRY, GRID, name)
        repr(A), A.T, A.backend("cpu", torch.float32), A.restricted([0])
    assert places & set(sys.modules) == set()
    A(torch.ones(4, 5))
    assert places & set(sys.modules) == {"ctinr.projectors.backends.torch_joseph"}
