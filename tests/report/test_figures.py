"""Figures: one scale for all, physical proportions, and only what there is to show."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from ctinr.report import figures
from ctinr.report.choices import chosen_place, spelled, spelled_choice, split_candidate
from ctinr.report.preview import scan_figure
from ctinr.report.style import DARK, LIGHT, png, round_length
from ctinr.report.window import edges, error_limit, grey_window


def shown(figure):
    return [axes.images[0] for axes in figure.axes if axes.images]


def test_images_share_one_grey_scale_and_physical_proportions(compared):
    comparison = compared()
    pictures = shown(figures.images(comparison))[:4]
    assert {picture.get_clim() for picture in pictures} == {(0.0, float(np.float32(0.02)))}
    for picture in pictures:
        assert picture.get_extent() == [-10.0, 10.0, 16.0, -16.0]
        assert picture.axes.get_aspect() == 1.0
        assert picture.axes.yaxis_inverted()
    np.testing.assert_array_equal(pictures[0].get_array(), comparison.scan.truth.numpy())


def test_the_window_is_stated(compared):
    figure = figures.images(compared())
    assert "0 to 0.02 1/mm (range of the truth)" in figure.get_supxlabel()
    figure = figures.images(compared(truth=False))
    assert "0.5th to 99.5th percentile of all images" in figure.get_supxlabel()


def test_titles_of_a_tall_image_lie_below_each_other(compared, scan):
    wide = figures.images(compared()).axes[1]
    assert (wide.get_title("left"), wide.get_title("right")[-2:]) == ("FBP", "dB")
    tall = replace(scan, grid=replace(scan.grid, spacing=(3.0, 1.0)))
    narrow = figures.images(replace(compared(), scan=tall)).axes[1]
    assert narrow.get_title("right") == ""
    assert narrow.get_title("left").splitlines() == ["FBP", wide.get_title("right")]


def test_errors_share_one_symmetric_scale(compared):
    comparison = compared()
    maps = shown(figures.errors(comparison))[:3]
    limit = error_limit(comparison)
    assert {picture.get_clim() for picture in maps} == {(-limit, limit)}
    expected = comparison.rows[0].reconstruction.image - comparison.scan.truth
    np.testing.assert_allclose(maps[0].get_array(), expected, rtol=1e-5)


def test_the_profile_runs_through_the_object(compared, scan):
    lines = figures.profile(compared()).axes[1].lines
    assert [line.get_label() for line in lines] == ["Truth", "FBP", "TV", "Neural field"]
    row = figures.middle_row(scan.truth.numpy())
    np.testing.assert_array_equal(lines[0].get_ydata(), scan.truth[row].numpy())
    np.testing.assert_array_equal(lines[0].get_xdata(), scan.grid.cell_centers(1))
    assert scan.truth[row].max() > 0


def test_the_middle_row_of_nothing_is_the_middle():
    assert figures.middle_row(np.zeros((9, 4))) == 4
    assert figures.middle_row(np.eye(9)[:, [7]]) == 7


def test_convergence_is_psnr_with_a_truth_and_loss_without(compared):
    axes = figures.convergence(compared()).axes[0]
    assert "PSNR" in axes.get_ylabel()
    by_label = {line.get_label(): line for line in axes.lines}
    assert set(by_label) == {"TV", "Neural field", "FBP"}
    np.testing.assert_array_equal(by_label["TV"].get_ydata(), (20.0, 25.0, 28.0))
    assert by_label["FBP"].get_linestyle() == ":"
    axes = figures.convergence(compared(truth=False)).axes[0]
    assert "loss" in axes.get_ylabel()
    np.testing.assert_allclose(axes.lines[0].get_ydata(), (1, 2 / 3, 1 / 3))


def test_only_a_loss_that_falls_far_is_on_a_logarithmic_scale(compared):
    comparison = compared(truth=False)
    assert figures.convergence(comparison).axes[0].get_yscale() == "linear"
    curve = replace(comparison.rows[1].convergence, values=(3.0, 0.3, 0.01))
    rows = (replace(comparison.rows[1], convergence=curve),)
    assert figures.convergence(replace(comparison, rows=rows)).axes[0].get_yscale() == "log"


def test_oracles_are_dashed(compared):
    lines = figures.profile(compared(oracle=True)).axes[1].lines
    dashed = {line.get_label() for line in lines if line.get_linestyle() == "--"}
    assert dashed == {"FBP (oracle)", "TV (oracle)"}


def test_without_a_truth_there_are_no_errors(compared):
    assert figures.errors(compared(truth=False)) is None
    assert figures.draw(compared(truth=False), names=("errors",)) == {}
    drawn = figures.draw(compared(truth=False), names=("convergence",))
    assert drawn["convergence"].startswith(b"\x89PNG")


def test_nothing_to_show_is_no_figure(compared):
    empty = replace(compared(truth=False), rows=())
    assert figures.draw(empty).keys() == {"geometry"}


def test_choices_mark_the_chosen_candidate(compared):
    first, second = figures.FIGURES["choices"](compared(), LIGHT).axes
    assert first.get_xlabel() == "cut-off"
    assert {text.get_text() for text in first.get_legend().get_texts()} == {"hann", "ram-lak"}
    assert (first.get_xscale(), second.get_xscale()) == ("linear", "log")
    assert second.get_ylabel() == "relative error on the withheld views"
    ring = second.lines[-1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (0.01, 0.03)


def test_the_axis_names_what_was_measured_and_not_the_rule(compared):
    comparison = compared()
    rule = "strongest weight as good on the withheld views as the best, to one standard error"
    row = replace(comparison.rows[1], chosen={**comparison.rows[1].chosen, "rule": rule})
    axes = figures.FIGURES["choices"](replace(comparison, rows=(row,)), LIGHT).axes[0]
    assert axes.get_ylabel() == "relative error on the withheld views"


def test_weights_that_lie_close_are_told_apart_by_their_ratio(compared):
    comparison = compared()
    chosen = {**comparison.rows[1].chosen, "candidates": [1e-5, 2e-5, 3e-5], "value": 1e-5}
    rows = (replace(comparison.rows[1], chosen=chosen),)
    axes = figures.FIGURES["choices"](replace(comparison, rows=rows), DARK).axes[0]
    assert axes.get_xscale() == "log"
    labels = [tick.label1 for tick in axes.xaxis.get_minor_ticks()]
    assert {label.get_color() for label in labels} == {DARK.muted}


def test_a_candidate_that_was_not_measured_spoils_nothing(compared):
    comparison = compared()
    chosen = {**comparison.rows[1].chosen, "errors": [0.05, 0.03, np.inf]}
    rows = (replace(comparison.rows[1], chosen=chosen),)
    axes = figures.FIGURES["choices"](replace(comparison, rows=rows), LIGHT).axes[0]
    assert axes.get_ylim()[1] < 0.06
    assert figures.draw(replace(comparison, rows=rows), names=("choices",))["choices"]


def test_a_long_rule_does_not_run_off_the_figure(compared):
    comparison = compared()
    rule = "least error of all that anybody could think of on a long afternoon, or so they said"
    row = replace(comparison.rows[1], chosen={**comparison.rows[1].chosen, "rule": rule})
    axes = figures.FIGURES["choices"](replace(comparison, rows=(row,)), LIGHT).axes[0]
    assert max(len(line) for line in axes.get_ylabel().splitlines()) <= 36
    assert axes.get_ylabel().startswith("error of all that")


def test_candidates_in_words_are_bars(compared):
    comparison = compared()
    words = {"value": "b", "candidates": ["a", "b"], "errors": [0.1, 0.2], "rule": "taste"}
    row = replace(comparison.rows[1], chosen=words)
    axes = figures.FIGURES["choices"](replace(comparison, rows=(row,)), LIGHT).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.1, 0.2]
    assert chosen_place(row) == 1


def test_a_weight_of_zero_has_a_place_on_the_scale(compared):
    comparison = compared()
    choice = {"value": 0.0, "candidates": [0.0, 1e-4, 1.0], "errors": [1, 2, 3], "rule": "x"}
    row = replace(comparison.rows[2], chosen=choice)
    axes = figures.FIGURES["choices"](replace(comparison, rows=(row,)), LIGHT).axes[0]
    assert axes.get_xscale() == "symlog"


@pytest.mark.parametrize(
    "candidate, expected",
    [
        (0.5, ("", 0.5)),
        (("hann", 0.5), ("hann", 0.5)),
        ({"filter": "hann", "cutoff": 0.5}, ("hann", 0.5)),
        ("hann", ("hann", None)),
    ],
)
def test_candidates_are_split_into_words_and_a_number(candidate, expected):
    assert split_candidate(candidate) == expected


def test_choices_in_words(compared):
    fbp, tv, _ = compared().rows
    assert spelled_choice(fbp) == "window hann, cut-off 0.6"
    assert spelled_choice(tv) == "weight 0.01"
    assert spelled({"a": True, "b": [1, "x"], "c": None}) == "a yes, b 1, x, c None"
    assert spelled([[4, 80], [1, 80]]) == "(4, 80), (1, 80)"


def test_a_dark_figure_is_dark(compared):
    figure = figures.profile(compared(), DARK)
    assert figure.get_facecolor() != figures.profile(compared(), LIGHT).get_facecolor()
    assert png(figure, dpi=30).startswith(b"\x89PNG")


def test_scale_bars_are_round():
    assert [round_length(value) for value in (1.0, 3.7, 104.0, 0.06)] == [1, 2, 100, 0.05]


def test_the_grid_may_be_off_centre(compared):
    comparison = compared()
    grid = replace(comparison.scan.grid, center=(5.0, -3.0))
    assert edges(grid) == (-13.0, 7.0, 21.0, -11.0)


def test_a_constant_truth_has_a_window(compared, scan):
    flat = replace(compared(), scan=replace(scan, truth=scan.truth * 0))
    window = grey_window(flat)
    assert window.high > window.low


def test_a_scan_is_shown_with_its_truth_if_known(scan):
    assert len(scan_figure(scan).axes) == 2
    assert len(scan_figure(replace(scan, truth=None)).axes) == 1


def test_no_global_state_of_pyplot(compared, monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    figures.draw(compared(), names=["profile"])
    assert "matplotlib.pyplot" not in sys.modules
