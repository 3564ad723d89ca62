"""Plug-and-play with the variance of its rays chosen from the data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ctinr.recon.levels import Problem
from ctinr.recon.neural_field.data_steps import ENDINGS
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.neural_field.task import Task, physical
from ctinr.recon.neural_field.trials import best_trial
from ctinr.recon.plug_and_play import pnp
from ctinr.recon.problem import check_slice
from ctinr.recon.run import Observer, Reconstruction
from ctinr.recon.selection import Split, split_views
from ctinr.recon.tuned_filter import with_choice


def tuned_pnp(
    A: Any,
    y: Tensor,
    *,
    split: Split | None = None,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct a slice with a non-local prior, the rays' variance chosen on withheld views.

    What `inr` does before it fits a network, and then `pnp` of all views: the neural field without
    the network. Variances are tried from the image of total variation, from large to small; of
    those as good on the withheld views as the best, to one standard error, the largest is chosen.
    The final run starts from its image, with long steps or short ones, as these views prefer.

    Parameters
    ----------
    A : Projector
        The X-ray transform of a slice.
    y : Tensor, shape (angle, u)
        Line integrals, without unit.
    split : Split, optional
        Which views are fitted and which withheld; one in ten by default.
    observers : sequence of Observer
        See every step of every run, the trials first.

    Returns
    -------
    Reconstruction
        As of `pnp`, with `choice`, `withheld_error` and `split` in its record. After an interrupt
        of the trials the image is the best of those tried, made of the fitted views alone.

    Raises
    ------
    TypeError, ValueError
        As for `pnp` and `withhold_views`; if y is not one sinogram.
    """
    begun = time.perf_counter()
    check_slice(A, y)
    split = split or split_views(A.geometry)
    task = Task.of(Problem(A, y), split, tuple(observers))
    trial = best_trial(task, Recipe(prior="nonlocal")).gone_on_with(task)
    image = physical(trial.image, task.scale)
    if trial.choice.interrupted:
        result = Reconstruction(image, method="plug-and-play", stopped_by="interrupted")
    else:
        parts = ENDINGS[trial.ending]
        given = {"iterations": len(parts), "first": parts[0], "last": parts[-1], "initial": image}
        result = pnp(A, y, variance=trial.value, **given, observers=observers)
    record = {"withheld_error": task.error(trial.ended), "split": split.to_dict()}
    return with_choice(result, trial.choice, record, begun)
