"""The numbers of a method, chosen once for all slices of a stack on a few of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ctinr import checks
from ctinr.batch.solvers import FilteredSlices, NeuralSlices, SmoothSlices, Solver
from ctinr.batch.stack import Stack
from ctinr.networks import Family
from ctinr.operators import LinearOperator
from ctinr.operators.filters import WINDOWS
from ctinr.recon.levels import Problem
from ctinr.recon.neural_field.field import DEFAULT_FAMILY
from ctinr.recon.neural_field.recipe import PriorName, Recipe
from ctinr.recon.neural_field.task import Task
from ctinr.recon.neural_field.trials import best_trial
from ctinr.recon.run import Reconstruction
from ctinr.recon.saddle import data_norm
from ctinr.recon.selection import split_views
from ctinr.recon.tuned import tuned_tv
from ctinr.recon.tuned_filter import tuned_fbp

# Which numbers a method has that may be given.
NUMBERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"fbp": ("window", "cutoff"), "tv": ("weight",), "inr": ("prior", "weight")}
)


@dataclass(frozen=True)
class Method:
    """A method, and those of its numbers that are given.

    Parameters
    ----------
    name : str
        "fbp", "tv" or "inr".
    window, cutoff : str and float, optional
        The filter of `fbp`; one of them given, the other is "ram-lak" or 1.
    prior : str, optional
        Of `inr`, "tv" or "nonlocal"; see `Recipe`.
    weight : float, optional
        Of `tv`, or of the prior of `inr`, which is then to be named; see `Recipe`.
    samples : int
        Without these, on how many slices they are chosen, spread over the stack.
    family, recipe, seed
        Of the neural field.

    Raises
    ------
    ValueError
        If there is no such method or window, a number is given that the method does not have, or
        one is out of its range.
    """

    name: str = "fbp"
    window: str | None = None
    cutoff: float | None = None
    prior: PriorName | None = None
    weight: float | None = None
    samples: int = 5
    family: Family = DEFAULT_FAMILY
    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0

    def __post_init__(self) -> None:
        checks.one_of(self.name, "method", tuple(NUMBERS))
        for name in ("window", "cutoff", "prior", "weight"):
            owners = " or ".join(method for method in NUMBERS if name in NUMBERS[method])
            rule, value = f"be left out unless the method is {owners}", getattr(self, name)
            checks.require(value is None or name in NUMBERS[self.name], name, rule, value)
        if self.window is not None:
            checks.one_of(self.window, "window", tuple(WINDOWS))
        if self.cutoff is not None:
            checks.fraction(self.cutoff, "cutoff")
        if self.weight is not None:
            checks.positive(self.weight, "weight")
        if self.name == "inr":
            rule = "be given if a weight is, as its units are the prior's"
            checks.require(self.weight is None or self.prior is not None, "prior", rule, self.prior)
            # Raises if there is no such prior.
            _ = self.asked
        checks.count(self.samples, "samples")
        checks.count(self.seed, "seed", least=0)

    @property
    def asked(self) -> Recipe:
        """The recipe of the neural field with what is given here; its weight may be to choose."""
        if self.weight is None and self.prior in (None, self.recipe.prior):
            return self.recipe
        # A weight of another prior means nothing to this one.
        return replace(self.recipe, prior=self.prior or self.recipe.prior, weight=self.weight)

    @property
    def side_by_side(self) -> int:
        """How many slices it likes to be given at once."""
        kinds = {"fbp": FilteredSlices, "tv": SmoothSlices, "inr": NeuralSlices}
        return kinds[self.name].side_by_side

    @property
    def given(self) -> dict[str, Any]:
        """The numbers that are given, so that none is chosen; empty if they are to be chosen."""
        if self.name == "inr":
            values: dict[str, Any] = {"prior": self.asked.prior, "weight": self.asked.weight}
            # A prior alone leaves its weight to be chosen.
            return {} if values["weight"] is None else values
        values = {name: getattr(self, name) for name in NUMBERS[self.name]}
        if all(value is None for value in values.values()):
            return {}
        defaults = {"window": "ram-lak", "cutoff": 1.0}
        return {name: defaults[name] if v is None else v for name, v in values.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: all that the images depend on."""
        numbers = self.given or f"chosen on {self.samples} slices"
        about = {"method": self.name, "numbers": numbers}
        if self.name != "inr":
            return about
        recipe = self.asked.to_dict()
        return {**about, "family": repr(self.family), "recipe": recipe, "seed": self.seed}

    def solver(self, numbers: Mapping[str, Any]) -> Solver:
        """Return the method with its numbers, given or chosen."""
        if self.name == "inr":
            recipe = replace(self.recipe, **numbers)
            return NeuralSlices(self.family, recipe, self.seed)
        kind: Any = FilteredSlices if self.name == "fbp" else SmoothSlices
        return kind(**numbers)


