"""A drawing of a scan: the grid, what every view sees whole, the first view and all the others."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from ctinr.geometry import Beam, Detector, Frames, Grid, ParallelBeam, VectorBeam
from ctinr.report import wording
from ctinr.report.style import LIGHT, OTHER_COLOR, Style, blank, dress, legend

GRID_COLOR, VIEW_COLOR = "#0d9488", "#d97706"
SIDE = 5.2
# Where the views of a parallel beam are marked, in radii of what is drawn around them.
AROUND = 1.15
# A detector is drawn by so many of its points, at most half a thousandth of a hundredth too short.
POINTS, FINE = 41, 20001


@dataclass(frozen=True, eq=False)
class FirstView:
    """What is drawn of the views, in the order (x, y) or (x, y, z), mm.

    Parameters
    ----------
    sources : ndarray, shape (view, axes)
        Where all views come from: the sources, or points upstream on a circle around the grid.
    detector : ndarray, shape (point, axes)
        The first view's detector: a line, an arc, or the outline of an area.
    rays : ndarray, shape (ray, 2, axes)
        From the first source, or from as far upstream, to the ends of the detector and its middle;
        to its corners, if it is an area.
    """

    sources: np.ndarray
    detector: np.ndarray
    rays: np.ndarray


def geometry_figure(geometry: Beam, grid: Grid, style: Style = LIGHT) -> Figure:
    """Draw a scan to scale, seen as images are: x to the right, y down the picture, mm.

    The first view is drawn with its detector and outermost rays, the others as dots: the source
    of a fan or cone, the direction that a parallel beam comes from. A scan in three dimensions is
    drawn once as seen along z, and once from the side, along x.
    """
    volume = len(geometry.shape) == 3
    figure = blank(style, width=(2.5 if volume else 1.5) * SIDE, height=SIDE)
    # To scale: the axes shrink after they were laid out, and their labels must come along.
    figure.set_layout_engine("compressed")
    panels = [(0, 1), (1, 2)] if volume else [(0, 1)]
    view = first_view(geometry, grid)
    for place, shown in enumerate(panels, start=1):
        axes = dress(figure.add_subplot(1, len(panels), place), style)
        names = [f"{'xyz'[axis]}, mm" for axis in shown]
        axes.set(aspect="equal", xlabel=names[0], ylabel=names[1])
        _draw_grid(axes, geometry, grid, shown)
        _draw_views(axes, geometry, view, list(shown))
        if shown == (0, 1):
            axes.plot(0, 0, "+", color=style.ink, markersize=8, label="axis of rotation")
            axes.invert_yaxis()
        else:
            # The legend has told of them beside the first drawing.
            for artist in (*axes.lines, *axes.patches):
                artist.set_label("")
        axes.margins(0.06)
    legend(figure.axes[0], style, outside=True, loc="outside right center")
    return figure


def first_view(geometry: Beam, grid: Grid) -> FirstView:
    """Return where all views come from, and the first view's detector and outermost rays."""
    num_axes, detector = len(geometry.shape), geometry.detector
    reach = AROUND * (math.hypot(*grid.extent) / 2 + math.hypot(*grid.center))
    frames = replace(geometry[[0]], detector=_finely(detector)).frames()
    line = frames.columns[0, np.linspace(0, FINE - 1, POINTS).astype(int)]
    heights = detector.edges(0) if num_axes == 3 else np.zeros(1)
    edges = line + heights[:, None, None] * frames.upward[0]
    if frames.parallel:
        along = frames.origins[0] / np.linalg.norm(frames.origins[0])
        edges = edges + (reach - edges @ along)[..., None] * along
        starts = edges - 2 * reach * along
    else:
        starts = np.broadcast_to(frames.origins[0], edges.shape)
    chosen = [0, POINTS - 1] if num_axes == 3 else [0, POINTS // 2, POINTS - 1]
    rays = np.stack([starts[:, chosen], edges[:, chosen]], axis=-2)
    outline = np.concatenate([edges[0], *edges[1:, ::-1], edges[0, : num_axes - 2]])
    sources = _upstream(geometry.frames(), reach)
    parts = sources, outline, rays.reshape(-1, 2, 3)
    return FirstView(*(part[..., :num_axes] for part in parts))


def _finely(detector: Detector) -> Detector:
    """Return a detector with the same edges along u, and many bins between them."""
    shape, extent = (*detector.shape[:-1], FINE), detector.extent[-1]
    return replace(detector, shape=shape, pitch=(*detector.pitch[:-1], extent / FINE))


def _upstream(frames: Frames, reach: float) -> np.ndarray:
    """Return the sources of all views, or a point from where their parallel rays come."""
    if not frames.parallel:
        return frames.origins
    return -reach * frames.origins / np.linalg.norm(frames.origins, axis=-1, keepdims=True)


def _draw_views(axes: Axes, geometry: Beam, view: FirstView, shown: list[int]) -> None:
    sources = view.sources[:, shown].T
    axes.plot(*sources, ".", color=OTHER_COLOR, markersize=3.5, label=_views(geometry))
    axes.plot(*sources[:, 0], "o", color=VIEW_COLOR, markersize=6, label="the first of them")
    detector: Any = view.detector[:, shown].T
    axes.plot(*detector, color=VIEW_COLOR, linewidth=3, label="its detector")
    for ray in view.rays[..., shown]:
        axes.plot(*ray.T, color=VIEW_COLOR, linewidth=0.8)


def _draw_grid(axes: Axes, geometry: Beam, grid: Grid, shown: tuple[int, int]) -> None:
    (width, height), (x, y) = (
        tuple(part[::-1][axis] for axis in shown) for part in (grid.extent, grid.center)
    )
    cells = " × ".join(map(str, grid.shape))
    corner = (x - width / 2, y - height / 2)
    box = Rectangle(corner, width, height, fill=False, edgecolor=GRID_COLOR, linewidth=1.6)
    box.set_label(f"grid, {cells} cells")
    axes.add_patch(box)
    if isinstance(geometry, VectorBeam) or shown != (0, 1):
        return
    radius = geometry.field_of_view
    seen = Circle((0, 0), radius, facecolor=GRID_COLOR, alpha=0.15, linewidth=0)
    seen.set_label(f"seen whole by every view,\nradius {wording.number(radius)} mm")
    axes.add_patch(seen)


def _views(geometry: Beam) -> str:
    views = wording.counted(geometry.num_views, "view")
    parallel = isinstance(geometry, ParallelBeam) or getattr(geometry, "parallel", False)
    return f"{'directions' if parallel else 'sources'} of {views}"
