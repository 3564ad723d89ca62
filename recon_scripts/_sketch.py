"""A scan in characters, for the terminal; `ctinr.report.drawing` draws it properly."""

from __future__ import annotations

import numpy as np

from ctinr.geometry import Beam, Grid
from ctinr.report.drawing import first_view

# Columns of the sketch; a character is about twice as high as it is wide.
WIDTH, TALL = 56, 2
EMPTY, RAY, SOURCE, CELLS, DETECTOR, FIRST, AXIS = " ", "·", "∘", "░", "▓", "●", "+"
LEGEND = f"{CELLS} grid  {SOURCE} views  {FIRST} the first  {DETECTOR} its detector  {AXIS} axis"


def sketch(geometry: Beam, grid: Grid) -> list[str]:
    """Return lines that show a scan as seen along the axis of rotation, x right and y down.

    To scale, with the legend as the last line: the grid, where the views come from, and the first
    view with its outermost rays and its detector.
    """
    view = first_view(geometry, grid)
    half, middle = (np.asarray(part)[:-3:-1] for part in (grid.extent, grid.center))
    corners = np.stack([middle - half / 2, middle + half / 2])
    shown = np.concatenate([view.sources[:, :2], view.detector[:, :2], corners, np.zeros((1, 2))])
    low, high = shown.min(axis=0), shown.max(axis=0)
    step = max(high[0] - low[0], 1e-9) / (WIDTH - 1)
    height = int(np.ceil((high[1] - low[1]) / (TALL * step))) + 1
    canvas = np.full((height, WIDTH), EMPTY)

    def mark(points: np.ndarray, character: str) -> None:
        places = np.rint((points - low) / (step, TALL * step)).astype(int)
        inside = ((places >= 0) & (places < (WIDTH, height))).all(axis=-1)
        columns, rows = places[inside].T
        canvas[rows, columns] = character

    steps = np.linspace(0, 1, 4 * WIDTH)[:, None]
    mark(_filled(corners), CELLS)
    for begin, end in view.rays[..., :2]:
        mark(begin + steps * (end - begin), RAY)
    mark(view.sources[:, :2], SOURCE)
    for begin, end in zip(view.detector[:-1, :2], view.detector[1:, :2], strict=True):
        mark(begin + steps * (end - begin), DETECTOR)
    mark(view.sources[:1, :2], FIRST)
    mark(np.zeros((1, 2)), AXIS)
    return ["".join(row).rstrip() for row in canvas] + [LEGEND]


def _filled(corners: np.ndarray) -> np.ndarray:
    """Return points that fill a rectangle densely."""
    parts = np.linspace(corners[0], corners[1], 4 * WIDTH).T
    return np.stack(np.meshgrid(*parts), axis=-1).reshape(-1, 2)
