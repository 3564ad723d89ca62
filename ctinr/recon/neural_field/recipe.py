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
from ctinr.recon.levels import averaged_cells
from ctinr.recon.optimizers import MuonAdam, Optimizers, cosine
from ctinr.recon.short_products import Precision
from ctinr.recon.stages import Enough, Splitting, Stage

# What is held for likely beside the data: few edges, or patches that come again.
PriorName = Literal["tv", "nonlocal"]
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
    prior : str
        "tv": total variation. "nonlocal": patches of the image come again, as for `pnp`. "auto":
        the one whose image explains the withheld views better.
    weight : float, optional
        Of the prior, above zero: as for `tv` with all views, or the variance of the rays as for
        `pnp`. If None, chosen on the withheld views; with "auto" it cannot be given.
    warm : int
        Iterations of the fit to the image of the best trial, on a coarse grid.
    rounds : int
        Rounds of splitting, of the views that are not withheld.
    refit : int
        Rounds that follow, of all views.
    steps : int
        Of the regression, in every round.
    finish : int
        The most data steps that may follow the network, each only if the withheld views clearly
        ask for it; with 0 the image is always the one that the network draws.
    optimizer : callable, optional
        From the network to its optimisers; if None, Muon and Adam at the rates of the family.
    precision : str
        "auto", "float32" or "bfloat16"; see `fit`.
    graphs : bool
        Whether the steps of the network are recorded as a CUDA graph; see `fit`.
    """

    prior: Literal["auto", "tv", "nonlocal"] = "auto"
    weight: float | None = None
    warm: int = 60
    rounds: int = 15
    refit: int = 5
    steps: int = 60
    finish: int = 5
    optimizer: Optimizers | None = None
    precision: Precision = "auto"
    graphs: bool = False

    def __post_init__(self) -> None:
        checks.one_of(self.prior, "prior", ("auto", "tv", "nonlocal"))
        if self.weight is not None:
            checks.positive(self.weight, "weight")
            rule, remedy = (
                "be left out unless a prior is named",
                "Name it: prior='tv' or 'nonlocal'.",
            )
            checks.require(self.prior != "auto", "weight", rule, self.weight, remedy)
        for name in ("warm", "rounds", "refit", "steps"):
            checks.count(getattr(self, name), name)
        checks.count(self.finish, "finish", least=0)
        checks.one_of(self.graphs, "graphs", (False, True))

    def decided(self, prior: PriorName, weight: float, family: Family) -> Recipe:
        """Return the recipe with one prior, its weight, and an optimiser for a family."""
        optimizer = self.optimizer or MuonAdam.of(family)
        return replace(self, prior=prior, weight=weight, optimizer=optimizer)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        names = ("prior", "weight", "warm", "rounds", "refit", "steps", "finish", "precision")
        plain = {name: getattr(self, name) for name in (*names, "graphs")}
        return {**plain, "optimizer": repr(self.optimizer)}


def warm_start(start: Tensor, recipe: Recipe, grid: Grid) -> Stage:
    """Return the regression to a first image on a coarse grid."""
    grid = grid.coarsen(WARM_COARSENING)
    image = Observation(Identity(grid), averaged_cells(start, WARM_COARSENING))
    return Stage(grid, (image,), recipe.warm)


def blind_rounds(
    recipe: Recipe, grid: Grid, step: Better, *, enough: Enough | None = None
) -> Splitting:
    """Return the rounds of splitting of some views."""
    return Splitting(grid, step, recipe.rounds, recipe.steps, schedule=cosine, enough=enough)


def refit_rounds(
    recipe: Recipe, grid: Grid, step: Better, *, enough: Enough | None = None
) -> Splitting:
    """Return what takes a fit of some views to all of them: the same, shorter, in smaller steps."""

    def schedule(progress: float) -> float:
        return REFIT_RATE * cosine(progress)

    return Splitting(grid, step, recipe.refit, recipe.steps, schedule=schedule, enough=enough)
