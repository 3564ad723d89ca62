"""The stages of a fit: what is fitted on which grid, for how long, at which rates."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ctinr import checks
from ctinr.geometry import Grid
from ctinr.operators import Observation
from ctinr.recon.optimizers import Schedule
from ctinr.recon.penalties import Penalty

# Points whose activations are held at once, about 3 GB at a width of 256. More are taken in parts,
# of which the backward pass computes the activations again.
POINTS_AT_ONCE = 1 << 18

# Steps on fewer cells than this cost hardly less, and their noise is large.
LEAST_CELLS = 2048

# From the number of steps done in a stage to the loss and the image, detached; None ends it.
Evaluator = Callable[[int], tuple[Tensor, Tensor] | None]
# From the image of a round to whether the stage shall end there.
Enough = Callable[[Tensor], bool]


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

    def evaluator(self, network: nn.Module) -> Evaluator:
        """Return what gives the loss and the image before every step."""
        like = next(network.parameters())
        points = self.grid.coordinates(like.device, like.dtype)

        def evaluate(done: int) -> tuple[Tensor, Tensor]:
            image = render(network, points)
            losses = [observation.loss(image) for observation in self.observations]
            if self.penalty is not None:
                losses.append(self.penalty(image, grid=self.grid, network=network))
            return torch.stack(losses).sum(), image.detach()

        return evaluate


@dataclass(frozen=True, eq=False)
class Splitting:
    """Rounds of a data step on the pixels and a plain regression of the network to its result.

    The regression needs no projection, so it can be done on a few cells at a time: many more
    steps for the same number of products than a fit to all rays at once.

    Parameters
    ----------
    grid : Grid
        Where the network is evaluated.
    data_step : callable
        From the network's image, with an axis of channels in front if there are several, to one
        that explains the data better.
    rounds, steps : int
        Data steps, and optimiser steps after each.
    part : float
        The part of the cells that a step sees, drawn at random, in (0, 1]; of a small grid
        more, up to `LEAST_CELLS`.
    inertia : float
        What a running mean of the parameters keeps of itself in a step, in [0, 1). The data step
        is given the image of the mean network, which has far less of the noise of large steps.
    seed : int
        Of the draws.
    schedule : callable, optional
        As for `Stage`.
    enough : callable, optional
        Shown the image of every round, before its data step; the stage ends when it says so.

    References
    ----------
    Splitting with the network step as plain regression: ProxNF, arXiv:2403.03860; Najaf, Ongie
    2025, doi:10.48550/arXiv.2504.13390. Averaging of iterates: Polyak, Juditsky 1992,
    doi:10.1137/0330046.
    """

    grid: Grid
    data_step: Callable[[Tensor], Tensor]
    rounds: int
    steps: int = 20
    part: float = 1 / 16
    inertia: float = 0.9
    seed: int = 0
    schedule: Schedule | None = None
    enough: Enough | None = None

    def __post_init__(self) -> None:
        checks.count(self.rounds, "rounds")
        checks.count(self.steps, "steps")
        checks.fraction(self.part, "part")
        kept = checks.finite(self.inertia, "inertia")
        checks.require(0 <= kept < 1, "inertia", "lie in [0, 1)", self.inertia)

    @property
    def iterations(self) -> int:
        """The number of optimiser steps."""
        return self.rounds * self.steps

    def evaluator(self, network: nn.Module) -> Evaluator:
        """Return what gives the loss and the image before every step."""
        like = next(network.parameters())
        points = self.grid.coordinates(like.device, like.dtype).flatten(0, -2)
        generator = torch.Generator().manual_seed(self.seed)
        size = min(len(points), max(LEAST_CELLS, round(self.part * len(points))))
        image = target = torch.empty(0)
        mean = copy.deepcopy(network)

        def evaluate(done: int) -> tuple[Tensor, Tensor] | None:
            nonlocal image, target
            _approach(mean, network, 1 - self.inertia)
            if done % self.steps == 0:
                image = render_grid(mean, self.grid)
                if self.enough is not None and self.enough(image):
                    return None
                target = self.data_step(image)
            drawn = torch.randint(len(points), (size,), generator=generator).to(points.device)
            cells = target.flatten(-len(self.grid.shape))
            difference = render(network, points[drawn]) - cells[..., drawn]
            return difference.square().mean(), image

        return evaluate


@torch.no_grad()
def _approach(mean: nn.Module, network: nn.Module, part: float) -> None:
    """Move the parameters of one network a part of the way to those of another."""
    for kept, new in zip(mean.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, part)


def render(network: nn.Module, points: Float[Tensor, "*points axes"]) -> Tensor:
    """Return the network's image on some points: channels, if several, come first.

    Memory is bounded whatever the number of points, at the price of a third more work beyond
    `POINTS_AT_ONCE`; values and gradients are the same.
    """
    values = _in_parts(network, points.flatten(0, -2)).unflatten(0, points.shape[:-1])
    return values.squeeze(-1) if values.shape[-1] == 1 else values.movedim(-1, 0)


def _in_parts(network: nn.Module, points: Float[Tensor, "point axes"]) -> Tensor:
    """Return the values (point, channels), holding the activations of few points at a time."""
    if len(points) <= POINTS_AT_ONCE:
        return network(points)
    parts = points.split(POINTS_AT_ONCE)
    return torch.cat([checkpoint(network, part, use_reentrant=False) for part in parts])


def render_grid(network: nn.Module, grid: Grid, *, points_at_once: int = 1 << 15) -> Tensor:
    """Return the network's image on a grid, in pieces that bound the memory; no gradient."""
    parameter = next(network.parameters())
    points = grid.coordinates(parameter.device, parameter.dtype)
    with torch.no_grad():
        pieces = [network(part) for part in points.flatten(0, -2).split(points_at_once)]
    values = torch.cat(pieces).reshape(*grid.shape, -1)
    return values.squeeze(-1) if values.shape[-1] == 1 else values.movedim(-1, 0)
