"""What is tried on pixels before a network is fitted: data steps and weights, on withheld views.

Two kinds of data steps take turns with the regression of the network. *Filtered* ones, of
`ctinr.recon.proximal`, weigh noise rightly and settle in ten rounds. *Plain* ones, of
`ctinr.recon.plain_step`, are iterations of total variation itself, which go on to the last detail
that the data hold, and do not take for detail what cells cannot show of sharp edges: a decibel and
more ahead without noise or where bone is, level elsewhere. They are taken unless the views clearly
say otherwise: from very few views of rough matter the filtered steps fit what nobody can know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from ctinr.recon.fbp import fbp
from ctinr.recon.levels import Problem
from ctinr.recon.observers import relative_error
from ctinr.recon.plain_step import PlainStep
from ctinr.recon.proximal import DataStep, proximal_steps
from ctinr.recon.recipe import Recipe, StepName
from ctinr.recon.run import Observer, run
from ctinr.recon.search import WeightTrials, best_weight, largest_weight, view_squares
from ctinr.recon.selection import WITHHELD_RULE, Choice, Split, clear_gain, least


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

    def squares(self, image: Tensor) -> Tensor:
        """Return the squared error of an image in every withheld view, (view,)."""
        return view_squares(self.withheld.A, image.clamp(min=0), self.withheld.y)


@dataclass(frozen=True, eq=False)
class Trial:
    """A data step and its weight, and what they make of the fitted views without a network.

    The weight is in the units of its step: those of `Recipe.weights`, or those of `tv`.
    """

    step: StepName
    choice: Choice
    image: Tensor

    def blind_step(self, task: Task) -> DataStep | PlainStep:
        """Return the data step of the fitted views."""
        weight = self.choice.value
        if self.step == "filtered":
            return task.blind.with_weight(weight)
        # In units in which the image is smaller by the scale.
        return PlainStep.of(task.fitted, weight / task.scale)

    def whole_step(self, task: Task) -> DataStep | PlainStep:
        """Return the data step of all views."""
        weight = self.choice.value
        if self.step == "filtered":
            return DataStep.of(task.whole, weight)
        # Misfits grow with the views.
        more = len(task.whole.y) / len(task.fitted.y)
        return PlainStep.of(task.whole, more * (weight / task.scale))


def best_trial(task: Task, recipe: Recipe) -> Trial:
    """Return the trial of the recipe's data step, or of the one that the withheld views suggest.

    An interrupt ends the trials; the choice is then among what was tried.
    """
    if recipe.data_step == "plain":
        return plain_trial(task)
    filtered = filtered_trial(task, recipe)
    decided = recipe.data_step == "filtered" or len(recipe.weights) == 1
    if decided or filtered.choice.interrupted:
        return filtered
    plain = plain_trial(task)
    gains = task.squares(plain.image) - task.squares(filtered.image)
    best = filtered if clear_gain(gains) else plain
    return replace(best, choice=replace(best.choice, interrupted=plain.choice.interrupted))


def filtered_trial(task: Task, recipe: Recipe) -> Trial:
    """Return the choice of a weight for filtered steps, and the image of its trial.

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
        shown = (replace(step, image=physical(step.image, task.scale)) for step in steps)
        result = run(shown, recipe.trial, task.observers)
        ended = result.stopped_by == "interrupted"
        if ended and images:
            raise KeyboardInterrupt
        images[weight] = result.image / task.scale
        return task.error(images[weight])

    choice = least(error, recipe.weights, rule=WITHHELD_RULE, patience=1)
    return Trial("filtered", replace(choice, interrupted=ended), images[choice.value])


def plain_trial(task: Task) -> Trial:
    """Return the choice of a weight for plain steps, made as `tuned_tv` makes it, and its image."""
    A, y = task.fitted.A, task.scale * task.fitted.y
    trials = WeightTrials(A, y, observers=task.observers)

    def error(weight: float) -> float:
        return task.error(trials.solve(weight).image / task.scale)

    choice = best_weight(error, largest_weight(A, y), WITHHELD_RULE)
    interrupted = choice.interrupted or trials.interrupted
    image = trials.solve(choice.value).image / task.scale
    return Trial("plain", replace(choice, interrupted=interrupted), image)


def value_scale(image: Tensor) -> float:
    """Return a typical large value of an image, 1/mm, or 1 for an image of zeros."""
    value = float(image.abs().flatten().kthvalue(max(1, int(0.99 * image.numel()))).values)
    return value if value > 0 else 1.0


def physical(image: Tensor, scale: float) -> Tensor:
    """Return an image of a task in 1/mm, negative values set to zero."""
    return image.mul(scale).clamp(min=0)
