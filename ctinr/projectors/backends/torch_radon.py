"""torch-radon on a CUDA card, as an engine: its classes of the interfaces 1.x and 2.x.

Of both, y points up, as in ASTRA: pictures are handed over upside down, and angles, distances and
the direction of u are then ours. All lengths are told in cells, in which 1.x counts anyway. In 2.x
cells have a size, but its backprojection places cells of another size than 1 beside where its
projection has them, and does not weigh them.

Its backprojection is no transpose of its projection. It interpolates between bins at the shadow of
a cell, and approaches the transpose for smooth pictures only; in a fan it lacks the obliqueness of
the rays, 1/cos γ, which is applied here.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ctinr.geometry import FanBeam, Grid, PlanarBeam

# A texture has no more layers than 2048, and torch-radon ends the process where that fails.
IMAGES = 1024
VIEWS = 4096


class TorchRadon:
    """Forward kernel for one geometry and grid, float32, and its nearly transposed one."""

    def __init__(self, geometry: PlanarBeam, grid: Grid) -> None:
        self._scan = geometry, grid
        self._radon = _projector(geometry, grid)
        self._step = grid.spacing[0]
        obliqueness = np.cos(geometry.fan_angles()) if isinstance(geometry, FanBeam) else 1.0
        weights = np.broadcast_to(self._step / obliqueness, geometry.shape[1:])
        self._weights = torch.as_tensor(weights.copy(), dtype=torch.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        """Make a copy anew: textures cannot be copied."""
        return type(self), self._scan

    def forward(self, image: Tensor) -> Tensor:
        """Project images (batch, y, x) to sinograms (batch, angle, u)."""
        return _in_parts(self._radon.forward, image.flip(-2)) * self._step

    def transposed(self, sinogram: Tensor) -> Tensor:
        """Backproject sinograms (batch, angle, u) to images (batch, y, x)."""
        weighted = sinogram * self._weights.to(sinogram.device)
        return _in_parts(self._radon.backward, weighted).flip(-2)


def _in_parts(kernel: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """Apply a kernel to as many images at a time as there may be layers in a texture."""
    return torch.cat([kernel(part) for part in batch.contiguous().split(IMAGES)])


def _projector(geometry: PlanarBeam, grid: Grid) -> Any:
    """Return torch-radon's own object for a scan, with lengths in cells."""
    package, step, num_bins = _package(), grid.spacing[0], geometry.shape[1]
    # Its sines are those of the card, which are good within half a turn of zero; and 2.x would
    # take three angles that are no tensor for a range.
    turns = np.remainder(np.asarray(geometry.angles) + np.pi, 2 * np.pi) - np.pi
    angles = torch.as_tensor(turns, dtype=torch.float32)
    pitch = geometry.detector.pitch[0] / step
    fan = isinstance(geometry, FanBeam)
    ways = (geometry.source_distance / step, geometry.detector_distance / step) if fan else ()
    if not hasattr(package, "ParallelBeam"):
        made = package.RadonFanbeam if fan else package.Radon
        return made(grid.shape[0], angles, *ways, det_count=num_bins, det_spacing=pitch)
    volume = package.Volume2D(**_center(grid))
    volume.set_size(*grid.shape)
    made = package.FanBeam if fan else package.ParallelBeam
    return made(num_bins, angles, *ways, det_spacing=pitch, volume=volume)


def _center(grid: Grid) -> dict[str, Any]:
    """Return what 2.x is told of the middle of the grid: (x, y), y up, in cells."""
    y, x = (float(middle / grid.spacing[0]) for middle in grid.center)
    return {"center": (x, -y)} if x or y else {}


def _package() -> ModuleType:
    """Import torch-radon, the compiled part first: 1.x hides that this failed."""
    importlib.import_module("torch_radon_cuda")
    return importlib.import_module("torch_radon")


def obstacle(geometry: PlanarBeam, grid: Grid) -> str | None:
    """Return what torch-radon, or the interface of it that is installed, cannot do, or None."""
    if geometry.detector.offset[-1]:
        return "It handles detectors whose middle is on the axis of rotation, not offset ones."
    if len(set(grid.spacing[-2:])) > 1:
        return "It handles cells that are squares, not others."
    if geometry.num_views > VIEWS:
        return f"It handles {VIEWS} views at most, not {geometry.num_views}."
    try:
        package = _package()
    except (ImportError, OSError) as error:
        return f"It cannot be imported and is to be built anew for this torch and CUDA: {error}."
    return _limit_of_interface(package, grid)


def _limit_of_interface(package: ModuleType, grid: Grid) -> str | None:
    """Return what the installed version cannot do, as a sentence, or None."""
    if not hasattr(importlib.import_module("torch_radon_cuda"), "backward"):
        return "The one installed cannot backproject; the branch v2 cannot since April 2022."
    height, width = grid.shape[-2:]
    centered = not any(grid.center[-2:])
    if not hasattr(package, "ParallelBeam"):
        if height != width:
            return f"Its version 1 handles square pictures, not {height} by {width} cells."
        return None if centered else "Its version 1 handles grids that are centred, not others."
    if not hasattr(package.Volume2D, "set_size"):
        return "The one installed is a draft of version 2, of 2021, which is not supported."
    if centered or "center" in inspect.signature(package.Volume2D).parameters:
        return None
    return "The one installed handles grids that are centred, not others."
