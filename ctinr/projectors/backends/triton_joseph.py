"""The CUDA engine: Joseph's model in kernels that Triton compiles on first use.

Sums are float32. What they are made of is too, or is read in half precision, and so is the result.

The table of crossings becomes two whole numbers a ray, where it crosses line 0 and how far it
moves a line, which both directions read. The transpose looks up in a guide which bins a cell may
be touched by. Under Triton's interpreter (TRITON_INTERPRET=1) the engine takes tensors of the CPU.
"""

from __future__ import annotations

import numpy as np
import torch
import triton
from torch import Tensor

from ctinr.geometry import Beam, Grid
from ctinr.projectors.backends import triton_loops as loops
from ctinr.projectors.backends.joseph import Joseph, JosephTable, joseph_model

# Rays or cells of a program, and the most images that share its arithmetic.
BLOCK, IMAGES = 128, 8
# Parts of a cell that positions are counted in, and cells from the grid beyond which a ray misses.
PARTS, FAR = 2.0**32, 2.0**29


class TritonJoseph:
    """Forward and transposed kernels for one geometry and grid."""

    def __init__(self, geometry: Beam, grid: Grid) -> None:
        num_views, num_bins = geometry.shape
        self._sinogram_shape = (num_views, num_bins)
        self._shape = grid.shape
        model = joseph_model(geometry, grid)
        lengths = np.broadcast_to(model.lengths, self._sinogram_shape)
        lengths = np.ascontiguousarray(lengths, dtype=np.float32)
        tables = (model.along_y, model.along_x)
        runs = [_runs(table, num_bins) for table in tables]
        self._slack = max(_slack(table, max(grid.shape)) for table in tables)
        self._arrays = [lengths, *_rays(model, self._sinogram_shape), *runs[0], *runs[1]]
        self._tensors: dict[torch.device, list[Tensor]] = {}

    def forward(self, image: Tensor) -> Tensor:
        """Project images (batch, y, x) to sinograms (batch, angle, u)."""
        lengths, crossings, spans = self._tensors_like(image)[:3]
        batch, images = len(image), together(len(image), IMAGES)
        pictures = torch.stack([image.flatten(1), image.mT.flatten(1)], dim=1)
        sinogram = image.new_empty(batch, *self._sinogram_shape, dtype=torch.float32)
        blocks = (triton.cdiv(lengths.numel(), BLOCK), triton.cdiv(batch, images))
        arrays = pictures, sinogram, crossings, spans, lengths
        sizes = lengths.numel(), *self._shape, batch
        with torch.cuda.device_of(image):
            loops.project[blocks](*arrays, *sizes, BLOCK, images)  # type: ignore[arg-type]
        return sinogram.to(image.dtype)

    def transposed(self, sinogram: Tensor) -> Tensor:
        """Apply the exact transpose: sinograms (batch, angle, u) to images (batch, y, x)."""
        tables = self._tensors_like(sinogram)[3:]
        image = sinogram.new_zeros(len(sinogram), *self._shape, dtype=torch.float32)
        for lines, table in ((image, tables[:3]), (image.mT, tables[3:])):
            if len(table[0]):
                lines += self._gathered(sinogram.contiguous(), lines.shape[1:], table)
        return image.to(sinogram.dtype)

    def _gathered(self, sinogram: Tensor, shape: torch.Size, table: list[Tensor]) -> Tensor:
        """Return what the runs of a table have for every cell of their lines, float32."""
        lengths, crossings = self._tensors_like(sinogram)[:2]
        batch, images = len(sinogram), together(len(sinogram), IMAGES)
        lines = sinogram.new_empty(batch, *shape, dtype=torch.float32)
        blocks = (shape[0] * triton.cdiv(shape[1], BLOCK), triton.cdiv(batch, images))
        arrays = sinogram, lines, crossings, lengths, *table, self._slack
        sizes = len(table[0]), lengths.numel(), *shape, batch
        with torch.cuda.device_of(sinogram):
            loops.backproject[blocks](*arrays, *sizes, BLOCK, images)  # type: ignore[arg-type]
        return lines

    def _tensors_like(self, values: Tensor) -> list[Tensor]:
        if values.device not in self._tensors:
            here = [torch.as_tensor(array, device=values.device) for array in self._arrays]
            self._tensors[values.device] = here
        return self._tensors[values.device]


