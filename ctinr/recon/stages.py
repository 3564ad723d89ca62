"""The stages of a fit: what is fitted on which grid, for how long, at which rates."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ctinr import checks
from ctinr.geometry import Grid
from ctinr.operators import Observation
from ctinr.recon.needs import LEAST_CELLS, PART, POINTS_AT_ONCE
from ctinr.recon.optimizers import Schedule
from ctinr.recon.penalties import Penalty
from ctinr.recon.rendering import render, render_grid


class Evaluator(Protocol):
    """What a stage does before every step of the optimisers, and what it remembers for the next."""

    def prepare(self, done: int) -> bool:
        """Make all ready for the next step after so many; False ends the stage."""
        ...

    def measure(self) -> Tensor:
        """Return the loss.

        The same operations on tensors at the same places whenever it is called: it may be recorded.
        """
        ...

    @property
    def image(self) -> Tensor:
        """The image of the step, detached."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what is remembered."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Remember what `state` returned."""
        ...


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
    points_at_once : int
        Whose activations are held at once.
    """

    grid: Grid
    observations: tuple[Observation, ...]
    iterations: int
    penalty: Penalty | None = None
    schedule: Schedule | None = None
    points_at_once: int = POINTS_AT_ONCE

    def __post_init__(self) -> None:
        checks.count(self.points_at_once, "points_at_once")
        checks.count(self.iterations, "iterations")
        checks.require(len(self.observations) > 0, "observations", "not be empty", "none")
        for observation in self.observations:
            given = tuple(observation.operator.domain.shape)
            rule = f"act on images of the grid's shape {self.grid.shape}"
            checks.require(given == self.grid.shape, "observations", rule, f"operator on {given}")

    def evaluator(self, network: nn.Module) -> Evaluator:
        """Return what gives the loss and the image before every step."""
        return _WholeImages(self, network)


class _WholeImages:
    """The evaluator of a `Stage`, which remembers nothing."""

    def __init__(self, stage: Stage, network: nn.Module) -> None:
        like = next(network.parameters())
        self._stage, self._network = stage, network
        self._points = stage.grid.coordinates(like.device, like.dtype)
        self.image = torch.empty(0)

    def prepare(self, done: int) -> bool:
        return True

    def measure(self) -> Tensor:
        stage, network = self._stage, self._network
        image = render(network, self._points, points_at_once=stage.points_at_once)
        losses = [observation.loss(image) for observation in stage.observations]
        if stage.penalty is not None:
            losses.append(stage.penalty(image, grid=stage.grid, network=network))
        self.image = image.detach()
        return torch.stack(losses).sum()

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


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
    points_at_once : int
        As for `Stage`.

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
    part: float = PART
    inertia: float = 0.9
    seed: int = 0
    schedule: Schedule | None = None
    enough: Enough | None = None
    points_at_once: int = POINTS_AT_ONCE

    def __post_init__(self) -> None:
        checks.count(self.points_at_once, "points_at_once")
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
        return _Rounds(self, network)


class _Rounds:
    """The evaluator of a `Splitting`: it remembers the mean network, and images of the round."""

    def __init__(self, stage: Splitting, network: nn.Module) -> None:
        like = next(network.parameters())
        points = stage.grid.coordinates(like.device, like.dtype).flatten(0, -2)
        self._stage, self._network, self._points = stage, network, points
        self._size = min(len(points), max(LEAST_CELLS, round(stage.part * len(points))))
        self._generator = torch.Generator().manual_seed(stage.seed)
        self._mean = copy.deepcopy(network)
        self.image = self._target = torch.empty(0)
        # What a step sees: always at one place.
        self._drawn = torch.empty(self._size, points.shape[-1]).to(points)
        self._cells = torch.empty(0)

    def prepare(self, done: int) -> bool:
        stage, points = self._stage, self._points
        _approach(self._mean, self._network, 1 - stage.inertia)
        if done % stage.steps == 0:
            self.image = self._render(stage.grid)
            if stage.enough is not None and stage.enough(self.image):
                return False
            self._target = stage.data_step(self.image)
        drawn = torch.randint(len(points), (self._size,), generator=self._generator)
        drawn = drawn.to(points.device)
        cells = self._target.flatten(-len(stage.grid.shape))[..., drawn]
        if self._cells.shape != cells.shape:
            self._cells = torch.empty_like(cells)
        self._drawn.copy_(points[drawn])
        self._cells.copy_(cells)
        return True

    def measure(self) -> Tensor:
        points_at_once = self._stage.points_at_once
        difference = render(self._network, self._drawn, points_at_once=points_at_once) - self._cells
        return difference.square().mean()

    def _render(self, grid: Grid) -> Tensor:
        return render_grid(self._mean, grid, points_at_once=self._stage.points_at_once)

    def state(self) -> dict[str, Any]:
        images = {"image": self.image, "target": self._target}
        generator = self._generator.get_state()
        return {**images, "mean": dict(self._mean.state_dict()), "generator": generator}

    def restore(self, state: dict[str, Any]) -> None:
        device = self._points.device
        self.image, self._target = (state[name].to(device) for name in ("image", "target"))
        self._mean.load_state_dict(state["mean"])
        self._generator.set_state(state["generator"])


@torch.no_grad()
def _approach(mean: nn.Module, network: nn.Module, part: float) -> None:
    """Move the parameters of one network a part of the way to those of another."""
    for kept, new in zip(mean.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, part)
