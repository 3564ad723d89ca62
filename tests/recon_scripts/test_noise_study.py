"""The study over doses: rows are kept, means are means, and only the oracle sees the truth."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.run import Reconstruction
from recon_scripts import _methods
from recon_scripts._methods import Method, Task
from recon_scripts._options import MethodOptions
from recon_scripts.benchmarks import _oracle, noise_study
from recon_scripts.benchmarks._cells import Cell, halved
from recon_scripts.benchmarks._ledger import Ledger
from recon_scripts.benchmarks._oracle import oracle_inr


def row(psnr, *, method="tv", seed=0, **other):
    named = {"object": "rock", "size": 64, "views": 30, "photons": 1e4, "seed": seed} | other
    return {**named, "method": method, "psnr": psnr, "ssim": 0.5, "seconds": 2.0, "choice": 0.1}


def test_a_ledger_goes_on_where_it_was(tmp_path):
    path = tmp_path / "new" / "rows.csv"
    ledger = Ledger(path, noise_study.KEYS, noise_study.VALUES)
    assert row(1.0) not in ledger
    ledger.append(row(1.0))
    ledger.append(row(2.0, seed=1))
    again = Ledger(path, noise_study.KEYS, noise_study.VALUES)
    assert again.rows == ledger.rows and len(again.rows) == 2
    assert row(9.0) in again and row(9.0, seed=1) in again
    assert row(1.0, seed=2) not in again and row(1.0, photons=1e5) not in again


def test_a_row_without_the_end_of_its_line_is_whole(tmp_path):
    path = tmp_path / "rows.csv"
    Ledger(path, noise_study.KEYS, noise_study.VALUES).append(row(1.0))
    path.write_bytes(path.read_bytes().rstrip())
    Ledger(path, noise_study.KEYS, noise_study.VALUES).append(row(2.0, seed=1))
    assert len(Ledger(path, noise_study.KEYS, noise_study.VALUES).rows) == 2


def test_a_row_that_was_cut_off_is_done_again(tmp_path):
    path = tmp_path / "rows.csv"
    ledger = Ledger(path, noise_study.KEYS, noise_study.VALUES)
    ledger.append(row(1.0))
    ledger.append(row(2.0, seed=1))
    path.write_text(path.read_text(encoding="utf-8")[:-14], encoding="utf-8")
    again = Ledger(path, noise_study.KEYS, noise_study.VALUES)
    assert row(2.0, seed=1) not in again
    again.append(row(3.0, seed=1))
    assert [one["psnr"] for one in Ledger(path, noise_study.KEYS, noise_study.VALUES).rows] == [
        "1.0",
        "3.0",
    ]


def test_a_file_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"`path` must have the columns .*'psnr'"):
        Ledger(path, noise_study.KEYS, noise_study.VALUES)
    assert path.read_text(encoding="utf-8") == "a,b\n1,2\n"


def run(out, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["study", "--out", str(out), *arguments])
    noise_study.main()


def test_a_second_run_does_only_what_is_missing(tmp_path, monkeypatch):
    done = []

    def measured(cell, scan, method, *, smoke):
        done.append((cell.object, cell.seed, method))
        assert tuple(scan.truth.shape) == (24, 24)
        return {**row(20.0 + 2 * (method == "inr") + cell.seed), **cell.key(method)}

    monkeypatch.setattr(noise_study, "measured", measured)
    tiny = ("--only", "weave", "--size", "24", "--views", "5", "--photons", "1e4", "--seeds", "2")
    run(tmp_path, monkeypatch, *tiny, "--methods", "tv")
    run(tmp_path, monkeypatch, *tiny, "--methods", "tv", "inr")
    assert done == [("weave", seed, method) for method in ("tv", "inr") for seed in (0, 1)]
    rows = json.loads((tmp_path / "noise_study.json").read_text(encoding="utf-8"))["rows"]
    assert [(one["method"], one["PSNR"], one["of"]) for one in rows] == [
        ("tv", 20.5, 2),
        ("inr", 22.5, 2),
    ]
    assert rows[0]["standard error"] == pytest.approx(0.5)
    assert (tmp_path / "noise_study.png").stat().st_size > 10_000


def test_an_interrupt_ends_it_without_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr(noise_study, "measured", lambda *a, **k: None)
    ledger = Ledger(tmp_path / "rows.csv", noise_study.KEYS, noise_study.VALUES)
    options = {"smoke": True, "methods": ["tv", "inr"]}
    noise_study.study(ledger, type("Options", (), options)())  # type: ignore[arg-type]
    assert ledger.rows == []


def test_a_gain_is_that_of_the_same_scan():
    rows = [row(30.0), row(31.0, seed=1), row(32.0, seed=1, method="inr"), row(9, method="fbp")]
    rows = [{name: str(value) for name, value in one.items()} for one in rows]
    assert noise_study.gains(rows) == {("rock", "64", "30", "10000.0"): [1.0]}


def test_a_picture_is_halved_and_scanned_with_the_largest_line_integral_of_5(tmp_path):
    path = tmp_path / "picture.png"
    values = np.random.default_rng(0).integers(0, 255, (33, 42)).astype(np.uint8)
    Image.fromarray(values).save(path)
    found = halved(path)
    expected = values[:32].reshape(16, 2, 21, 2).mean(axis=(1, 3))
    assert found == pytest.approx(expected, abs=1e-10)
    scan = Cell("picture", 21, 6, 1e9, 0, path).scan()
    assert scan.truth.shape == (16, 21) and scan.num_views == 6
    assert float(scan.sinogram.max()) == pytest.approx(5.0, rel=0.02)


@pytest.mark.parametrize(
    "best, tried", [(0.02, [0.02, 0.04, 0.01]), (0.1, [0.02, 0.04, 0.08, 0.16, 0.01])]
)
def test_the_oracle_looks_outwards_from_the_choice_of_the_data(best, tried, monkeypatch):
    fits = []

    def image(recipe):
        assert recipe.prior == "tv"
        fits.append(recipe.weight)
        value = 1 + abs(np.log(recipe.weight / best))
        parameters = {"prior": recipe.prior, "weight": recipe.weight}
        return Reconstruction(torch.full((2, 2), value), method="f", parameters=parameters)

    def blind(task):
        assert task.truth is None and task.data_range is None
        return image(Recipe(prior="tv", weight=0.02))

    monkeypatch.setattr(_methods, "METHODS", (Method("inr", "fake", blind),))
    monkeypatch.setattr(_oracle, "inr", lambda A, y, *, recipe, **given: image(recipe))
    task = Task(None, None, None, MethodOptions())  # type: ignore[arg-type]
    found = oracle_inr(replace(task, truth=torch.ones(2, 2), data_range=1.0))
    assert fits == pytest.approx(tried)
    assert found.parameters["weight"] == pytest.approx(
        min(tried, key=lambda w: abs(np.log(w / best)))
    )
    assert "against the truth" in found.record["choice"]["rule"]


@pytest.mark.parametrize("option", ["--only", "--methods"])
def test_unknown_names_are_named(option, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=f"`{option[2:]}` must be one of .*; got apple"):
        run(tmp_path, monkeypatch, option, "apple")
    assert not list(tmp_path.iterdir())
