"""The one fit of a network to observations: CT, signals, super-resolution, ray batches.

A fit is a sequence of stages, each with its grid, its observations and its schedule. Coarse-to-fine
grids, a warm start (an observation through the identity) and an annealed weight are all sequences
of stages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import nn

from ctinr import checks
from ctinr.geometry import Grid
from ctinr.networks import bf16_is_fast, has_variation_norm, set_product_dtype, variation_norm
from ctinr.operators import Observation
from ctinr.recon.last_good import LastGood
from ctinr.recon.optimizers import MuonAdam, Optimizers, Schedule, constant, cosine
from ctinr.recon.penalties import Penalty
from ctinr.recon.run import BECAME, Diverged, Observer, Reconstruction, Step, run
from ctinr.recon.stages import Splitting, Stage, render_grid

Precision = Literal["auto", "float32", "bfloat16"]
MUON_ADAM = MuonAdam()


def fit_steps(
    network: nn.Module,
    stages: Sequence[Stage | Splitting],
    *,
    optimizer: Optimizers = MUON_ADAM,
    last_good: LastGood | None = None,
) -> Iterator[Step]:
    """Yield one step an iteration, through all stages; the image of a step is on its grid.

    The image is the one whose loss was measured, from before the update of the parameters. Every
    stage starts its optimisers anew: the gradients of another loss have another size, and old
    moments would hold the new ones back for a hundred steps.

    Raises
    ------
    Diverged
        If the loss is no longer finite, a FloatingPointError; the network then has the parameters
        of the last step that was yielded. `last_good`, which is one of the network, keeps them.
    """
    index, last_good = 0, last_good or LastGood(network)
    for stage in stages:
        evaluate = stage.evaluator(network)
        optimizers = optimizer(network)
        rates = [[group["lr"] for group in one.param_groups] for one in optimizers]
        schedule = stage.schedule or constant
        for done in range(stage.iterations):
            _set_rates(optimizers, rates, schedule(done / stage.iterations))
            found = evaluate(done)
            if found is None:
                break
            loss, image = found
            for each_optimizer in optimizers:
                each_optimizer.zero_grad()
            loss.backward()
            index += 1
            value = loss.item()
            if not math.isfinite(value):
                last_good.restore()
                raise _diverged(value, index)
            last_good.keep()
            for each_optimizer in optimizers:
                each_optimizer.step()
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
        device multiplies it natively. Activations, sums and weights stay in float32.
    observers : sequence of Observer
        Each sees every step.

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
    """
    several = (observations,) if isinstance(observations, Observation) else tuple(observations)
    used = apply_precision(network, precision)
    stages = (Stage(grid, several, iterations, penalty, schedule),)
    last_good = LastGood(network)
    steps = fit_steps(network, stages, optimizer=optimizer, last_good=last_good)
    parameters: dict[str, Any] = {"optimizer": repr(optimizer), "precision": used}
    result = run(steps, iterations, observers, method="fit", parameters=parameters)
    result = with_last_image(result, network, grid=grid, last_good=last_good)
    return replace(result, record=MappingProxyType(norm_record(network)))


def with_last_image(
    result: Reconstruction, network: nn.Module, *, grid: Grid, last_good: LastGood
) -> Reconstruction:
    """Return the result of a run with the image after the last update, if that is finite.

    If it is not, the network gets back the parameters from before that update.
    """
    image = render_grid(network, grid)
    if bool(image.isfinite().all()):
        return replace(result, image=image)
    last_good.restore()
    value = "nan" if bool(image.isnan().any()) else "inf"
    reason = f"image{BECAME}{value} after iteration {result.iterations}"
    return replace(result, image=render_grid(network, grid), stopped_by=reason)


def norm_record(network: nn.Module) -> dict[str, float | list[float]]:
    """Return the variation norm of a network for the record of its fit; nothing if it has none."""
    if not has_variation_norm(network):
        return {}
    return {"variation_norm": variation_norm(network).detach().tolist()}


def apply_precision(network: nn.Module, precision: Precision) -> str:
    """Set the format of the network's matrix products and return its name."""
    checks.one_of(precision, "precision", ("auto", "float32", "bfloat16"))
    device = next(network.parameters()).device
    short = precision == "bfloat16" or (precision == "auto" and bf16_is_fast(device))
    set_product_dtype(network, torch.bfloat16 if short else None)
    return "bfloat16" if short else "float32"


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
