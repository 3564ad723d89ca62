"""What `ctinr check` measures: right engines pass, and each kind of fault is found."""

from __future__ import annotations

import inspect
import json
import math
from dataclasses import replace

import pytest
import torch

from ctinr.geometry import ParallelBeam
from ctinr.projectors import BACKENDS, Backend, registry
from ctinr.projectors.backends.astra import Astra
from ctinr.projectors.backends.torch_joseph import TorchJoseph
from recon_scripts import _checks, check
from recon_scripts._findings import MEANINGS, TITLES, Finding
from recon_scripts._problems import PROBLEMS
from recon_scripts._terminal import guarded
from tests.requires import requires

SIZE = 32


class Louder(TorchJoseph):
    """The backprojector of many a library: right but for a factor."""

    def transposed(self, sinogram):
        return 1.001 * super().transposed(sinogram)


class Brighter(TorchJoseph):
    """A pair that is matched and wrong: only what is known without it can tell."""

    def forward(self, image):
        return 1.02 * super().forward(image)

    def transposed(self, sinogram):
        return 1.02 * super().transposed(sinogram)


class Shifted(TorchJoseph):
    """Half a cell beside the place: the error falls with the cell and not with its square."""

    def forward(self, image):
        return super().forward((image + image.roll(1, -1)) / 2)

    def transposed(self, sinogram):
        back = super().transposed(sinogram)
        return (back + back.roll(-1, -1)) / 2


def half_a_bin_beside(geometry):
    """The scan of a reader that counts bins from their edges."""
    detector = geometry.detector
    moved = replace(detector, offset=detector.offset[0] + detector.pitch[0] / 2)
    return replace(geometry, detector=moved)


class Beside(TorchJoseph):
    """Matched, of second order, and half a bin beside."""

    def __init__(self, geometry, grid):
        super().__init__(half_a_bin_beside(geometry), grid)


class AstraBeside(Astra):
    def __init__(self, geometry, grid):
        super().__init__(half_a_bin_beside(geometry), grid)


class AstraLouder(Astra):
    def transposed(self, sinogram):
        return 1.001 * super().transposed(sinogram)


class Affine(TorchJoseph):
    def forward(self, image):
        return super().forward(image) + 0.01


class Empty(TorchJoseph):
    def forward(self, image):
        return super().forward(image) * math.nan


class Silent(TorchJoseph):
    """Nothing at all, in both directions: linear, matched and useless."""

    def forward(self, image):
        return 0 * super().forward(image)

    def transposed(self, sinogram):
        return 0 * super().transposed(sinogram)


class Failing(TorchJoseph):
    def forward(self, image):
        raise RuntimeError("out of memory\non the device")


def engine(kind, **entries):
    return Backend(name="offender", target=f"{__name__}:{kind.__name__}", **entries)


@pytest.fixture
def register(monkeypatch):
    """Return a function that puts an engine before the others; its class needs no import."""

    def register(kind, **entries):
        row = engine(kind, **entries)
        monkeypatch.setattr(Backend, "load", loading(kind, Backend.load))
        monkeypatch.setattr(registry, "BACKENDS", (row, *BACKENDS))
        return row

    return register


def loading(kind, load, name="offender"):
    return lambda row, **which: kind if row.name == name else load(row, **which)


@pytest.fixture
def run(capsys):
    """Return a function that runs the command; it gives the exit code and what was printed."""

    def run(**options):
        code = guarded(check.main, check.Check(**({"size": SIZE} | options)))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def failed(shown):
    """The kinds of figures that are too large, in what `--json` prints."""
    return {row["what"] for row in json.loads(shown)["findings"] if not row["passed"]}


