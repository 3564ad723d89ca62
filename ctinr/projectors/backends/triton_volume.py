"""The CUDA engine in three dimensions: Joseph's model in kernels that Triton compiles on first use.

Some views at a time become a table of two positions a ray, as whole numbers, which both directions
read. The transpose looks where on the detector a cell is seen, and asks the rays around it. Sums
are float32. Under Triton's interpreter (TRITON_INTERPRET=1) the engine takes tensors of the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import triton
from torch import Tensor

from ctinr.geometry import Beam, Frames, Grid
from ctinr.projectors.backends import triton_rays as loops
from ctinr.projectors.backends.joseph_volume import AXES, in_cells
from ctinr.projectors.backends.triton_joseph import FAR, PARTS, together

# Rays or cells of a program, and the most volumes that share its arithmetic.
BLOCK, VOLUMES = 128, 4
# Rays in one table: some 45 bytes each.
RAYS = 1 << 22
# What the shadow of a cell may be off by, bins: the arc tangent is good to 2e-6, and float32.
ANGLE, ROUNDING = 1e-5, 2.0**-18


@dataclass(frozen=True, eq=False)
class Table:
    """Some views: their rays, and where cells are seen.

    Parameters
    ----------
    views : slice
        Which views of the geometry.
    crossings : Tensor of int64, shape (ray, 4)
        Positions on plane 0 along both other axes, and how far they move a plane.
    spans : Tensor of int32, shape (ray, 3)
        The driving axis, the first plane crossed and the one after the last.
    lengths : Tensor of float32, shape (ray,)
        The length of every ray between two planes, mm.
    matrices : Tensor of float32, shape (view, 3, 4)
        From cells to what is across, up and along the central ray.
    """

    views: slice
    crossings: Tensor
    spans: Tensor
    lengths: Tensor
    matrices: Tensor


class TritonVolume:
    """Forward and transposed kernels for one geometry and grid."""

    def __init__(self, geometry: Beam, grid: Grid) -> None:
        self._geometry, self._grid = geometry, grid
        self._curved = bool(getattr(geometry, "curved", False))
        self._scales, self._slack = _scales(geometry, curved=self._curved)
        self._reach = math.hypot(*grid.spacing[1:]) * (1 + 1e-3)
        # A scan of one table keeps it.
        self._kept: dict[torch.device, Table] = {}

    def forward(self, volume: Tensor) -> Tensor:
        """Project volumes (batch, z, y, x) to sinograms (batch, view, v, u)."""
        batch, volumes = len(volume), together(len(volume), VOLUMES)
        cells = volume.contiguous()
        sinogram = volume.new_empty(batch, *self._geometry.shape)
        for table in self._tables(volume.device):
            num_rays = len(table.lengths)
            part = volume.new_empty(batch, num_rays, dtype=torch.float32)
            blocks = (triton.cdiv(num_rays, BLOCK), triton.cdiv(batch, volumes))
            arrays = cells, part, table.crossings, table.spans, table.lengths
            sizes = num_rays, *self._grid.shape, batch, BLOCK, volumes
            with torch.cuda.device_of(volume):
                loops.project[blocks](*arrays, *sizes)  # type: ignore[arg-type]
            result = sinogram[:, table.views]
            result.copy_(part.view(result.shape))
        return sinogram

    def transposed(self, sinogram: Tensor) -> Tensor:
        """Apply the exact transpose: sinograms (batch, view, v, u) to volumes (batch, z, y, x)."""
        batch, volumes = len(sinogram), together(len(sinogram), VOLUMES)
        volume = sinogram.new_zeros(batch, *self._grid.shape, dtype=torch.float32)
        scales = torch.as_tensor(self._scales, dtype=torch.float32, device=sinogram.device)
        num_cells = math.prod(self._grid.shape)
        blocks = (triton.cdiv(num_cells, BLOCK), triton.cdiv(batch, volumes))
        for table in self._tables(sinogram.device):
            part = sinogram[:, table.views].contiguous()
            arrays = part, volume, table.crossings, table.spans, table.lengths, table.matrices
            numbers = scales, self._reach, self._slack
            sizes = *part.shape[1:], *self._grid.shape, batch, BLOCK, volumes, self._curved
            with torch.cuda.device_of(sinogram):
                loops.backproject[blocks](*arrays, *numbers, *sizes)  # type: ignore[arg-type]
        return volume.to(sinogram.dtype)

    def _tables(self, device: torch.device) -> Iterator[Table]:
        """Yield the tables of all views, in order."""
        if device in self._kept:
            yield self._kept[device]
            return
        num_views, per_view = self._geometry.shape[0], math.prod(self._geometry.shape[1:])
        step = max(1, RAYS // per_view)
        for first in range(0, num_views, step):
            views = slice(first, min(first + step, num_views))
            table = self._table(views, device)
            if step >= num_views:
                self._kept[device] = table
            yield table

    def _table(self, views: slice, device: torch.device) -> Table:
        frames = self._geometry.frames(views)  # type: ignore[union-attr]
        cells = in_cells(frames, self._grid)
        if self._curved:
            angles = self._geometry.angles[views]  # type: ignore[union-attr]
            matrices = _curved_matrices(cells, angles, self._grid)
        else:
            matrices = _flat_matrices(cells)
        crossings, spans, lengths = _rays(cells, self._grid, device)
        places = torch.as_tensor(matrices, dtype=torch.float32, device=device)
        return Table(views, crossings, spans, lengths, places)


def _rays(cells: Frames, grid: Grid, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return crossings, spans and lengths of all rays; `joseph_volume` has the formula."""
    origins, columns, upward, rows, spacing = (
        torch.as_tensor(np.ascontiguousarray(part), dtype=torch.float64, device=device)
        for part in (cells.origins, cells.columns, cells.upward, cells.rows, grid.spacing)
    )
    ends = columns[:, None] + rows[:, None, None] * upward[:, None, None]
    starts = origins[:, None, None].expand_as(ends)
    ways, starts = (starts, ends) if cells.parallel else (ends - starts, starts)
    ways, starts = ways.reshape(-1, 3), starts.reshape(-1, 3)
    order = torch.tensor(AXES, device=device)
    chosen = order[ways.abs()[:, order[:, 0]].argmax(dim=1)]
    way, start = ways.gather(1, chosen), starts.gather(1, chosen)
    slopes = way[:, 1:] / way[:, :1]
    bases = start[:, 1:] - slopes * start[:, :1]
    numbers = torch.cat([bases, slopes], dim=1).clamp(-FAR, FAR)
    last = torch.tensor(grid.shape, device=device)[chosen[:, 0]].double()
    first = torch.zeros_like(last)
    if not cells.parallel:
        ahead, at = way[:, 0] > 0, start[:, 0]
        first = torch.where(ahead, (at.floor() + 1).clamp(min=0), first)
        last = torch.where(ahead, last, torch.minimum(at.ceil(), last))
    spans = torch.stack([chosen[:, 0].double(), first.minimum(last.clamp(min=0)), last], dim=1)
    lengths = (ways * spacing).norm(dim=1) / way[:, 0].abs()
    whole = (numbers * PARTS).round().to(torch.int64)
    return whole, spans.to(torch.int32), lengths.float()


