"""The recipe of the neural field: how long what is fitted, and with which weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from ctinr import checks
from ctinr.operators import Identity, LinearOperator, Observation, RampFilter
from ctinr.recon.fbp import fbp
from ctinr.recon.fit import Precision
from ctinr.recon.levels import Problem, averaged_cells
from ctinr.recon.optimizers import MuonAdam, Optimizers, cosine
from ctinr.recon.penalties import TotalVariation
from ctinr.recon.stages import Splitting, Stage
from ctinr.recon.tv import tv

# Where the learning rates of the refit start, as a part of those of the fit.
REFIT_RATE = 0.3
# Iterations of the denoising in a data step; it starts near its end.
DENOISING = 20


@dataclass(frozen=True)
class Recipe:
    """How long the neural field is fitted, and how.

    Parameters
    ----------
    warm : int
        Iterations of the fit to the FBP image, on the coarsest grid.
    levels : tuple of (int, int)
        Of the trials, from coarse to fine: how many times coarser a grid is, and the iterations.
    rounds : int
        Rounds of splitting in the final fit, of the views that are not withheld.
    refit : int
        Rounds that follow, of all views.
    weights : tuple of float
        Weights of the total variation to try, rising; trials end when the error rises.
        In units of the relative squared residual, with lengths in units of the longest side.
    exponent : float
        Power p of the ramp in the loss, at least 0; 0 is plain least squares.
    optimizer : callable
        From the network to its optimisers.
    precision : str
        "auto", "float32" or "bfloat16"; see `fit`.
    """

    warm: int = 60
    levels: tuple[tuple[int, int], ...] = ((4, 30), (2, 40))
    rounds: int = 80
    refit: int = 20
    weights: tuple[float, ...] = (0.0, 1e-6, 3e-6, 1e-5, 3e-5)
    exponent: float = 1.0
    optimizer: Optimizers = field(default_factory=MuonAdam)
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        checks.count(self.warm, "warm", least=0)
        checks.require(len(self.levels) > 0, "levels", "not be empty", repr(self.levels))
        for factor, iterations in self.levels:
            checks.count(factor, "levels")
            checks.count(iterations, "levels")
        checks.count(self.rounds, "rounds")
        checks.count(self.refit, "refit")
        checks.require(len(self.weights) > 0, "weights", "not be empty", repr(self.weights))
        for weight in self.weights:
            rule = "be at least 0"
            checks.require(checks.finite(weight, "weights") >= 0, "weights", rule, weight)

    def trial(self, weight: float) -> Recipe:
        """Return the recipe of a trial: one weight, coarse grids only."""
        return replace(self, weights=(weight,))

    def final(self, weight: float, *, part: float) -> Recipe:
        """Return the recipe of the final fit: one weight, and a part of the rounds."""
        rounds = max(1, round(self.rounds * part))
        return replace(self, weights=(weight,), rounds=rounds)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        names = ("warm", "rounds", "refit", "exponent", "precision")
        plain = {name: getattr(self, name) for name in names}
        lists = {"levels": [list(level) for level in self.levels], "weights": list(self.weights)}
        return {**plain, **lists, "optimizer": repr(self.optimizer)}


# From a problem in units of its largest values, and a recipe, to what is fitted after the warm
# start.
Plan = Callable[[Problem, Recipe], Sequence[Stage | Splitting]]


def warm_start(problem: Problem, recipe: Recipe, start: Tensor) -> tuple[Stage, ...]:
    """Return the regression to a first image on the coarsest grid, if the recipe has one."""
    if not recipe.warm:
        return ()
    coarsest = recipe.levels[0][0]
    grid = problem.A.domain.coarsen(coarsest)
    image = Observation(Identity(grid), averaged_cells(start, coarsest))
    return (Stage(grid, (image,), recipe.warm),)


def trial_stages(problem: Problem, recipe: Recipe) -> tuple[Stage, ...]:
    """Return the levels from coarse to fine; the rates fall on the last."""
    factors = [factor for factor, _ in recipe.levels]
    return tuple(
        ray_stage(problem.coarsened(factor), recipe, iterations, falling=factor == factors[-1])
        for factor, iterations in recipe.levels
    )


def final_stages(problem: Problem, recipe: Recipe) -> tuple[Splitting, ...]:
    """Return the rounds of splitting on the full grid."""
    return (splitting(problem, recipe, recipe.rounds),)


def refit_stages(problem: Problem, recipe: Recipe) -> tuple[Splitting, ...]:
    """Return what takes a fit of some views to all of them: the same, shorter, in smaller steps."""
    return (splitting(problem, recipe, recipe.refit, first=REFIT_RATE),)


def splitting(problem: Problem, recipe: Recipe, rounds: int, *, first: float = 1.0) -> Splitting:
    """Return rounds of a data step and of regression to it, in steps that get smaller."""
    step = DataStep(problem, image_weight(problem, recipe.weights[0]))
    return Splitting(problem.A.domain, step, rounds, schedule=lambda p: first * cosine(p))


@dataclass(frozen=True, eq=False)
class DataStep:
    """From an image to one that explains the data and has less variation.

    FBP is nearly the inverse of A: the image plus the FBP of its residual goes most of the way to
    the data. What of that is worth its variation stays.

    Parameters
    ----------
    problem : Problem
        The projector and its data.
    weight : float
        Of the total variation, as for `tv` of an image itself.
    """

    problem: Problem
    weight: float

    def __call__(self, image: Tensor) -> Tensor:
        """Return the better image."""
        A, y = self.problem.A, self.problem.y
        nearer = image + fbp(A, y - A(image)).image
        if self.weight == 0:
            return nearer
        same = Identity(A.domain)
        steps = tv(same, nearer, weight=self.weight, iterations=DENOISING, initial=nearer)
        return steps.image


def image_weight(problem: Problem, weight: float) -> float:
    """Return the weight of TV(z) beside ½ ‖z − x‖² that is `weight` beside the rays' loss.

    Near its minimum the ramp-filtered loss of the rays is ½ κ ‖z − x‖², with
    ``κ = 4 a / (π n m)`` for cells of area a, n bins and the mean square m of the data: its
    gradient is κ times the FBP of the residual, which undoes A.
    """
    grid, num_bins = problem.A.domain, problem.A.geometry.shape[-1]
    mean_square = float(problem.y.square().mean())
    curvature = 4 * grid.cell_measure / (math.pi * num_bins * mean_square)
    num_cells = math.prod(grid.shape)
    return weight * max(grid.extent) / (num_cells * grid.cell_measure * curvature)


def ray_stage(problem: Problem, recipe: Recipe, iterations: int, *, falling: bool) -> Stage:
    """Return a stage that fits all rays, with the ramp-filtered loss and total variation."""
    observation = Observation(problem.A, problem.y, relative_weight(problem, recipe.exponent))
    grid = problem.A.domain
    # The side makes the weight a pure number, whatever the size of the object in mm.
    side = max(grid.extent)
    penalty = TotalVariation(recipe.weights[0] * side, smoothing=0.2 / side)
    return Stage(grid, (observation,), iterations, penalty, cosine if falling else None)


def relative_weight(problem: Problem, exponent: float) -> LinearOperator:
    """Return the filter that makes the loss ``‖R^{p/2} (A f − y)‖² / ‖y‖²``, R at most 1."""
    pitch = problem.A.geometry.detector.pitch[0]
    ramp = RampFilter(problem.A.geometry, pitch, exponent=exponent / 2, normalised=True)
    size = float(problem.y.square().mean().sqrt())
    return (1 / size if size > 0 else 1.0) * ramp
