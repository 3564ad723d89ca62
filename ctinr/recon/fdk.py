"""The method of Feldkamp, Davis and Kress: filtered backprojection of a cone beam."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from ctinr import checks
from ctinr.geometry import ConeBeam, Grid, equal_angles
from ctinr.operators import LinearOperator
from ctinr.operators.filters import Window
from ctinr.recon.filtered import analytic, ramped, widened
from ctinr.recon.problem import beam_of, check_data, grid_of
from ctinr.recon.run import Reconstruction
from ctinr.recon.views import Arc, UnseenLines, fan_shares

# Cells handled at once: bounds the memory at about 200 MB.
CELLS = 1 << 22
# Views of a helix fade in and out over this angle where the detector is high enough, radians.
FADING = math.pi / 4
# A cell that is seen over less than this part of the turn is not reconstructed.
LEAST_SEEN = 0.5


def fdk(
    A: LinearOperator, y: Tensor, *, window: str | Window = "ram-lak", cutoff: float = 1.0
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

    Raises
    ------
    TypeError
        If A is not a projector of a cone beam or y not a tensor of floating-point numbers.
    ValueError
        If y does not fit A, is empty or not finite, the window is unknown, the cut-off outside
        (0, 1], or the views leave lines unseen: too short an arc, or too low a detector for the
        pitch of a helix.

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
        image = backproject_cone(views, wide, grid)
    return analytic("FDK", image, begun, (window, cutoff))


def filtered_cone(
    y: Tensor, geometry: ConeBeam, grid: Grid, *, window: str | Window, cutoff: float
) -> tuple[Tensor, ConeBeam]:
    """Return the weighted and filtered rows of all views, 1/mm, and the detector they are on.

    It is as much wider as the tails of the filter are needed.
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
    slant = within / np.hypot(within, v) * np.cos(fan.fan_angles())
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


