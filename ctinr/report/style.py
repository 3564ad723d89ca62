"""Colours of the figures, for a light and for a dark page; a method has the same one everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from types import MappingProxyType
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ctinr.report.row import Row

METHOD_COLORS: Mapping[str, str] = MappingProxyType(
    {
        "fbp": "#7c8aa5",
        "fdk": "#7c8aa5",
        "tv": "#0d9488",
        "pnp": "#4f6d3a",
        "inr": "#d97706",
        "sirt": "#9b6bc9",
        "cgls": "#c2557a",
    }
)
OTHER_COLOR = "#4f7fd6"
DPI, IMAGE_DPI = 144, 110


@dataclass(frozen=True)
class Style:
    """What a figure is drawn with.

    Parameters
    ----------
    background, ink, muted, line : str
        Colours of the page, of text and of the truth, of quieter text, and of rules.
    diverging : str
        Name of the colour map for signed errors, whose middle is the colour of the page.
    """

    background: str
    ink: str
    muted: str
    line: str
    diverging: str


LIGHT = Style("#ffffff", "#1c2430", "#5b6675", "#dfe4ea", "RdBu_r")
DARK = Style("#161b22", "#e6eaf0", "#98a3b3", "#303844", "berlin")


def color_of(row: Row) -> str:
    """Return the colour of a row's method."""
    return METHOD_COLORS.get(row.name, OTHER_COLOR)


def blank(style: Style, *, width: float, height: float) -> Figure:
    """Return an empty figure of so many inches, with room found for all that is put on it."""
    return Figure(figsize=(width, height), facecolor=style.background, layout="constrained")


def dress(axes: Axes, style: Style) -> Axes:
    """Return the axes with quiet rules and text in the colours of the style."""
    axes.set_facecolor(style.background)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(style.line)
    axes.tick_params(which="both", colors=style.muted, labelsize=9, length=3)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=style.muted, fontsize=9.5)
    axes.grid(color=style.line, linewidth=0.6)
    axes.set_axisbelow(True)
    return axes


def legend(axes: Axes, style: Style, *, outside: bool = False, **where: Any) -> None:
    """Name the lines, on a ground of the page's colour: in the axes or outside of all axes."""
    if axes.get_legend_handles_labels()[0]:
        place: Any = axes.figure if outside else axes
        place.legend(
            facecolor=style.background,
            edgecolor="none",
            framealpha=0.85,
            fontsize=8.5,
            labelcolor=style.ink,
            **where,
        )


def png(figure: Figure, *, dpi: int = DPI) -> bytes:
    """Return the figure as the bytes of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor=figure.get_facecolor())
    return buffer.getvalue()


def round_length(length: float) -> float:
    """Return the largest of 1, 2 or 5 times a power of ten that is not above a length."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= length * (1 + 1e-9))