@pytest.mark.parametrize(
    "engines, geometries",
    [
        ("all", "parallel,fan-flat,fan-curved"),
        ("numba", "parallel-volume,cone-flat,cone-curved,helix,vectors"),
        pytest.param("torch", "helix,vectors", marks=pytest.mark.slow),
    ],
)
def test_every_engine_passes(engines, geometries, run):
    code, shown, _ = run(engine=engines, geometry=geometries, json=True)
    found = json.loads(shown)
    assert code == 0
    assert found["passed"] is True
    refused = {text.partition(" ")[0] for text in found["unchecked"]}
    assert refused <= {"astra", "astra_cuda", "triton", "torch_radon"}
    rows = [
        Finding(**{k: v for k, v in row.items() if k != "meaning"}) for row in found["findings"]
    ]
    names = ("numba", "torch", "astra") if engines == "all" else (engines,)
    assert {row.engine for row in rows} - {"FBP", "FDK"} == set(names)
    assert {row.geometry for row in rows} == set(geometries.split(","))
    assert {row.dtype for row in rows} == {"float32", "float64"}
    assert {row.what for row in rows} == set(MEANINGS) == set(TITLES)
    for row in rows:
        assert 0 <= row.value <= row.bound


def test_every_geometry_can_be_asked_for():
    assert set(_checks.listed("all", "geometry", _checks.GEOMETRIES)) == set(PROBLEMS)
    words = inspect.getsource(check.Check)
    assert all(name in words for name in PROBLEMS)


@pytest.mark.parametrize(
    "kind, expected",
    [
        (Louder, {"adjoint", "agreement"}),
        (Brighter, {"agreement", "exact"}),
        (Shifted, {"agreement", "exact", "order"}),
        (Beside, {"agreement", "exact"}),
        (Affine, {"linear", "adjoint", "agreement", "exact", "order"}),
        (Empty, {"linear", "adjoint", "agreement", "exact", "order"}),
        (Silent, {"linear", "adjoint", "agreement", "exact", "order"}),
        (Failing, {"linear", "adjoint", "agreement", "exact", "order"}),
    ],
)
@pytest.mark.parametrize("geometry", ["parallel", "fan-curved"])
def test_a_fault_is_found(kind, expected, geometry, register, run):
    register(kind)
    code, shown, _ = run(engine="offender", geometry=geometry, json=True)
    assert code == 1
    assert json.loads(shown)["passed"] is False
    assert expected <= failed(shown)
    assert not failed(shown) & {"gain", "bias"}


@requires("astra")
@pytest.mark.parametrize("size", [32, 96])
@pytest.mark.parametrize("geometry", ["parallel", "fan-flat"])
@pytest.mark.parametrize("kind, expected", [(AstraLouder, "adjoint"), (AstraBeside, "exact")])
def test_looser_bounds_let_no_fault_pass(kind, expected, geometry, size, run, monkeypatch):
    monkeypatch.setattr(Backend, "load", loading(kind, Backend.load, name="astra"))
    code, shown, _ = run(engine="astra", geometry=geometry, size=size, json=True)
    assert code == 1
    assert expected in failed(shown)


@requires("astra")
@pytest.mark.parametrize("size", [33, 64, 200, 512])
def test_positions_that_drift_are_allowed_what_is_declared(size):
    place = _checks.Place("cpu", torch.float32)
    for geometry in ("parallel", "fan-flat"):
        jobs = _checks.measurements(registry.backend_named("astra"), place, geometry, size)
        for found in (measure() for measure in jobs):
            assert found.passed, found


def test_a_factor_in_the_transpose_is_told_in_the_table(register, run):
    register(Louder)
    code, shown, _ = run(engine="offender", geometry="fan-curved")
    assert code == 1
    (line, _) = [line for line in shown.splitlines() if "adjoint gap" in line]
    assert "fan-curved" in line
    assert "FAIL" in line
    assert "1.0e-12" in shown
    assert "offender on cpu, float64: the transpose does not belong to the projection" in shown
    assert "4 of 14 checks failed" in shown


