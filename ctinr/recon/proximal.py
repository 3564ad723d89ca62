"""Proximal gradient steps with FBP as the preconditioner: towards the data, then less variation.

With R the ramp, the gradient of the ramp-filtered loss ``‖R^½ (A x − y)‖²`` is a backprojection of
the filtered residual, that is, its FBP: plain least squares weights spatial frequency by 1/|ξ|, so
details come last, and the ramp cancels that factor. One step goes most of the way to the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from ctinr.operators import Identity
from ctinr.recon.fbp import fbp
from ctinr.recon.levels import Problem
from ctinr.recon.run import Step
from ctinr.recon.tv import tv

# Iterations of the denoising in a step; it starts near its end.
DENOISING = 20
POWER_ITERATIONS = 20


@dataclass(frozen=True, eq=False)
class DataStep:
    """From an image to one that explains the data better and has no variation that is not worth it.

    ``x ← argmin_z ½ ‖z − (x + r FBP(y − A x))‖² + r τ TV(z)``

    Parameters
    ----------
    problem : Problem
        The projector and its data, in units in which typical large values are 1.
    weight : float
        Of the total variation, at least 0: beside the relative squared residual of the
        ramp-filtered loss, with lengths in units of the longest side; see `image_weight`.
    relaxation : float
        The length r of the step, above zero. With few views FBP overshoots in some directions: on
        its own the iteration needs r well below 1.
    """

    problem: Problem
    weight: float
    relaxation: float = 1.0

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """Return the better image."""
        A, y = self.problem.A, self.problem.y
        nearer = image + self.relaxation * fbp(A, y - A(image)).image
        weight = self.relaxation * image_weight(self.problem, self.weight)
        if weight == 0:
            return nearer
        same = Identity(A.domain)
        return tv(same, nearer, weight=weight, iterations=DENOISING, initial=nearer).image


def proximal_steps(step: DataStep, start: Tensor) -> Iterator[Step]:
    """Yield the images of a data step after another, without end.

    The loss is the mean square of what the last step changed.
    """
    image = start
    for index in count(1):
        previous, image = image, step(image)
        yield Step(index, float((image - previous).square().mean()), image)


def image_weight(problem: Problem, weight: float) -> float:
    """Return the weight of TV(z) beside ½ ‖z − x‖² that is `weight` beside the rays' loss.

    Near its minimum the ramp-filtered loss of the rays, relative to the mean square of the data,
    is ½ κ ‖z − x‖², with ``κ = 4 a / (π n m)`` for cells of area a, n bins and the mean square m:
    its gradient is κ times the FBP of the residual, which undoes A.
    """
    grid, num_bins = problem.A.domain, problem.A.geometry.shape[-1]
    mean_square = float(problem.y.square().mean())
    curvature = 4 * grid.cell_measure / (math.pi * num_bins * max(mean_square, 1e-30))
    num_cells = math.prod(grid.shape)
    return weight * max(grid.extent) / (num_cells * grid.cell_measure * curvature)


@torch.no_grad()
def stable_length(problem: Problem) -> float:
    """Return a length of proximal steps with which they converge, at most 1.

    With few views the FBP of what an image shows overshoots in some directions, several times:
    what one view says at the finest frequencies no other view contradicts. How far is found by
    power iteration.
    """
    A = problem.A
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(tuple(A.domain.shape), generator=generator).to(problem.y)
    for _ in range(POWER_ITERATIONS):
        image = fbp(A, A(image / image.norm())).image
    return min(1.0, 1.6 / float(image.norm()))
