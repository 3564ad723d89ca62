"""Rows are measured alike, and the verdict says plainly who is ahead."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from ctinr import metrics
from ctinr.recon.run import Reconstruction
from ctinr.report import Comparison, Cost, DataRange, label_of, measure, range_of_truth


def with_psnr(row, value):
    return replace(row, metrics={"psnr": value, "rmse": 1.0, "ssim": 0.5})


@pytest.fixture
def rows(compared):
    """Three rows of 30, 36.17 and 34.92 dB."""
    return [with_psnr(r, v) for r, v in zip(compared().rows, (30, 36.17, 34.92), strict=True)]


def test_metrics_refer_to_the_named_range(scan):
    image = scan.truth + 0.001
    found = Reconstruction(image, record={"withheld_error": 0.2, "choice": {"value": 1}})
    row = measure(
        "tv", found, cost=Cost(2.0, 7, True), truth=scan.truth, data_range=DataRange(0.5, "ours")
    )
    assert row.metrics["psnr"] == metrics.psnr(image, scan.truth, data_range=0.5)
    assert row.metrics["rmse"] == pytest.approx(0.001, rel=1e-4)
    assert row.metrics["ssim"] == metrics.ssim(image, scan.truth, data_range=0.5)
    assert (row.seconds, row.peak_memory, row.withheld_error) == (2.0, 7, 0.2)
    assert row.chosen["value"] == 1


def test_without_a_truth_there_are_no_metrics():
    row = measure("tv", Reconstruction(torch.zeros(16, 16)), cost=Cost())
    assert dict(row.metrics) == {}
    assert row.withheld_error is None


def test_a_truth_needs_a_range(scan):
    message = r"`data_range` must come with a truth; got None\. A PSNR without its range"
    with pytest.raises(ValueError, match=message):
        measure("tv", Reconstruction(scan.truth), cost=Cost(), truth=scan.truth)


def test_a_small_image_has_no_ssim():
    image = torch.rand(8, 20, generator=torch.Generator().manual_seed(0))
    found = Reconstruction(image + 0.1)
    row = measure("tv", found, cost=Cost(), truth=image, data_range=DataRange(1.0, "one"))
    assert set(row.metrics) == {"psnr", "rmse"}


def test_the_range_of_the_truth_is_named(scan):
    found = range_of_truth(scan.truth - 0.005)
    assert found.value == pytest.approx(0.02)
    assert str(found) == "0.02 1/mm (max − min of the truth)"


def test_a_constant_truth_has_no_range():
    with pytest.raises(ValueError, match=r"`truth` must not be constant; got 1\. PSNR and SSIM"):
        range_of_truth(torch.ones(3, 3))


def test_ahead_is_the_best_psnr(scan, rows):
    comparison = Comparison(scan, tuple(rows), DataRange(1.0, "one"))
    assert comparison.ahead() == (
        "TV is ahead with a PSNR of 36.17 dB: 1.25 dB over the neural field and 6.17 dB over FBP."
    )
    assert not comparison.level()


def test_an_oracle_takes_no_part_and_is_named(scan, rows):
    oracle = replace(with_psnr(rows[0], 50.0), oracle=True)
    comparison = Comparison(scan, (oracle, *rows), DataRange(1.0, "one"))
    assert comparison.ahead().startswith("TV is ahead with a PSNR of 36.17 dB")
    assert comparison.ahead().endswith(
        "FBP (oracle) was tuned against the truth and was left out of this judgement."
    )
    assert oracle.label == label_of("fbp", oracle=True) == "FBP (oracle)"
    assert oracle.key == "fbp_oracle"


def test_close_ones_are_level(scan, rows):
    close = [rows[0], rows[1], with_psnr(rows[2], 36.10)]
    comparison = Comparison(scan, tuple(close), DataRange(1.0, "one"))
    assert comparison.level()
    assert comparison.ahead() == (
        "TV and the neural field are level, with a PSNR of 36.17 dB: 6.17 dB over FBP."
    )


def test_a_sentence_starts_with_a_capital(scan, rows):
    first = [rows[0], with_psnr(rows[2], 40.0)]
    comparison = Comparison(scan, tuple(first), DataRange(1.0, "one"))
    assert comparison.ahead().startswith("The neural field is ahead")


def test_without_a_truth_the_withheld_error_decides(compared):
    comparison = compared(truth=False)
    assert comparison.ahead() == (
        "TV is ahead with an error of 3.00 % on withheld views: the neural field has 4.00 % and "
        "FBP has 8.00 %. The truth is not known, so there is no PSNR."
    )


def test_one_method_is_compared_with_nothing(scan, rows):
    comparison = Comparison(scan, (rows[1],), DataRange(1.0, "one"))
    assert "TV has a PSNR of 36.17 dB; no other method was run" in comparison.ahead()


def test_no_method_no_verdict(scan):
    assert Comparison(scan, ()).ahead() == "No method gave a result that can be judged."


def test_an_error_that_was_not_measured_is_none(scan):
    found = Reconstruction(torch.zeros(scan.grid.shape), record={"withheld_error": math.inf})
    row = measure("inr", found, cost=Cost())
    assert row.withheld_error is None
    assert Comparison(replace(scan, truth=None), (row,)).ranking() == []
