"""How sure a neural field is of its image: an ensemble of networks, fitted in one computation.

The members are copies of the network that was fitted. Each goes on with rounds of the refit, on
data of its own that might as well have been measured (`ctinr.recon.interval`), and all together:
their layers are multiplied, their images projected and their variation weighed as one batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from torch import Tensor

from ctinr import checks
from ctinr.networks import Ensemble, Family
from ctinr.recon.checkpoints import Store
from ctinr.recon.data_steps import DataStep
from ctinr.recon.field import Field, fitted_field
from ctinr.recon.fit import MUON_ADAM, fit_steps
from ctinr.recon.interval import Interval, interval_of, resampled
from ctinr.recon.levels import Problem
from ctinr.recon.needs import points_at_once
from ctinr.recon.recipe import Recipe, refit_rounds
from ctinr.recon.run import Observer, Reconstruction, Step, run
from ctinr.recon.selection import Split
from ctinr.recon.stages import render_grid
from ctinr.recon.task import physical

MEMBERS, LEVEL = 8, 0.9


def uncertainty(  # noqa: PLR0913 - one keyword for each thing that a reader may want to set
    A: Any,
    y: Tensor,
    *,
    members: int = MEMBERS,
    level: float = LEVEL,
    family: Family | None = None,
    recipe: Recipe | None = None,
    split: Split | None = None,
    seed: int = 0,
    observers: Sequence[Observer] = (),
    checkpoint: Store | None = None,
    memory_budget: int | None = None,
) -> Reconstruction:
    """Reconstruct as `inr` does, and tell how far each value may be off, without the truth.

    Parameters
    ----------
    A, y, family, recipe, split, seed
        As for `inr`. The seed also decides the data of the members.
    members : int
        Networks of the ensemble, 2 or more; with more of them the standard deviation scatters less.
    level : float
        The part of the cells in which the truth shall lie in the interval, in (0, 1).
    observers : sequence of Observer
        Each sees every step of the trials, the fit, and the ensemble. The image of a step of the
        ensemble is the mean of its members.
    checkpoint : Checkpoint, optional
        As for `inr`; the ensemble, if it was ended, begins anew.
    memory_budget : int, optional
        As for `inr`, for all members together.

    Returns
    -------
    Reconstruction
        That of `inr`. Its `interval` has the standard deviation and both ends; it is None if
        the run was ended early, as a few rounds would tell too little.

    Raises
    ------
    ValueError
        As for `inr`; if there are fewer than two members or the level is not in (0, 1).

    References
    ----------
    Wild bootstrap: Wu 1986, doi:10.1214/aos/1176350142. The factor is found by leaving out each
    member in turn, as in conformal prediction: Lei et al. 2018, doi:10.1080/01621459.2017.1307116.
    """
    check_ensemble(members, level)
    given: dict[str, Any] = {"family": family, "recipe": recipe, "split": split, "seed": seed}
    given |= {"checkpoint": checkpoint, "memory_budget": memory_budget, "members": members}
    field = fitted_field(A, y, observers=observers, **given)
    result = with_interval(field, members=members, level=level, seed=seed, observers=observers)
    field.keeper.finish(result)
    return result


def check_ensemble(members: int, level: float, *, argument: str = "members") -> None:
    """Raise unless there are two members or more and the level is in (0, 1)."""
    checks.count(members, argument, least=2, remedy="One network has no spread.")
    checks.require(0 < checks.finite(level, "level") < 1, "level", "lie in (0, 1)", level)


def with_interval(
    field: Field,
    *,
    members: int = MEMBERS,
    level: float = LEVEL,
    seed: int = 0,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Return the result of a field with its interval; arguments are those of `uncertainty`.

    Without one if the field was ended early, or the ensemble is.
    """
    check_ensemble(members, level)
    begun, result, task = time.perf_counter(), field.result, field.task
    if result.stopped_by == "interrupted" or result.diverged:
        return result
    A, image = task.whole.A, result.image / task.scale
    projection = A(image)
    residual = task.whole.y - projection
    data = resampled(projection, residual, members, seed=seed)
    ensemble = Ensemble([field.network] * members)
    shapes = A.domain.shape, task.whole.y.shape
    points = points_at_once(
        field.network, *shapes, memory_budget=field.memory_budget, members=members
    )
    step = replace(field.trial.whole_step(task), problem=Problem(A, data))
    stage = replace(refit_rounds(field.recipe, A.domain, step), points_at_once=points)
    steps = _means(
        fit_steps(ensemble, [stage], optimizer=field.recipe.optimizer or MUON_ADAM), task.scale
    )
    ended = _ended(steps, stage.iterations, observers)
    interval: Interval | None = None
    found = {"members": members, "level": level, "stopped_by": ended}
    if ended == "iterations":
        images = render_grid(ensemble, A.domain, points_at_once=points)
        errors = task.scale * (_ended_members(field, step, images) - image)
        interval = interval_of(result.image, errors, level=level)
    return replace(
        result,
        interval=interval,
        stopped_by="interrupted" if ended == "interrupted" else result.stopped_by,
        seconds=result.seconds + time.perf_counter() - begun,
        record=MappingProxyType({**result.record, "ensemble": found}),
    )


def _ended_members(field: Field, step: DataStep, images: Tensor) -> Tensor:
    """Return the members' images after the steps that follow the network, each on its data."""
    first = images
    if field.finish.start == "trial":
        # It knows nothing of these data yet; steps that only touch up would leave all alike.
        first = step.anew()(field.trial.image.expand_as(images))
    return field.finish.taken(step.finishing(), images, first=first).clamp(min=0)


def _ended(steps: Iterator[Step], iterations: int, observers: Sequence[Observer]) -> str:
    """Take all steps, and say why that ended."""
    try:
        return run(steps, iterations, observers).stopped_by
    except KeyboardInterrupt:
        return "interrupted"
    except FloatingPointError as error:
        return str(error)


def _means(steps: Iterator[Step], scale: float) -> Iterator[Step]:
    """Show the mean image of the members, 1/mm."""
    for step in steps:
        yield replace(step, image=physical(step.image.mean(0), scale))
