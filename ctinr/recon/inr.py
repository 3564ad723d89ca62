"""Reconstruction by a neural field: the recipe around the one fit.

What it does, in order:

1. Which prior, and how strong, is chosen on withheld views by runs on pixels, which cost little;
   see `ctinr.recon.neural_field.trials`.
2. The network is fitted to the image of the best trial on a coarse grid: a warm start.
3. Rounds of splitting: the same data step from near the network's image, then the network is
   regressed to its result on a few cells at a time. First without the withheld views, until their
   error rises or the rounds are over. It is then the error of an image that has not seen them.
4. Some more rounds, in smaller steps, of all views.
5. Data steps after the network, where the withheld views clearly ask for them: what the network
   has smoothed is then asked of the data once more; see `ctinr.recon.neural_field.finish`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ctinr.networks import Family
from ctinr.recon.checkpoints import Store
from ctinr.recon.neural_field.field import fitted_field
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.run import Observer, Reconstruction
from ctinr.recon.selection import Split


def inr(  # noqa: PLR0913 - one keyword for each thing that a reader may want to set
    A: Any,
    y: Tensor,
    *,
    family: Family | None = None,
    recipe: Recipe | None = None,
    split: Split | None = None,
    seed: int = 0,
    observers: Sequence[Observer] = (),
    checkpoint: Store | None = None,
    memory_budget: int | None = None,
) -> Reconstruction:
    """Reconstruct an image by fitting a coordinate network to a sinogram.

    Parameters
    ----------
    A : Projector
        The X-ray transform.
    y : Tensor, shape (angle, u), float32
        Line integrals, without unit.
    family : Family, optional
        The network to build, of `ctinr.networks`; if None, the `DEFAULT_FAMILY` of
        `ctinr.recon.neural_field.field`.
    recipe : Recipe, optional
        Prior, lengths, optimiser; `Recipe()` if None.
    split : Split, optional
        Which views are withheld to choose; one in ten if None.
    seed : int
        Of the network's initial values and of the split.
    observers : sequence of Observer
        Each sees every step of the trials and then of the fit; images are on the grid of A.
    checkpoint : Checkpoint, optional
        Where the state of the fit is kept now and then, with the choice. What a run that was ended
        early left there is gone on from; the result is, to the bit, that of a run that was not
        ended, on the same machine with as many threads. Trials that were ended begin anew.
    memory_budget : int, optional
        What the reconstruction may take beside the program itself, bytes. Activations are held of
        as many points as that is enough for; the result is the same, but for rounding.

    Returns
    -------
    Reconstruction
        The image of the network after the last iteration and, as many as the record's
        `data_steps_after` says, of data steps; 1/mm, negative values set to zero. The choice and
        the withheld error, of the fit before it had seen those views, are in its record.
        Interrupted during the trials, it is the network after the warm start. Where the views tell
        half-way that the network's image will not be the one, its rounds end there
        (`rounds_cut_short`), with ``stopped_by="converged"``.

    Raises
    ------
    ValueError
        If the data hold NaN or do not fit the operator, the checkpoint is of other data or
        settings, or the memory is too little; the message says how much is needed.
    FloatingPointError
        If the fit diverges in its first step. Later on it ends with the last good network, and
        `stopped_by` says so.

    References
    ----------
    Shenouda, Zhou, Nowak 2024, doi:10.48550/arXiv.2406.02529 (BW-ReLU); Najaf, Ongie 2025,
    doi:10.48550/arXiv.2504.13390 (splitting).
    """
    given = {"family": family, "recipe": recipe, "split": split, "seed": seed}
    kept = {"checkpoint": checkpoint, "memory_budget": memory_budget}
    field = fitted_field(A, y, observers=observers, **kept, **given)
    field.keeper.finish(field.result)
    return field.result


__all__ = ["Recipe", "inr"]
