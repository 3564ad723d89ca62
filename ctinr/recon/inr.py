"""Reconstruction by a neural field: the recipe around the one fit.

What it does, in order:

1. The image of `fbp` gives the scale of the values and a warm start: the network is first fitted
   to it on the coarsest grid.
2. The network is fitted to the sinogram with the ramp-filtered loss, ``‖R^{p/2} (A f − y)‖²``,
   where R is the ramp. Plain least squares weights spatial frequency by 1/|ξ|, so details come
   last; the ramp cancels that factor and conditions the problem.
3. The grids go from coarse to fine: most of the work is done where a step is cheap.
4. The weight of the total variation of the drawn image and the number of iterations are chosen on
   withheld views, on a coarse grid; then all views are fitted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from ctinr import checks
from ctinr.geometry import Grid, ParallelBeam
from ctinr.networks import BWReLU, Family
from ctinr.operators import Identity, LinearOperator, Observation, RampFilter
from ctinr.recon.fbp import fbp
from ctinr.recon.fit import MuonAdam, Optimizers, Precision, Stage, apply_precision, fit_steps
from ctinr.recon.fit import render_grid as render
from ctinr.recon.observers import WithheldError
from ctinr.recon.penalties import TotalVariation
from ctinr.recon.run import Observer, Reconstruction, Step, run
from ctinr.recon.selection import Choice, Split, withhold_views


class Tomograph(Protocol):
    """What the recipe asks of the projector: its rays, other grids, fewer views."""

    @property
    def geometry(self) -> ParallelBeam:
        """The rays."""
        ...

    @property
    def domain(self) -> Grid:
        """The grid of the image."""
        ...

    def on_grid(self, grid: Grid) -> LinearOperator:
        """Return the operator of the same rays through another grid."""
        ...

    def restricted(self, selection: Any) -> Any:
        """Return the operator of the selected views."""
        ...


@dataclass(frozen=True)
class Recipe:
    """How long the neural field is fitted, and how.

    Parameters
    ----------
    warm : int
        Iterations of the fit to the FBP image, on the coarsest grid.
    levels : tuple of (int, int)
        How many times coarser each grid is, and the iterations on it; the last should be 1.
    weights : tuple of float
        Weights of the total variation to choose from; one value is used without a choice.
    exponent : float
        Power p of the ramp in the loss.
    optimizer : callable
        From the network to its optimisers.
    precision : str
        "auto", "float32" or "bfloat16"; see `fit`.
    """

    warm: int = 60
    levels: tuple[tuple[int, int], ...] = ((4, 150), (2, 150), (1, 100))
    weights: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1)
    exponent: float = 1.0
    optimizer: Optimizers = MuonAdam()
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        checks.count(self.warm, "warm", least=0)
        checks.require(len(self.levels) > 0, "levels", "not be empty", repr(self.levels))
        checks.require(len(self.weights) > 0, "weights", "not be empty", repr(self.weights))

    def lengthened(self, factor: float) -> Recipe:
        """Return the recipe with all levels' iterations multiplied, at least one each."""
        levels = tuple((f, max(1, round(n * factor))) for f, n in self.levels)
        return replace(self, levels=levels)

    def for_trials(self) -> Recipe:
        """Return the recipe without its finest level, on which choices are cheap."""
        return replace(self, levels=self.levels[:-1] or self.levels)


def inr(
    A: Any,
    y: Tensor,
    *,
    family: Family = BWReLU(),  # noqa: B008 - frozen value
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen value
    split: Split | None = None,
    seed: int = 0,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct an image by fitting a coordinate network to a sinogram.

    Parameters
    ----------
    A : Projector
        The X-ray transform.
    y : Tensor, shape (angle, u)
        Line integrals.
    family : Family
        The network to build: `BWReLU` or another family of `ctinr.networks`.
    recipe : Recipe
        Lengths, weights to choose from, optimiser.
    split : Split, optional
        Which views are withheld to choose; one in ten if None.
    seed : int
        Of the network's initial values.
    observers : sequence of Observer
        Each sees every step of the final fit; images are given on the grid of A.

    Returns
    -------
    Reconstruction
        The final image; the choice and the withheld error are in its record.

    Raises
    ------
    ValueError
        If the data hold NaN or do not fit the operator.
    FloatingPointError
        If the fit diverges.

    References
    ----------
    Shenouda, Zhou, Nowak 2024, doi:10.48550/arXiv.2406.02529 (BW-ReLU); Najaf, Ongie 2025,
    doi:10.48550/arXiv.2504.13390 (ramp-filtered loss).
    """
    begun = time.perf_counter()
    checks.finite_values(y, "y")
    checks.trailing_shape(y, "y", shape=A.range.shape, what="the projector's range")
    split = split or withhold_views(A.geometry.num_views, seed=seed)
    problem = _Problem(A, y, family, seed)
    choice, length = _choose(problem, recipe, split, observers)
    final = replace(recipe, weights=(choice.value,)).lengthened(length)
    result = problem.solve(final, observers)
    record = {
        "choice": choice.to_dict(),
        "length": length,
        "withheld_error": min(choice.errors),
        "split": {"fitted": list(split.fitted), "withheld": list(split.withheld)},
    }
    return replace(
        result,
        method="neural field",
        parameters=MappingProxyType({**_plain(final), "network": repr(family), "seed": seed}),
        record=MappingProxyType({**result.record, **record}),
        seconds=time.perf_counter() - begun,
    )


def _plain(recipe: Recipe) -> dict[str, Any]:
    return {
        "warm": recipe.warm,
        "levels": [list(level) for level in recipe.levels],
        "weight": recipe.weights[0],
        "exponent": recipe.exponent,
        "optimizer": repr(recipe.optimizer),
    }


def _choose(
    problem: _Problem, recipe: Recipe, split: Split, observers: Sequence[Observer]
) -> tuple[Choice, float]:
    """Return the weight with the least withheld error, and which part of the run it took."""
    trial = problem.restricted(split.fitted)
    held = problem.restricted(split.withheld)
    errors, lengths = [], []
    short = recipe.for_trials()
    for weight in recipe.weights:
        watcher = WithheldError(held.A.on_grid(short_grid(problem.A, short)), held.y, every=5)
        trial.solve(replace(short, weights=(weight,)), (watcher,), grid=short_grid(problem.A, short))
        errors.append(min(watcher.values))
        lengths.append(watcher.best / watcher.indices[-1])
    best = min(range(len(errors)), key=errors.__getitem__)
    rule = "least error on withheld views"
    return Choice(recipe.weights[best], recipe.weights, tuple(errors), rule), lengths[best]
