"""Intervals in files, figures and on the page."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from ctinr.recon.interval import interval_of
from ctinr.report import figures
from ctinr.report.figures import draw
from ctinr.report.html import page
from ctinr.report.intervals import calibration, intervals
from ctinr.report.store import write_result
from ctinr.report.style import LIGHT


@pytest.fixture
def sure(compared):
    """Return a function that makes a comparison whose last row has an interval."""

    def make(**options):
        comparison = compared(**options)
        *others, last = comparison.rows
        image = last.reconstruction.image
        errors = 0.001 * torch.randn(8, *image.shape, generator=torch.Generator().manual_seed(1))
        interval = interval_of(image, errors, level=0.8)
        own = replace(last, reconstruction=replace(last.reconstruction, interval=interval))
        return replace(comparison, rows=(*others, own)), interval

    return make


def test_the_file_has_deviation_and_ends_with_their_unit(sure, tmp_path):
    comparison, interval = sure()
    write_result(tmp_path / "result.h5", comparison)
    with h5py.File(tmp_path / "result.h5", "r") as file:
        group = file["methods/inr"]
        for name in ("std", "lower", "upper"):
            np.testing.assert_array_equal(group[name], getattr(interval, name))
            assert group[name].attrs["units"] == "1/mm"
            assert name not in file["methods/tv"]
        assert (group.attrs["interval_level"], group.attrs["members"]) == (0.8, 8)
        factors = json.loads(group["interval_factors"][()])
        assert factors["0.9"] == dict(interval.factors)[0.9]


def test_calibration_counts_the_cells_whose_truth_is_within(sure):
    comparison, interval = sure()
    image, truth = comparison.rows[-1].reconstruction.image, comparison.scan.truth
    found = dict(calibration(interval, image, truth.double().numpy()))
    # The row's errors are normal and of the very size of the members'.
    for level in (0.5, 0.8, 0.95):
        assert found[level] == pytest.approx(level, abs=0.06)
    far = dict(calibration(interval, image, truth.double().numpy() + 1.0))
    assert set(far.values()) == {0.0}


@pytest.mark.parametrize("truth, panels", [(True, 3), (False, 2)])
def test_the_figure_has_the_calibration_where_the_truth_is_known(sure, truth, panels):
    figure = intervals(sure(truth=truth)[0], LIGHT)
    titled = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    assert len(titled) == panels
    legend = [text.get_text() for text in titled[1].get_legend().get_texts()]
    assert legend[0] == "interval of 80%" and ("Truth" in legend) == truth
    if truth:
        assert titled[2].get_xlabel() == "level asked for"


@pytest.mark.slow
def test_without_an_interval_there_is_no_figure_and_no_section(compared, sure):
    comparison = compared()
    assert intervals(comparison, LIGHT) is None
    assert "uncertainty" not in draw(comparison, names=("uncertainty",))
    assert "How sure it is" not in page(comparison, {"images": b"", "geometry": b""})
    text = page(sure()[0], draw(sure()[0], names=tuple(figures.FIGURES)))
    assert "How sure it is" in text and "expected within the interval in 80%" in text
