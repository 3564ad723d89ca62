"""Proximal gradient steps on pixels, with a ramp as the preconditioner: to the data, less varied.

Plain least squares weights spatial frequency by 1/|ξ|, so details come last. FBP of the residual
cancels that factor, but overshoots: at high frequencies views do not overlap, there is no such
factor, and what one view says no other contradicts. With a ramp that is flat from the frequency
at which neighbouring views part, all frequencies come alike, in about ten steps. The loss is
then that of the rays filtered by the square root of that ramp: ramp-filtered at low frequencies,
plain at high ones, where it is the statistically right one and the noise is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import torch
from torch import Tensor

from ctinr.geometry import FanBeam
from ctinr.operators import Identity
from ctinr.operators.filters import Window
from ctinr.recon.fbp import fbp
from ctinr.recon.levels import Problem
from ctinr.recon.run import Step
from ctinr.recon.tv import tv
from ctinr.recon.views import Arc, distinct_directions

# Iterations of the denoising in a step; it starts near its end.
DENOISING = 20
POWER_ITERATIONS = 20
# Below 2 steps converge; power iteration finds the norm a little too small.
STABLE = 1.8


@dataclass(frozen=True, eq=False)
class DataStep:
    """From an image to one that explains the data better and has no variation that is not worth it.

    ``x ← argmin_z ½ ‖z − (x + r P (y − A x))‖² + r τ TV(z)``, z at least 0, where P is FBP with
    a ramp that becomes flat.

    Parameters
    ----------
    problem : Problem
        The projector and its data, in units in which typical large values are 1.
    weight : float
        Of the total variation, at least 0: beside the relative squared residual of the filtered
        rays, with lengths in units of the longest side; see `image_weight`.
    window : callable
        What makes the ramp flat, as for `fbp`.
    length : float
        The length r of the step, above zero.
    """

    problem: Problem
    weight: float
    window: Window
    length: float

    @classmethod
    def of(cls, problem: Problem, weight: float = 0.0) -> DataStep:
        """Return the step of a problem with the window of its views and a length that is stable."""
        window = overlap_window(problem)
        return cls(problem, weight, window, stable_length(problem, window))

    def with_weight(self, weight: float) -> DataStep:
        """Return the same step with another weight."""
        return replace(self, weight=weight)

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """Return the better image."""
        A, y = self.problem.A, self.problem.y
        nearer = image + self.length * fbp(A, y - A(image), window=self.window).image
        weight = self.length * image_weight(self.problem, self.weight)
        if weight == 0:
            return nearer.clamp_(min=0)
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


def overlap_window(problem: Problem) -> Window:
    """Return a window that makes the ramp flat from the frequency at which views do not overlap.

    In the frequency plane each view of an object of diameter D is a line about 1/D wide, and at a
    frequency ξ neighbours that an angle δ apart are ξ δ from one another: they part at 1/(δ D).
    """
    geometry, grid = problem.A.geometry, problem.A.domain
    is_fan = isinstance(geometry, FanBeam)
    pitch = geometry.detector.pitch[0] / (geometry.magnification if is_fan else 1.0)
    directions, _ = distinct_directions(geometry.angles, half_turns=geometry.half_turns)
    step = (Arc.of(geometry.angles).length if is_fan else math.pi) / len(directions)
    flat = 2 * pitch / (step * max(grid.extent))

    def window(fraction: np.ndarray) -> np.ndarray:
        return flat / np.maximum(fraction, flat)

    return window


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
def stable_length(problem: Problem, window: Window) -> float:
    """Return a length of steps with which they converge, found by power iteration.

    Where views stand at equal angles it is near 1; where they crowd, directions add up.
    """
    A = problem.A
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(tuple(A.domain.shape), generator=generator).to(problem.y)
    for _ in range(POWER_ITERATIONS):
        image = fbp(A, A(image / image.norm()), window=window).image
    return STABLE / max(float(image.norm()), 1e-30)
