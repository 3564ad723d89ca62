"""Reconstruction by a neural field: the recipe around the one fit.

What it does, in order:

1. How much total variation to charge is chosen on withheld views: proximal gradient steps on
   pixels, which cost little, are tried at falling weights; see `ctinr.recon.proximal`.
2. The network is fitted to the image of the best trial on a coarse grid: a warm start.
3. Rounds of splitting: the same proximal step from the network's image, then the network is
   regressed to its result on a few cells at a time. First without the withheld views, until their
   error rises or the rounds are over. It is then the error of an image that has not seen them.
4. Some more rounds, in smaller steps, of all views.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ctinr import checks
from ctinr.geometry import Grid
from ctinr.networks import BWReLU, CoordinateNetwork, Family
from ctinr.recon.fbp import fbp
from ctinr.recon.fit import (
    MUON_ADAM,
    apply_precision,
    fit_steps,
    norm_record,
    with_last_image,
)
from ctinr.recon.last_good import LastGood
from ctinr.recon.levels import Problem, resampled
from ctinr.recon.observers import relative_error
from ctinr.recon.problem import check_data, slice_of
from ctinr.recon.proximal import DataStep, proximal_steps
from ctinr.recon.recipe import Recipe, blind_rounds, refit_rounds, warm_start
from ctinr.recon.run import Observer, Reconstruction, Step, run
from ctinr.recon.selection import WITHHELD_RULE, Choice, Split, least, split_views
from ctinr.recon.stages import Splitting, Stage

# The error on withheld views has risen when it was least so many rounds ago, and by so much.
PATIENCE, RISE = 10, 1.05

# Three quarters of the work of the paper's width of 300, and no worse on few views. Its hidden
# layers start with little spread, and so draw no detail that the views do not ask for.
DEFAULT_FAMILY = BWReLU(width=256, spread=0.2)


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
        The network to build, of `ctinr.networks`; `DEFAULT_FAMILY` if None.
    recipe : Recipe, optional
        Lengths, weights to choose from, optimiser; `Recipe()` if None.
    split : Split, optional
        Which views are withheld to choose; one in ten if None.
    seed : int
        Of the network's initial values and of the split.
    observers : sequence of Observer
        Each sees every step of the trials and then of the fit; images are on the grid of A.

    Returns
    -------
    Reconstruction
        The image after the last iteration, 1/mm, negative values set to zero. The choice and the
        withheld error, of the fit before it had seen those views, are in its record. Interrupted
        during the trials, it is the network after the warm start.

    Raises
    ------
    ValueError
        If the data hold NaN or do not fit the operator.
    FloatingPointError
        If the fit diverges in its first step. Later on it ends with the last good network, and
        `stopped_by` says so.

    References
    ----------
    Shenouda, Zhou, Nowak 2024, doi:10.48550/arXiv.2406.02529 (BW-ReLU); Najaf, Ongie 2025,
    doi:10.48550/arXiv.2504.13390 (ramp-filtered loss).
    """
    begun = time.perf_counter()
    slice_of(A)
    check_data(A, y)
    checks.require(y.ndim == 2, "y", "be one sinogram, (angle, u)", y, "Loop over the others.")
    recipe = recipe or Recipe()
    split = split or split_views(A.geometry, seed=seed)
    task = Task.of(Problem(A, y), split, observers)
    choice, start = try_weights(task, recipe)
    family = family or DEFAULT_FAMILY
    used = recipe.decided(choice.value, family)
    network = family.build(2, generator=torch.Generator().manual_seed(seed)).to(y.device)
    precision = apply_precision(network, used.precision)
    result, error = fit_network(network, task, used, start=start, hurry=choice.interrupted)
    record = {
        "choice": choice.to_dict(),
        "withheld_error": error if math.isfinite(error) else choice.error,
        "split": split.to_dict(),
        **norm_record(network),
    }
    given = {"network": repr(family), **used.to_dict(), "seed": seed}
    return replace(
        result,
        method="neural field",
        seconds=time.perf_counter() - begun,
        parameters=MappingProxyType({**given, "precision_used": precision}),
        record=MappingProxyType(record),
    )


@dataclass(frozen=True, eq=False)
class Task:
    """What is fitted and what judges it, in units in which typical large values are 1.

    `scale` is that unit in 1/mm, and `start` the FBP image of the fitted views.
    """

    whole: Problem
    fitted: Problem
    withheld: Problem
    start: Tensor
    scale: float
    observers: Sequence[Observer]

    @classmethod
    def of(cls, problem: Problem, split: Split, observers: Sequence[Observer]) -> Task:
        """Return the task of a problem; nothing but `whole` and `withheld` knows of those views."""
        fitted, withheld = problem.restricted(split.fitted), problem.restricted(split.withheld)
        start = fbp(fitted.A, fitted.y, window="hann").image
        scale = value_scale(start)
        whole, fitted, withheld = (part.scaled(1 / scale) for part in (problem, fitted, withheld))
        return cls(whole, fitted, withheld, start / scale, scale, observers)

    @cached_property
    def blind(self) -> DataStep:
        """The data step of the fitted views, without a weight; its length takes some work."""
        return DataStep.of(self.fitted)

    def error(self, image: Tensor) -> float:
        """Return the relative error of an image on the withheld views."""
        return relative_error(self.withheld.A, image.clamp(min=0), self.withheld.y)


