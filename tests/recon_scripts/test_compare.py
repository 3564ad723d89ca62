"""The comparison: honest rows, oracles apart, and nothing lost on the way."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import h5py
import pytest
import torch

from ctinr.data import read_scan, write_scan
from ctinr.metrics import psnr
from ctinr.projectors.registry import Backend
from ctinr.report import store, wording
from recon_scripts import _methods, compare, demo, reconstruct
from recon_scripts._jobs import data_range_of, jobs_of
from recon_scripts._methods import methods_named
from recon_scripts._scans import phantom_scan
from recon_scripts._terminal import guarded
from tests.recon_scripts.conftest import iterative

pytestmark = pytest.mark.usefixtures("fakes", "quick_figures")


@pytest.fixture
def run_compare(tmp_path):
    """Return a function that runs the command; it gives the exit code and the folder."""

    def run(main=compare.main, config=compare.Compare, **options):
        options = {"smoke": True, "out": tmp_path / "out"} | options
        return guarded(main, config(**options)), options["out"]

    return run


def metrics_in(folder):
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def measured_scan(path, *, truth=False):
    scan = phantom_scan("disk", size=24, views=12)
    write_scan(path, scan if truth else replace(scan, truth=None))
    return path


def test_a_comparison_is_run_shown_and_written(run_compare, capsys):
    code, folder = run_compare()
    assert code == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {"result.h5", "metrics.json", "report.html", "figures"}
    numbers = metrics_in(folder)
    assert list(numbers["methods"]) == ["fbp", "tv", "inr"]
    shown = capsys.readouterr().out
    assert numbers["verdict"] in " ".join(shown.split())
    for expected in ("FBP", "TV", "Neural field", "PSNR", "max − min of the truth", "report.html"):
        assert expected in shown


def test_the_numbers_are_those_of_the_images(run_compare):
    _, folder = run_compare(methods="tv")
    with h5py.File(folder / "result.h5") as file:
        image, truth = torch.tensor(file["methods/tv/image"][()]), torch.tensor(file["truth"][()])
        data_range = file.attrs["data_range"]
        assert data_range == pytest.approx(float(truth.max() - truth.min()))
        assert file["methods/tv"].attrs["psnr"] == pytest.approx(
            psnr(image, truth, data_range=data_range)
        )


def test_the_record_tells_engine_seed_and_withheld_views(run_compare):
    _, folder = run_compare(seed=5, engine="torch", methods="fbp")
    record = metrics_in(folder)["record"]
    assert (record["engine"], record["engine_asked"], record["seed"]) == ("torch", "torch", 5)
    assert len(record["withheld_views"]) == 2
    assert record["seconds"] > 0
    assert record["peak_memory"] > 10**7
    assert not record["interrupted"]


def test_oracles_come_beside_and_only_they_see_the_truth(run_compare):
    code, folder = run_compare(oracle=True)
    assert code == 0
    numbers = metrics_in(folder)
    assert list(numbers["methods"]) == ["fbp", "fbp_oracle", "tv", "tv_oracle", "inr"]
    assert numbers["methods"]["tv_oracle"]["psnr"] > numbers["methods"]["tv"]["psnr"] + 5
    assert not numbers["verdict"].startswith(("FBP (oracle)", "TV (oracle)"))
    assert "tuned against the truth" in numbers["verdict"]


def test_without_a_truth_there_is_no_psnr(run_compare, tmp_path, capsys):
    code, folder = run_compare(scan=measured_scan(tmp_path / "scan.h5"), smoke=False)
    assert code == 0
    shown = capsys.readouterr().out
    assert "PSNR" not in shown.replace("there is no PSNR", "")
    assert "Withheld: relative error on views" in shown
    numbers = metrics_in(folder)
    assert numbers["data_range"] is None
    assert numbers["methods"]["tv"]["withheld_error"] > 0


def test_an_oracle_without_a_truth_is_refused(run_compare, tmp_path, capsys):
    code, folder = run_compare(scan=measured_scan(tmp_path / "scan.h5"), smoke=False, oracle=True)
    assert code == 2
    assert "`oracle` must be left out" in capsys.readouterr().err
    assert not folder.exists()


def test_an_interrupt_keeps_the_rows_there_are(run_compare, fakes, capsys):
    def interrupted(task):
        raise KeyboardInterrupt

    fakes("tv", interrupted)
    code, folder = run_compare()
    assert code == 130
    numbers = metrics_in(folder)
    assert list(numbers["methods"]) == ["fbp"]
    warning = "Interrupted during TV: it had not got far enough to show; not run: Neural field."
    assert warning in numbers["warnings"]
    assert warning in " ".join(capsys.readouterr().out.split())
    assert numbers["record"]["interrupted"]


def test_an_interrupted_run_is_kept_as_far_as_it_got(run_compare, fakes):
    def stop(index):
        if index == 7:
            raise KeyboardInterrupt

    fakes("tv", lambda task: iterative(task, step=stop))
    code, folder = run_compare()
    assert code == 130
    numbers = metrics_in(folder)
    assert numbers["methods"]["tv"]["stopped_by"] == "interrupted"
    assert numbers["methods"]["tv"]["iterations"] == 6
    assert "inr" not in numbers["methods"]
    assert any("it is shown as far as it got" in text for text in numbers["warnings"])


def test_a_second_interrupt_while_writing_loses_nothing(run_compare, fakes, monkeypatch):
    def interrupted(task):
        raise KeyboardInterrupt

    def impatient(comparison, style=None, *, names=("images",)):
        os.kill(os.getpid(), signal.SIGINT)
        return {name: b"a picture" for name in names}

    fakes("tv", interrupted)
    monkeypatch.setattr(store, "draw", impatient)
    code, folder = run_compare()
    assert code == 130
    assert list(metrics_in(folder)["methods"]) == ["fbp"]


def test_an_interrupt_before_anything_leaves_nothing(tmp_path, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("recon_scripts._scans.load_scan", interrupted)
    config = compare.Compare(smoke=True, out=tmp_path / "out")
    assert guarded(compare.main, config) == 130
    assert list(tmp_path.iterdir()) == []
    assert "Interrupted before there was anything to keep." in capsys.readouterr().err


def test_one_method_that_fails_does_not_take_the_others_with_it(run_compare, fakes):
    def failing(task):
        raise FloatingPointError("`loss` must stay finite; got nan at iteration 3.")

    fakes("tv", failing)
    code, folder = run_compare()
    assert code == 0
    numbers = metrics_in(folder)
    assert list(numbers["methods"]) == ["fbp", "inr"]
    assert numbers["warnings"][0] == (
        "TV could not be run: `loss` must stay finite; got nan at iteration 3."
    )


def test_a_method_that_diverges_is_shown_with_a_note_and_its_own_exit_code(run_compare, fakes):
    def lost(task):
        return replace(iterative(task), stopped_by="loss became nan at iteration 3")

    fakes("inr", lost)
    code, folder = run_compare()
    numbers = metrics_in(folder)
    assert code == 1 and list(numbers["methods"]) == ["fbp", "tv", "inr"]
    assert numbers["warnings"][0] == (
        "Neural field was ended because its loss became nan at iteration 3: shown is its last "
        "good image."
    )


def test_where_no_method_could_be_run_the_command_fails_and_writes_nothing(
    run_compare, fakes, capsys
):
    def failing(task):
        raise FloatingPointError("`loss` must stay finite; got nan at iteration 3.")

    for name in ("tv", "inr"):
        fakes(name, failing)
    code, folder = run_compare(methods="tv,inr")
    assert code == 2
    assert "`loss` must stay finite" in capsys.readouterr().err
    assert not folder.exists()


def test_the_convergence_is_that_of_the_last_run(run_compare, fakes):
    def twice(task):
        iterative(task)
        return iterative(task)

    fakes("tv", twice)
    _, folder = run_compare(methods="tv")
    with h5py.File(folder / "result.h5") as file:
        assert len(file["methods/tv/convergence/psnr"]) == 2
        assert file["methods/tv/convergence/seconds"][0] < 10


def test_a_time_budget_ends_a_fit_and_the_next_method_goes_on(run_compare):
    code, folder = run_compare(methods="tv,inr", time_budget=1e-9)
    assert code == 0
    numbers = metrics_in(folder)
    for name in ("tv", "inr"):
        assert numbers["methods"][name]["stopped_by"] == "time budget"
        assert numbers["methods"][name]["iterations"] == 1
    assert numbers["warnings"][:2] == [
        f"{label} was ended by the time budget of 1e-09 s: it is shown as far as it got, its "
        "parameters chosen among those that had been tried."
        for label in ("TV", "Neural field")
    ]
    assert not numbers["record"]["interrupted"]


def test_a_time_budget_that_is_not_used_up_changes_nothing(run_compare):
    _, folder = run_compare(methods="tv", time_budget=1e9)
    numbers = metrics_in(folder)
    assert numbers["methods"]["tv"]["stopped_by"] == "iterations"
    assert not any("time budget" in warning for warning in numbers["warnings"])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"time_budget": 0.0}, "`time_budget` must be above zero; got 0.0."),
        ({"seed": -1}, "`seed` must be at least 0; got -1."),
        ({"engine": "abacus"}, "`engine` must be one of 'auto', "),
        ({"methods": "fbp,tvv"}, "`methods` must list some of fbp, tv, inr"),
        ({"ensemble": 1}, "`ensemble` must be at least 2; got 1. One network has no spread."),
        ({"ensemble": 4, "level": 1.0}, "`level` must lie in (0, 1); got 1.0."),
        ({"level": 0.9}, "`level` must be left out unless an ensemble is asked for"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_read(run_compare, capsys, options, message):
    code, folder = run_compare(scan="nowhere.h5", **options)
    assert code == 2
    assert message in capsys.readouterr().err
    assert not folder.exists()


def test_too_few_views_are_refused(run_compare, tmp_path, capsys):
    scan = measured_scan(tmp_path / "scan.h5")
    code, folder = run_compare(scan=scan, smoke=False, views=2)
    assert code == 2
    assert "`views` must be at least 3; got 2. One is withheld" in capsys.readouterr().err
    assert not folder.exists()


def test_a_constant_truth_is_refused(run_compare, tmp_path, capsys):
    scan = phantom_scan("disk", size=24, views=12)
    write_scan(tmp_path / "scan.h5", replace(scan, truth=torch.zeros_like(scan.truth)))
    code, folder = run_compare(scan=tmp_path / "scan.h5", smoke=False)
    assert code == 2
    assert "`truth` must not be constant; got 0." in capsys.readouterr().err
    assert not folder.exists()


def test_an_engine_that_cannot_run_is_refused_with_the_obstacles(run_compare, capsys, monkeypatch):
    obstacle = "numba is not installed; pip install numba"
    monkeypatch.setattr(Backend, "obstacle", lambda *_: obstacle)
    code, folder = run_compare(engine="numba")
    assert code == 2
    assert obstacle in capsys.readouterr().err
    assert not folder.exists()


def test_what_exists_is_kept_until_overwrite(run_compare, capsys):
    _, folder = run_compare(methods="fbp")
    before = (folder / "metrics.json").read_bytes()
    code, _ = run_compare(methods="tv")
    assert code == 2
    assert "which exists. Choose another folder" in capsys.readouterr().err
    assert (folder / "metrics.json").read_bytes() == before
    code, _ = run_compare(methods="tv", overwrite=True)
    assert code == 0
    assert list(metrics_in(folder)["methods"]) == ["tv"]


def test_reconstruct_writes_images_and_no_page(run_compare, capsys):
    code, folder = run_compare(reconstruct.main, reconstruct.Reconstruct, method="tv")
    assert code == 0
    assert {path.name for path in folder.iterdir()} == {"result.h5", "metrics.json", "figures"}
    assert (folder / "figures" / "images.png").exists()
    assert "report.html" not in capsys.readouterr().out


@pytest.mark.slow
def test_an_ensemble_is_written_beside_the_image(run_compare, fakes):
    fakes("inr", _methods._inr)
    options = {"method": "inr", "ensemble": 2, "level": 0.8}
    code, folder = run_compare(reconstruct.main, reconstruct.Reconstruct, **options)
    assert code == 0
    with h5py.File(folder / "result.h5", "r") as file:
        group = file["methods/inr"]
        assert group["std"].shape == group["upper"].shape == group["image"].shape
        assert group.attrs["interval_level"] == 0.8
        # The curve is that of the fit, and not of the ensemble that came after it.
        fit = len(group["losses"])
        assert len(group["convergence/psnr"]) == fit // 5


@pytest.mark.parametrize("name, value", [("ensemble", 2), ("checkpoint", "a.checkpoint")])
def test_what_only_the_field_has_is_refused_without_it(run_compare, capsys, name, value):
    options = {"method": "tv", name: value}
    code, folder = run_compare(reconstruct.main, reconstruct.Reconstruct, **options)
    assert code == 2 and not folder.exists()
    assert f"`{name}` must be left out unless the method is inr" in capsys.readouterr().err


def test_the_demo_compares_on_the_thorax(run_compare):
    code, folder = run_compare(demo.main, demo.Demo, methods="fbp,tv")
    assert code == 0
    numbers = metrics_in(folder)
    assert numbers["scan"]["metadata"]["title"] == "FORBILD thorax"
    assert "home ground of TV" in numbers["notes"][0]
    assert (folder / "report.html").exists()


def test_the_demo_has_a_folder_of_its_own(run_compare, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _ = run_compare(demo.main, demo.Demo, methods="fbp", out=None)
    assert code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_no_digit_is_lost_on_a_narrow_terminal(run_compare, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, folder = run_compare()
    shown = capsys.readouterr().out
    assert "…" not in shown
    numbers = metrics_in(folder)["methods"]
    for name in ("fbp", "tv", "inr"):
        assert f"{numbers[name]['psnr']:.2f}" in shown
        assert wording.memory(numbers[name]["peak_memory_bytes"]) in shown


def test_the_paper_has_its_own_range(tmp_path):
    scan = phantom_scan("disk", size=24, views=12)
    paper = replace(scan, metadata={**scan.metadata, "protocol": "paper"})
    assert data_range_of(paper).value == 1.0
    assert "paper" in data_range_of(paper).meaning
    assert data_range_of(scan).meaning == "max − min of the truth"
    assert data_range_of(replace(scan, truth=None)) is None


def test_jobs_put_an_oracle_behind_its_method():
    jobs = jobs_of(methods_named("inr,tv"), oracle=True)
    assert [job.label for job in jobs] == ["Neural field", "TV", "TV (oracle)"]
    assert [job.label for job in jobs_of(methods_named("tv,tv"))] == ["TV"]


def test_a_written_scan_is_compared_as_it_is(run_compare, tmp_path):
    path = measured_scan(tmp_path / "scan.h5", truth=True)
    _, folder = run_compare(scan=path, smoke=False, methods="fbp", views=6)
    with h5py.File(folder / "result.h5") as file:
        assert list(file["scan/views"]) == [0, 2, 4, 6, 8, 10]
        assert file["scan/sinogram"].shape == (6, read_scan(path).geometry.shape[1])
