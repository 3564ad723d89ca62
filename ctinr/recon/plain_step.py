"""The data step of plain least squares: some iterations of total variation from an image.

Where there is no noise the data hold details to the last, and steps that settle early leave them
there. These iterations of `tv` go on: each round begins where the network stands, and the duals
anew, so that what the network has smoothed is asked of the data again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from ctinr.recon.levels import Problem
from ctinr.recon.saddle import data_norm
from ctinr.recon.tv import tv_steps

# Iterations of a step; each costs one projection and one backprojection.
ITERATIONS = 20


@dataclass(frozen=True, eq=False)
class PlainStep:
    """From an image towards the minimum of ``½ ‖A x − y‖² + weight · TV(x)``, x at least 0.

    Parameters
    ----------
    problem : Problem
        The projector and its data.
    weight : float
        Above zero, as for `tv`.
    norm : float
        What `data_norm` says of the projector.
    """

    problem: Problem
    weight: float
    norm: float

    @classmethod
    def of(cls, problem: Problem, weight: float) -> PlainStep:
        """Return the step of a problem; the norm takes a dozen projections."""
        return cls(problem, weight, data_norm(problem.A, problem.y))

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """Return the better image."""
        given = {"weight": self.weight, "initial": image.clamp(min=0), "norm": self.norm}
        for step in islice(tv_steps(self.problem.A, self.problem.y, **given), ITERATIONS):
            image = step.image
        return image
