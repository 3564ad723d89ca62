"""One page that shows a comparison and needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ctinr.report import wording
from ctinr.report.comparison import Comparison
from ctinr.report.figures import draw
from ctinr.report.page import words
from ctinr.report.planes import shown_plane
from ctinr.report.row import UNIT
from ctinr.report.style import DARK
from ctinr.report.window import error_limit, grey_window, pictures

# Beyond this many cells a side the viewer shows block averages, so the page stays light.
LARGEST_SIDE = 1024
LEVELS = 65535
# Drawn for dark pages too; images and errors are shown by the viewer.
CHARTS = ("profile", "uncertainty", "convergence", "choices", "geometry")


def write_report(
    path: str | Path, comparison: Comparison, *, figures: Mapping[str, bytes] | None = None
) -> None:
    """Write a comparison as one self-contained HTML page.

    Parameters
    ----------
    path : path
        The file to write.
    comparison : Comparison
        What to show.
    figures : mapping, optional
        What `draw` returned for it, if it was drawn already.
    """
    figures = draw(comparison) if figures is None else figures
    Path(path).write_text(page(comparison, figures), encoding="utf-8")


def page(comparison: Comparison, figures: Mapping[str, bytes]) -> str:
    """Return a comparison as one self-contained HTML page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = resources.files("ctinr.report") / "templates"
    environment = Environment(
        loader=FileSystemLoader(str(folder)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    from markupsafe import Markup

    return environment.get_template("report.html.jinja").render(
        **words(comparison),
        figures=_encoded(figures),
        figures_dark=_encoded(draw(comparison, DARK, names=CHARTS)),
        viewer=viewer_data(comparison),
        css=Markup((folder / "report.css").read_text(encoding="utf-8")),
        javascript=Markup((folder / "report.js").read_text(encoding="utf-8")),
    )


def _encoded(figures: Mapping[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(content).decode() for name, content in figures.items()}


def viewer_data(comparison: Comparison) -> dict[str, Any]:
    """Return what the viewer needs, ready for JSON: every image in 16-bit steps of its range.

    Of a volume it is the slice in the middle.
    """
    plane = shown_plane(comparison.scan.grid)
    found = {label: plane.of(image) for label, image in pictures(comparison).items()}
    if not comparison.rows:
        return {"images": []}
    factor = -(-max(plane.grid.shape) // LARGEST_SIDE)
    shrunk = {label: block_averages(image, factor) for label, image in found.items()}
    low = min(float(image.min()) for image in shrunk.values())
    high = max(float(image.max()) for image in shrunk.values())
    window, grid = grey_window(comparison), plane.grid
    return {
        "shape": list(next(iter(shrunk.values())).shape),
        "extent": list(grid.extent),
        "center": list(grid.center),
        "unit": UNIT,
        "low": min(low, window.low),
        "high": max(high, window.high),
        "window": {"low": window.low, "high": window.high},
        "error_limit": error_limit(comparison),
        "images": [_picture(label, image, comparison) for label, image in shrunk.items()],
        **_first_pair(comparison, list(shrunk)),
    }


def _picture(label: str, image: np.ndarray, comparison: Comparison) -> dict[str, Any]:
    low, high = float(image.min()), float(image.max())
    steps = np.round((image - low) / max(high - low, 1e-300) * LEVELS)
    captions = {
        row.label: wording.decibel(row.metrics["psnr"]) for row in comparison.rows if row.metrics
    }
    return {
        "label": label,
        "truth": label == "Truth" and comparison.scan.truth is not None,
        "caption": captions.get(label, ""),
        "low": low,
        "high": high,
        "data": base64.b64encode(steps.astype("<u2").tobytes()).decode(),
    }


def _first_pair(comparison: Comparison, labels: list[str]) -> dict[str, int]:
    """Return which two images the viewer starts with: the best two, or the truth and the best."""
    best = [row.label for row, _ in comparison.ranking()] or labels[-1:]
    start = ["Truth", *best] if labels[0] == "Truth" else best
    pair = [labels.index(label) for label in start[:2]]
    return {"left": pair[0], "right": pair[-1]}


def block_averages(image: np.ndarray, factor: int) -> np.ndarray:
    """Return the means of blocks of factor² cells; a part block at an edge is left out."""
    if factor == 1:
        return image
    rows, columns = (side // factor for side in image.shape)
    blocks = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return blocks.mean(axis=(1, 3))
