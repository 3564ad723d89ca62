"""The scans of the paper's figures of tomography: a corrected setting, and that of its code."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from ctinr.data import scan_from_image
from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.operators import BlockAverage, Observation, RampFilter
from ctinr.projectors import Projector
from ctinr.recon.levels import Problem
from ctinr.recon.optimizers import Schedule, cosine


@dataclass(frozen=True, eq=False)
class Setting:
    """What is fitted, and how.

    Parameters
    ----------
    problem : Problem
        The projector and the sinogram.
    truth : Tensor of shape (y, x)
        The picture on the projector's grid.
    exponent : float
        Of the ramp that weighs the residual; none if 0.
    schedule : callable
        From the progress of a fit to the factor on its learning rate.
    """

    problem: Problem
    truth: Tensor
    exponent: float
    schedule: Schedule

    @property
    def grid(self) -> Grid:
        """The cells of the images."""
        return self.problem.A.domain

    def observation(self, problem: Problem, copies: int = 1) -> Observation:
        """Return what is fitted to a part of the data, by so many networks at once."""
        A, y = problem.A, problem.y
        data = y.expand(copies, *y.shape) if copies > 1 else y
        if self.exponent == 0:
            return Observation(A, data)
        return Observation(
            A, data, RampFilter(A.geometry, A.domain.spacing[0], exponent=self.exponent)
        )


def corrected(image: Tensor, *, views: int, steps: int) -> Setting:
    """Return a scan of the picture's own cells, to be reconstructed on cells twice as large.

    There are no opposite views, and the residual is filtered by the square root of the ramp.
    `steps` does not matter.
    """
    image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    fine = Grid(tuple(image.shape), 1.0)
    grid = fine.coarsen(2)
    bins = math.ceil(math.hypot(*grid.shape)) + 1
    geometry = ParallelBeam(equal_angles(views), Detector(bins, grid.spacing[0]))
    problem = Problem(Projector(geometry, grid), Projector(geometry, fine)(image))
    return Setting(problem, BlockAverage(fine, 2)(image), exponent=0.5, schedule=cosine)


def as_in_paper(image: Tensor, *, views: int, steps: int) -> Setting:
    """Return the setting of the paper's code, with what it gets wrong.

    The operator that reconstructs has made the data; the first and the last view are one; the
    residual is not filtered; and the learning rate falls by ten in 5000 steps, however many
    `steps` there are.
    """
    scan = scan_from_image(image.numpy(), Projector, num_views=views, protocol="paper")
    problem = Problem(Projector(scan.geometry, scan.grid), scan.sinogram.float())

    def falling(progress: float) -> float:
        return 0.1 ** (progress * steps / 5000)

    return Setting(problem, image, exponent=0.0, schedule=falling)


# By the name of the protocol.
SETTINGS = {"standard": corrected, "paper": as_in_paper}
