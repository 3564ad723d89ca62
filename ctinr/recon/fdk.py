"""The method of Feldkamp, Davis and Kress: filtered backprojection of a cone beam."""

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
from ctinr.geometry import ConeBeam, Grid, equal_angles
from ctinr.operators import LinearOperator
from ctinr.operators.filters import Window
from ctinr.recon.filtered import analytic, ramped, widened
from ctinr.recon.kernels.choice import KernelName, choose_kernel, load_kernel
from ctinr.recon.problem import beam_of, check_data, grid_of
from ctinr.recon.run import Reconstruction
from ctinr.recon.turns import Turns
from ctinr.recon.views import fan_shares


def fdk(
    A: LinearOperator,
    y: Tensor,
    *,
    window: str | Window = "ram-lak",
    cutoff: float = 1.0,
    kernel: KernelName = "auto",
) -> Reconstruction:
    """Reconstruct a cone beam by filtered backprojection, after Feldkamp, Davis and Kress.

    Every row of every view is weighted and filtered as a view of a fan is in `fbp`, and the volume
    is the integral of the views over the turn; see `backproject_cone`. `A` says where rays and
    cells lie; it is not applied. On the plane of a circle this is exact. Away from it the values
    fall, the more the larger the angle of the cone: a circle does not see all there is.

    A circle may be a full turn, or a half turn and the fan angle, and after a full turn the
    detector may end within the object on one side. Of a helix, each slice is made from the full
    turn of views around it, which is not exact either.

    A cell that some views do not see, above or below the detector, is the mean of those that do,
    and 0 if they are less than half of the turn.

    Parameters
    ----------
    A : LinearOperator
        A projector of a `ConeBeam` on a three-dimensional `Grid`.
    y : Tensor, shape (*batch, angle, v, u)
        Line integrals, without unit.
    window, cutoff
        As in `fbp`.
    kernel
        What backprojects: as in `backproject_cone`. The record of the result says which it was.

    Raises
    ------
    BackendUnavailable
        If the kernel that was asked for cannot run.
    TypeError
        If A is not a projector of a cone beam or y not a tensor of floating-point numbers.
    ValueError
        If y does not fit A, is empty or not finite, the window or the kernel is unknown, the
        cut-off outside (0, 1], or the views leave lines unseen: too short an arc, or too low a
        detector for the pitch of a helix.

    References
    ----------
    Feldkamp, Davis, Kress 1984, Practical cone-beam algorithm, doi:10.1364/JOSAA.1.000612.
    Wang et al. 1993, A general cone-beam reconstruction algorithm, doi:10.1109/42.232264.
    """
    begun = time.perf_counter()
    geometry, grid = beam_of(A), grid_of(A)
    if not isinstance(geometry, ConeBeam):
        rule, remedy = "be a projector of a ConeBeam", "For other beams there is fbp."
        raise TypeError(checks.message("A", rule, type(geometry).__name__, remedy))
    check_data(A, y)
    with torch.no_grad():
        views, wide = filtered_cone(y, geometry, grid, window=window, cutoff=cutoff)
        chosen = choose_kernel(kernel, views)
        image = backproject_cone(views, wide, grid, kernel=chosen)
    found = analytic("FDK", image, begun, (window, cutoff))
    return replace(found, record={"kernel": chosen})


def filtered_cone(
    y: Tensor, geometry: ConeBeam, grid: Grid, *, window: str | Window, cutoff: float
) -> tuple[Tensor, ConeBeam]:
    """Return the weighted and filtered rows of all views, 1/mm, and the detector they are on.

    It is as much wider as the tails of the filter are needed.
    """
    fan = geometry.slice
    slant, shares = cone_weights(geometry, grid)
    weighted = y * y.new_tensor(slant) * y.new_tensor(shares)[:, None]
    wide, margins = widened(fan, grid.slice)
    rows = ramped(pad(weighted, margins).movedim(-2, -3), wide, window, cutoff)
    (num_rows, _), line = geometry.detector.shape, wide.detector
    area = replace(
        geometry.detector,
        shape=(num_rows, *line.shape),
        offset=(geometry.detector.offset[0], *line.offset),
    )
    return rows.movedim(-3, -2), replace(geometry, detector=area)


def cone_weights(geometry: ConeBeam, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return what rows are weighted with before the filter.

    Returns
    -------
    slant : ndarray, shape (v, u)
        The cosine of the angle of a ray to the central one; to the middle row and, along it, to
        the central ray if the detector is curved.
    shares : ndarray, shape (angle, u)
        See `fan_shares`.
    """
    fan = geometry.slice
    reach = math.hypot(*grid.center[1:]) + max(grid.extent[1:]) / 2
    if geometry.helical_pitch:
        # Whichever turn a slice is made from, it is a full one.
        turn = replace(fan, angles=equal_angles(max(3, fan.num_views), span=2 * math.pi))
        shares = np.broadcast_to(fan_shares(turn, reach)[0], fan.shape)
    else:
        shares = fan_shares(fan, reach)
    u, v = fan.detector.bin_centers(), geometry.detector.bin_centers(0)[:, None]
    within = np.full(len(u), geometry.length) if fan.curved else np.hypot(geometry.length, u)
    return within / np.hypot(within, v) * np.cos(fan.fan_angles()), shares


def backproject_cone(
    sinogram: Float[Tensor, "*batch angle v u"],
    geometry: ConeBeam,
    grid: Grid,
    *,
    kernel: KernelName = "auto",
) -> Float[Tensor, "*batch depth height width"]:
    """Integrate the views of a cone beam over the turn, at the cell centres.

    Each view is interpolated linearly between the four bins around the ray through the cell's
    centre, and weighs as much of the turn as `Arc` says, times the squared ratio of the distances
    of the axis and of the cell from the source, along the central ray if the detector is flat, seen
    along the axis of rotation if it is curved. This is a quadrature of the analytic formula; the
    transpose of a projector, and its gradient, is `A.T`.

    Parameters
    ----------
    sinogram : Tensor, shape (*batch, angle, v, u)
        Filtered views, 1/mm.
    geometry : ConeBeam
        Where the rays lie.
    grid : Grid
        Where the cells lie, three-dimensional.
    kernel
        `numba`, compiled loops for float32 and float64 on a CPU; `torch`, plain torch, for any
        device and with a gradient; or "auto", the first of them that can.

    Raises
    ------
    BackendUnavailable
        If the kernel that was asked for cannot run there.
    ValueError
        If there is no such kernel, the sinogram does not have the shape of the geometry, the grid
        has not three axes, or the detector is too low for the pitch of a helix.
    """
    checks.trailing_shape(sinogram, "sinogram", shape=geometry.shape, what="the geometry")
    checks.require(len(grid.shape) == 3, "grid", "have three axes", repr(grid.shape))
    backproject = load_kernel(f"cone_{choose_kernel(kernel, sinogram)}")
    views = sinogram.reshape(-1, *geometry.shape)
    volume = backproject(views, geometry, grid, Turns.of(geometry, grid))
    return volume.reshape(*sinogram.shape[:-3], *grid.shape)
