"""A picture of a scan before anything is reconstructed: its data, and the truth if it is known."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ctinr.data import Scan
from ctinr.geometry import VectorBeam
from ctinr.report.planes import planes
from ctinr.report.style import LIGHT, Style, blank, dress
from ctinr.report.window import as_array

WIDTH, HEIGHT = 10.0, 4.2


def scan_figure(scan: Scan, style: Style = LIGHT) -> Figure:
    """Show the sinogram of a scan beside the truth, where it is known.

    Of a volume the middle view is shown, and the middle slices of the truth.
    """
    shown = planes(scan.grid) if scan.truth is not None else ()
    columns = max(2, 1 + len(shown))
    figure = blank(style, width=WIDTH, height=HEIGHT if len(shown) < 2 else HEIGHT * 0.75)
    panels = np.ravel(figure.subplots(1, 1 + len(shown), squeeze=False))
    if len(scan.geometry.shape) == 2:
        _show_sinogram(panels[0], scan, style)
    else:
        _show_view(panels[0], scan, style)
    if scan.truth is None:
        figure.set_figwidth(WIDTH / columns * 1.3)
        return figure
    truth = as_array(scan.truth)
    window = {"vmin": truth.min(), "vmax": truth.max()}
    for axes, plane in zip(panels[1:], shown, strict=True):
        axes.imshow(plane.of(truth), cmap="gray", **plane.placement, **window)
        axes.set_axis_off()
        title = f"Truth, {plane.name}" if plane.name else "Truth"
        axes.set_title(title, fontsize=11, color=style.ink, loc="left")
    return figure


def _show_sinogram(axes: Axes, scan: Scan, style: Style) -> None:
    u = scan.geometry.detector.bin_centers()
    first, last, label = 0.0, float(scan.num_views - 1), "view"
    if not isinstance(scan.geometry, VectorBeam):
        degrees = np.rad2deg(scan.geometry.angles)
        first, last, label = float(degrees[0]), float(degrees[-1]), "angle, degrees"
    extent = (float(u[0]), float(u[-1]), last, first)
    axes.imshow(as_array(scan.sinogram), cmap="gray", aspect="auto", extent=extent)
    dress(axes, style).set(xlabel="u, mm", ylabel=label)
    axes.grid(False)
    axes.set_title("Line integrals", fontsize=11, color=style.ink, loc="left")


def _show_view(axes: Axes, scan: Scan, style: Style) -> None:
    """Show the view in the middle of the list, in its proportions, v upwards."""
    view = scan.num_views // 2
    (bottom, top), (left, right) = (scan.geometry.detector.edges(axis) for axis in (0, 1))
    image, extent = as_array(scan.sinogram[view]), (left, right, bottom, top)
    axes.imshow(image, cmap="gray", extent=extent, origin="lower")
    dress(axes, style).set(xlabel="u, mm", ylabel="v, mm")
    axes.grid(False)
    axes.set_title(f"View {view}", fontsize=11, color=style.ink, loc="left")