def try_weights(task: Task, recipe: Recipe) -> tuple[Choice, Tensor]:
    """Return the choice of a weight and the image of its trial.

    Each trial starts from the image of the one before it. After an interrupt the choice is among
    those that were done; the first counts as far as it got.
    """
    images: dict[float, Tensor] = {}
    ended = False

    def error(weight: float) -> float:
        nonlocal ended
        if ended:
            raise KeyboardInterrupt
        begin = next(reversed(images.values()), task.start)
        steps = proximal_steps(task.blind.with_weight(weight), begin)
        shown = (replace(step, image=_physical(step.image, task.scale)) for step in steps)
        result = run(shown, recipe.trial, task.observers)
        ended = result.stopped_by == "interrupted"
        if ended and images:
            raise KeyboardInterrupt
        images[weight] = result.image / task.scale
        return task.error(images[weight])

    choice = least(error, recipe.weights, rule=WITHHELD_RULE, patience=1)
    return replace(choice, interrupted=ended), images[choice.value]


def fit_network(
    network: CoordinateNetwork, task: Task, recipe: Recipe, *, start: Tensor, hurry: bool = False
) -> tuple[Reconstruction, float]:
    """Return a fit that has seen all views, and its error on some before it had seen those.

    The error is infinite if the fit was ended before that. In a hurry there is only the warm start.
    """
    judge = Judge(task.error, recipe.rounds)
    weight = recipe.weights[0]
    blind, whole = task.blind.with_weight(weight), DataStep.of(task.whole, weight)
    stages: list[Stage | Splitting] = [warm_start(start, recipe, blind)]
    if not hurry:
        stages += [
            blind_rounds(recipe, blind, enough=judge.overfits),
            refit_rounds(recipe, whole, enough=judge.decides),
        ]
    last_good, optimizer = LastGood(network), recipe.optimizer or MUON_ADAM
    steps = fit_steps(network, stages, optimizer=optimizer, last_good=last_good)
    grid, watchers = task.whole.A.domain, () if hurry else task.observers
    shown = _in_units(steps, stages, grid=grid, scale=task.scale)
    result = run(shown, sum(stage.iterations for stage in stages), watchers)
    result = with_last_image(result, network, grid=grid, last_good=last_good)
    stopped_by = "interrupted" if hurry and not result.diverged else result.stopped_by
    image = _physical(result.image, task.scale)
    return replace(result, image=image, stopped_by=stopped_by), judge.error


@dataclass(eq=False)
class Judge:
    """Looks at the rounds of a fit with the eyes of the withheld views.

    `measure` gives the error of an image on them. Of all `rounds` only the second half is asked
    whether the error rises: in the first, the noise of large steps does as it likes.
    """

    measure: Callable[[Tensor], float]
    rounds: int
    errors: list[float] = field(default_factory=list)
    error: float = math.inf

    def overfits(self, image: Tensor) -> bool:
        """Say after a round whether the error has clearly risen, for good."""
        self.errors.append(self.measure(image))
        settled = self.errors[self.rounds // 2 :]
        if not settled:
            return False
        late = len(settled) - 1 - settled.index(min(settled)) >= PATIENCE
        return late and settled[-1] > RISE * min(settled)

    def decides(self, image: Tensor) -> bool:
        """Remember the error of the first image of the refit, which has not seen those views."""
        if not math.isfinite(self.error):
            self.error = self.measure(image)
        return False


def value_scale(image: Tensor) -> float:
    """Return a typical large value of an image, 1/mm, or 1 for an image of zeros."""
    value = float(image.abs().flatten().kthvalue(max(1, int(0.99 * image.numel()))).values)
    return value if value > 0 else 1.0


def _in_units(
    steps: Iterator[Step], stages: Sequence[Stage | Splitting], *, grid: Grid, scale: float
) -> Iterator[Step]:
    """Show the steps in 1/mm and on one grid; all stages but the first are on that grid."""
    for step in steps:
        own = stages[0].grid if step.index <= stages[0].iterations else grid
        image = resampled(step.image, own, target=grid)
        yield replace(step, image=_physical(image, scale))


def _physical(image: Tensor, scale: float) -> Tensor:
    return image.mul(scale).clamp(min=0)


__all__ = ["Recipe", "inr"]
