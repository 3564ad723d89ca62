"""A network that is fitted to a scan: the choice before it, its stages, and what follows.

`ctinr.recon.inr` tells the recipe; here it is put together. Whoever goes on with the network, such
as `ctinr.recon.uncertainty`, takes the `Field`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from ctinr.geometry import Grid
from ctinr.networks import BWReLU, CoordinateNetwork, Family
from ctinr.recon.checkpoints import OVER, Attentive, Keeper, Store, described, fingerprint, spelled
from ctinr.recon.fit import MUON_ADAM, fit_steps, norm_record
from ctinr.recon.graphs import recorder_on
from ctinr.recon.last_good import LastGood, with_last_image
from ctinr.recon.levels import Problem, resampled
from ctinr.recon.needs import points_at_once
from ctinr.recon.neural_field.data_steps import Remembered
from ctinr.recon.neural_field.finish import Finish
from ctinr.recon.neural_field.judge import Judge
from ctinr.recon.neural_field.recipe import Recipe, blind_rounds, refit_rounds, warm_start
from ctinr.recon.neural_field.task import Task, physical
from ctinr.recon.neural_field.trials import Trial, best_trial
from ctinr.recon.optimizers import MuonAdam
from ctinr.recon.problem import check_slice
from ctinr.recon.rough import guessed_image
from ctinr.recon.run import Observer, Reconstruction, Step, run
from ctinr.recon.selection import Choice, Split, split_views
from ctinr.recon.short_products import apply_precision
from ctinr.recon.stages import Splitting, Stage

# Three quarters of the work of the paper's width of 300, and no worse on few views. Its hidden
# layers start with little spread, and so draw no detail that the views do not ask for.
DEFAULT_FAMILY = BWReLU(width=256, init="flat", spread=0.2)


@dataclass(frozen=True, eq=False)
class Field:
    """A network that was fitted to data, with what it was fitted by.

    Parameters
    ----------
    network : CoordinateNetwork
        As it draws the image, in units of the task; without the data steps that follow.
    task, trial
        The data, and the data step that was chosen.
    recipe : Recipe
        What was decided: one weight, one data step, an optimiser.
    result : Reconstruction
        What `inr` returns.
    finish : Finish
        The data steps that follow the network.
    keeper : Keeper
        What keeps the states of the fit; to be told when all is over.
    memory_budget : int or None
        What all may take, bytes.
    """

    network: CoordinateNetwork
    task: Task
    trial: Trial
    recipe: Recipe
    result: Reconstruction
    finish: Finish
    keeper: Keeper
    memory_budget: int | None


def fitted_field(  # noqa: PLR0913 - as for `inr`
    A: Any,
    y: Tensor,
    *,
    family: Family | None = None,
    recipe: Recipe | None = None,
    split: Split | None = None,
    seed: int = 0,
    observers: Sequence[Observer] = (),
    checkpoint: Store | None = None,
    memory_budget: int | None = None,
    members: int = 1,
) -> Field:
    """Do as `inr` does, and return the network as well, for whoever goes on with it.

    So many `members` as will go on together shall find room in the memory.
    """
    begun = time.perf_counter()
    check_slice(A, y)
    recipe = recipe or Recipe()
    split = split or split_views(A.geometry, seed=seed)
    family = family or DEFAULT_FAMILY
    keeper = Keeper(checkpoint, _settings(Problem(A, y), family, recipe, split, seed))
    network = family.build(2, generator=torch.Generator().manual_seed(seed)).to(y.device)
    apply_precision(network, recipe.precision)
    fitting = partial(points_at_once, network, A.domain.shape, y.shape, memory_budget=memory_budget)
    # What follows is refused now, and not when the first fit is done.
    fitting(members=members)
    if recipe.graphs:
        recorder_on(y.device)
    task = Task.of(Problem(A, y), split, [Attentive(observer) for observer in observers])
    precision = _settled(network, task, recipe, family)
    trial, keeper = _trial_of(task, recipe, keeper)
    used = recipe.decided(trial.prior, trial.weight(task), family)
    result, finish = fit_network(network, task, used, trial, keeper=keeper, points=fitting())
    error = finish.error if math.isfinite(finish.error) else trial.choice.error
    record = {
        "choice": trial.choice.to_dict(),
        "withheld_error": error,
        "data_steps_after": finish.steps,
        "data_steps_from": finish.start,
        "rounds_cut_short": finish.foregone,
        "split": split.to_dict(),
        **norm_record(network),
    }
    given = {"network": repr(family), **used.to_dict(), "seed": seed}
    result = replace(
        result,
        method="neural field",
        seconds=time.perf_counter() - begun,
        parameters=MappingProxyType({**given, "precision_used": precision}),
        record=MappingProxyType(record),
    )
    return Field(network, task, trial, used, result, finish, keeper, memory_budget)


def fit_network(
    network: CoordinateNetwork,
    task: Task,
    recipe: Recipe,
    trial: Trial,
    *,
    keeper: Keeper,
    points: int,
) -> tuple[Reconstruction, Finish]:
    """Return a fit that has seen all views, and what followed it.

    Nothing follows a fit that was ended early. After an interrupt of the trials there is only the
    warm start.
    """
    hurry, remembered = trial.choice.interrupted, Remembered(trial.ended)
    blind, whole = trial.blind_step(task), trial.whole_step(task)
    told = (task.squares, task.error)
    finish = Finish(blind.finishing(), remembered, trial, *told, recipe.finish)
    judge = Judge(task.error, finish.is_vain, recipe.rounds)
    named = {"judge": judge, "finish": finish, "remembered": remembered}
    for name, remembers in named.items():
        remembers.restore(keeper.found.get(name))
        keeper.add(**{name: remembers.state})
    grid, watchers = task.whole.A.domain, () if hurry else task.observers
    stages: list[Stage | Splitting] = [warm_start(trial.ended, recipe, grid)]
    if not hurry:
        stages += [
            blind_rounds(recipe, grid, remembered.taken(blind), enough=judge.has_enough),
            refit_rounds(recipe, grid, remembered.taken(whole), enough=finish.sees),
        ]
    stages = [replace(stage, points_at_once=points) for stage in stages]
    last_good, optimizer = LastGood(network), recipe.optimizer or MUON_ADAM
    recorder = recorder_on(task.whole.y.device) if recipe.graphs else None
    given = {"optimizer": optimizer, "last_good": last_good, "keeper": keeper, "recorder": recorder}
    steps = fit_steps(network, stages, **given)
    shown = _in_units(steps, stages, grid=grid, scale=task.scale)
    iterations = sum(stage.iterations for stage in stages)
    result = run(shown, iterations, watchers, earlier=keeper.losses)
    held = {"last_good": last_good, "points_at_once": points}
    result = with_last_image(result, network, grid=grid, **held)
    stopped_by = "interrupted" if hurry and not result.diverged else result.stopped_by
    finish.called_off = stopped_by not in OVER
    drawn = result.image
    first = trial.image if finish.start == "trial" else remembered.between(drawn)
    image = physical(finish.taken(whole.finishing(), drawn, first=first), task.scale)
    return replace(result, image=image, stopped_by=stopped_by), finish


def _settled(network: CoordinateNetwork, task: Task, recipe: Recipe, family: Family) -> str:
    """Set the format of products, which a warm start to a rough image tries; return its name."""
    optimizer = recipe.optimizer or MuonAdam.of(family)

    # Made once, and only where the steps are tried.
    @cache
    def stage() -> Stage:
        rough = guessed_image(task.fitted.A, task.fitted.y, window="hann")
        return warm_start(rough, recipe, task.fitted.A.domain)

    def first_steps(twin: nn.Module) -> Iterator[Step]:
        return fit_steps(twin, (stage(),), optimizer=optimizer)

    return apply_precision(network, recipe.precision, first_steps, iterations=recipe.warm)


def _trial_of(task: Task, recipe: Recipe, keeper: Keeper) -> tuple[Trial, Keeper]:
    """Return the best trial, or that of an earlier run, and what keeps the fit that follows.

    Nothing does after trials that were cut short: whole ones might have chosen another fit.
    """
    found = keeper.found.get("trial")
    if found is None:
        trial = best_trial(task, recipe).gone_on_with(task)
    else:
        images = {name: found[name].to(task.fitted.y) for name in ("image", "ended")}
        trial = Trial(**{**found, **images, "choice": Choice(**found["choice"])})
    if trial.choice.interrupted or any(
        getattr(each, "has_ended", False) for each in task.observers
    ):
        return trial, Keeper(None, {})
    kept = {each.name: getattr(trial, each.name) for each in fields(trial)}
    keeper.add(trial=lambda: {**kept, "choice": asdict(trial.choice)})
    keeper.offer(dict)
    return trial, keeper


def _settings(
    problem: Problem, family: Family, recipe: Recipe, split: Split, seed: int
) -> dict[str, Any]:
    """Return what a fit is made of, as a checkpoint knows it."""
    plain = {name: spelled(value) for name, value in recipe.to_dict().items()}
    return {
        "data": fingerprint(problem.y),
        "operator": described(problem.A),
        "family": spelled(family),
        **plain,
        "split": split.to_dict(),
        "seed": seed,
    }


def _in_units(
    steps: Iterator[Step], stages: Sequence[Stage | Splitting], *, grid: Grid, scale: float
) -> Iterator[Step]:
    """Show the steps in 1/mm and on one grid; all stages but the first are on that grid."""
    for step in steps:
        own = stages[0].grid if step.index <= stages[0].iterations else grid
        image = resampled(step.image, own, target=grid)
        yield replace(step, image=physical(image, scale))
