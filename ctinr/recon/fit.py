"""The one fit of a network to observations: CT, signals, super-resolution, ray batches.

A fit is a sequence of stages, each with its grid, its observations and its schedule. Coarse-to-fine
grids, a warm start (an observation through the identity) and an annealed weight are all sequences
of stages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

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
from ctinr.recon.graphs import Recorded, Recorder, make_recordable, recorder_on
from ctinr.recon.last_good import LastGood, with_last_image
from ctinr.recon.needs import points_at_once
from ctinr.recon.optimizers import (
    MuonAdam,
    Optimizers,
    Schedule,
    constant,
    cosine,
    set_rates,
)
from ctinr.recon.penalties import Penalty
from ctinr.recon.run import BECAME, Diverged, Observer, Reconstruction, Step, run
from ctinr.recon.short_products import Precision, apply_precision
from ctinr.recon.stages import Evaluator, Splitting, Stage

MUON_ADAM = MuonAdam()


def fit_steps(
    network: nn.Module,
    stages: Sequence[Stage | Splitting],
    *,
    optimizer: Optimizers = MUON_ADAM,
    last_good: LastGood | None = None,
    keeper: Keeper | None = None,
    recorder: Recorder | None = None,
) -> Iterator[Step]:
    """Yield one step an iteration, through all stages; the image of a step is on its grid.

    The image is the one whose loss was measured, from before the update of the parameters. Every
    stage starts its optimisers anew: the gradients of another loss have another size, and old
    moments would hold the new ones back for a hundred steps.

    What a `keeper` found is gone on from: the first step is then the one that comes next. With a
    `recorder` the operations of a step are recorded once a stage, and replayed.

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
    given = {"optimizer": optimizer, "keeper": keeper, "recorder": recorder}
    for stage in stages[course.stage :]:
        yield from _stage_steps(course, stage, found=found, **given)
        course.stage, course.done, found = course.stage + 1, 0, {}


def _stage_steps(
    course: Course,
    stage: Stage | Splitting,
    *,
    optimizer: Optimizers,
    found: State,
    keeper: Keeper | None,
    recorder: Recorder | None,
) -> Iterator[Step]:
    """Yield the steps of one stage, from where the course is; `found` is its state by then."""
    evaluate = stage.evaluator(course.network)
    optimizers = optimizer(course.network)
    rates = [[float(group["lr"]) for group in one.param_groups] for one in optimizers]
    if found:
        evaluate.restore(found["evaluator"])
        for one, state in zip(optimizers, found["optimizers"], strict=True):
            one.load_state_dict(state)
    gradient, update = _gradient(evaluate, optimizers), _update(optimizers)
    if recorder is not None:
        make_recordable(optimizers)
        gradient, update = Recorded(gradient, recorder), Recorded(update, recorder)
    schedule = stage.schedule or constant
    for done in range(course.done, stage.iterations):
        set_rates(optimizers, rates, schedule(done / stage.iterations))
        if not evaluate.prepare(done):
            return
        value, index = gradient().item(), len(course.losses) + 1
        if not math.isfinite(value):
            course.last_good.restore()
            raise _diverged(value, index)
        course.last_good.keep()
        update()
        course.losses.append(value)
        course.done = done + 1
        # After the last step of a stage there may be none to go on with.
        if keeper is not None and course.done < stage.iterations:
            keeper.offer(partial(course.state, optimizers, evaluate))
        yield Step(index, value, evaluate.image)


def _gradient(
    evaluate: Evaluator, optimizers: Sequence[torch.optim.Optimizer]
) -> Callable[[], Tensor]:
    """Return the first half of a step, which returns the loss."""

    def gradient() -> Tensor:
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = evaluate.measure()
        loss.backward()
        return loss.detach()

    return gradient


def _update(optimizers: Sequence[torch.optim.Optimizer]) -> Callable[[], None]:
    """Return the second half of a step."""

    def update() -> None:
        for optimizer in optimizers:
            optimizer.step()

    return update


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
    graphs: bool = False,
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
    graphs : bool
        On a CUDA card: record the kernels of a step once and start them as one from then on, a CUDA
        graph. For optimisers of torch that have `capturable` and for Muon. The result is the same,
        but for rounding. Not tried on a card yet.

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
        settings or layout of the network, the memory is too little (the message says how much is
        needed), or `graphs` are asked for where nothing can be recorded.
    """
    recorder = recorder_on(next(network.parameters()).device) if graphs else None
    several = (observations,) if isinstance(observations, Observation) else tuple(observations)
    largest = max((tuple(each.data.shape) for each in several), key=math.prod, default=())
    # As much memory as the format takes that is asked for; another one if its first steps fail.
    apply_precision(network, precision)
    fitting = partial(points_at_once, network, grid.shape, largest, memory_budget=memory_budget)
    stage = Stage(grid, several, iterations, penalty, schedule, fitting())
    settings = {**_settings(network, stage, optimizer, precision), "graphs": graphs}
    keeper = Keeper(checkpoint, settings)

    def first_steps(twin: nn.Module) -> Iterator[Step]:
        return fit_steps(twin, (stage,), optimizer=optimizer)

    asked = keeper.found.get("precision", precision)
    used = apply_precision(network, asked, first_steps, iterations=iterations)
    points = fitting()
    keeper.add(precision=lambda: used)
    last_good = LastGood(network)
    stages = (replace(stage, points_at_once=points),)
    given = {"optimizer": optimizer, "last_good": last_good, "keeper": keeper, "recorder": recorder}
    steps = fit_steps(network, stages, **given)
    parameters: dict[str, Any] = {"optimizer": repr(optimizer), "precision": used}
    own = {"method": "fit", "parameters": parameters, "earlier": keeper.losses}
    result = run(steps, iterations, observers, **own)
    result = with_last_image(result, network, grid=grid, last_good=last_good, points_at_once=points)
    keeper.finish(result)
    return replace(result, record=MappingProxyType(norm_record(network)))


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
