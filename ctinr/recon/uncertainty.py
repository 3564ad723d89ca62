"""How sure a neural field is of its image: an ensemble of networks, fitted in one computation.

The members are copies of the network that was fitted. Each goes on with rounds of the refit, on
data of its own that might as well have been measured (`ctinr.recon.interval`), and all together:
their layers are multiplied, their images projected and their variation weighed as one batch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from torch import Tensor

from ctinr import checks
from ctinr.networks import Ensemble, Family
from ctinr.recon.checkpoints import Store
from ctinr.recon.fit import MUON_ADAM, fit_steps
from ctinr.recon.interval import Interval, interval_of, resampled
from ctinr.recon.levels import Problem
from ctinr.recon.needs import points_at_once
from ctinr.recon.neural_field.data_steps import DataStep
from ctinr.recon.neural_field.field import Field, fitted_field
from ctinr.recon.neural_field.recipe import Recipe, refit_rounds
from ctinr.recon.neural_field.task import physical
from ctinr.recon.observers import InPlace
from ctinr.recon.rendering import render_grid
from ctinr.recon.run import Observer, Reconstruction, Step, run
from ctinr.recon.selection import Split

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
    data = resampled(projection, task.whole.y - projection, members, seed=seed)
    step = replace(field.trial.whole_step(task), problem=Problem(A, data))
    watchers = [_OfMeans(observer, task.scale) for observer in observers]
    ended, images = _members(field, step, members, watchers)
    interval: Interval | None = None
    if images is not None:
        errors = task.scale * (images.clamp(min=0) - image)
        interval = interval_of(result.image, errors, level=level)
    found = {"members": members, "level": level, "stopped_by": ended}
    return replace(
        result,
        interval=interval,
        stopped_by="interrupted" if ended == "interrupted" else result.stopped_by,
        seconds=result.seconds + time.perf_counter() - begun,
        record=MappingProxyType({**result.record, "ensemble": found}),
    )


def _members(
    field: Field, step: DataStep, members: int, observers: Sequence[Observer]
) -> tuple[str, Tensor | None]:
    """Return why the ensemble ended, and the images of its members if it was not early.

    `step` is the data step of their data. An image that owes nothing to the network has members
    that do not either.
    """
    try:
        if field.finish.start == "trial":
            done = _from_trial(field, step.anew(), members, observers)
        else:
            done = _from_networks(field, step, members, observers)
        if done.stopped_by != "iterations":
            return done.stopped_by, None
        images = field.finish.taken(step.finishing(), done.image, first=done.image)
        return done.stopped_by, images
    except KeyboardInterrupt:
        return "interrupted", None
    except FloatingPointError as error:
        return str(error), None


def _from_trial(
    field: Field, step: DataStep, members: int, observers: Sequence[Observer]
) -> Reconstruction:
    """Go to what other data make of the trial's image, which knows nothing of them yet.

    The last steps, which only touch up, would leave all alike.
    """
    start = field.trial.image.expand(members, *field.trial.image.shape)
    return run(step.steps(start), step.iterations, observers)


def _from_networks(
    field: Field, step: DataStep, members: int, observers: Sequence[Observer]
) -> Reconstruction:
    """Go on with copies of the network, by rounds of the refit."""
    grid, data = field.task.whole.A.domain, field.task.whole.y
    room = {"memory_budget": field.memory_budget, "members": members}
    points = points_at_once(field.network, grid.shape, data.shape, **room)
    ensemble = Ensemble([field.network] * members)
    stage = replace(refit_rounds(field.recipe, grid, step), points_at_once=points)
    steps = fit_steps(ensemble, [stage], optimizer=field.recipe.optimizer or MUON_ADAM)
    done = run(steps, stage.iterations, observers)
    if done.stopped_by != "iterations":
        return done
    # The last step shows what was drawn before it.
    return replace(done, image=render_grid(ensemble, grid, points_at_once=points))


class _OfMeans(InPlace):
    """An observer in place of another one, which is shown the mean image of the members, 1/mm."""

    def __init__(self, observer: Observer, scale: float) -> None:
        super().__init__(observer)
        self._scale = scale

    def observe(self, step: Step) -> str | None:
        """Pass the mean on."""
        return super().observe(replace(step, image=physical(step.image.mean(0), self._scale)))