def decided(
    method: Method, A: LinearOperator, stack: Stack, *, slices: range, together: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the numbers of a method, and how they were chosen.

    Parameters
    ----------
    method : Method
        What is given of it.
    A : LinearOperator
        The projector of one slice.
    stack : Stack
        Where the slices are.
    slices : range
        Those that will be reconstructed.
    together : int
        How many fit into memory at once; no more are judged together.

    Raises
    ------
    ValueError
        If no slice can be read, or what the tuned methods raise.
    """
    numbers = dict(method.given)
    about: dict[str, Any] = {"rule": "given"}
    if not numbers:
        most = method.samples if method.name == "inr" else min(method.samples, together)
        places, y = _samples(stack, slices, most)
        numbers, about = _CHOOSERS[method.name](method, A, y)
        about = {**about, "slices": places}
    if method.name == "tv":
        numbers["norm"] = data_norm(A, torch.zeros(tuple(A.range.shape)))
    return numbers, about


def _filter(method: Method, A: LinearOperator, y: Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
    found = _undisturbed(tuned_fbp(A, y))
    return dict(found.parameters), found.record["choice"]


def _weight(method: Method, A: LinearOperator, y: Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
    found = _undisturbed(tuned_tv(A, y))
    return {"weight": found.parameters["weight"]}, found.record["choice"]


def _median(method: Method, A: Any, y: Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the prior that most slices chose, and the median of the weights of these."""
    split = split_views(A.geometry, seed=method.seed)
    tasks = [Task.of(Problem(A, each), split, ()) for each in y]
    trials = [best_trial(task, method.asked) for task in tasks]
    if any(trial.choice.interrupted for trial in trials):
        raise KeyboardInterrupt
    priors = [trial.prior for trial in trials]
    prior = statistics.mode(priors)
    pairs = zip(tasks, trials, strict=True)
    weights = [trial.weight(task) for task, trial in pairs if trial.prior == prior]
    numbers = {"prior": prior, "weight": statistics.median_low(weights)}
    choices = [trial.choice.to_dict() for trial in trials]
    about = {"rule": "most frequent prior, median of its weights", "priors": priors}
    return numbers, {**about, "choices": choices}


_CHOOSERS: Mapping[str, Callable[..., tuple[dict[str, Any], dict[str, Any]]]] = MappingProxyType(
    {"fbp": _filter, "tv": _weight, "inr": _median}
)


def _undisturbed(found: Reconstruction) -> Reconstruction:
    """Return a result that no interrupt cut short: what it left is no choice for all slices."""
    if found.stopped_by == "interrupted":
        raise KeyboardInterrupt
    return found


def _samples(stack: Stack, slices: range, number: int) -> tuple[list[int], Tensor]:
    """Return slices spread over the stack, each the first from its place on that can be read."""
    number = min(number, len(slices))
    ends = [slices[0] + place * len(slices) // number for place in range(number + 1)]
    places, found, reason = [], [], ""
    for first, last in pairwise(ends):
        middle = (first + last) // 2
        for place in [*range(middle, last), *range(first, middle)]:
            row = next(stack.read(place, place + 1))
            if isinstance(row, Tensor):
                places.append(place)
                found.append(row)
                break
            reason = row
    rule = "hold a slice that can be reconstructed"
    checks.require(bool(found), "scan", rule, f"'{stack.path}' without one. {reason}")
    return places, torch.stack(found)
