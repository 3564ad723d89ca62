"""The same problem at several resolutions, for methods that go from coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ctinr.geometry import Grid


@dataclass(frozen=True, eq=False)
class Problem:
    """A projector and its data.

    Parameters
    ----------
    A : Projector
        Its geometry, its grid (`domain`), `restricted(views)` and `rebuilt(geometry, grid)`.
    y : Tensor, shape (angle, u)
        Line integrals.
    """

    A: Any
    y: Tensor

    def restricted(self, views: tuple[int, ...]) -> Problem:
        """Return the problem of some of the views."""
        return Problem(self.A.restricted(views), self.y[..., list(views), :])

    def coarsened(self, factor: int) -> Problem:
        """Return the problem with cells and bins `factor` times as large.

        Bins are averaged as well as cells: a grid that is coarser than the rays could not explain
        the data, and a fit would spend itself on that.
        """
        if factor == 1:
            return self
        geometry = self.A.geometry
        rays = replace_detector(geometry, factor)
        missing = rays.shape[-1] * factor - geometry.shape[-1]
        # Repeating the last bin keeps truncated data free of a false edge.
        padded = functional.pad(self.y[None], (0, missing), mode="replicate")[0]
        averaged = padded.unflatten(-1, (-1, factor)).mean(-1)
        return Problem(self.A.rebuilt(rays, self.A.domain.coarsen(factor)), averaged)

    def scaled(self, factor: float) -> Problem:
        """Return the problem whose image is this one's times a factor."""
        return replace(self, y=self.y * factor)


def replace_detector(geometry: Any, factor: int) -> Any:
    """Return the geometry with bins `factor` times as large."""
    return replace(geometry, detector=geometry.detector.coarsen(factor))


def averaged_cells(image: Float[Tensor, "y x"], factor: int) -> Float[Tensor, "coarse_y coarse_x"]:
    """Return the image on the grid that `Grid.coarsen` gives, block means, edges repeated."""
    if factor == 1:
        return image
    missing = [-n % factor for n in image.shape]
    # A coarse grid keeps the centre, so what is missing is added half on either side.
    top, left = missing[0] // 2, missing[1] // 2
    sides = (left, missing[1] - left, top, missing[0] - top)
    padded = functional.pad(image[None, None], sides, mode="replicate")
    return functional.avg_pool2d(padded, factor)[0, 0]


def resampled(image: Float[Tensor, "y x"], source: Grid, *, target: Grid) -> Float[Tensor, "y2 x2"]:
    """Return the image of one grid on the cell centres of another, by linear interpolation."""
    if source == target:
        return image
    rows, columns = (
        torch.as_tensor(
            2 * (target.cell_centers(axis) - source.center[axis]) / source.extent[axis],
            dtype=image.dtype,
            device=image.device,
        )
        for axis in (0, 1)
    )
    places = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], dim=-1)
    return functional.grid_sample(
        image[None, None], places[None], padding_mode="border", align_corners=False
    )[0, 0]