def backproject_cone(
    sinogram: Float[Tensor, "*batch angle v u"], geometry: ConeBeam, grid: Grid
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

    Raises
    ------
    ValueError
        If the sinogram does not have the shape of the geometry, the grid has not three axes, or the
        detector is too low for the pitch of a helix.
    """
    checks.trailing_shape(sinogram, "sinogram", shape=geometry.shape, what="the geometry")
    checks.require(len(grid.shape) == 3, "grid", "have three axes", repr(grid.shape))
    views = sinogram.reshape(-1, *geometry.shape)
    windows = _Turns.of(geometry, grid)
    slices = max(1, CELLS // math.prod(grid.shape[1:]))
    parts = [
        _slab(views, geometry, grid[first : first + slices], windows)
        for first in range(0, grid.shape[0], slices)
    ]
    return torch.cat(parts, dim=1).reshape(*sinogram.shape[:-3], *grid.shape)


@dataclass(frozen=True, eq=False)
class _Turns:
    """How much of the turn each view stands for, slice by slice.

    Parameters
    ----------
    angles, steps : ndarray, shape (angle,)
        The angle of every view, and the part of the turn that it stands for, radians.
    length : float
        The part of the turn that a cell is to be seen from, radians.
    pitch, fading : float
        Of a helix the mm a turn, 0 for a circle, and over what angle views fade, radians.
    """

    angles: np.ndarray
    steps: np.ndarray
    length: float
    pitch: float = 0.0
    fading: float = 0.0

    @classmethod
    def of(cls, geometry: ConeBeam, grid: Grid) -> _Turns:
        angles, pitch = np.asarray(geometry.angles), geometry.helical_pitch
        if not pitch:
            arc = Arc.of(geometry.angles)
            return cls(angles, arc.weights, arc.length)
        order = np.argsort(angles)
        between = np.diff(angles[order]) if len(angles) > 1 else np.array([2 * math.pi])
        around = np.pad(between, 1, mode="edge")
        steps = np.empty(len(angles))
        steps[order] = (around[:-1] + around[1:]) / 2
        away = math.hypot(*grid.center[1:]) + math.hypot(*grid.extent[1:]) / 2
        nearest = max(geometry.source_distance - away, 1e-9 * geometry.source_distance)
        low, high = geometry.detector.edges(0) * (nearest / geometry.length)
        seen = min(-low, high) / abs(pitch) * 2 * math.pi
        least = math.pi + float(steps.max()) / 2
        if seen < least:
            largest = abs(pitch) * seen / least
            rule = "have a detector that sees the corners of the grid over a full turn of the helix"
            given = f"a helical pitch of {pitch:g} mm, and {largest:.4g} mm is the largest"
            remedy = "Methods that iterate (tv, sirt, cgls) make do with less."
            raise UnseenLines(checks.message("A", rule, given, remedy))
        fading = max(min(FADING, seen - math.pi), float(steps.max()) / 2)
        return cls(angles, steps, 2 * math.pi, pitch, fading)

    def weights(self, heights: np.ndarray) -> Iterator[tuple[int, slice, np.ndarray]]:
        """Yield the views that slices at some heights are made from: weights of those slices.

        The weights of the views that are full turns apart add up to the part that one stands for.
        """
        for view, (angle, step) in enumerate(zip(self.angles, self.steps, strict=True)):
            if not self.pitch:
                yield view, slice(0, len(heights)), np.full(len(heights), step)
                continue
            apart = np.abs(angle - heights * (2 * math.pi / self.pitch))
            part = np.clip((math.pi + self.fading - apart) / (2 * self.fading), 0, 1)
            used = np.flatnonzero(part)
            if len(used):
                chosen = slice(int(used[0]), int(used[-1]) + 1)
                yield view, chosen, step * part[chosen]


def _slab(views: Tensor, geometry: ConeBeam, grid: Grid, turns: _Turns) -> Tensor:
    """Return volumes (batch, z, y, x) of a few slices from filtered views."""
    heights, num_cells = grid.cell_centers(0), math.prod(grid.shape[1:])
    volume = views.new_zeros(len(views), grid.shape[0], num_cells)
    seen = views.new_zeros(grid.shape[0], num_cells)
    (num_rows, num_bins), v_pitch = geometry.detector.shape, geometry.detector.pitch[0]
    first_row, raised = geometry.detector.bin_centers(0)[0], geometry.heights()
    last = views.new_tensor([num_bins - 1, num_rows - 1])
    for view, chosen, weights in turns.weights(heights):
        across, nearness = _shadows(geometry, grid, view, views)
        above = views.new_tensor((heights[chosen] - raised[view]) / v_pitch)[:, None]
        row = above * (nearness * geometry.magnification) - first_row / v_pitch
        # Half a bin beyond the middle of the outermost one is still on the detector.
        on = ((row >= -0.5) & (row <= num_rows - 0.5)) * views.new_tensor(weights)[:, None]
        row = row.clamp_(0, num_rows - 1)
        places = torch.stack([across.expand_as(row), row], dim=-1)
        places = places.mul_(2 / last.clamp(min=1)).sub_(1)
        taken = grid_sample(views[None, :, view], places[None], mode="bilinear", align_corners=True)
        volume[:, chosen] += taken[0].mul_(on * nearness.square())
        seen[chosen] += on
    scale = turns.length / seen.clamp(min=1e-9)
    scale = torch.where(seen >= LEAST_SEEN * turns.length, scale, 0.0)
    return volume.mul_(scale).unflatten(2, grid.shape[1:])


def _shadows(geometry: ConeBeam, grid: Grid, view: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return in which column cells are seen, and the axis' distance over theirs, (y · x,)."""
    y, x, angle = grid.cell_centers(1)[:, None], grid.cell_centers(2), geometry.angles[view]
    beside = math.cos(angle) * x + math.sin(angle) * y
    away = math.cos(angle) * y - math.sin(angle) * x + geometry.source_distance
    seen = np.arctan2(beside, away) if geometry.curved else beside / away
    length = np.hypot(beside, away) if geometry.curved else away
    u = seen * geometry.length
    column = (u - geometry.detector.bin_centers()[0]) / geometry.detector.pitch[1]
    nearness = geometry.source_distance / length
    return like.new_tensor(column.ravel()), like.new_tensor(nearness.ravel())