def _scales(geometry: Beam, *, curved: bool) -> tuple[tuple[float, ...], float]:
    """Return what makes bin numbers of a shadow, and the slack of bins around it.

    Scale and shift along u and along v. On a flat detector the matrices give the numbers.
    """
    slack = 1e-3 + ROUNDING * max(geometry.shape[1:])
    if not curved:
        return (1.0, 0.0, 1.0, 0.0), slack
    detector, length = geometry.detector, geometry.length  # type: ignore[union-attr]
    v_pitch, u_pitch = detector.pitch
    shifts = [-detector.bin_centers(axis)[0] / detector.pitch[axis] for axis in (1, 0)]
    scales = length / u_pitch, shifts[0], length / v_pitch, shifts[1]
    return scales, slack + ANGLE * length / min(u_pitch, v_pitch)


def _flat_matrices(cells: Frames) -> np.ndarray:
    """Return the maps of views with a flat detector: (view, 3, 4), in cells.

    A point is the source and λ times the way to the bin (v, u): the solution of three equations
    has λ u, λ v and λ. In a parallel beam it is the bin (v, u) and some way along the rays.
    """
    first = cells.columns[:, 0] + cells.rows[0] * cells.upward
    rows, columns = cells.rows, cells.columns
    up = (rows[1] - rows[0] if len(rows) > 1 else 1.0) * cells.upward
    start = first if cells.parallel else cells.origins
    ahead = cells.origins if cells.parallel else first - cells.origins
    # Of one column any third direction will do.
    single = columns.shape[1] == 1
    across = np.cross(up, ahead) if single else columns[:, 1] - columns[:, 0]
    inverse = np.linalg.inv(np.stack([across, up, ahead], axis=-1))
    shift = -np.einsum("vij,vj->vi", inverse, start)
    matrices = np.concatenate([inverse, shift[..., None]], axis=-1)
    if cells.parallel:
        matrices[:, 2] = [0.0, 0.0, 0.0, 1.0]
    return matrices


def _curved_matrices(cells: Frames, angles: tuple[float, ...], grid: Grid) -> np.ndarray:
    """Return the maps of views with a curved detector: (view, 3, 4), mm from the source.

    Across, up and along are those of the central ray.
    """
    sine, cosine, none = np.sin(angles), np.cos(angles), np.zeros(len(angles))
    up = np.stack([1 + none, none, none], axis=-1)
    across, along = (
        np.stack([none, sine, cosine], axis=-1),
        np.stack([none, cosine, -sine], axis=-1),
    )
    turned = np.stack([across, up, along], axis=1) * np.asarray(grid.spacing)
    shift = -np.einsum("vij,vj->vi", turned, cells.origins)
    return np.concatenate([turned, shift[..., None]], axis=-1)
