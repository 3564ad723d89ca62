"""Reconstruction by a neural field: the recipe around the one fit.

What it does, in order:

1. The image of `fbp` gives the scale of the values and a warm start: the network is first fitted
   to it on the coarsest grid.
2. How much total variation of the drawn image to charge, and how long to fit, are chosen on
   withheld views and coarse grids, where a step is cheap. Then, on the full grid:
3. Rounds of splitting: the residual of the network's image is filtered, backprojected and added,
   the sum is relieved of variation that is not worth it, and the network is regressed to the rest
   on a few cells at a time. First without the withheld views, which then tell how good such a fit
   is; some more rounds take in all views.

The loss of the trials, ``‖R^{p/2} (A f − y)‖² + weight · TV(f)``, where R is the ramp, and a round
of splitting charge the same: plain least squares weights spatial frequency by 1/|ξ|, so details
come last; the ramp cancels that factor and conditions the problem.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ctinr import checks
from ctinr.geometry import Grid
from ctinr.networks import BWReLU, Family
from ctinr.recon.fbp import fbp
from ctinr.recon.fit import apply_precision, fit_steps
from ctinr.recon.levels import Problem, resampled
from ctinr.recon.observers import WithheldError
from ctinr.recon.problem import check_data
from ctinr.recon.recipe import (
    Plan,
    Recipe,
    final_stages,
    refit_stages,
    trial_stages,
    warm_start,
)
from ctinr.recon.run import Observer, Reconstruction, Step, run
from ctinr.recon.selection import Choice, Split, withhold_views
from ctinr.recon.stages import render_grid as drawn

TOLERANCE = 0.1
RULE = "least weight whose relative error on the withheld views is within 10 % of the least"

# Three quarters of the work of the paper's width of 300, and no worse on few views.
DEFAULT_FAMILY = BWReLU(width=256)


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
    best = least_weight(trials)
    if trials[-1].result.stopped_by == "interrupted":
        # The last trial may have hardly begun; the best one is what there is.
        used, error = recipe.trial(best.weight), best.error
        result = replace(best.result, stopped_by="interrupted")
    else:
        used = recipe.final(best.weight, part=best.part)
        result, error = fit_and_refit(
            field_of, Problem(A, y), used, split=split, observers=observers
        )
    weights, errors = zip(*((trial.weight, trial.error) for trial in trials), strict=True)
    record = {
        "choice": Choice(best.weight, weights, errors, RULE).to_dict(),
        "iterations_part": best.part,
        "withheld_error": error,
        "split": split.to_dict(),
    }
    return replace(
        result,
        method="neural field",
        seconds=time.perf_counter() - begun,
        parameters=MappingProxyType({**result.parameters, **used.to_dict(), "seed": seed}),
        record=MappingProxyType(record),
    )


def fit_and_refit(
    field_of: NeuralField,
    problem: Problem,
    recipe: Recipe,
    *,
    split: Split,
    observers: Sequence[Observer] = (),
) -> tuple[Reconstruction, float]:
    """Return a fit that has seen all views, and its error on some before it had seen those.

    The error is infinite if the fit was ended before that.
    """
    fitted, withheld = problem.restricted(split.fitted), problem.restricted(split.withheld)
    blind = recipe.warm + sum(stage.iterations for stage in final_stages(fitted, recipe))
    # The first step of the refit shows the image as it was before it.
    judge = WithheldError(withheld.A, withheld.y, every=blind + 1)
    watchers = (judge, *observers)
    result = field_of.solve(fitted, recipe, plan=final_stages, refit=problem, observers=watchers)
    return result, judge.values[0] if judge.values else math.inf


@dataclass(frozen=True, eq=False)
class Trial:
    """A fit without the withheld views: its least error on them, and when it was reached.

    `part` is that moment as a part of the iterations; what lies behind it is overfitting.
    """

    weight: float
    error: float
    part: float
    result: Reconstruction


def least_weight(trials: Sequence[Trial]) -> Trial:
    """Return the trial of the least weight whose error is within the tolerance of the least.

    A trial on a coarse grid leaves an error that no weight explains and that smoothing lowers a
    little; only a clear gain is a reason to smooth.
    """
    bound = (1 + TOLERANCE) * min(trial.error for trial in trials)
    return min((t for t in trials if t.error <= bound), key=lambda trial: trial.weight)


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
        own = recipe.trial(weight)
        result = field_of.solve(fitted, own, plan=trial_stages, observers=(watcher, *observers))
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
        self,
        problem: Problem,
        recipe: Recipe,
        *,
        plan: Plan,
        refit: Problem | None = None,
        observers: Sequence[Observer] = (),
    ) -> Reconstruction:
        """Fit a new network and return its image on the problem's grid.

        After the stages of the plan those of a refit follow, if there is a problem for it.
        """
        generator = torch.Generator().manual_seed(self.seed)
        network = self.family.build(2, generator=generator).to(problem.y.device)
        precision = apply_precision(network, recipe.precision)
        start = fbp(problem.A, problem.y, window="hann").image
        scale = value_scale(start)
        scaled = problem.scaled(1 / scale)
        stages = [*warm_start(scaled, recipe, start / scale), *plan(scaled, recipe)]
        if refit is not None:
            stages += refit_stages(refit.scaled(1 / scale), recipe)
        steps = fit_steps(network, stages, optimizer=recipe.optimizer)
        grids = [stage.grid for stage in stages for _ in range(stage.iterations)]
        grid = problem.A.domain
        shown = _in_units(steps, grids, grid=grid, scale=scale)
        parameters = {"network": repr(self.family), "precision_used": precision}
        result = run(shown, len(grids), observers, parameters=parameters)
        return replace(result, image=_physical(drawn(network, grid), scale))


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
