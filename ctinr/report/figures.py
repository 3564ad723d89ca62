"""Figures of a comparison, as PNG: images, errors, a profile, convergence, choices.

Every figure is a function of the comparison and a style, and is None where there is nothing to
show: errors without a truth, convergence of direct methods.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ctinr.geometry import Grid
from ctinr.report import wording
from ctinr.report.choices import choices
from ctinr.report.comparison import Comparison
from ctinr.report.drawing import geometry_figure
from ctinr.report.intervals import intervals
from ctinr.report.planes import planes, shown_plane
from ctinr.report.row import UNIT, Row
from ctinr.report.style import (
    DPI,
    IMAGE_DPI,
    LIGHT,
    Style,
    blank,
    color_of,
    dress,
    legend,
    png,
    round_length,
)
from ctinr.report.window import as_array, edges, error_limit, grey_window, pictures

WIDTH = 10.0
MOST_COLUMNS = 4
# Height over width from which a title and a number do not fit beside each other.
NARROW = 1.7


def images(comparison: Comparison, style: Style = LIGHT) -> Figure | None:
    """Show all images side by side on one grey scale, in their physical proportions."""
    found = pictures(comparison)
    if not found:
        return None
    window, grid = grey_window(comparison), comparison.scan.grid
    figure, panels = _panels(grid, len(found), style)
    settings = {"cmap": "gray", "vmin": window.low, "vmax": window.high}
    for row, (label, image) in zip(panels, found.items(), strict=True):
        shown = _show(row, image, grid, **settings)
        _titles(row[0], comparison, label, style)
    _scale_bar(panels[0][0], planes(grid)[0].grid)
    _color_bar(figure, shown, panels, style)
    text = f"grey scale: {window}{_places(grid)}"
    figure.supxlabel(text, fontsize=9, color=style.muted)
    return figure


def errors(comparison: Comparison, style: Style = LIGHT) -> Figure | None:
    """Show image − truth of every method on one symmetric scale; None without a truth."""
    truth = comparison.scan.truth
    if truth is None or not comparison.rows:
        return None
    maps = [as_array(row.reconstruction.image) - as_array(truth) for row in comparison.rows]
    limit, grid = error_limit(comparison), comparison.scan.grid
    figure, panels = _panels(grid, len(maps), style)
    settings = {"cmap": style.diverging, "vmin": -limit, "vmax": limit}
    for places, row, values in zip(panels, comparison.rows, maps, strict=True):
        shown = _show(places, values, grid, **settings)
        places[0].set_title(row.label, fontsize=11, color=style.ink, loc="left")
    _color_bar(figure, shown, panels, style, extend="both")
    ends = f"−{wording.number(limit)} to {wording.number(limit)} {UNIT}"
    text = f"image − truth: {ends} (99.5th percentile of all errors){_places(grid)}"
    figure.supxlabel(text, fontsize=9, color=style.muted)
    return figure


def profile(comparison: Comparison, style: Style = LIGHT) -> Figure | None:
    """Show the values along one row through the object's centre of mass, of a volume's slice."""
    plane = shown_plane(comparison.scan.grid)
    found = {label: plane.of(image) for label, image in pictures(comparison).items()}
    if not found:
        return None
    reference, window = next(iter(found.values())), grey_window(comparison)
    row, grid = middle_row(reference), plane.grid
    y, x = grid.cell_centers(0)[row], grid.cell_centers(1)
    figure = blank(style, width=WIDTH, height=3.6)
    where, axes = figure.subplots(1, 2, width_ratios=(1, 3.2))
    where.imshow(reference, cmap="gray", vmin=window.low, vmax=window.high, extent=edges(grid))
    where.axhline(y, color="#ff5c39", linewidth=1.2)
    where.set_axis_off()
    place = f"row at y = {wording.number(y)} mm" + (f"\n{plane.name}" if plane.name else "")
    where.set_title(place, fontsize=9, color=style.muted)
    dress(axes, style).set(xlabel="x, mm", ylabel=f"attenuation, {UNIT}")
    if comparison.scan.truth is not None:
        axes.plot(x, found["Truth"][row], color=style.ink, linewidth=3, alpha=0.35, label="Truth")
    for line in comparison.rows:
        axes.plot(x, found[line.label][row], **_stroke(line), label=line.label)
    axes.margins(x=0)
    legend(axes, style, loc="lower right", bbox_to_anchor=(1, 0.99), ncols=len(found))
    return figure


def middle_row(image: np.ndarray) -> int:
    """Return the row of an image's centre of mass."""
    weight = np.clip(image, 0, None).sum(axis=1)
    total = float(weight.sum())
    if total <= 0:
        return len(weight) // 2
    return round(float((weight * np.arange(len(weight))).sum()) / total)


