"""The recipe of the neural field: how long what is fitted, and with which weight."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ctinr import checks
from ctinr.networks import Family
from ctinr.operators import Identity, Observation
from ctinr.recon.fit import Precision
from ctinr.recon.levels import averaged_cells
from ctinr.recon.optimizers import MuonAdam, Optimizers, cosine
from ctinr.recon.proximal import DataStep
from ctinr.recon.stages import Enough, Splitting, Stage

# Where the learning rates of the refit start, as a part of those of the fit.
REFIT_RATE = 0.3
# The first image is drawn on a grid so many times coarser: it only has to be about right.
WARM_COARSENING = 4


@dataclass(frozen=True)
class Recipe:
    """How long the neural field is fitted, and how.

    Parameters
    ----------
    weights : tuple of float
        Weights of the total variation to try, falling; trials end when the error rises. In units
        of the relative squared residual, with lengths in units of the longest side.
    trial : int
        Proximal steps, on pixels, of each trial.
    warm : int
        Iterations of the fit to the image of the best trial, on a coarse grid.
    rounds : int
        Rounds of splitting, of the views that are not withheld.
    refit : int
        Rounds that follow, of all views.
    optimizer : callable, optional
        From the network to its optimisers; if None, Muon and Adam at the rates of the family.
    precision : str
        "auto", "float32" or "bfloat16"; see `fit`.
    """

    weights: tuple[float, ...] = (1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7, 3e-8, 1e-8)
    trial: int = 20
    warm: int = 60
    rounds: int = 80
    refit: int = 20
    optimizer: Optimizers | None = None
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        checks.require(len(self.weights) > 0, "weights", "not be empty", repr(self.weights))
        for weight in self.weights:
            rule = "be at least 0"
            checks.require(checks.finite(weight, "weights") >= 0, "weights", rule, weight)
        for name in ("trial", "warm", "rounds", "refit"):
            checks.count(getattr(self, name), name)

    def decided(self, weight: float, family: Family) -> Recipe:
        """Return the recipe with one weight, and an optimiser for a family unless it has one."""
        optimizer = self.optimizer or MuonAdam.of(family)
        return replace(self, weights=(weight,), optimizer=optimizer)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        names = ("trial", "warm", "rounds", "refit", "precision")
        plain = {name: getattr(self, name) for name in names}
        return {**plain, "weights": list(self.weights), "optimizer": repr(self.optimizer)}


def warm_start(start: Tensor, recipe: Recipe, step: DataStep) -> Stage:
    """Return the regression to a first image on a coarse grid."""
    grid = step.problem.A.domain.coarsen(WARM_COARSENING)
    image = Observation(Identity(grid), averaged_cells(start, WARM_COARSENING))
    return Stage(grid, (image,), recipe.warm)


def blind_rounds(recipe: Recipe, step: DataStep, enough: Enough | None = None) -> Splitting:
    """Return the rounds of splitting of some views."""
    return Splitting(step.problem.A.domain, step, recipe.rounds, schedule=cosine, enough=enough)


def refit_rounds(recipe: Recipe, step: DataStep, enough: Enough | None = None) -> Splitting:
    """Return what takes a fit of some views to all of them: the same, shorter, in smaller steps."""

    def schedule(progress: float) -> float:
        return REFIT_RATE * cosine(progress)

    grid = step.problem.A.domain
    return Splitting(grid, step, recipe.refit, schedule=schedule, enough=enough)
