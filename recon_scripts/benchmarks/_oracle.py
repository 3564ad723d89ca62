"""The neural field with its weight chosen against the truth: what its choice could gain at most."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from ctinr import metrics
from ctinr.recon.inr import inr
from ctinr.recon.recipe import Recipe
from ctinr.recon.run import Reconstruction
from ctinr.recon.selection import least
from ctinr.recon.tuned import ORACLE_RULE
from recon_scripts._methods import FAMILIES, SMOKE_FAMILIES, SMOKE_RECIPE, Task, method_named


def oracle_inr(task: Task) -> Reconstruction:
    """Return the fit whose weight comes nearest to the truth; all else is chosen without it.

    Tried are the recipe's weights next to the one that the data choose, outwards as long as the
    error falls.
    """
    name = task.options.family
    family = SMOKE_FAMILIES[name] if task.smoke else FAMILIES[name]
    recipe = SMOKE_RECIPE if task.smoke else Recipe()
    blind = method_named("inr").tuned(replace(task, truth=None, data_range=None))
    own = blind.record["choice"]["value"]
    fits = {own: blind}
    if own not in recipe.weights:
        # Of plain data steps, whose weights are others: those of filtered ones are all tried anew.
        own, fits = recipe.weights[len(recipe.weights) // 2], {}

    def error(weight: float) -> float:
        if weight not in fits:
            alone = replace(recipe, weights=(weight,), data_step="filtered")
            options = {"split": task.split, "seed": task.seed, "observers": task.observers}
            fits[weight] = inr(task.A, task.y, family=family, recipe=alone, **options)
        return metrics.rmse(fits[weight].image, task.truth)  # type: ignore[arg-type]

    choice = least(error, [own], rule=ORACLE_RULE)
    place = recipe.weights.index(own)
    for outwards in (recipe.weights[:place][::-1], recipe.weights[place + 1 :]):
        for weight in outwards:
            choice = least(error, [weight], rule=ORACLE_RULE, found=choice)
            if choice.value != weight:
                break
    best = min(blind, fits[choice.value], key=lambda fit: metrics.rmse(fit.image, task.truth))  # type: ignore[arg-type]
    record = MappingProxyType({**best.record, "choice": choice.to_dict()})
    return replace(best, record=record)
