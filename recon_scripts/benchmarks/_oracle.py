"""The neural field with its weight chosen against the truth: what its choice could gain at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from types import MappingProxyType

from ctinr import metrics
from ctinr.recon.inr import inr
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.run import Reconstruction
from ctinr.recon.selection import Choice, least
from ctinr.recon.tuned import ORACLE_RULE
from recon_scripts._methods import FAMILIES, SMOKE_FAMILIES, SMOKE_RECIPE, Task, method_named

# From one weight that is tried to the next.
FACTOR = 2.0


def oracle_inr(task: Task) -> Reconstruction:
    """Return the fit whose weight comes nearest to the truth; all else is chosen without it.

    Tried are weights of the prior that the data choose, outwards from the one that they choose, as
    long as the error falls.
    """
    name = task.options.family
    family = SMOKE_FAMILIES[name] if task.smoke else FAMILIES[name]
    recipe = SMOKE_RECIPE if task.smoke else Recipe()
    blind = method_named("inr").tuned(replace(task, truth=None, data_range=None))
    prior, own = (blind.parameters[name] for name in ("prior", "weight"))
    fits = {own: blind}

    def error(weight: float) -> float:
        if weight not in fits:
            alone = replace(recipe, prior=prior, weight=weight)
            options = {"split": task.split, "seed": task.seed, "observers": task.observers}
            fits[weight] = inr(task.A, task.y, family=family, recipe=alone, **options)
        return metrics.rmse(fits[weight].image, task.truth)  # type: ignore[arg-type]

    choice = least(error, [own], rule=ORACLE_RULE)
    for factor in (FACTOR, 1 / FACTOR):
        path = (own * factor**power for power in count(1))
        choice = _outwards(error, path, choice)
    record = MappingProxyType({**fits[choice.value].record, "choice": choice.to_dict()})
    return replace(fits[choice.value], record=record)


def _outwards(error: Callable[[float], float], path: Iterator[float], choice: Choice) -> Choice:
    """Return the choice after all weights of a path up to the first that is no better."""
    for weight in path:
        choice = least(error, [weight], rule=ORACLE_RULE, found=choice)
        if choice.value != weight:
            break
    return choice