def together(batch: int, most: int) -> int:
    """Return how many of a batch a program handles, a power of two."""
    return min(most, 1 << (batch - 1).bit_length())


def _rays(model: Joseph, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return start and slope (ray, 2) in parts of a cell; axis, first and end line (ray, 3)."""
    crossings = np.zeros((shape[0] * shape[1], 2))
    spans = np.zeros((shape[0] * shape[1], 3), dtype=np.int32)
    for axis, table in enumerate((model.along_y, model.along_x)):
        bins = table.bins[:, :1] + np.arange(table.places.shape[1])
        measured = bins < table.bins[:, 1:]
        rays = (table.views[:, None] * shape[1] + bins)[measured]
        places = np.where(np.isfinite(table.places), table.places, 0.0)[table.rows]
        for k in (0, 1):
            values = table.base[:, k, None] + table.step[:, k, None] * places
            crossings[rays, k] = values[measured]
        run = np.nonzero(measured)[0]
        spans[rays] = np.stack([np.full(len(run), axis), *table.lines[run].T], axis=1)
    # A ray that is clipped is so far away that it misses the grid all the same.
    return np.rint(np.clip(crossings, -FAR, FAR) * PARTS).astype(np.int64), spans


def _runs(table: JosephTable, num_bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return lines, first ray and guide of every run (run, 4), its numbers (run, 7), the guides.

    A guide cuts the places of a row into parts, one less than bins, and has the first bin of each
    part. The numbers are the crossings of the ray in the middle, the step across, and the parts.
    """
    counts = np.isfinite(table.places).sum(axis=1)
    lowest, middle, highest = _span(table)
    parts = np.maximum(counts - 1, 1)
    width = (highest - lowest) / parts
    guides = np.tile(counts[:, None], (1, table.places.shape[1] + 2)).astype(np.int32)
    for row, places in enumerate(table.places):
        # A single bin is in the first part, and nothing is in the others.
        edges = lowest[row] + width[row] * np.arange(parts[row] + 1)
        guides[row, : parts[row] + 1] = np.searchsorted(places[: counts[row]], edges)
    guides[:, 0] = 0
    if len(guides):
        guides[np.arange(len(guides))[counts == 1], 1] = 1
    density = np.divide(1.0, width, out=np.zeros_like(width), where=width > 0)
    rows, first_ray = table.rows, table.views * num_bins + table.bins[:, 0]
    whole = np.stack([*table.lines.T, first_ray, rows * guides.shape[1]], axis=1)
    central = table.base + table.step * middle[rows, None]
    row_numbers = np.stack([lowest - middle, density, parts], axis=1)[rows]
    numbers = np.concatenate([central, table.step, row_numbers], axis=1)
    return whole.astype(np.int32), numbers.astype(np.float32), guides


def _span(table: JosephTable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the lowest place of every row, the one halfway, and the highest."""
    finite = np.isfinite(table.places)
    lowest = np.where(finite, table.places, np.inf).min(axis=1, initial=np.inf)
    highest = np.where(finite, table.places, -np.inf).max(axis=1, initial=-np.inf)
    return lowest, (lowest + highest) / 2, highest


def _slack(table: JosephTable, size: int) -> float:
    """Return more than float32 rounds the look-up of a cell's bins by, in cells and in parts."""
    if not len(table.views):
        return 0.0
    central = table.base + table.step * _span(table)[1][table.rows, None]
    reach = np.abs(central).sum(axis=1).max() + size * np.abs(central[:, 1]).max() + size
    return float(2.0**-6 + 2.0**-20 * (reach + table.places.shape[1]))
