"""The backprojection of a cone beam in plain torch: any device, any dtype, and its gradient.

The twin that the compiled engine is held against.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from ctinr.geometry import ConeBeam, Grid
from ctinr.recon.turns import LEAST_SEEN, Turns, seen_slices

# Cells handled at once: bounds the memory at about 200 MB.
CELLS = 1 << 22


def backproject(views: Tensor, geometry: ConeBeam, grid: Grid, turns: Turns) -> Tensor:
    """Return volumes (batch, z, y, x) from filtered views (batch, angle, v, u)."""
    if views.shape[-1] == 1:
        # To `grid_sample` everything is in the only column that there is.
        views = pad(views, (0, 1))
    slices = max(1, CELLS // math.prod(grid.shape[1:]))
    parts = [
        _slab(views, geometry, grid[first : first + slices], turns)
        for first in range(0, grid.shape[0], slices)
    ]
    return torch.cat(parts, dim=1)


def _slab(views: Tensor, geometry: ConeBeam, grid: Grid, turns: Turns) -> Tensor:
    """Return volumes (batch, z, y, x) of a few slices from filtered views."""
    heights, num_cells = grid.cell_centers(0), math.prod(grid.shape[1:])
    volume = views.new_zeros(len(views), grid.shape[0], num_cells)
    seen = views.new_zeros(grid.shape[0], num_cells)
    (num_rows, num_bins), v_pitch = views.shape[-2:], geometry.detector.pitch[0]
    first_row, raised = geometry.detector.bin_centers(0)[0], geometry.heights()
    last = views.new_tensor([num_bins - 1, num_rows - 1])
    for view, chosen, weights in turns.weights(heights):
        across, lengths = _shadows(geometry, grid, view)
        nearness = views.new_tensor(geometry.source_distance / lengths)
        above = views.new_tensor((heights[chosen] - raised[view]) / v_pitch)[:, None]
        row = above * (nearness * geometry.magnification) - first_row / v_pitch
        low, high = seen_slices(geometry, grid, view, lengths)
        index = np.arange(chosen.start, chosen.stop)[:, None]
        on = views.new_tensor(((index >= low) & (index < high)) * weights[:, None])
        row = row.clamp_(0, num_rows - 1)
        places = torch.stack([views.new_tensor(across).expand_as(row), row], dim=-1)
        places = places.mul_(2 / last.clamp(min=1)).sub_(1)
        taken = grid_sample(views[None, :, view], places[None], mode="bilinear", align_corners=True)
        volume[:, chosen] += taken[0].mul_(on * nearness.square())
        seen[chosen] += on
    scale = turns.length / seen.clamp(min=1e-9)
    scale = torch.where(seen >= LEAST_SEEN * turns.length, scale, 0.0)
    return volume.mul_(scale).unflatten(2, grid.shape[1:])


def _shadows(geometry: ConeBeam, grid: Grid, view: int) -> tuple[np.ndarray, np.ndarray]:
    """Return in which column cells are seen, and their distance from the source, (y · x,)."""
    y, x, angle = grid.cell_centers(1)[:, None], grid.cell_centers(2), geometry.angles[view]
    beside = math.cos(angle) * x + math.sin(angle) * y
    away = math.cos(angle) * y - math.sin(angle) * x + geometry.source_distance
    seen = np.arctan2(beside, away) if geometry.curved else beside / away
    length = np.hypot(beside, away) if geometry.curved else away
    u = seen * geometry.length
    column = (u - geometry.detector.bin_centers()[0]) / geometry.detector.pitch[1]
    return column.ravel(), length.ravel()
