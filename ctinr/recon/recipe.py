"""The recipe of the neural field: how long what is fitted, and with which weight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor

from ctinr import checks
from ctinr.geometry import Grid
from ctinr.networks import Family
from ctinr.operators import Identity, Observation
from ctinr.recon.fit import Precision
from ctinr.recon.levels import averaged_cells
from ctinr.recon.optimizers import MuonAdam, Optimizers, cosine
from ctinr.recon.stages import Enough, Splitting, Stage

# Which data step takes turns with the regression of the network.
StepName = Literal["filtered", "plain"]
# From an image to one that explains the data better.
Better = Callable[[Tensor], Tensor]

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
    finish : int
        The most data steps that may follow the network, each only if the withheld views clearly
        ask for it; with 0 the image is always the one that the network draws.
    optimizer : callable, optional
        From the network to its optimisers; if None, Muon and Adam at the rates of the family.
    precision : str
        "auto", "float32" or "bfloat16"; see `fit`.
    data_step : str
        "filtered": proximal steps with a ramp, at the `weights`. "plain": iterations of `tv`, at
        weights from which the one of least withheld error is chosen. "auto": plain unless the
        withheld views clearly gain by filtered ones; with one weight given, filtered.
    """

    weights: tuple[float, ...] = (1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7, 3e-8, 1e-8)
    trial: int = 20
    warm: int = 60
    rounds: int = 50
    refit: int = 15
    finish: int = 5
    optimizer: Optimizers | None = None
    precision: Precision = "auto"
    data_step: Literal["auto", "filtered", "plain"] = "auto"

    def __post_init__(self) -> None:
        checks.require(len(self.weights) > 0, "weights", "not be empty", repr(self.weights))
        for weight in self.weights:
            rule = "be at least 0"
            checks.require(checks.finite(weight, "weights") >= 0, "weights", rule, weight)
        checks.one_of(self.data_step, "data_step", ("auto", "filtered", "plain"))
        for name in ("trial", "warm", "rounds", "refit"):
            checks.count(getattr(self, name), name)
        checks.count(self.finish, "finish", least=0)

    def decided(self, step: StepName, weight: float, family: Family) -> Recipe:
        """Return the recipe with one data step, one weight, and an optimiser for a family."""
        optimizer = self.optimizer or MuonAdam.of(family)
        return replace(self, data_step=step, weights=(weight,), optimizer=optimizer)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        names = ("trial", "warm", "rounds", "refit", "finish", "precision", "data_step")
        plain = {name: getattr(self, name) for name in names}
        return {**plain, "weights": list(self.weights), "optimizer": repr(self.optimizer)}


def warm_start(start: Tensor, recipe: Recipe, grid: Grid) -> Stage:
    """Return the regression to a first image on a coarse grid."""
    grid = grid.coarsen(WARM_COARSENING)
    image = Observation(Identity(grid), averaged_cells(start, WARM_COARSENING))
    return Stage(grid, (image,), recipe.warm)


def blind_rounds(
    recipe: Recipe, grid: Grid, step: Better, *, enough: Enough | None = None
) -> Splitting:
    """Return the rounds of splitting of some views."""
    return Splitting(grid, step, recipe.rounds, schedule=cosine, enough=enough)


def refit_rounds(
    recipe: Recipe, grid: Grid, step: Better, *, enough: Enough | None = None
) -> Splitting:
    """Return what takes a fit of some views to all of them: the same, shorter, in smaller steps."""

    def schedule(progress: float) -> float:
        return REFIT_RATE * cosine(progress)

    return Splitting(grid, step, recipe.refit, schedule=schedule, enough=enough)
