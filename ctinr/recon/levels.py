"""A problem, its parts, and images on other grids."""

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
        Its geometry, its grid (`domain`) and `restricted(views)`.
    y : Tensor, shape (angle, u)
        Line integrals.
    """

    A: Any
    y: Tensor

    def restricted(self, views: tuple[int, ...]) -> Problem:
        """Return the problem of some of the views."""
        return Problem(self.A.restricted(views), self.y[..., list(views), :])

    def unexplained(self, image: Tensor) -> float:
        """Return the mean square of what an image leaves unexplained of the data."""
        return float((self.A(image) - self.y).square().mean())

    def scaled(self, factor: float) -> Problem:
        """Return the problem whose image is this one's times a factor."""
        return replace(self, y=self.y * factor)


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
