"""Filtered backprojection: the analytic inverse of the X-ray transform, sampled."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from ctinr import checks
from ctinr.geometry import Grid, ParallelBeam
from ctinr.operators import LinearOperator, RampFilter
from ctinr.operators.filters import Window
from ctinr.recon.problem import beam_of, check_data, grid_of
from ctinr.recon.run import Reconstruction
from ctinr.recon.views import view_weights


def fbp(
    A: LinearOperator, y: Tensor, *, window: str | Window = "ram-lak", cutoff: float = 1.0
) -> Reconstruction:
    """Reconstruct by filtered backprojection.

    Every view is convolved with the ramp, made from the Kak–Slaney kernel, and the image is the
    integral of the views over the half turn; see `backproject`. `A` says where rays and cells
    lie; it is not applied. Beyond the detector the line integrals are taken to be zero: an object
    that reaches past it is truncated, and is too bright near the edge of the field of view.

    Parameters
    ----------
    A : LinearOperator
        A projector: its range is a `ParallelBeam` with any views, its domain a `Grid`.
    y : Tensor, shape (*batch, angle, u)
        Line integrals, without unit.
    window : str or callable
        Tapers the ramp: ram-lak (none), shepp-logan, cosine, hamming, hann, or a function of the
        frequency as a fraction of the cut-off.
    cutoff : float
        Highest frequency kept, as a fraction of the Nyquist frequency of the detector, in (0, 1].

    Returns
    -------
    Reconstruction
        Images of shape (*batch, y, x) in 1/mm.

    Raises
    ------
    TypeError
        If A is not a projector or y not a tensor of floating-point numbers.
    ValueError
        If y does not fit A, is empty or not finite, the window is unknown or the cut-off outside
        (0, 1].

    References
    ----------
    Kak, Slaney, Principles of Computerized Tomographic Imaging (1988), section 3.3,
    doi:10.1137/1.9780898719277.
    """
    begun = time.perf_counter()
    geometry, grid = beam_of(A), grid_of(A)
    check_data(A, y)
    with torch.no_grad():
        wide, margin = _widened(geometry, grid)
        ramp = RampFilter(wide, wide.detector.pitch[0], window=window, cutoff=cutoff)
        image = backproject(ramp(pad(y, (margin, margin))), wide, grid)
    name = window if isinstance(window, str) else getattr(window, "__name__", repr(window))
    return Reconstruction(
        image=image,
        seconds=time.perf_counter() - begun,
        method="FBP",
        parameters={"window": name, "cutoff": cutoff},
    )


def backproject(
    sinogram: Float[Tensor, "*batch angle u"], geometry: ParallelBeam, grid: Grid
) -> Float[Tensor, "*batch height width"]:
    """Integrate the views over the half turn, at the cell centres.

    Each view is interpolated linearly between the bins where the ray through the cell's centre
    meets the detector, is zero beyond the last bin, and weighs as `view_weights` says. This is a
    quadrature of the analytic formula; the transpose of a projector, and its gradient, is `A.T`.

    Parameters
    ----------
    sinogram : Tensor, shape (*batch, angle, u)
        Filtered views, 1/mm.
    geometry : ParallelBeam
        Where the rays lie.
    grid : Grid
        Where the cells lie, two-dimensional.

    Raises
    ------
    ValueError
        If the sinogram does not have the shape of the geometry or the grid has not two axes.
    """
    checks.trailing_shape(sinogram, "sinogram", shape=geometry.shape, what="the geometry")
    checks.require(len(grid.shape) == 2, "grid", "have two axes", repr(grid.shape))
    leading, num_bins = sinogram.shape[:-2], geometry.shape[1]
    weights = sinogram.new_tensor(view_weights(geometry.angles))[:, None]
    # A zero before the first bin and two after the last: what lies outside reads zeros.
    views = pad(sinogram.reshape(-1, *geometry.shape) * weights, (1, 2))
    down, across = (sinogram.new_tensor(part) for part in _positions(geometry, grid))
    image = views.new_zeros(views.shape[0], math.prod(grid.shape))
    for view in range(geometry.num_views):
        position = (down[view, :, None] + across[view]).clamp_(0, num_bins + 1).flatten()
        below = position.to(torch.int32)
        fraction = position.sub_(below)
        lower = views[:, view].index_select(1, below)
        upper = views[:, view, 1:].index_select(1, below)
        image += lower.lerp_(upper, fraction)
    return image.reshape(*leading, *grid.shape)


def _widened(geometry: ParallelBeam, grid: Grid) -> tuple[ParallelBeam, int]:
    """Return a detector that all cells fall on, and how many bins it has more on either side.

    The shadow of the object ends at its edge, but filtered views do not: cells in the corners of
    the grid, past the bins of some views, need the filter's tail. One detector's width of it will
    do, wherever the grid is.
    """
    detector = geometry.detector
    corners = np.abs(grid.center) + np.array(grid.extent) / 2
    reach = float(np.hypot(*corners)) + abs(detector.offset[0]) - detector.extent[0] / 2
    num_bins = detector.shape[0]
    margin = min(max(0, math.ceil(reach / detector.pitch[0])), num_bins)
    wide = replace(detector, shape=(num_bins + 2 * margin,))
    return replace(geometry, detector=wide), margin


def _positions(geometry: ParallelBeam, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return where cell centres fall in the padded views, as a part for rows and one for columns.

    The position of cell (j, i) in view v is ``down[v, j] + across[v, i]``, counted in bins.
    """
    angles = np.asarray(geometry.angles)[:, None]
    pitch, first = geometry.detector.pitch[0], geometry.detector.bin_centers()[0]
    down = np.sin(angles) * grid.cell_centers(0) / pitch
    across = (np.cos(angles) * grid.cell_centers(1) - first) / pitch + 1
    return down, across
