"""How sure a method is of its image: deviations, the interval along a row, calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ctinr.geometry import Grid
from ctinr.recon.interval import Interval
from ctinr.report import wording
from ctinr.report.comparison import Comparison
from ctinr.report.row import UNIT, Row
from ctinr.report.style import Style, blank, color_of, dress, legend
from ctinr.report.window import as_array, edges

WIDTH, HEIGHT = 10.0, 3.4
# Where nearly all deviations lie; a few at edges would leave the rest in the dark.
BRIGHTEST = 99.5


def intervals(comparison: Comparison, style: Style) -> Figure | None:
    """Show the first row that has an interval; None if there is none."""
    rows = [row for row in comparison.rows if row.reconstruction.interval is not None]
    if not rows:
        return None
    row, truth, grid = rows[0], comparison.scan.truth, comparison.scan.grid
    known = None if truth is None else as_array(truth)
    figure = blank(style, width=WIDTH, height=HEIGHT)
    panels = figure.subplots(
        1, 2 if known is None else 3, width_ratios=(1, 1.7) if known is None else (1, 1.7, 1)
    )
    _deviation(figure, panels[0], row, grid, style)
    _along_a_row(panels[1], row, grid, known, style)
    if known is not None:
        found = calibration(row.reconstruction.interval, row.reconstruction.image, known)
        draw_calibration(panels[2], {row.label: found}, style, colors={row.label: color_of(row)})
    return figure


def calibration(interval: Any, image: Any, truth: np.ndarray) -> list[tuple[float, float]]:
    """Return for each level of an interval the part of the cells whose truth lies within."""
    errors, std = np.abs(as_array(image) - truth), as_array(interval.std)
    return [(level, float(np.mean(errors <= factor * std))) for level, factor in interval.factors]


def draw_calibration(
    axes: Axes,
    curves: dict[str, list[tuple[float, float]]],
    style: Style,
    *,
    colors: dict[str, str],
) -> None:
    """Draw the part of the cells that was covered over the part that was asked for."""
    dress(axes, style)
    axes.plot([0, 1], [0, 1], color=style.muted, linewidth=0.8, linestyle=":")
    for name, curve in curves.items():
        axes.plot(*np.transpose(curve), "o-", markersize=3, color=colors.get(name), label=name)
    axes.set(xlabel="level asked for", ylabel="truth within", xlim=(0, 1), ylim=(0, 1.02))


def _deviation(figure: Figure, axes: Axes, row: Row, grid: Grid, style: Style) -> None:
    std = as_array(_interval(row).std)
    high = float(np.percentile(std, BRIGHTEST)) or 1.0
    shown = axes.imshow(std, cmap="magma", vmin=0, vmax=high, extent=edges(grid))
    axes.set_axis_off()
    axes.set_title(f"{row.label}: standard deviation", fontsize=10, color=style.ink, loc="left")
    bar = figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02, extend="max")
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.tick_params(colors=style.muted, labelsize=8, length=2)
    bar.set_label(UNIT, color=style.muted, fontsize=9)


def _along_a_row(axes: Axes, row: Row, grid: Grid, truth: np.ndarray | None, style: Style) -> None:
    """Draw image and interval along the row of cells of the largest deviations."""
    interval, color = _interval(row), color_of(row)
    std, x = as_array(interval.std), grid.cell_centers(1)
    place = int(std.sum(axis=1).argmax())
    lower, upper, image = (
        as_array(each)[place] for each in (interval.lower, interval.upper, row.reconstruction.image)
    )
    dress(axes, style)
    label = f"interval of {interval.level:.0%}"
    axes.fill_between(x, lower, upper, color=color, alpha=0.3, linewidth=0, label=label)
    axes.plot(x, image, color=color, linewidth=1.2, label=row.label)
    if truth is not None:
        axes.plot(x, truth[place], color=style.ink, linewidth=0.9, label="Truth")
    y = wording.number(float(grid.cell_centers(0)[place]))
    axes.set(xlabel=f"x, mm (row at y = {y} mm)", ylabel=f"attenuation, {UNIT}")
    axes.margins(x=0)
    legend(axes, style, loc="lower right", bbox_to_anchor=(1, 0.99), ncols=3)


def _interval(row: Row) -> Interval:
    interval = row.reconstruction.interval
    if interval is None:
        raise ValueError(f"{row.label} has no interval")
    return interval
