"""The scripts of the paper's figures: what they write, twice alike, and what they find."""

from __future__ import annotations

import csv
import json
import sys

import pytest
import torch
from matplotlib.figure import Figure

from recon_scripts.paper import figure1, figure2, figure3, figure4, figure5, figure7
from recon_scripts.paper._publishing import Result, publish

SCRIPTS = (figure1, figure2, figure3, figure4, figure5, figure7)


def run(script, out, monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["figure", "--smoke", "--out", str(out), *arguments])
    script.main()


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_two_runs_write_the_same_bytes(script, tmp_path, monkeypatch):
    for name in ("one", "other"):
        run(script, tmp_path / name, monkeypatch)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert [name.rsplit(".")[-1] for name in names] == ["csv", "json", "pdf", "png"]
    for name in names:
        one, other = ((tmp_path / run / name).read_bytes() for run in ("one", "other"))
        assert one == other, name


def test_table_and_record_say_the_same(tmp_path):
    rows = [{"scale": 1.0, "agree": True}, {"scale": 2.0, "agree": False}]
    publish(Result("figure0", Figure(), rows, {"steps": 3}), tmp_path)
    with (tmp_path / "figure0.csv").open(encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [{k: str(v) for k, v in row.items()} for row in rows]
    whole = json.loads((tmp_path / "figure0.json").read_text(encoding="utf-8"))
    assert whole["rows"] == rows and whole["record"]["steps"] == 3
    assert whole["record"]["versions"]["torch"] == torch.__version__
    with pytest.raises(ValueError, match="`rows` must not be empty"):
        publish(Result("figure0", Figure(), []), tmp_path)


def test_networks_equal_their_relus():
    for row in figure1.rows(20, seed=1):
        assert row["largest relative error"] < 1e-12
        assert row["as ReLUs"] == pytest.approx(row["variation norm"], rel=1e-12)
        assert row["ReLUs"] == 7 * row["neurons"]


def test_neurons_on_the_line():
    grams = figure2.of_neurons((16, 32))
    assert grams["ReLU"][1] > 15 * grams["ReLU"][0] > 1e6
    assert max(grams["BW-ReLU"]) <= 9 / 4


@pytest.mark.parametrize("name", figure3.FUNCTIONS)
def test_functions_to_fit_are_not_flat(name):
    values = figure3.FUNCTIONS[name](torch.linspace(-1, 1, 50))
    assert values.shape == (50,) and values.std() > 0.05


def test_unknown_families_are_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="`only` must be one of 'bw-relu', 'relu'"):
        run(figure5, tmp_path, monkeypatch, "--only", "mlp")
