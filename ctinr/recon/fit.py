"""The one fit of a network to observations: CT, signals, super-resolution, ray batches.

A fit is a sequence of stages, each with its grid, its observations and its schedule. Coarse-to-fine grids, a warm start (an observation through the identity) and an
annealed weight are all sequences of stages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctinr import checks
from ctinr.geometry import Grid
from ctinr.networks import bf16_is_fast, hidden_matrices, other_parameters, set_product_dtype
from ctinr.operators import Observation
from ctinr.recon.muon import Muon
from ctinr.recon.penalties import Penalty
from ctinr.recon.run import Observer, Reconstruction, Step, run

Optimizers = Callable[[nn.Module], Sequence[torch.optim.Optimizer]]
Schedule = Callable[[float], float]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, eq=False)
class Stage:
    """Some iterations on one grid.

    Parameters
    ----------
    grid : Grid
        Where the network is evaluated.
    observations : tuple of Observation
        What the image on that grid should explain; their losses are added.
    iterations : int
        How many optimiser steps to take.
    penalty : Penalty, optional
        Added to the loss.
    schedule : callable, optional
        From the progress through this stage, in [0, 1), to the factor on the learning rates;
        constant if None.
    """

    grid: Grid
    observations: tuple[Observation, ...]
    iterations: int
    penalty: Penalty | None = None
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        checks.count(self.iterations, "iterations")
        checks.require(len(self.observations) > 0, "observations", "not be empty", "none")
        for observation in self.observations:
            given = tuple(observation.operator.domain.shape)
            rule = f"act on images of the grid's shape {self.grid.shape}"
            checks.require(given == self.grid.shape, "observations", rule, f"operator on {given}")


@dataclass(frozen=True)
class MuonAdam:
    """Muon for the matrices between hidden layers, Adam for everything else.

    Muon takes the nearest orthogonal matrix of the momentum as its step, which moves all singular
    directions of a layer at the same speed.

    Parameters
    ----------
    matrix_rate : float
        Learning rate of Muon: spectral norm of one step of a hidden matrix.
    rate : float
        Learning rate of Adam.

    References
    ----------
    Jordan et al. 2024, Muon: an optimizer for hidden layers in neural networks; for coordinate
    networks arXiv:2512.14366. Kingma, Ba 2015, Adam, doi:10.48550/arXiv.1412.6980.
    """

    matrix_rate: float = 0.02
    rate: float = 3e-3

    def __post_init__(self) -> None:
        checks.positive(self.matrix_rate, "matrix_rate")
        checks.positive(self.rate, "rate")

    def __call__(self, network: nn.Module) -> list[torch.optim.Optimizer]:
        """Return the two optimisers of a network; only Adam if it has no hidden matrices."""
        others = other_parameters(network)
        optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(others, lr=self.rate, betas=(0.9, 0.99), eps=1e-14)
        ]
        if matrices := hidden_matrices(network):
            optimizers.append(Muon(matrices, lr=self.matrix_rate))
        return optimizers


@dataclass(frozen=True)
class AdamOnly:
    """Adam for all parameters.

    Parameters
    ----------
    rate : float
        Learning rate.
    """

    rate: float = 2e-3

    def __post_init__(self) -> None:
        checks.positive(self.rate, "rate")

    def __call__(self, network: nn.Module) -> list[torch.optim.Optimizer]:
        """Return the optimiser of a network."""
        return [torch.optim.Adam(network.parameters(), lr=self.rate)]


def constant(progress: float) -> float:
    """Return 1: the learning rate stays."""
    return 1.0


def cosine(progress: float) -> float:
    """Return a factor that falls from 1 to 0.02 along half a cosine; progress goes from 0 to 1."""
    return 0.02 + 0.98 * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


def render(network: nn.Module, points: Float[Tensor, "*points axes"]) -> Tensor:
    """Return the network's image on some points: channels, if several, come first."""
    values = network(points)
    return values.squeeze(-1) if values.shape[-1] == 1 else values.movedim(-1, 0)


