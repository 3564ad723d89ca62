"""The scripts of the paper's figures: what they write, twice alike, and what they find."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from ctinr.data.sounds import write_sound
from ctinr.geometry import Grid
from ctinr.metrics import psnr
from ctinr.networks import BWReLU, Siren, families
from ctinr.operators import BlockAverage
from ctinr.recon.run import Step
from recon_scripts._pictures import bicubic
from recon_scripts._sounds import suited
from recon_scripts.paper import (
    figure1,
    figure2,
    figure3,
    figure4,
    figure5,
    figure5_audio,
    figure6,
    figure7,
)
from recon_scripts.paper._contest import Contest, contenders
from recon_scripts.paper._contest import row as row_of
from recon_scripts.paper._publishing import Result, picture, publish

SCRIPTS = (figure1, figure2, figure3, figure4, figure5, figure5_audio, figure6, figure7)


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


def test_errors_are_those_off_the_samples_at_every_look():
    mask = torch.tensor([True, False, False])
    oracle = figure3.OracleErrors(torch.zeros(3), mask)
    images = torch.tensor([[9.0, 3.0, 4.0], [9.0, 0.0, 0.0]])
    for index in range(1, figure3.EVERY + 3):
        oracle.observe(Step(index, 0.0, images * index))
    first, second = oracle.errors
    assert first.tolist() == pytest.approx([12.5**0.5, 0.0])
    torch.testing.assert_close(second, (figure3.EVERY + 1) * first)


@pytest.mark.parametrize("seed", [0, 1])
def test_samples_are_as_many_with_the_ends_as_without(seed):
    with_ends, without = (figure3.samples(seed, ends=ends) for ends in (True, False))
    assert with_ends.sum() == without.sum() == figure3.SAMPLES
    assert with_ends[0] and with_ends[-1] and not without[0] and not without[-1]


def test_unknown_families_are_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="`only` must be one of 'bw-relu', 'relu'"):
        run(figure5, tmp_path, monkeypatch, "--only", "mlp")


# ------------------------------------------------------------------ contests of all families


def contest(seeds, **given):
    y, x = Grid((8, 12)).coordinates().unbind(-1)
    truth = (torch.exp(-5 * (x**2 + y**2)) - 0.05) / 0.95
    A = BlockAverage(Grid((8, 12)), 2)
    return Contest(A, truth, data_range=1.0, seeds=seeds, **{"steps": 60, **given})


@pytest.mark.slow
def test_a_contest_fits_every_seed_to_the_data_and_judges_it_by_the_truth():
    family = BWReLU(width=24, depth=2)
    several = contest(3)
    found, curve = several.fitted(family)
    alone, _ = contest(1).fitted(family)
    assert found.image.shape == (3, 8, 12) and alone.image.shape == (1, 8, 12)
    # Adam makes much of what rounding leaves of small gradients.
    assert torch.allclose(found.image[0], alone.image[0], atol=2e-2)
    assert (found.image[1] - found.image[0]).abs().max() > 0.1
    A, truth = several.operator, several.truth
    assert ((A(found.image) - A(truth)).norm(dim=(1, 2)) < 0.5 * A(truth).norm()).all()
    expected = [-10 * math.log10(float((one - truth).square().mean())) for one in found.image]
    assert several.qualities(found.image) == pytest.approx(expected, rel=1e-4)
    assert curve.indices == [*range(1, 61)] and curve.values[-1] > curve.values[0] + 3


def test_a_row_has_the_mean_and_its_standard_error():
    found = row_of("siren", Siren(width=4, depth=1), [10.0, 12.0, 17.0], axes=1)
    assert found["PSNR"] == 13.0 and found["of"] == 3
    # The deviations -3, -1, 4 have the variance 13, and the mean a third of it.
    assert found["standard error"] == pytest.approx((13 / 3) ** 0.5)
    assert found["parameters"] == 4 + 4 + 4 + 1
    assert row_of("siren", Siren(), [10.0])["standard error"] is None


def test_contenders_have_one_width_and_wire_as_many_parameters():
    found = contenders(40, 3, 99, scale=2.5)
    sizes = {
        name: sum(v.numel() for v in each.build(2).parameters()) for name, each in found.items()
    }
    assert {*families} < {*found}
    assert {found[name].width for name in found if name != "wire"} == {40}
    assert sizes["wire"] == pytest.approx(sizes["siren"], rel=0.05)
    assert found["bw-relu"].scale == 2.5 and found["fourier"].samples == 99


def test_the_finer_picture_is_held_against_bicubic_interpolation(tmp_path, monkeypatch):
    run(figure6, tmp_path, monkeypatch, "--only", "siren")
    whole = json.loads((tmp_path / "figure6.json").read_text(encoding="utf-8"))
    assert [each["family"] for each in whole["rows"]] == ["siren", "bicubic, Pillow"]
    truth = picture(None, 16)
    means = truth.reshape(4, 4, 4, 4).mean((1, 3))
    expected = psnr(bicubic(means.numpy(), 4), truth.numpy(), data_range=1.0)
    assert whole["rows"][1]["PSNR"] == pytest.approx(expected)
    assert whole["record"]["ended"] == {"siren": "iterations"}


@pytest.mark.slow
def test_the_protocol_of_the_paper_judges_stretched_images_and_fits_other_data(
    tmp_path, monkeypatch
):
    own = contest(1)
    faded = 0.4 * own.truth + 0.2
    kind = contest(1, stretched=True)
    assert kind.qualities(faded) == pytest.approx(kind.qualities(own.truth), abs=1e-3)
    assert own.qualities(faded)[0] < 20 < kind.qualities(faded)[0]
    data = own.operator(own.truth) + 0.3
    found, _ = contest(1, data=data, steps=100).fitted(BWReLU(width=24, depth=2))
    assert abs(float((found.image[0] - own.truth).mean()) - 0.3) < 0.05
    truth = picture(None, 16)
    off = figure6.reduced(truth) - truth.reshape(4, 4, 4, 4).mean((1, 3))
    assert 0.01 < off.abs().max() < 0.5
    run(figure5, tmp_path, monkeypatch, "--protocol", "paper", "--only", "bw-relu")
    whole = json.loads((tmp_path / "figure5.json").read_text(encoding="utf-8"))
    assert whole["record"]["protocol"] == "paper"
    assert "init='torch'" in whole["record"]["families"]["bw-relu"]


def test_a_sound_of_the_contest_has_one_channel(tmp_path):
    write_sound(tmp_path / "a.wav", np.ones((2, 9)), 8000)
    options = argparse.Namespace(sound=tmp_path / "a.wav", smoke=False)
    with pytest.raises(
        ValueError, match=r"`sound` must have one channel; got 2 of them\. Mix them"
    ):
        figure5_audio.sound_of(options)


def test_first_sines_reach_the_pitches_of_a_sound():
    assert suited(Siren(), 1000).omega_first == 500.0
    assert suited(Siren(), 10**6).omega_first == 3000.0
    assert suited(BWReLU(), 1000) == BWReLU()
