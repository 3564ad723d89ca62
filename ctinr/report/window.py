"""The grey scale that all images of a comparison share, and what is behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ctinr.geometry import Grid
from ctinr.report import wording
from ctinr.report.comparison import Comparison
from ctinr.report.row import UNIT


@dataclass(frozen=True)
class Window:
    """The values that are shown black and white.

    Parameters
    ----------
    low, high : float
        Shown black and white; values outside are shown black or white too.
    meaning : str
        Where they come from, in words.
    """

    low: float
    high: float
    meaning: str

    def __str__(self) -> str:
        ends = f"{wording.number(self.low)} to {wording.number(self.high)} {UNIT}"
        return f"{ends} ({self.meaning})"


def as_array(image: Tensor) -> np.ndarray:
    """Return an image as float64 numbers on the host."""
    return image.detach().cpu().double().numpy()


def pictures(comparison: Comparison) -> dict[str, np.ndarray]:
    """Return every image of a comparison by its label, the truth first where it is known."""
    truth = comparison.scan.truth
    found = {} if truth is None else {"Truth": as_array(truth)}
    return found | {row.label: as_array(row.reconstruction.image) for row in comparison.rows}


def grey_window(comparison: Comparison) -> Window:
    """Return the window of a comparison: the truth's range, or what nearly all values lie in."""
    truth = comparison.scan.truth
    if truth is not None:
        low, high, meaning = float(truth.min()), float(truth.max()), "range of the truth"
        # What is left of a zero after rounding is a zero.
        low = 0.0 if abs(low) < 1e-9 * abs(high) else low
    else:
        values = np.concatenate([image.ravel() for image in pictures(comparison).values()])
        low, high = (float(value) for value in np.percentile(values, (0.5, 99.5)))
        meaning = "0.5th to 99.5th percentile of all images"
    return Window(low, high if high > low else low + 1.0, meaning)


def error_limit(comparison: Comparison) -> float:
    """Return the error that is shown in full colour: the 99.5th percentile of all of them."""
    truth = comparison.scan.truth
    if truth is None or not comparison.rows:
        return 0.0
    reference = as_array(truth)
    maps = [np.abs(as_array(row.reconstruction.image) - reference) for row in comparison.rows]
    return max(float(np.percentile(np.stack(maps), 99.5)), 1e-12)


def edges(grid: Grid) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top edge of a grid, mm, row 0 at the top."""
    (y, x), (height, width) = grid.center, grid.extent
    return (x - width / 2, x + width / 2, y + height / 2, y - height / 2)