def render_grid(network: nn.Module, grid: Grid, *, points_at_once: int = 1 << 15) -> Tensor:
    """Return the network's image on a grid, in pieces that bound the memory; no gradient."""
    parameter = next(network.parameters())
    points = grid.coordinates(parameter.device, parameter.dtype)
    with torch.no_grad():
        pieces = [network(part) for part in points.flatten(0, -2).split(points_at_once)]
    values = torch.cat(pieces).reshape(*grid.shape, -1)
    return values.squeeze(-1) if values.shape[-1] == 1 else values.movedim(-1, 0)


def fit_steps(
    network: nn.Module,
    stages: Sequence[Stage],
    *,
    optimizer: Optimizers = MuonAdam(),
    schedule: Schedule = cosine,
) -> Iterator[Step]:
    """Yield one step an iteration, through all stages; the image of a step is on its grid.

    The image is the one whose loss was measured, from before the update of the parameters. Every
    stage starts its optimisers anew: the gradients of another loss have another size, and old
    moments would hold the new ones back for a hundred steps.

    Raises
    ------
    FloatingPointError
        If the loss is no longer finite.
    """
    like = next(network.parameters())
    index = 0
    for stage in stages:
        points = stage.grid.coordinates(like.device, like.dtype)
        optimizers = optimizer(network)
        rates = [[group["lr"] for group in one.param_groups] for one in optimizers]
        schedule = stage.schedule or constant
        for done in range(stage.iterations):
            _set_rates(optimizers, rates, schedule(done / stage.iterations))
            image = render(network, points)
            loss = _loss(image, network, stage)
            for one in optimizers:
                one.zero_grad()
            loss.backward()
            for one in optimizers:
                one.step()
            index += 1
            yield Step(index, _finite(loss, index), image.detach())


def fit(  # noqa: PLR0913 - every part of a fit can be exchanged
    network: nn.Module,
    observations: Observation | Sequence[Observation],
    *,
    grid: Grid,
    iterations: int,
    optimizer: Optimizers = MuonAdam(),
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
        With the image after the last update.

    Raises
    ------
    FloatingPointError
        If the loss is no longer finite.
    """
    several = (observations,) if isinstance(observations, Observation) else tuple(observations)
    used = apply_precision(network, precision)
    stages = (Stage(grid, several, iterations, penalty, schedule),)
    steps = fit_steps(network, stages, optimizer=optimizer)
    parameters: dict[str, Any] = {"optimizer": repr(optimizer), "precision": used}
    result = run(steps, iterations, observers, method="fit", parameters=parameters)
    return replace(result, image=render_grid(network, grid))


def apply_precision(network: nn.Module, precision: Precision) -> str:
    """Set the format of the network's matrix products and return its name."""
    checks.one_of(precision, "precision", ("auto", "float32", "bfloat16"))
    device = next(network.parameters()).device
    short = precision == "bfloat16" or (precision == "auto" and bf16_is_fast(device))
    set_product_dtype(network, torch.bfloat16 if short else None)
    return "bfloat16" if short else "float32"


def _loss(image: Tensor, network: nn.Module, stage: Stage) -> Tensor:
    losses = [observation.loss(image) for observation in stage.observations]
    if stage.penalty is not None:
        losses.append(stage.penalty(image, grid=stage.grid, network=network))
    return torch.stack(losses).sum()


def _finite(loss: Tensor, index: int) -> float:
    value = loss.item()
    if not math.isfinite(value):
        remedy = "Lower the learning rates, or look for outliers in the data."
        raise FloatingPointError(
            checks.message("loss", "stay finite", f"{value} at iteration {index}", remedy)
        )
    return value


def _set_rates(
    optimizers: Sequence[torch.optim.Optimizer], rates: list[list[float]], factor: float
) -> None:
    for optimizer, base in zip(optimizers, rates, strict=True):
        for group, rate in zip(optimizer.param_groups, base, strict=True):
            group["lr"] = rate * factor
