"""The one fit of a network to observations: CT, signals, super-resolution, ray batches.

A fit is a sequence of stages, each with its grid, its observations and its schedule. Coarse-to-fine
grids, a warm start (an observation through the identity) and an annealed weight are all sequences
of stages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from ctinr import checks
from ctinr.geometry import Grid
from ctinr.networks import has_variation_norm, variation_norm
from ctinr.operators import Observation
from ctinr.recon.checkpoints import (
    Course,
    Keeper,
    State,
    Store,
    described,
    fingerprint,
    spelled,
)
from ctinr.recon.last_good import LastGood
from ctinr.recon.needs import POINTS_AT_ONCE, points_at_once
from ctinr.recon.optimizers import MuonAdam, Optimizers, Schedule, constant, cosine
from ctinr.recon.penalties import Penalty
from ctinr.recon.run import BECAME, Diverged, Observer, Reconstruction, Step, run
from ctinr.recon.short_products import Precision, apply_precision
from ctinr.recon.stages import Splitting, Stage, render_grid

MUON_ADAM = MuonAdam()


def fit_steps(
    network: nn.Module,
    stages: Sequence[Stage | Splitting],
    *,
    optimizer: Optimizers = MUON_ADAM,
    last_good: LastGood | None = None,
    keeper: Keeper | None = None,
) -> Iterator[Step]:
    """Yield one step an iteration, through all stages; the image of a step is on its grid.

    The image is the one whose loss was measured, from before the update of the parameters. Every
    stage starts its optimisers anew: the gradients of another loss have another size, and old
    moments would hold the new ones back for a hundred steps.

    What a `keeper` found is gone on from: the first step is then the one that comes next.

    Raises
    ------
    Diverged
        If the loss is no longer finite, a FloatingPointError; the network then has the parameters
        of the last step that was yielded. `last_good`, which is one of the network, keeps them.
    """
    course = Course(network, last_good or LastGood(network))
    found = {} if keeper is None else keeper.found.get("fit", {})
    if found:
        course.resume(found)
    for stage in stages[course.stage :]:
        yield from _stage_steps(course, stage, optimizer=optimizer, found=found, keeper=keeper)
        course.stage, course.done, found = course.stage + 1, 0, {}


def _stage_steps(
    course: Course,
    stage: Stage | Splitting,
    *,
    optimizer: Optimizers,
    found: State,
    keeper: Keeper | None,
) -> Iterator[Step]:
    """Yield the steps of one stage, from where the course is; `found` is its state by then."""
    evaluate = stage.evaluator(course.network)
    optimizers = optimizer(course.network)
    rates = [[group["lr"] for group in one.param_groups] for one in optimizers]
    if found:
        evaluate.restore(found["evaluator"])
        for one, state in zip(optimizers, found["optimizers"], strict=True):
            one.load_state_dict(state)
    schedule = stage.schedule or constant
    for done in range(course.done, stage.iterations):
        _set_rates(optimizers, rates, schedule(done / stage.iterations))
        evaluated = evaluate(done)
        if evaluated is None:
            return
        loss, image = evaluated
        for each_optimizer in optimizers:
            each_optimizer.zero_grad()
        loss.backward()
        value, index = loss.item(), len(course.losses) + 1
        if not math.isfinite(value):
            course.last_good.restore()
            raise _diverged(value, index)
        course.last_good.keep()
        for each_optimizer in optimizers:
            each_optimizer.step()
        course.losses.append(value)
        course.done = done + 1
        # After the last step of a stage there may be none to go on with.
        if keeper is not None and course.done < stage.iterations:
            keeper.offer(partial(course.state, optimizers, evaluate))
        yield Step(index, value, image)


def fit(  # noqa: PLR0913 - every part of a fit can be exchanged
    network: nn.Module,
    observations: Observation | Sequence[Observation],
    *,
    grid: Grid,
    iterations: int,
    optimizer: Optimizers = MUON_ADAM,
    schedule: Schedule = cosine,
    penalty: Penalty | None = None,
    precision: Precision = "auto",
    observers: Sequence[Observer] = (),
    checkpoint: Store | None = None,
    memory_budget: int | None = None,
) -> Reconstruction:
    """Fit a network to observations of the image that it draws on a grid; changes the network.

    Minimises ``Σ ‖weight(A f − y)‖² / num_data + penalty`` over the parameters of f.

    Parameters
    ----------
    network : nn.Module
        From `(*points, axes)` to `(*points, channels)`; its parameters are changed in place.
    observations : Observation or sequence of Observation
        Operators on the grid, their data and weights.
    grid : Grid
        Where the network is evaluated.
    iterations : int
        The number of optimiser steps.
    optimizer : callable
        From the network to its optimisers.
    schedule : callable
        From the progress in [0, 1) to the factor on the learning rates.
    penalty : Penalty, optional
        Added to the loss.
    precision : str
        Format of the matrix products: "float32", "bfloat16", or "auto" for bfloat16 where the
        device multiplies it faster and the first steps of a fit of fifty or more are as good
        with it. Activations, sums and weights stay in float32.
    observers : sequence of Observer
        Each sees every step.
    checkpoint : Checkpoint, optional
        Where the state of the fit is kept now and then. What a run that was ended early left there
        is gone on from: the network is given its parameters, and image and losses are, to the bit,
        those of a run that was not ended, on the same machine with as many threads.
    memory_budget : int, optional
        What the fit may take beside the program itself, bytes: activations are held of as many
        points as that is enough for. The result is the same, but for rounding.

    Returns
    -------
    Reconstruction
        With the image after the last update; its record has the variation norm of a network that
        has one. A loss that is no longer finite ends the fit: image and network are those of the
        last finite one, and `stopped_by` says so.

    Raises
    ------
    FloatingPointError
        If the first loss is not finite.
    ValueError
        If bfloat16 is asked for where it would be emulated, the checkpoint is of other data,
        settings or layout of the network, or the memory is too little; the message says how much
        is needed.
    """
    several = (observations,) if isinstance(observations, Observation) else tuple(observations)
    largest = max((tuple(each.data.shape) for each in several), key=math.prod, default=())
    # As much memory as the format takes that is asked for; another one if its first steps fail.
    apply_precision(network, precision)
    fitting = partial(points_at_once, network, grid.shape, largest, memory_budget=memory_budget)
    stage = Stage(grid, several, iterations, penalty, schedule, fitting())
    keeper = Keeper(checkpoint, _settings(network, stage, optimizer, precision))

    def first_steps(twin: nn.Module) -> Iterator[Step]:
        return fit_steps(twin, (stage,), optimizer=optimizer)

    asked = keeper.found.get("precision", precision)
    used = apply_precision(network, asked, first_steps, iterations=iterations)
    points = fitting()
    keeper.add(precision=lambda: used)
    last_good = LastGood(network)
    stages = (replace(stage, points_at_once=points),)
    steps = fit_steps(network, stages, optimizer=optimizer, last_good=last_good, keeper=keeper)
    parameters: dict[str, Any] = {"optimizer": repr(optimizer), "precision": used}
    own = {"method": "fit", "parameters": parameters, "earlier": keeper.losses}
    result = run(steps, iterations, observers, **own)
    result = with_last_image(result, network, grid=grid, last_good=last_good, points_at_once=points)
    keeper.finish(result)
    return replace(result, record=MappingProxyType(norm_record(network)))


def with_last_image(
    result: Reconstruction,
    network: nn.Module,
    *,
    grid: Grid,
    last_good: LastGood,
    points_at_once: int = POINTS_AT_ONCE,
) -> Reconstruction:
    """Return the result of a run with the image after the last update, if that is finite.

    If it is not, the network gets back the parameters from before that update.
    """
    image = render_grid(network, grid, points_at_once=points_at_once)
    if bool(image.isfinite().all()):
        return replace(result, image=image)
    last_good.restore()
    value = "nan" if bool(image.isnan().any()) else "inf"
    reason = f"image{BECAME}{value} after iteration {result.iterations}"
    image = render_grid(network, grid, points_at_once=points_at_once)
    return replace(result, image=image, stopped_by=reason)


def norm_record(network: nn.Module) -> dict[str, float | list[float]]:
    """Return the variation norm of a network for the record of its fit; nothing if it has none."""
    if not has_variation_norm(network):
        return {}
    return {"variation_norm": variation_norm(network).detach().tolist()}


def _settings(
    network: nn.Module, stage: Stage, optimizer: Optimizers, precision: str
) -> dict[str, Any]:
    """Return what a fit is made of, but for the values of the network."""
    parts = {name: tuple(each.shape) for name, each in network.state_dict().items()}
    layout = " ".join(re.sub(r", product_dtype=[\w.]+", "", repr(network)).split())
    seen = [
        (*described(each.operator), fingerprint(each.data), *described(each.weight))
        for each in stage.observations
    ]
    return {
        "network": f"{layout} {parts}",
        "observations": seen,
        "grid": repr(stage.grid),
        "iterations": stage.iterations,
        "optimizer": spelled(optimizer),
        "schedule": spelled(stage.schedule),
        "penalty": spelled(stage.penalty),
        "precision": precision,
    }


def _diverged(value: float, index: int) -> Diverged:
    remedy = "Lower the learning rates, or look for outliers in the data."
    told = checks.message("loss", "stay finite", f"{value} at iteration {index}", remedy)
    return Diverged(told, f"loss{BECAME}{value} at iteration {index}")


def _set_rates(
    optimizers: Sequence[torch.optim.Optimizer], rates: list[list[float]], factor: float
) -> None:
    for optimizer, base in zip(optimizers, rates, strict=True):
        for group, rate in zip(optimizer.param_groups, base, strict=True):
            group["lr"] = rate * factor
