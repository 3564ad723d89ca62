"""The backprojection of a parallel beam on a CPU: loops that numba compiles.

Eight images at a time lie side by side, so that a cell finds its place in a view once for all of
them and takes neighbouring numbers. A thread owns a few lines of cells and gives them the views in
their order: the result has the same bits, whatever the number of threads, and whatever images are
beside one another.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from ctinr.recon.kernels.lanes_numba import LANES, add_between

# Lines of cells that a thread owns at a time.
LINES = 16
FAST = {"contract", "nsz"}


def backproject(views: Tensor, down: np.ndarray, across: np.ndarray) -> Tensor:
    """Return images (batch, y, x) of filtered views on the CPU.

    Parameters
    ----------
    views : Tensor, shape (batch, angle, bin)
        Filtered views times what they weigh; the first bin and the last two are zero.
    down, across : arrays, shape (angle, y) and (angle, x)
        A cell lies at the bin `down` + `across`, rounded to the dtype of the views each.
    """
    shape = down.shape[1], across.shape[1]
    kind = views.new_empty(0).numpy().dtype
    places = np.ascontiguousarray(down, dtype=kind), np.ascontiguousarray(across, dtype=kind)
    images = torch.empty((len(views), *shape), dtype=views.dtype)
    for part, result in zip(views.detach().split(LANES), images.split(LANES), strict=True):
        if len(part) == 1:
            _one(part[0].contiguous().numpy(), *places, result[0].numpy())
            continue
        beside = part.new_zeros((*part.shape[1:], LANES))
        beside[..., : len(part)] = part.movedim(0, -1)
        cells = np.zeros((*shape, LANES), dtype=kind)
        _several(beside.numpy(), *places, cells)
        result.copy_(torch.from_numpy(cells[..., : len(part)]).movedim(-1, 0))
    return images


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def _several(views, down, across, cells) -> None:  # type: ignore[no-untyped-def]
    """Add all views (view, bin, image) to cells (y, x, image)."""
    real, last = views.dtype.type, views.dtype.type(views.shape[1] - 2)
    for job in prange((cells.shape[0] + LINES - 1) // LINES):
        end = min(cells.shape[0], job * LINES + LINES)
        for view in range(len(views)):
            for row in range(job * LINES, end):
                for column in range(cells.shape[1]):
                    place = min(max(down[view, row] + across[view, column], real(0)), last)
                    below = np.int64(place)
                    to = np.uint64(LANES * (row * cells.shape[1] + column))
                    at = np.uint64(LANES * (view * views.shape[1] + below))
                    add_between(cells, to, views, at, place - real(below))  # type: ignore[call-arg]


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def _one(views, down, across, cells) -> None:  # type: ignore[no-untyped-def]
    """Write the sum of all views (view, bin) to cells (y, x)."""
    real, last = views.dtype.type, views.dtype.type(views.shape[1] - 2)
    for job in prange((cells.shape[0] + LINES - 1) // LINES):
        end = min(cells.shape[0], job * LINES + LINES)
        cells[job * LINES : end] = 0
        for view in range(len(views)):
            for row in range(job * LINES, end):
                for column in range(cells.shape[1]):
                    place = min(max(down[view, row] + across[view, column], real(0)), last)
                    below = np.int64(place)
                    part = place - real(below)
                    rest = real(1) - part
                    cells[row, column] += rest * views[view, below] + part * views[view, below + 1]
