"""How each method's parameter was chosen: in a sentence, and as a curve."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ctinr.report import wording
from ctinr.report.comparison import Comparison
from ctinr.report.row import Row
from ctinr.report.style import OTHER_COLOR, Style, blank, color_of, dress, legend

MOST_COLUMNS = 3
SERIES = ("#7c8aa5", "#0d9488", "#d97706", "#9b6bc9", "#c2557a", "#4f7fd6", "#8d9b2f")


def spelled(value: Any) -> str:
    """Return a candidate in words: "filter hann, cutoff 0.6", "0.0032"."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {spelled(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(spelled(entry) for entry in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else wording.number(value)


def spelled_choice(row: Row) -> str:
    """Return what was chosen with its name: "weight 0.0032"."""
    value = row.chosen.get("value")
    alone = isinstance(value, int | float)
    return f"{parameter_name(row)} {spelled(value)}" if alone else spelled(value)


def split_candidate(candidate: Any) -> tuple[str, float | None]:
    """Return the name of the curve that a candidate is on and its place along it, if it has one.

    The words in a candidate (a filter) name the curve; its number (a cut-off) is the place.
    """
    parts = candidate.values() if isinstance(candidate, Mapping) else candidate
    parts = list(parts) if isinstance(parts, list | tuple | type({}.values())) else [parts]
    numbers = [part for part in parts if isinstance(part, int | float)]
    words = [str(part) for part in parts if not isinstance(part, int | float)]
    return ", ".join(words), float(numbers[0]) if numbers else None


def choices(comparison: Comparison, style: Style) -> Figure | None:
    """Show the error on withheld data over the candidates, one panel a method."""
    tuned = [row for row in comparison.rows if len(row.chosen.get("errors") or ()) > 1]
    if not tuned:
        return None
    rows = math.ceil(len(tuned) / MOST_COLUMNS)
    columns = math.ceil(len(tuned) / rows)
    figure = blank(style, width=10.0, height=3.3 * rows)
    panels = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes in panels[len(tuned) :]:
        axes.set_axis_off()
    for axes, row in zip(panels, tuned, strict=False):
        dress(axes, style)
        axes.set_title(row.label, fontsize=11, color=style.ink, loc="left")
        _draw_choice(axes, row, style)
    return figure


def _draw_choice(axes: Axes, row: Row, style: Style) -> None:
    candidates, errors = list(row.chosen["candidates"]), np.asarray(row.chosen["errors"], float)
    places = [split_candidate(candidate) for candidate in candidates]
    if any(place is None for _, place in places):
        _draw_bars(axes, candidates, errors, style)
    else:
        _draw_curves(axes, places, errors, row)
        place = {"loc": "lower right", "bbox_to_anchor": (1.02, 0.98), "handlelength": 1.0}
        legend(axes, style, **place, ncols=3, columnspacing=1.0)
    against = "error against the truth" if row.oracle else "error on withheld views"
    axes.set_ylabel(against)


def _draw_curves(
    axes: Axes, places: list[tuple[str, float | None]], errors: np.ndarray, row: Row
) -> None:
    """Draw one curve for each word, and a ring around the best candidate."""
    names = list(dict.fromkeys(name for name, _ in places))
    x = np.asarray([place for _, place in places], float)
    for name, color in zip(names, _colors(names, row), strict=True):
        chosen = np.asarray([own == name for own, _ in places])
        order = np.argsort(x[chosen])
        style = {"color": color, "marker": "o" if chosen.sum() <= 40 else None}
        axes.plot(
            x[chosen][order],
            errors[chosen][order],
            **style,
            markersize=3.5,
            linewidth=1.3,
            label=name or None,
        )
    best = int(np.nanargmin(errors))
    axes.plot(x[best], errors[best], "o", markersize=11, fillstyle="none", color="#ff5c39")
    if x.min() > 0 and x.max() > 20 * x.min():
        axes.set_xscale("log")
    axes.set_xlabel(parameter_name(row))


def _colors(names: list[str], row: Row) -> list[str]:
    if len(names) == 1:
        return [color_of(row)]
    return [SERIES[k] if k < len(SERIES) else OTHER_COLOR for k in range(len(names))]


def parameter_name(row: Row) -> str:
    """Return the name of the number that was chosen: "weight", "cutoff", "iterations"."""
    value, fallback = row.chosen.get("value"), {"tv": "weight", "inr": "iterations"}
    if isinstance(value, Mapping):
        named = [str(key) for key, entry in value.items() if isinstance(entry, int | float)]
        return named[0] if named else ""
    return str(row.chosen.get("parameter") or fallback.get(row.name, "parameter"))


def _draw_bars(axes: Axes, candidates: list[Any], errors: np.ndarray, style: Style) -> None:
    """Draw one bar a candidate, where candidates are words."""
    best = int(np.nanargmin(errors))
    colors = ["#0d9488" if k == best else style.line for k in range(len(candidates))]
    axes.bar([spelled(candidate) for candidate in candidates], errors, color=colors)
    axes.tick_params(axis="x", rotation=30)
