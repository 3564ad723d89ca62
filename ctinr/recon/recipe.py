"""The recipe of the neural field: how long what is fitted, and with which weight."""

from __future__ import annotations

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
        Rounds of splitting in the final fit.
    polish : int
        Iterations on the full grid at its end, where the variation is charged; left out where
        the weight chosen is 0.
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
    rounds: int = 60
    polish: int = 40
    weights: tuple[float, ...] = (0.0, 3e-6, 1e-5, 3e-5)
    exponent: float = 1.0
    optimizer: Optimizers = field(default_factory=MuonAdam)
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        checks.count(self.warm, "warm", least=0)
        checks.require(len(self.levels) > 0, "levels", "not be empty", repr(self.levels))
        for factor, iterations in self.levels:
            checks.count(factor, "levels")
            checks.count(iterations, "levels")
        checks.count(self.rounds, "rounds", least=0)
        checks.count(self.polish, "polish")
        checks.require(len(self.weights) > 0, "weights", "not be empty", repr(self.weights))
        for weight in self.weights:
            rule = "be at least 0"
            checks.require(checks.finite(weight, "weights") >= 0, "weights", rule, weight)

    def trial(self, weight: float) -> Recipe:
        """Return the recipe of a trial: one weight, coarse grids only."""
        return replace(self, weights=(weight,))

    def final(self, weight: float, *, part: float) -> Recipe:
        """Return the recipe of the final fit: one weight, and a part of the rounds."""
        rounds = max(1, round(self.rounds * part)) if self.rounds else 0
        return replace(self, weights=(weight,), rounds=rounds)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        names = ("warm", "rounds", "polish", "exponent", "precision")
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


def final_stages(problem: Problem, recipe: Recipe) -> tuple[Stage | Splitting, ...]:
    """Return the rounds of splitting, if there are any, and the polish."""

    def data_step(image: Tensor) -> Tensor:
        # FBP is nearly the inverse of A: one step goes most of the way to the data.
        return image + fbp(problem.A, problem.y - problem.A(image)).image

    polish = ray_stage(problem, recipe, recipe.polish, falling=True, first=0.3)
    if not recipe.rounds:
        return (polish,)
    split = Splitting(problem.A.domain, data_step, recipe.rounds, schedule=cosine)
    # Without a weight there is nothing that the rounds have left out.
    return (split, polish) if recipe.weights[0] > 0 else (split,)


def ray_stage(
    problem: Problem, recipe: Recipe, iterations: int, *, falling: bool, first: float = 1.0
) -> Stage:
    """Return a stage that fits all rays, with the ramp-filtered loss and total variation."""
    observation = Observation(problem.A, problem.y, relative_weight(problem, recipe.exponent))
    grid = problem.A.domain
    # The side makes the weight a pure number, whatever the size of the object in mm.
    side = max(grid.extent)
    penalty = TotalVariation(recipe.weights[0] * side, smoothing=0.2 / side)

    def schedule(progress: float) -> float:
        return first * cosine(progress) if falling else first

    return Stage(grid, (observation,), iterations, penalty, schedule)


def relative_weight(problem: Problem, exponent: float) -> LinearOperator:
    """Return the filter that makes the loss ``‖R^{p/2} (A f − y)‖² / ‖y‖²``, R at most 1."""
    pitch = problem.A.geometry.detector.pitch[0]
    ramp = RampFilter(problem.A.geometry, pitch, exponent=exponent / 2, normalised=True)
    size = float(problem.y.square().mean().sqrt())
    return (1 / size if size > 0 else 1.0) * ramp
