"""How each method's parameter was chosen: in a sentence, and as a curve."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from itertools import zip_longest
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from ctinr.report import wording
from ctinr.report.comparison import Comparison
from ctinr.report.row import Row
from ctinr.report.style import OTHER_COLOR, Style, blank, color_of, dress, legend

MOST_COLUMNS = 3
# What the parts of a method's candidates are called; the number that varies comes last.
PARAMETERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "fbp": ("window", "cut-off"),
        "fdk": ("window", "cut-off"),
        "tv": ("weight",),
        "pnp": ("prior", "variance"),
        "inr": ("prior", "weight"),
    }
)
# Parts of a whole are shown as they are; of other numbers, such as weights, the ratio matters.
LINEAR = ("cut-off", "cutoff")
SERIES = ("#7c8aa5", "#0d9488", "#d97706", "#9b6bc9", "#c2557a", "#4f7fd6", "#8d9b2f")


def spelled(value: Any) -> str:
    """Return a candidate in words: "filter hann, cutoff 0.6", "0.0032"."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {spelled(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_inner(entry) for entry in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else wording.number(value)


def _inner(value: Any) -> str:
    return f"({spelled(value)})" if isinstance(value, list | tuple) else spelled(value)


def spelled_choice(row: Row) -> str:
    """Return what was chosen with its name: "weight 0.0032", "window hann, cut-off 0.6"."""
    value, names = row.chosen.get("value"), PARAMETERS.get(row.name, ())
    if isinstance(value, Mapping):
        return spelled(value)
    parts = value if isinstance(value, list | tuple) else (value,)
    named = zip_longest(names[: len(parts)], parts, fillvalue="")
    return ", ".join(f"{name} {spelled(part)}".strip() for name, part in named)


def split_candidate(candidate: Any) -> tuple[str, float | None]:
    """Return the name of the curve that a candidate is on and its place along it, if it has one.

    The words in a candidate (a filter) name the curve; its number (a cut-off) is the place.
    """
    if isinstance(candidate, Mapping):
        candidate = tuple(candidate.values())
    parts = candidate if isinstance(candidate, list | tuple) else (candidate,)
    numbers = [part for part in parts if isinstance(part, int | float)]
    words = [str(part) for part in parts if not isinstance(part, int | float)]
    return ", ".join(words), float(numbers[0]) if numbers else None


def chosen_place(row: Row) -> int:
    """Return the place of the chosen candidate among all; the one of least error if it is new."""
    candidates, value = list(row.chosen["candidates"]), row.chosen.get("value")
    if value in candidates:
        return candidates.index(value)
    return int(np.nanargmin(np.asarray(row.chosen["errors"], float)))


def choices(comparison: Comparison, style: Style) -> Figure | None:
    """Show what was made small over the candidates, one panel a method."""
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
        _draw_bars(axes, errors, row, style=style)
    else:
        _draw_curves(axes, places, errors, row)
        legend(axes, style, loc="best")
    axes.set_ylabel(textwrap.fill(criterion(row), 36))


def criterion(row: Row) -> str:
    """Return what was measured of every candidate: "relative error on the withheld views"."""
    rule = str(row.chosen.get("rule", ""))
    if "withheld views" in rule:
        return "relative error on the withheld views"
    return rule.split(",", maxsplit=1)[0].removeprefix("least ") or "error"


def _draw_curves(
    axes: Axes, places: list[tuple[str, float | None]], errors: np.ndarray, row: Row
) -> None:
    """Draw one curve for each word, and a ring around the chosen one."""
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
    best = chosen_place(row)
    axes.plot(x[best], errors[best], "o", markersize=11, fillstyle="none", color="#ff5c39")
    axes.set_xlabel(parameter_name(row))
    if parameter_name(row) not in LINEAR:
        _scale(axes, x)


def _scale(axes: Axes, x: np.ndarray) -> None:
    """Show numbers on a logarithmic scale, with room for a zero."""
    positive = x[x > 0]
    if x.min() < 0 or len(positive) < 2:
        return
    if len(positive) == len(x):
        axes.set_xscale("log")
        if positive.max() >= 10 * positive.min():
            # There is a whole power of ten to read; what is between would overlap.
            axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xscale("symlog", linthresh=positive.min(), linscale=0.5)


def _colors(names: list[str], row: Row) -> list[str]:
    if len(names) == 1:
        return [color_of(row)]
    return [SERIES[k] if k < len(SERIES) else OTHER_COLOR for k in range(len(names))]


def parameter_name(row: Row) -> str:
    """Return the name of the number that was chosen: "weight", "cut-off"."""
    value = row.chosen.get("value")
    if isinstance(value, Mapping):
        numbers = [str(key) for key, entry in value.items() if isinstance(entry, int | float)]
        return numbers[0] if numbers else ""
    return PARAMETERS.get(row.name, ("parameter",))[-1]


def _draw_bars(axes: Axes, errors: np.ndarray, row: Row, *, style: Style) -> None:
    """Draw one bar a candidate, where candidates are words."""
    names = [spelled(candidate) for candidate in row.chosen["candidates"]]
    colors = [style.line] * len(names)
    colors[chosen_place(row)] = color_of(row)
    axes.bar(names, errors, color=colors)
    axes.tick_params(axis="x", rotation=30)
