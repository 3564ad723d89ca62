"""Figures of a fit to a picture or a sound: data, estimate, what is left, and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ctinr.report import wording
from ctinr.report.style import LIGHT, METHOD_COLORS, OTHER_COLOR, Style, blank, dress, legend

WIDTH = 11.5
# Decibels below the loudest tone that a spectrogram shows, and samples of a column, at most.
RANGE, WINDOW = 90.0, 512


def picture_figure(
    pictures: Mapping[str, np.ndarray],
    residual: np.ndarray,
    losses: Sequence[float],
    *,
    style: Style = LIGHT,
) -> Figure:
    """Return pictures and the residual in a row, and the loss below.

    Parameters
    ----------
    pictures : mapping
        From a title to 8 bits (y, x) or (y, x, 3); of any size, drawn alike.
    residual : array of shape (y, x) or (y, x, 3)
        Estimate minus data. In colours grey stands for zero.
    losses : sequence of float
        After every step.
    style : Style
        Colours of the page.
    """
    panel = WIDTH / (len(pictures) + 1)
    height, width = residual.shape[:2]
    figure = blank(style, width=WIDTH, height=panel * min(height / width, 2.0) + 3.2)
    ratios = (panel * min(height / width, 2.0) + 0.4, 2.6)
    layout = figure.add_gridspec(2, len(pictures) + 1, height_ratios=ratios)
    for place, (title, picture) in enumerate(pictures.items()):
        axes = _picture_axes(figure.add_subplot(layout[0, place]), title, style)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes = _picture_axes(figure.add_subplot(layout[0, -1]), "Residual", style)
    _draw_residual(figure, axes, residual, style)
    _draw_losses(figure.add_subplot(layout[1, :]), losses, style)
    return figure


def sound_figure(
    data: np.ndarray,
    estimate: np.ndarray,
    losses: Sequence[float],
    *,
    rate: int,
    style: Style = LIGHT,
) -> Figure:
    """Return the waveform, the residual, spectrograms of both, and the loss.

    Parameters
    ----------
    data, estimate : array of shape (sample,)
        One channel.
    losses : sequence of float
        After every step.
    rate : int
        Samples a second.
    style : Style
        Colours of the page.
    """
    figure = blank(style, width=WIDTH, height=10.0)
    layout = figure.add_gridspec(4, 2)
    seconds = np.arange(len(data)) / rate
    above = dress(figure.add_subplot(layout[0, :]), style)
    above.plot(seconds, data, color=style.ink, linewidth=0.6, label="data")
    above.plot(seconds, estimate, color=METHOD_COLORS["inr"], linewidth=0.6, label="estimate")
    legend(above, style, loc="upper right")
    below = dress(figure.add_subplot(layout[1, :], sharex=above), style)
    below.plot(seconds, estimate - data, color=OTHER_COLOR, linewidth=0.6)
    for axes, title in ((above, "Waveform"), (below, "Residual")):
        axes.set_title(title, fontsize=11, color=style.ink, loc="left")
        axes.set(xlabel="time, s", xlim=(0, float(seconds[-1])))
    for place, (title, values) in enumerate({"Data": data, "Estimate": estimate}.items()):
        axes = dress(figure.add_subplot(layout[2, place]), style)
        axes.set_title(f"Spectrogram: {title.lower()}", fontsize=11, color=style.ink, loc="left")
        _draw_spectrogram(axes, values, rate=rate, loudest=data)
    _draw_losses(figure.add_subplot(layout[3, :]), losses, style)
    return figure


def _picture_axes(axes: Axes, title: str, style: Style) -> Axes:
    axes.set_title(title, fontsize=11, color=style.ink, loc="left")
    axes.set_axis_off()
    return axes


def _draw_residual(figure: Figure, axes: Axes, residual: np.ndarray, style: Style) -> None:
    """Draw signed values, the 99.5th percentile of their sizes in full colour."""
    limit = max(float(np.percentile(np.abs(residual), 99.5)), 1e-12)
    if residual.ndim == 3:
        axes.imshow((0.5 + residual / (2 * limit)).clip(0, 1), interpolation="nearest")
        axes.set_title(f"±{wording.number(limit)}", fontsize=9, color=style.muted, loc="right")
        return
    shown = axes.imshow(residual, style.diverging, interpolation="nearest")
    shown.set_clim(-limit, limit)
    bar = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.02)
    bar.ax.tick_params(colors=style.muted, labelsize=8, length=2)


def _draw_losses(axes: Axes, losses: Sequence[float], style: Style) -> None:
    axes.plot(range(1, len(losses) + 1), losses, color=METHOD_COLORS["inr"], linewidth=1.2)
    axes.set(xlabel="step", ylabel="loss", yscale="log" if min(losses) > 0 else "linear")
    dress(axes, style).set_title("Loss", fontsize=11, color=style.ink, loc="left")


def _draw_spectrogram(axes: Axes, values: np.ndarray, *, rate: int, loudest: np.ndarray) -> None:
    """Draw the power of the frequencies over time, in decibels below the largest of `loudest`."""
    from scipy.signal import spectrogram

    size = max(2, min(WINDOW, len(values) // 8))
    frequencies, _, power = spectrogram(values, rate, nperseg=size, noverlap=size // 2)
    top = spectrogram(loudest, rate, nperseg=size, noverlap=size // 2)[2].max()
    decibels = 10 * np.log10(np.maximum(power / top, 10 ** (-RANGE / 10)))
    half = (frequencies[1] - frequencies[0]) / 2
    extent = (0.0, len(values) / rate, -half / 1e3, (frequencies[-1] + half) / 1e3)
    axes.imshow(
        decibels, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-RANGE, vmax=0
    )
    axes.set(xlabel="time, s", ylabel="frequency, kHz")
    axes.grid(False)
