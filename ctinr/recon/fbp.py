"""Filtered backprojection: the analytic inverse of the X-ray transform, sampled."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from ctinr import checks
from ctinr.geometry import Beam, FanBeam, Grid, ParallelBeam, PlanarBeam
from ctinr.operators import LinearOperator
from ctinr.operators.filters import Window
from ctinr.recon.filtered import LowPass, analytic, ramped, widened
from ctinr.recon.kernels.choice import KernelName, choose_kernel, load_kernel
from ctinr.recon.problem import beam_of, check_data, grid_of
from ctinr.recon.run import Reconstruction
from ctinr.recon.views import Arc, fan_shares, view_weights


def fbp(
    A: LinearOperator, y: Tensor, *, window: str | Window = "ram-lak", cutoff: float = 1.0
) -> Reconstruction:
    """Reconstruct by filtered backprojection.

    Every view is convolved with the ramp, made from the Kak–Slaney kernel, and the image is the
    integral of the views over the turn; see `backproject`. `A` says where rays and cells lie; it
    is not applied. Beyond the detector the line integrals are taken to be zero: an object that
    reaches past it is truncated, and is too bright near the edge of the field of view.

    The rays of a fan are first weighted with the cosine of their angle to the central ray, and
    with their share in a line that is measured twice; see `fan_shares`. The views may be those of
    a full turn or of a half turn and the fan angle, and after a full turn the detector may end
    within the object on one side.

    Parameters
    ----------
    A : LinearOperator
        A projector: its range is a `ParallelBeam` with any views or a `FanBeam` whose views see
        every line, its domain a `Grid`.
    y : Tensor, shape (*batch, angle, u) or (*batch, angle, v, u)
        Line integrals, without unit.
    window : str or callable
        Tapers the ramp: ram-lak (none), shepp-logan, cosine, hamming, hann, or a function of the
        frequency as a fraction of the cut-off.
    cutoff : float
        Highest frequency kept, as a fraction of the Nyquist frequency of the detector, in (0, 1].

    Returns
    -------
    Reconstruction
        Images of shape (*batch, y, x), or volumes (*batch, z, y, x), in 1/mm.

    Raises
    ------
    TypeError
        If A is not a projector or y not a tensor of floating-point numbers.
    ValueError
        If y does not fit A, is empty or not finite, the window is unknown, the cut-off outside
        (0, 1], or the views of a fan leave lines through the grid unseen.

    References
    ----------
    Kak, Slaney, Principles of Computerized Tomographic Imaging (1988), sections 3.3 and 3.4,
    doi:10.1137/1.9780898719277.
    """
    begun = time.perf_counter()
    geometry, grid = beam_of(A), grid_of(A)
    if not isinstance(geometry, PlanarBeam):
        rule, remedy = "be a projector of a ParallelBeam or FanBeam", "For a ConeBeam there is fdk."
        raise TypeError(checks.message("A", rule, type(geometry).__name__, remedy))
    check_data(A, y)
    low_pass = window, cutoff
    with torch.no_grad():
        if isinstance(geometry, ParallelBeam) and len(grid.shape) == 3:
            image = _slices(y, geometry, grid, low_pass)
        else:
            image = _slice(y, geometry, grid, low_pass)
    found = analytic("FBP", image, begun, low_pass)
    return replace(found, record={"kernel": kernel_for(geometry, y.detach())})


def _slice(y: Tensor, geometry: PlanarBeam, grid: Grid, low_pass: LowPass) -> Tensor:
    """Return images (*batch, y, x) of sinograms (*batch, angle, u)."""
    if isinstance(geometry, FanBeam):
        y = y * y.new_tensor(fan_weights(geometry, grid))
    wide, margins = widened(geometry, grid)
    return backproject(ramped(pad(y, margins), wide, *low_pass), wide, grid)


def fan_weights(geometry: FanBeam, grid: Grid) -> np.ndarray:
    """Return what rays are weighted with before the filter: cosine and share, (angle, u)."""
    reach = math.hypot(*grid.center) + max(grid.extent) / 2
    return fan_shares(geometry, reach) * np.cos(geometry.fan_angles())


def _slices(y: Tensor, geometry: ParallelBeam, grid: Grid, low_pass: LowPass) -> Tensor:
    """Return volumes (*batch, z, y, x) of sinograms (*batch, angle, v, u).

    One image a row of the detector; slices between two rows are interpolated linearly, and those
    beyond the detector are zero.
    """
    rows = _slice(y.movedim(-2, -3), geometry.slice, grid.slice, low_pass)
    num_rows, pitch = geometry.detector.shape[0], geometry.detector.pitch[0]
    at = (grid.cell_centers(0) - geometry.detector.bin_centers(0)[0]) / pitch
    seen = np.abs(at - (num_rows - 1) / 2) <= num_rows / 2
    at = np.clip(at, 0, num_rows - 1)
    below = torch.as_tensor(np.minimum(at.astype(int), max(0, num_rows - 2)), device=y.device)
    above = (below + 1).clamp(max=num_rows - 1)
    part = y.new_tensor(at)[:, None, None] - below[:, None, None]
    volume = rows.index_select(-3, below).lerp(rows.index_select(-3, above), part.to(y.dtype))
    return volume * y.new_tensor(seen)[:, None, None]


def backproject(
    sinogram: Float[Tensor, "*batch angle u"],
    geometry: PlanarBeam,
    grid: Grid,
    *,
    kernel: KernelName = "auto",
) -> Float[Tensor, "*batch height width"]:
    """Integrate the views over the turn, at the cell centres.

    Each view is interpolated linearly between the bins where the ray through the cell's centre
    meets the detector, is zero beyond the last bin, and weighs as `view_weights` says. The views
    of a fan weigh as `Arc` says, and with the squared ratio of the distances of the axis and of
    the cell from the source (along the central ray, if the detector is flat). This is a
    quadrature of the analytic formula; the transpose of a projector, and its gradient, is `A.T`.

    Parameters
    ----------
    sinogram : Tensor, shape (*batch, angle, u)
        Filtered views, 1/mm.
    geometry : ParallelBeam or FanBeam
        Where the rays lie.
    grid : Grid
        Where the cells lie, two-dimensional.
    kernel : str
        What computes it: "torch", "numba" (a parallel beam on the CPU, without gradients; a fan
        is computed by torch), or "auto".

    Raises
    ------
    ValueError
        If the sinogram does not have the shape of the geometry or the grid has not two axes.
    ValueError, BackendUnavailable
        If the kernel that is asked for is unknown or cannot compute this.
    """
    checks.trailing_shape(sinogram, "sinogram", shape=geometry.shape, what="the geometry")
    checks.require(len(grid.shape) == 2, "grid", "have two axes", repr(grid.shape))
    leading, num_bins = sinogram.shape[:-2], geometry.shape[1]
    is_fan = isinstance(geometry, FanBeam)
    parts = Arc.of(geometry.angles).weights if is_fan else view_weights(geometry.angles)
    # A zero before the first bin and two after the last: what lies outside reads zeros.
    weighted = sinogram.reshape(-1, *geometry.shape) * sinogram.new_tensor(parts)[:, None]
    views = pad(weighted, (1, 2))
    if kernel_for(geometry, views, kernel=kernel) == "numba":
        places: Any = _places(geometry, grid)  # type: ignore[arg-type]
        image = load_kernel("parallel_numba")(views, *places)
        return image.reshape(*leading, *grid.shape)
    image = views.new_zeros(views.shape[0], math.prod(grid.shape))
    for view, (position, factor) in enumerate(_seen(geometry, grid, sinogram)):
        position = position.clamp_(0, num_bins + 1).flatten()
        below = position.to(torch.int32)
        fraction = position.sub_(below)
        lower = views[:, view].index_select(1, below)
        upper = views[:, view, 1:].index_select(1, below)
        image += lower.lerp_(upper, fraction).mul_(factor)
    return image.reshape(*leading, *grid.shape)


def kernel_for(geometry: Beam, views: Tensor, *, kernel: KernelName = "auto") -> KernelName:
    """Return which engine backprojects such views; an error if the one asked for cannot."""
    if isinstance(geometry, ParallelBeam):
        return choose_kernel(kernel, views)
    rule = "be auto or torch for a fan, for which there is no other"
    checks.require(kernel in ("auto", "torch"), "kernel", rule, repr(kernel))
    return "torch"


def _places(geometry: ParallelBeam, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return the parts (angle, y) and (angle, x) of where cells fall in the padded bins."""
    pitch, first = geometry.detector.pitch[0], geometry.detector.bin_centers()[0]
    angles = np.asarray(geometry.angles)[:, None]
    down = np.sin(angles) * grid.cell_centers(0) / pitch
    return down, (np.cos(angles) * grid.cell_centers(1) - first) / pitch + 1


def _seen(
    geometry: PlanarBeam, grid: Grid, like: Tensor
) -> Iterator[tuple[Tensor, Tensor | float]]:
    """Yield for every view where cells fall in its padded bins, counted in bins, and a factor."""
    if isinstance(geometry, ParallelBeam):
        for down, across in zip(*_places(geometry, grid), strict=True):
            yield like.new_tensor(down)[:, None] + like.new_tensor(across), 1.0
        return
    pitch, first = geometry.detector.pitch[0], geometry.detector.bin_centers()[0]
    y, x = grid.cell_centers(0)[:, None], grid.cell_centers(1)
    for angle in geometry.angles:
        cosine, sine = math.cos(angle), math.sin(angle)
        distance = geometry.source_distance
        beside = like.new_tensor(sine * y) + like.new_tensor(cosine * x)
        away = like.new_tensor(cosine * y + distance) - like.new_tensor(sine * x)
        scale = distance * geometry.magnification / pitch
        seen = torch.atan2(beside, away) if geometry.curved else beside / away
        length = torch.hypot(beside, away) if geometry.curved else away
        yield seen * scale + (1 - first / pitch), (distance / length).square_().flatten()
