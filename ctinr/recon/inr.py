"""Reconstruction by a neural field: the recipe around the one fit.

What it does, in order:

1. The image of `fbp` gives the scale of the values and a warm start: the network is first fitted
   to it on the coarsest grid.
2. The network is fitted to the sinogram with the ramp-filtered loss, ``‖R^{p/2} (A f − y)‖²``,
   where R is the ramp. Plain least squares weights spatial frequency by 1/|ξ|, so details come
   last; the ramp cancels that factor and conditions the problem.
3. The grids go from coarse to fine, so most of the way is covered where a step is cheap.
4. How much total variation of the drawn image to charge, and how long to fit, are chosen on
   withheld views and a coarse grid; then the network is fitted to all views.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ctinr import checks
from ctinr.geometry import Grid
from ctinr.networks import BWReLU, Family
from ctinr.operators import Identity, LinearOperator, Observation, RampFilter
from ctinr.recon.fbp import fbp
from ctinr.recon.fit import (
    MuonAdam,
    Optimizers,
    Precision,
    Stage,
    apply_precision,
    cosine,
    fit_steps,
)
from ctinr.recon.fit import render_grid as drawn
from ctinr.recon.levels import Problem, averaged_cells, resampled
from ctinr.recon.observers import WithheldError
from ctinr.recon.penalties import TotalVariation
from ctinr.recon.problem import check_data
from ctinr.recon.run import Observer, Reconstruction, Step, run
from ctinr.recon.selection import WITHHELD_RULE, Choice, Split, withhold_views

# Three quarters of the work of the paper's width of 300, and no worse on few views.
DEFAULT_FAMILY = BWReLU(width=256)


@dataclass(frozen=True)
class Recipe:
    """How long the neural field is fitted, and how.

    Parameters
    ----------
    warm : int
        Iterations of the fit to the FBP image, on the coarsest grid.
    levels : tuple of (int, int)
        From coarse to fine: how many times coarser a grid is, and the iterations on it.
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
    levels: tuple[tuple[int, int], ...] = ((4, 80), (2, 120), (1, 80))
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
        checks.require(len(self.weights) > 0, "weights", "not be empty", repr(self.weights))
        for weight in self.weights:
            rule = "be at least 0"
            checks.require(checks.finite(weight, "weights") >= 0, "weights", rule, weight)

    @property
    def iterations(self) -> int:
        """The number of iterations of one fit, warm start included."""
        return self.warm + sum(count for _, count in self.levels)

    def trial(self, weight: float) -> Recipe:
        """Return the recipe of a trial: one weight, half as long, and no finest level.

        A single level is kept.
        """
        kept = self.levels[:-1] or self.levels
        levels = tuple((factor, -(-iterations // 2)) for factor, iterations in kept)
        return replace(self, levels=levels, weights=(weight,))

    def final(self, weight: float, *, part: float) -> Recipe:
        """Return the recipe of the final fit: one weight, and a part of the iterations."""
        levels = tuple((factor, max(1, round(count * part))) for factor, count in self.levels)
        return replace(self, levels=levels, weights=(weight,))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        names = ("warm", "exponent", "precision")
        plain = {name: getattr(self, name) for name in names}
        lists = {"levels": [list(level) for level in self.levels], "weights": list(self.weights)}
        return {**plain, **lists, "optimizer": repr(self.optimizer)}


def inr(  # noqa: PLR0913 - one keyword for each thing that a reader may want to set
    A: Any,
    y: Tensor,
    *,
    family: Family | None = None,
    recipe: Recipe | None = None,
    split: Split | None = None,
    seed: int = 0,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct an image by fitting a coordinate network to a sinogram.

    Parameters
    ----------
    A : Projector
        The X-ray transform.
    y : Tensor, shape (angle, u), float32
        Line integrals, without unit.
    family : Family, optional
        The network to build, of `ctinr.networks`; `BWReLU(width=256)` if None.
    recipe : Recipe, optional
        Lengths, weights to choose from, optimiser; `Recipe()` if None.
    split : Split, optional
        Which views are withheld to choose; one in ten if None.
    seed : int
        Of the network's initial values and of the split.
    observers : sequence of Observer
        Each sees every step of every fit, the trials first; images are on the grid of A.

    Returns
    -------
    Reconstruction
        The image after the last iteration, 1/mm, negative values set to zero. The choice and the
        withheld error are in its record.

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
    check_data(A, y)
    checks.require(y.ndim == 2, "y", "be one sinogram, (angle, u)", y, "Loop over the others.")
    recipe = recipe or Recipe()
    field_of = NeuralField(family or DEFAULT_FAMILY, seed)
    angles = A.geometry.angles
    split = split or withhold_views(len(angles), seed=seed, angles=angles)
    trials = try_weights(field_of, Problem(A, y), recipe, split=split, observers=observers)
    best = min(trials, key=lambda trial: trial.error)
    final = recipe.final(best.weight, part=best.part)
    if trials[-1].result.stopped_by == "interrupted":
        result = trials[-1].result
    else:
        result = field_of.solve(Problem(A, y), final, observers=observers)
    weights, errors = zip(*((trial.weight, trial.error) for trial in trials), strict=True)
    record = {
        "choice": Choice(best.weight, weights, errors, WITHHELD_RULE).to_dict(),
        "iterations_part": best.part,
        "withheld_error": best.error,
        "split": split.to_dict(),
    }
    return replace(
        result,
        method="neural field",
        seconds=time.perf_counter() - begun,
        parameters=MappingProxyType({**result.parameters, **final.to_dict(), "seed": seed}),
        record=MappingProxyType(record),
    )


@dataclass(frozen=True, eq=False)
class Trial:
    """A fit without the withheld views: its least error on them, and when it was reached.

    `part` is that moment as a part of the iterations; what lies behind it is overfitting.
    """

    weight: float
    error: float
    part: float
    result: Reconstruction


def try_weights(
    field_of: NeuralField,
    problem: Problem,
    recipe: Recipe,
    *,
    split: Split,
    observers: Sequence[Observer] = (),
) -> list[Trial]:
    """Return trials of the weights in turn, until one is worse than the one before it.

    An interrupt ends them too; the last trial then says that it was stopped by it.
    """
    fitted, withheld = problem.restricted(split.fitted), problem.restricted(split.withheld)
    trials: list[Trial] = []
    for weight in recipe.weights:
        watcher = WithheldError(withheld.A, withheld.y, every=5)
        result = field_of.solve(fitted, recipe.trial(weight), observers=(watcher, *observers))
        error = min(watcher.values, default=math.inf)
        part = watcher.best / result.iterations if watcher.values else 1.0
        trials.append(Trial(weight, error, part, result))
        rising = len(trials) > 1 and error > trials[-2].error
        if rising or result.stopped_by == "interrupted":
            break
    return trials


@dataclass(frozen=True)
class NeuralField:
    """A network family and a seed, with which it solves a problem by a recipe of one weight."""

    family: Family
    seed: int

    def solve(
        self, problem: Problem, recipe: Recipe, *, observers: Sequence[Observer] = ()
    ) -> Reconstruction:
        """Fit a new network and return its image on the problem's grid."""
        generator = torch.Generator().manual_seed(self.seed)
        network = self.family.build(2, generator=generator).to(problem.y.device)
        precision = apply_precision(network, recipe.precision)
        start = fbp(problem.A, problem.y, window="hann").image
        scale = value_scale(start)
        stages = stages_of(problem.scaled(1 / scale), recipe, start=start / scale)
        steps = fit_steps(network, stages, optimizer=recipe.optimizer)
        grids = [stage.grid for stage in stages for _ in range(stage.iterations)]
        grid = problem.A.domain
        shown = _in_units(steps, grids, grid=grid, scale=scale)
        parameters = {"network": repr(self.family), "precision_used": precision}
        result = run(shown, recipe.iterations, observers, parameters=parameters)
        return replace(result, image=_physical(drawn(network, grid), scale))


def stages_of(problem: Problem, recipe: Recipe, *, start: Tensor) -> tuple[Stage, ...]:
    """Return the warm start on the coarsest grid and the levels from coarse to fine."""
    stages = []
    coarsest = recipe.levels[0][0]
    if recipe.warm:
        grid = problem.A.domain.coarsen(coarsest)
        image = Observation(Identity(grid), averaged_cells(start, coarsest))
        stages.append(Stage(grid, (image,), recipe.warm))
    side = max(problem.A.domain.extent)
    for factor, iterations in recipe.levels:
        level = problem.coarsened(factor)
        weight = relative_weight(level, recipe.exponent)
        # The side makes the weight a pure number, whatever the size of the object in mm.
        penalty = TotalVariation(recipe.weights[0] * side, smoothing=0.2 / side)
        observation = Observation(level.A, level.y, weight)
        grid = level.A.domain
        # Rates fall on the last grid only: on the others, the way to go is still long.
        last = len(stages) + 1 == len(recipe.levels) + bool(recipe.warm)
        schedule = cosine if last else None
        stages.append(Stage(grid, (observation,), iterations, penalty, schedule))
    return tuple(stages)


def relative_weight(problem: Problem, exponent: float) -> LinearOperator:
    """Return the filter that makes the loss ``‖R^{p/2} (A f − y)‖² / ‖y‖²``, R at most 1."""
    pitch = problem.A.geometry.detector.pitch[0]
    ramp = RampFilter(problem.A.geometry, pitch, exponent=exponent / 2, normalised=True)
    size = float(problem.y.square().mean().sqrt())
    return (1 / size if size > 0 else 1.0) * ramp


def value_scale(image: Tensor) -> float:
    """Return a typical large value of an image, 1/mm, or 1 for an image of zeros."""
    value = float(image.abs().flatten().kthvalue(max(1, int(0.99 * image.numel()))).values)
    return value if value > 0 else 1.0


def _in_units(
    steps: Iterator[Step], grids: Sequence[Grid], *, grid: Grid, scale: float
) -> Iterator[Step]:
    """Show the steps in 1/mm and on one grid, whatever the grid they were taken on."""
    for step, own in zip(steps, grids, strict=False):
        image = resampled(step.image, own, target=grid)
        yield replace(step, image=_physical(image, scale))


def _physical(image: Tensor, scale: float) -> Tensor:
    return image.mul(scale).clamp(min=0)


__all__ = ["NeuralField", "Recipe", "inr"]
