"""Filtered views: what every analytic method backprojects."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
from torch import Tensor

from ctinr.geometry import FanBeam, Grid, PlanarBeam
from ctinr.operators import RampFilter
from ctinr.operators.filters import Window, ramp_kernel
from ctinr.operators.spectra import filtered_spectrum
from ctinr.recon.run import Reconstruction

# The window of the ramp, and its cut-off.
LowPass = tuple[str | Window, float]
# A fan is widened no further than to this angle from the central ray, short of a quarter turn.
WIDEST = 1.4


def analytic(method: str, image: Tensor, begun: float, low_pass: LowPass) -> Reconstruction:
    """Return what an analytic method made since a time of `time.perf_counter`, with its filter."""
    window, cutoff = low_pass
    name = window if isinstance(window, str) else getattr(window, "__name__", repr(window))
    return Reconstruction(
        image=image,
        seconds=time.perf_counter() - begun,
        method=method,
        parameters={"window": name, "cutoff": cutoff},
    )


def ramped(views: Tensor, geometry: PlanarBeam, window: str | Window, cutoff: float) -> Tensor:
    """Convolve with the ramp, on a detector that a fan is scaled to the axis of rotation.

    On a curved detector the kernel is that of the ramp times (γ / sin γ)².
    """
    pitch = geometry.detector.pitch[0]
    if not isinstance(geometry, FanBeam):
        return RampFilter(geometry, pitch, window=window, cutoff=cutoff)(views)
    pitch /= geometry.magnification
    ramp = RampFilter(geometry, pitch, window=window, cutoff=cutoff)
    if not geometry.curved:
        return ramp(views)
    num_bins, plain = views.shape[-1], RampFilter(geometry, pitch).response()
    length = 2 * (len(plain) - 1)
    # Bins are less than num_bins apart; what the kernel is beyond that does not matter.
    apart = np.minimum(np.minimum(np.arange(length), length - np.arange(length)), num_bins - 1)
    angle = apart * (pitch / geometry.source_distance)
    kernel = pitch * ramp_kernel(length, pitch) / np.sinc(angle / math.pi) ** 2
    tapered = ramp.response() / plain
    response = views.new_tensor(np.fft.rfft(kernel).real * tapered)
    return filtered_spectrum(views, response, length=length)[..., :num_bins]


def widened(geometry: PlanarBeam, grid: Grid) -> tuple[PlanarBeam, tuple[int, int]]:
    """Return a detector that all cells fall on, and how many bins it has more at either end.

    The shadow of the object ends at its edge, but filtered views do not: cells in the corners of
    the grid, past the bins of some views, need the filter's tail. One detector's width of it will
    do, wherever the grid is.
    """
    detector = geometry.detector
    num_bins, pitch = detector.shape[0], detector.pitch[0]
    reach, limit = float(np.hypot(*(np.abs(grid.center) + np.array(grid.extent) / 2))), math.inf
    if isinstance(geometry, FanBeam):
        scale = geometry.source_distance * geometry.magnification
        turn = math.asin(min(reach / geometry.source_distance, math.sin(WIDEST)))
        reach = scale * (turn if geometry.curved else math.tan(turn))
        limit = scale * WIDEST if geometry.curved else math.inf
    margins = []
    for side in (-1, 1):
        edge = detector.extent[0] / 2 + side * detector.offset[0]
        wanted = min(math.ceil((reach - edge) / pitch), num_bins)
        room = math.floor((limit - edge) / pitch) if limit < math.inf else num_bins
        margins.append(max(0, min(wanted, room)))
    offset = detector.offset[0] + (margins[1] - margins[0]) * pitch / 2
    wide = replace(detector, shape=(num_bins + sum(margins),), offset=offset)
    return replace(geometry, detector=wide), (margins[0], margins[1])
