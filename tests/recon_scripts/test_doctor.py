"""The doctor: what works is said to work, and what does not is found and named."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from ctinr.projectors import registry
from ctinr.projectors.backends.torch_joseph import TorchJoseph
from recon_scripts import _health, doctor
from recon_scripts._terminal import guarded


class Halved(TorchJoseph):
    """An engine whose transpose is not that of its projection."""

    def transposed(self, sinogram):
        return 0.999 * super().transposed(sinogram)


class Broken:
    """An engine that cannot even be made."""

    def __init__(self, geometry, grid):
        raise OSError("libgone.so: cannot open shared object file")


@pytest.fixture
def only(monkeypatch):
    """Make one class, or a change of its row, the only engine."""

    def set_engine(engine=TorchJoseph, **changes):
        row = replace(registry.backend_named("torch"), **changes)
        monkeypatch.setattr(registry.Backend, "load", lambda self: engine)
        for module in (registry, _health):
            monkeypatch.setattr(module, "BACKENDS", (row,))

    return set_engine


def told(capsys, code=0):
    assert guarded(doctor.main, doctor.Doctor(json=True)) == code
    return json.loads(capsys.readouterr().out)


def test_the_engines_of_this_machine_work(capsys):
    found = told(capsys)
    engines = found["Engines of the X-ray transform"]
    assert engines["numba on cpu"] == engines["torch on cpu"] == "works"
    assert found["Versions"]["torch"] == torch.__version__
    assert "logical cores" in found["Devices"]["cpu"]
    assert found["Kernels of the wavelet"]["torch on cpu"] == "can run"


def test_a_folder_holds_the_same(capsys, tmp_path):
    config = doctor.Doctor(json=True, smoke=True, out=tmp_path / "out")
    assert guarded(doctor.main, config) == 0
    written = json.loads((tmp_path / "out" / "doctor.json").read_text())
    assert written == json.loads(capsys.readouterr().out)
    assert guarded(doctor.main, config) == 2
    assert guarded(doctor.main, replace(config, overwrite=True)) == 0


def test_it_is_shown_whole_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert guarded(doctor.main, doctor.Doctor()) == 0
    shown = capsys.readouterr().out
    assert "numba on cpu" in shown and "works" in shown and "…" not in shown


def test_a_transpose_that_is_off_is_found(only, capsys):
    only(Halved)
    engines = told(capsys, code=1)["Engines of the X-ray transform"]
    assert engines["torch on cpu"] == "Works, but its transpose is off by 1.0e-03."


def test_a_declared_gap_is_allowed(only, capsys):
    only(Halved, adjoint_gap=1e-3)
    assert told(capsys)["Engines of the X-ray transform"]["torch on cpu"] == "works"


def test_a_broken_installation_is_found(only, capsys):
    only(Broken, requires=(("torch", "pip install gone"),))
    assert guarded(doctor.main, doctor.Doctor(json=True)) == 1
    shown = capsys.readouterr()
    state = json.loads(shown.out)["Engines of the X-ray transform"]["torch on cpu"]
    assert state.startswith("Fails: OSError: libgone.so") and "pip install gone" in state
    assert "No engine works on the CPU" in shown.err


def test_what_is_not_installed_is_told_with_the_remedy(only, capsys):
    only(requires=(("surely_not_there", "pip install it"),))
    (state,) = told(capsys, code=1)["Engines of the X-ray transform"].values()
    assert "surely_not_there is not installed; run: pip install it" in state