def test_the_others_are_not_blamed(register, run):
    register(Louder)
    _, shown, _ = run(geometry="parallel", json=True)
    rows = json.loads(shown)["findings"]
    assert {row["engine"] for row in rows if not row["passed"]} == {"offender"}
    for row in rows:
        assert bool(row["meaning"]) is not row["passed"]


def test_a_gap_that_is_declared_is_allowed(register, run):
    register(Louder, adjoint_gap=2e-3)
    _, shown, _ = run(engine="offender", geometry="parallel", json=True)
    assert "adjoint" not in failed(shown)


def test_an_engine_that_stops_is_a_finding_and_not_a_trace(register, run):
    register(Failing)
    code, shown, _ = run(engine="offender", geometry="parallel")
    assert code == 1
    assert "it stopped with an error: out of memory on the device. Reconstruct with" in shown
    assert "nan" in shown


def test_fbp_that_is_wrong_is_found(run, monkeypatch):
    right = _checks.fbp

    def wrong(A, y):
        found = right(A, y)
        return replace(found, image=1.01 * found.image + 0.01 * _checks.VALUE)

    monkeypatch.setattr(_checks, "fbp", wrong)
    code, shown, _ = run(engine="torch", geometry="fan-flat", json=True)
    assert code == 1
    assert failed(shown) == {"gain", "bias"}


def test_a_figure_is_the_size_of_the_fault(register):
    row = register(Brighter)
    jobs = _checks.measurements(row, _checks.Place("cpu", torch.float64), "parallel", SIZE)
    found = {finding.what: finding for finding in (measure() for measure in jobs)}
    assert found["agreement"].value == pytest.approx(0.02)
    assert found["exact"].value == pytest.approx(0.02, rel=0.3)
    assert found["adjoint"].passed


def test_what_an_engine_does_not_handle_is_not_a_failure(register, run):
    register(TorchJoseph, beams=(ParallelBeam,), dtypes=(torch.float64,))
    code, shown, _ = run(engine="offender")
    assert code == 0
    assert (
        "Not checked: offender on cpu with fan-flat. It handles ParallelBeam, not FanBeam." in shown
    )
    assert "offender on cpu, float64" in shown
    assert "offender on cpu, float32" not in shown


def test_an_engine_that_is_not_installed_is_left_out_and_named(register, run):
    register(TorchJoseph, requires=(("no_such_module", "pip install no-such-module"),))
    code, shown, _ = run(engine="offender,torch", geometry="parallel")
    assert code == 0
    assert "Not checked: offender on cpu with parallel. The module no_such_module is not" in shown
    code, _, complaint = run(engine="offender")
    assert code == 2
    assert "run: pip install no-such-module." in complaint


@pytest.mark.parametrize(
    "options, text",
    [
        ({"engine": "foo"}, "`engine` must be all, or list some of numba, triton, torch, astra"),
        ({"geometry": "spiral"}, "`geometry` must be all, or list some of parallel, fan-flat"),
        ({"geometry": ","}, "`geometry` must be all, or list some of"),
        ({"size": 31}, "`size` must lie between 32 and 1024 cells; got 31."),
    ],
)
def test_what_was_asked_wrongly_is_one_message(options, text, run):
    code, shown, complaint = run(**options)
    assert code == 2
    assert text in complaint
    assert shown == ""


@pytest.mark.parametrize("columns", [60, 120])
def test_a_table_fits_the_terminal_and_counts(columns, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    code, shown, _ = run(engine="torch", geometry="parallel")
    assert code == 0
    assert max(map(len, shown.splitlines())) <= 60
    assert shown.count(" pass ") == 13
    assert "All 13 checks passed" in shown


def test_out_keeps_the_findings(run, tmp_path):
    code, _, _ = run(engine="torch", geometry="parallel", smoke=True, out=tmp_path / "out")
    assert code == 0
    kept = json.loads((tmp_path / "out" / "check.json").read_text(encoding="utf-8"))
    assert kept["passed"] is True
    assert len(kept["findings"]) == 13