def convergence(comparison: Comparison, style: Style = LIGHT) -> Figure | None:
    """Show how the iterative methods got on over time; direct ones are level lines."""
    moving = [row for row in comparison.rows if row.convergence and len(row.convergence.values) > 1]
    if not moving:
        return None
    figure = blank(style, width=WIDTH, height=3.6)
    axes = dress(figure.subplots(), style)
    for row in moving:
        axes.plot(*_curve(row, comparison.truth_known), **_stroke(row), label=row.label)
    axes.set(xlabel="time of the final fit, s", xlim=(0, None))
    if comparison.truth_known:
        for row in comparison.rows:
            if row not in moving:
                level = row.metrics["psnr"]
                axes.axhline(level, **{**_stroke(row), "linestyle": ":"}, label=row.label)
        axes.set_ylabel("PSNR against the truth, dB")
    else:
        axes.set(ylabel="loss, relative to the first", yscale=_scale_of(axes))
    legend(axes, style, loc="best")
    return figure


def _scale_of(axes: Axes) -> str:
    """Return the scale on which the lines are best seen: logarithmic if they fall far."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
    return "log" if values.min() > 0 and values.max() > 10 * values.min() else "linear"


def _curve(row: Row, truth_known: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return times and numbers of a row that has a convergence."""
    curve = row.convergence
    seconds, values = np.asarray(curve.seconds), np.asarray(curve.values)  # type: ignore[union-attr]
    return (seconds, values) if truth_known else (seconds, values / max(abs(values[0]), 1e-300))


def geometry(comparison: Comparison, style: Style = LIGHT) -> Figure | None:
    """Draw how it was scanned; see `geometry_figure`."""
    return geometry_figure(comparison.scan.geometry, comparison.scan.grid, style)


FIGURES: Mapping[str, Callable[[Comparison, Style], Figure | None]] = MappingProxyType(
    {
        "images": images,
        "errors": errors,
        "profile": profile,
        "convergence": convergence,
        "choices": choices,
        "uncertainty": intervals,
        "geometry": geometry,
    }
)


def draw(
    comparison: Comparison, style: Style = LIGHT, *, names: Sequence[str] = tuple(FIGURES)
) -> dict[str, bytes]:
    """Return the named figures, of those that there is something to show in, as PNG."""
    drawn = {name: FIGURES[name](comparison, style) for name in names}
    return {
        name: png(figure, dpi=IMAGE_DPI if name in ("images", "errors") else DPI)
        for name, figure in drawn.items()
        if figure is not None
    }


# ------------------------------------------------------------------ parts of figures


def _stroke(row: Row) -> dict[str, Any]:
    linestyle = "--" if row.oracle else "-"
    return {"color": color_of(row), "linewidth": 1.4, "linestyle": linestyle}


def _panels(grid: Grid, count: int, style: Style) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure and the panels of `count` images: one, or of a volume three side by side."""
    shown = planes(grid)
    rows = math.ceil(count / MOST_COLUMNS) if len(shown) == 1 else count
    columns = math.ceil(count / rows) * len(shown)
    panel = (WIDTH - 1.0) / columns
    shape = max(plane.grid.extent[0] / plane.grid.extent[1] for plane in shown)
    height = rows * (min(panel * shape, 2 * panel) + 0.45) + 0.4
    figure = blank(style, width=WIDTH, height=height)
    panels = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for axes in panels:
        axes.set_axis_off()
    step = len(shown)
    return figure, [panels[k * step : (k + 1) * step] for k in range(count)]


def _show(panels: list[Axes], image: np.ndarray, grid: Grid, **settings: Any) -> AxesImage:
    """Show an image, or the planes of a volume, and return the last of them."""
    pairs = list(zip(panels, planes(grid), strict=True))
    return [axes.imshow(plane.of(image), **plane.placement, **settings) for axes, plane in pairs][
        -1
    ]


def _places(grid: Grid) -> str:
    """Return where the planes of a volume are, for a caption."""
    names = [plane.name for plane in planes(grid) if plane.name]
    return f"; planes {', '.join(names)}" if names else ""


def _titles(axes: Axes, comparison: Comparison, label: str, style: Style) -> None:
    """Name the image and its PSNR, below each other where it is too narrow for both."""
    psnr = [row.metrics["psnr"] for row in comparison.rows if row.label == label and row.metrics]
    value = wording.decibel(psnr[0]) if psnr else ""
    height, width = comparison.scan.grid.extent[-2:]
    if height > NARROW * width:
        axes.set_title(f"{label}\n{value}", fontsize=9, color=style.ink, loc="left")
        return
    axes.set_title(label, fontsize=11, color=style.ink, loc="left")
    axes.set_title(value, fontsize=9, color=style.muted, loc="right")


def _color_bar(figure: Figure, shown, panels: list[list[Axes]], style: Style, **settings) -> None:
    bar = figure.colorbar(
        shown, ax=[axes for row in panels for axes in row], fraction=0.025, pad=0.01, **settings
    )
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.tick_params(colors=style.muted, labelsize=8, length=2)
    bar.set_label(UNIT, color=style.muted, fontsize=9)


def _scale_bar(axes: Axes, grid: Grid) -> None:
    """Draw a bar of a round length in a corner, and say how long it is."""
    left, _, bottom, _ = edges(grid)
    length = round_length(grid.extent[1] / 4)
    x, y = left + 0.05 * grid.extent[1], bottom - 0.05 * grid.extent[0]
    axes.plot([x, x + length], [y, y], color="white", linewidth=2, solid_capstyle="butt")
    text = f"{wording.number(length)} mm"
    axes.text(x, y - 0.02 * grid.extent[0], text, color="white", fontsize=8, va="bottom")
