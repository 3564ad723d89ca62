"""A drawing of a scan: the grid, what every view sees whole, the first view and all the others."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from ctinr.geometry import Beam, FanBeam, Grid
from ctinr.report import wording
from ctinr.report.style import LIGHT, OTHER_COLOR, Style, blank, dress, legend

GRID_COLOR, VIEW_COLOR = "#0d9488", "#d97706"
SIDE = 5.2
# Where the views of a parallel beam are marked, in radii of what is drawn around them.
AROUND = 1.15


def geometry_figure(geometry: Beam, grid: Grid, style: Style = LIGHT) -> Figure:
    """Draw a scan to scale, seen as images are: x to the right, y down the picture, mm.

    The first view is drawn with its detector and outermost rays, the others as dots: the source
    of a fan, the direction that a parallel beam comes from.
    """
    figure = blank(style, width=1.5 * SIDE, height=SIDE)
    # To scale: the axes shrink after they were laid out, and their labels must come along.
    figure.set_layout_engine("compressed")
    axes = dress(figure.add_subplot(), style)
    axes.set(aspect="equal", xlabel="x, mm", ylabel="y, mm")
    _draw_grid(axes, geometry, grid)
    sources, detector, rays = first_view(geometry, grid)
    axes.plot(*sources.T, ".", color=OTHER_COLOR, markersize=3.5, label=_views(geometry))
    axes.plot(*sources[0], "o", color=VIEW_COLOR, markersize=6, label="the first of them")
    axes.plot(*detector.T, color=VIEW_COLOR, linewidth=3, label="its detector")
    for ray in rays:
        axes.plot(*ray.T, color=VIEW_COLOR, linewidth=0.8)
    axes.plot(0, 0, "+", color=style.ink, markersize=8, label="axis of rotation")
    axes.invert_yaxis()
    axes.margins(0.06)
    legend(axes, style, outside=True, loc="outside right center")
    return figure


def first_view(geometry: Beam, grid: Grid) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return where all views come from, and the first view's detector and outermost rays.

    Returns
    -------
    sources : ndarray, shape (angle, 2)
        Of a fan its sources; of a parallel beam a point upstream on a circle around the grid. mm,
        in the order (x, y).
    detector : ndarray, shape (point, 2)
        A line or an arc of the detector of the first view.
    rays : list of ndarray, shape (2, 2)
        From the source, or from the same distance, to both ends of the detector and its middle.
    """
    angle, (low, high) = geometry.angles[0], geometry.detector.edges()
    across, along = (
        np.array([np.cos(angle), np.sin(angle)]),
        np.array([-np.sin(angle), np.cos(angle)]),
    )
    u = np.linspace(low, high, 41)[:, None]
    if isinstance(geometry, FanBeam):
        source = geometry.sources()[0]
        length = geometry.source_distance + geometry.detector_distance
        gamma = geometry.fan_angles(u)
        straight = source + length * along + u * across
        bent = source + length * (np.cos(gamma) * along + np.sin(gamma) * across)
        detector = bent if geometry.curved else straight
        return geometry.sources(), detector, [np.stack([source, detector[k]]) for k in (0, 20, 40)]
    reach = AROUND * (math.hypot(*grid.extent) / 2 + math.hypot(*grid.center))
    angles = np.asarray(geometry.angles)
    sources = reach * np.stack([np.sin(angles), -np.cos(angles)], axis=-1)
    detector = reach * along + u * across
    return sources, detector, [np.stack([end - 2 * reach * along, end]) for end in detector[::20]]


def _draw_grid(axes: Axes, geometry: Beam, grid: Grid) -> None:
    (height, width), (y, x) = grid.extent, grid.center
    cells = " × ".join(map(str, grid.shape))
    corner = (x - width / 2, y - height / 2)
    box = Rectangle(corner, width, height, fill=False, edgecolor=GRID_COLOR, linewidth=1.6)
    box.set_label(f"grid, {cells} cells")
    axes.add_patch(box)
    radius = geometry.field_of_view
    seen = Circle((0, 0), radius, facecolor=GRID_COLOR, alpha=0.15, linewidth=0)
    seen.set_label(f"seen whole by every view,\nradius {wording.number(radius)} mm")
    axes.add_patch(seen)


def _views(geometry: Beam) -> str:
    views = wording.counted(geometry.num_views, "view")
    where = "sources of" if isinstance(geometry, FanBeam) else "directions of"
    return f"{where} {views}"
