"""The ASTRA toolbox on a CUDA card, as an engine: `cuda` for images and `cuda3d` for volumes.

It is told of the scan in cells, see `astra_views`, and handed tensors of torch by DLPack: nothing
passes through memory of the CPU. Images and volumes of a batch are handled one by one; sinograms
of a volume are (v, view, u) there, so these are turned, on the card.

Its backprojection is no transpose of its projection. Projection follows the rays, backprojection
reads the sinogram at the shadow of a cell and weighs it by the density of rays there; it approaches
the transpose for smooth pictures. All but the parallel one in the plane take the rays to meet the
detector at right angles; the obliqueness that this leaves out is applied here.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from ctinr.geometry import ConeBeam, FanBeam, Grid, ParallelBeam, VectorBeam
from ctinr.projectors.backends.astra_views import Views, views_in_cells


class AstraCuda:
    """Forward kernel for one geometry and grid, float32, and its nearly transposed one."""

    def __init__(
        self, geometry: ParallelBeam | FanBeam | ConeBeam | VectorBeam, grid: Grid
    ) -> None:
        import astra

        self._scan = geometry, grid
        self._volume = len(grid.shape) == 3
        self._kernels = astra.projector3d if self._volume else astra.projector
        views = views_in_cells(geometry, grid)
        # ASTRA wants y, x and z.
        cells = astra.create_vol_geom(*grid.shape[-2:], *grid.shape[:-2])
        rays = astra.create_proj_geom(_name(views), *geometry.shape[1:], views.vectors)
        kind = "cuda3d" if self._volume else "cuda"
        self._number = astra.create_projector(kind, rays, cells)
        weakref.finalize(self, self._kernels.delete, self._number)
        straight = views.parallel and not self._volume
        weights = views.lengths if straight else views.lengths / views.slants
        self._lengths, self._weights = (
            torch.as_tensor(part, dtype=torch.float32) for part in (views.lengths, weights)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Make a copy anew: two engines must not free the same projector."""
        return type(self), self._scan

    def forward(self, image: Tensor) -> Tensor:
        """Project images (batch, y, x), or volumes (batch, z, y, x), to sinograms."""
        (num_views, *num_rows, num_bins), _ = (space.shape for space in self._scan)
        shape = *num_rows, num_views, num_bins
        seen = _each(self._run(self._kernels.direct_FP), image, shape)
        return self._turned(seen) * self._lengths.to(seen.device)

    def transposed(self, sinogram: Tensor) -> Tensor:
        """Backproject sinograms (batch, view, u) or (batch, view, v, u) to images or volumes."""
        _, grid = self._scan
        weighted = self._turned(sinogram * self._weights.to(sinogram.device))
        return _each(self._run(self._kernels.direct_BP), weighted, grid.shape)

    def _turned(self, sinograms: Tensor) -> Tensor:
        """Exchange the axes view and v of a volume's sinograms: to ASTRA's order, and back."""
        return sinograms.transpose(1, 2).contiguous() if self._volume else sinograms

    def _run(self, kernel: Callable[..., Any]) -> Callable[[Tensor, Tensor], None]:
        return lambda given, made: kernel(self._number, given, out=made)


def _name(views: Views) -> str:
    """Return ASTRA's name of the rays."""
    if views.vectors.shape[1] == 6:
        return "parallel_vec" if views.parallel else "fanflat_vec"
    return "parallel3d_vec" if views.parallel else "cone_vec"


def _each(kernel: Callable[[Tensor, Tensor], None], batch: Tensor, shape: Any) -> Tensor:
    """Apply a kernel of ASTRA to each of a batch; it writes into memory that it is given.

    Raises
    ------
    RuntimeError
        If nothing was written. ASTRA prints what goes wrong on the card, and returns as if all
        were well; so its memory is not a number until something is written.
    """
    batch = batch.detach().contiguous()
    results = batch.new_full((len(batch), *shape), math.nan)
    with _ready(batch):
        for given, made in zip(batch, results, strict=True):
            kernel(given, made)
            if made.flatten()[-1].isnan() and made.isnan().all() and given.isfinite().all():
                raise RuntimeError("ASTRA computed nothing; what it printed says why.")
    return results


def _ready(batch: Tensor) -> AbstractContextManager[Any]:
    """Let ASTRA's streams begin when the tensors are there, on the card where they are."""
    if not batch.is_cuda:
        return nullcontext()
    torch.cuda.current_stream(batch.device).synchronize()
    return torch.cuda.device(batch.device)


def obstacle() -> str | None:
    """Return why the ASTRA that is installed cannot compute on a card, or None."""
    try:
        import astra
    except (ImportError, OSError) as error:
        return f"It cannot be imported and is to be installed anew: {error}."
    if not hasattr(astra.projector, "direct_FP"):
        return "It takes tensors on a card from ASTRA 2.5 on; run: pip install -U astra-toolbox."
    if not astra.has_feature("cuda"):
        return "The ASTRA that is installed was built without CUDA."
    if not astra.use_cuda():
        return "The ASTRA that is installed finds no CUDA card with a driver that it can use."
    return None
