"""Quality over time: the clock stands while it is measured, and trials are not results."""

from __future__ import annotations

import csv
import json
import sys
import time

import pytest
import torch

from ctinr.geometry import Grid
from ctinr.recon.run import Reconstruction, Step, run
from recon_scripts._scans import phantom_scan
from recon_scripts.benchmarks import time_to_psnr
from recon_scripts.benchmarks._contenders import CONTENDERS, OracleTimeline, Pixels
from recon_scripts.benchmarks.time_to_psnr import Curve, followed, levels_of, problem_of, table

TRUTH = torch.tensor([[0.0, 1.0]])


def steps(values):
    for index, value in enumerate(values, start=1):
        time.sleep(0.02)
        yield Step(index, 0.0, value * TRUTH)


def test_only_the_last_run_counts_but_the_time_of_all():
    timeline = OracleTimeline(TRUTH, data_range=1.0)
    run(steps((0.99, 0.999)), 2, [timeline])
    found = run(steps((0.5, 0.9)), 2, [timeline])
    timeline.finish(found)
    # errors of 0.5 and 0.1 in one of two cells
    assert timeline.values == pytest.approx([9.031, 23.01, 23.01], abs=1e-3)
    assert timeline.seconds[0] > 0.06 and timeline.seconds == sorted(timeline.seconds)


def test_the_curve_of_a_trial_that_was_not_taken_is_forgotten():
    timeline = OracleTimeline(TRUTH, data_range=1.0)
    run(steps((0.99, 0.999)), 2, [timeline])
    timeline.finish(Reconstruction(0.5 * TRUTH, iterations=7))
    assert timeline.values == pytest.approx([9.031], abs=1e-3)


def test_measuring_takes_none_of_the_time(monkeypatch):
    def slow(*arguments, **options):
        time.sleep(0.2)
        return 1.0

    monkeypatch.setattr("recon_scripts.benchmarks._contenders.metrics.psnr", slow)
    timeline = OracleTimeline(TRUTH, data_range=1.0)
    timeline.finish(run(steps((0.5, 0.9, 0.9)), 3, [timeline]))
    assert len(timeline.values) == 4
    assert 0.06 < timeline.seconds[-1] < 0.6


def test_images_are_judged_in_their_unit_and_above_zero():
    timeline = OracleTimeline(TRUTH, data_range=1.0, scale=2.0)
    timeline.observe(Step(1, 0.0, torch.tensor([[-3.0, 0.45]])))
    assert timeline.values == pytest.approx([23.01], abs=1e-3)


@pytest.mark.parametrize("grid", [Grid((3, 5)), Grid((4, 2), (0.5, 2.0), (3.0, -1.0))])
def test_pixels_are_the_image(grid):
    pixels = Pixels(grid)
    with torch.no_grad():
        pixels.values.copy_(torch.arange(pixels.values.numel()).reshape(grid.shape))
    found = pixels(grid.coordinates())
    assert torch.equal(found[..., 0], pixels.values)
    found.square().sum().backward()
    assert torch.equal(pixels.values.grad, 2 * pixels.values)


@pytest.fixture(scope="module")
def problem():
    return problem_of(phantom_scan("disk", size=24, views=16), smoke=True)


@pytest.mark.parametrize("name", ["sirt", "pixels", "plain-relu"])
def test_methods_get_better_until_the_budget_is_over(problem, name):
    followed(name, problem, budget=0.01)
    curve = followed(name, problem, budget=0.4)
    assert max(curve.values) > curve.values[0] + 1
    assert curve.stopped_by == "time budget"


@pytest.mark.usefixtures("fakes")
def test_the_field_is_run_without_the_truth(problem):
    assert CONTENDERS["inr"](problem, ()).method == "fake"


def test_the_oracle_is_given_its_weight(problem):
    problem.__dict__["oracle_weight"] = 0.123
    found = CONTENDERS["oracle-tv"](problem, ())
    assert found.parameters["weight"] == 0.123


CURVES = [Curve("fbp", (0.5,), (20.4,), "direct"), Curve("x", (1.0, 2.0), (20.0, 24.9), "gap")]


def test_the_table_says_when_a_level_was_first_reached():
    assert levels_of(CURVES) == [20.0, 22.0, 24.0]
    first, second = table(CURVES, [20.0, 24.0, 30.0])
    assert (first["to 20 dB"], first["to 24 dB"]) == (0.5, "–")
    assert [second[f"to {level} dB"] for level in (20, 24, 30)] == [1.0, 2.0, "–"]
    assert second["best PSNR"] == 24.9 and second["ended by"] == "gap"


def test_a_part_of_the_methods_on_a_picture(tmp_path, monkeypatch):
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.radial_gradient("L").resize((40, 34)).save(path)
    out = tmp_path / "out"
    arguments = ["--image", str(path), "--views", "8", "--budget", "0.2", "--only", "fbp", "sirt"]
    monkeypatch.setattr(sys, "argv", ["time", "--out", str(out), *arguments])
    time_to_psnr.main()
    rows = json.loads((out / "time_to_psnr.json").read_text(encoding="utf-8"))["rows"]
    assert [row["method"] for row in rows] == ["fbp", "sirt"]
    with (out / "time_to_psnr.csv").open(encoding="utf-8") as file:
        points = [float(row["psnr"]) for row in csv.DictReader(file) if row["method"] == "sirt"]
    assert max(points) == pytest.approx(rows[1]["best PSNR"], rel=1e-4)
    assert (out / "time_to_psnr.png").exists()


def test_unknown_methods_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["time", "--out", str(tmp_path), "--only", "mlp"])
    with pytest.raises(ValueError, match=r"`only` must be one of 'fbp', 'sirt', .*; got mlp"):
        time_to_psnr.main()
