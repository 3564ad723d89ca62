"""Figures of a fit to a picture or a sound: what is in which panel."""

from __future__ import annotations

import numpy as np
import pytest

from ctinr.report.signals import picture_figure, sound_figure
from ctinr.report.style import png

LOSSES = [1.0, 0.1, 0.01]


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
def test_pictures_and_the_residual_stand_in_a_row_over_the_loss(channels):
    data = np.full((6, 8, *channels), 200, dtype=np.uint8)
    fine = np.full((24, 32, *channels), 100, dtype=np.uint8)
    residual = np.zeros((6, 8, *channels))
    residual[2, 3] = -5.0
    figure = picture_figure({"Data": data, "Estimate": fine}, residual, LOSSES)
    assert [title for title in titles(figure) if title] == ["Data", "Estimate", "Residual", "Loss"]
    shown = [axes.images[0] for axes in figure.axes[:3]]
    assert (shown[0].get_array() == 200).all() and (shown[1].get_array() == 100).all()
    left = np.asarray(shown[2].get_array())
    if channels:
        # Grey is zero, and nothing is as far below it as this cell.
        assert (left[2, 3] == 0).all() and (left[0] == 0.5).all()
    else:
        low, high = shown[2].get_clim()
        assert (left == residual).all() and low == -high < 0
    (line,) = next(axes for axes in figure.axes if axes.get_title(loc="left") == "Loss").lines
    assert (line.get_xdata() == [1, 2, 3]).all() and list(line.get_ydata()) == LOSSES
    assert png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("samples", [2, 4000])
def test_a_tone_is_where_its_frequency_is(samples):
    rate = 8000
    data = np.sin(2 * np.pi * 1000 * np.arange(samples) / rate + 1)
    figure = sound_figure(data, 0 * data, LOSSES, rate=rate)
    assert titles(figure) == [
        "Waveform", "Residual", "Spectrogram: data", "Spectrogram: estimate", "Loss",
    ]  # fmt: skip
    (left,) = figure.axes[1].lines
    np.testing.assert_array_equal(left.get_ydata(), -data)
    np.testing.assert_allclose(left.get_xdata(), np.arange(samples) / rate)
    shown = figure.axes[2].images[0]
    if samples > 2:
        rows, (_, _, bottom, top) = np.asarray(shown.get_array()), shown.get_extent()
        step = (top - bottom) / len(rows)
        assert bottom + (rows.mean(axis=1).argmax() + 0.5) * step == pytest.approx(1.0, abs=step)
        assert figure.axes[3].images[0].get_array().max() == -90
    assert png(figure).startswith(b"\x89PNG")


@pytest.mark.slow
def test_losses_of_zero_are_drawn_too():
    figure = picture_figure({}, np.zeros((4, 4)), [1.0, 0.0])
    scales = [axes.get_yscale() for axes in figure.axes if axes.get_title(loc="left") == "Loss"]
    assert scales == ["linear"] and png(figure)
