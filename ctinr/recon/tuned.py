"""TV with its weight chosen, from the data or, as an oracle, against the truth."""

from __future__ import annotations

import time
from collections.abc import Sequence

from torch import Tensor

from ctinr import metrics
from ctinr.operators import LinearOperator
from ctinr.recon.observers import relative_error
from ctinr.recon.problem import beam_of, check_data, of_views
from ctinr.recon.run import Observer, Reconstruction
from ctinr.recon.search import (
    STRONGEST_RULE,
    WeightTrials,
    best_weight,
    largest_weight,
    strongest_alike,
    view_squares,
)
from ctinr.recon.selection import WITHHELD_RULE, Split, split_views
from ctinr.recon.tuned_filter import ORACLE_RULE, with_choice
from ctinr.recon.tv import tv


def tuned_tv(  # noqa: PLR0913 - one keyword for each thing that a reader may want to set
    A: LinearOperator,
    y: Tensor,
    *,
    split: Split | None = None,
    nonnegative: bool = True,
    iterations: int = 150,
    gap: float = 1e-4,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct with total variation, its weight chosen on withheld views.

    Weights are tried from strong to weak until the error on the withheld views rises, and then
    around the best one; each trial starts from the image of the nearest. Of those as good
    as the best, to one standard error, the strongest is chosen (see `strongest_alike`). Then all
    views are fitted, with the weight raised in proportion to their number, from that image.

    Parameters
    ----------
    A : LinearOperator
        A projector.
    y : Tensor, shape (*batch, angle, u) or (*batch, angle, v, u)
        Line integrals. One weight is chosen for the whole batch.
    split : Split, optional
        Which views are fitted and which withheld; one in ten by default.
    nonnegative, iterations, gap
        As for `tv`, of the final fit.
    observers : sequence of Observer
        See every step of every run, the trials first.

    Returns
    -------
    Reconstruction
        Made of all views. The record has `choice`, `withheld_error` (of the image that did not
        see those views) and `split`. After an interrupt from the keyboard the image is the best
        of those tried, made of the fitted views alone, or what the final fit had reached, and
        `stopped_by` says so.

    Raises
    ------
    TypeError, ValueError
        As for `tv` and `withhold_views`.
    """
    begun = time.perf_counter()
    check_data(A, y)
    split = split or split_views(beam_of(A))
    fitted, withheld = (of_views(A, y, views) for views in (split.fitted, split.withheld))
    trials = WeightTrials(*fitted, nonnegative=nonnegative, observers=observers)

    def error(weight: float) -> float:
        return relative_error(withheld[0], trials.solve(weight).image, withheld[1])

    def squares(weight: float) -> Tensor:
        return view_squares(withheld[0], trials.solve(weight).image, withheld[1])

    choice = best_weight(error, largest_weight(*fitted), WITHHELD_RULE)
    choice = strongest_alike(choice, squares, STRONGEST_RULE)
    result = trials.solve(choice.value)
    if not trials.interrupted:
        result = tv(
            A,
            y,
            weight=choice.value * split.scale,
            nonnegative=nonnegative,
            iterations=iterations,
            gap=gap,
            initial=result.image,
            observers=observers,
        )
    record = {"withheld_error": error(choice.value), "split": split.to_dict()}
    return with_choice(result, choice, record, begun)


def oracle_tv(
    A: LinearOperator,
    y: Tensor,
    truth: Tensor,
    *,
    data_range: float,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct with total variation, its weight the one that comes nearest to the truth.

    Parameters and record are those of `oracle_filter`; the image is kept at or above zero, and all
    runs are as in `tuned_tv`.
    """
    begun = time.perf_counter()
    check_data(A, y)
    trials = WeightTrials(A, y, observers=observers)

    def error(weight: float) -> float:
        return metrics.rmse(trials.solve(weight).image, truth)

    choice = best_weight(error, largest_weight(A, y), ORACLE_RULE)
    result = trials.solve(choice.value)
    if not trials.interrupted:
        result = tv(
            A,
            y,
            weight=choice.value,
            iterations=150,
            initial=result.image,
            observers=observers,
        )
    psnr = metrics.psnr(result.image, truth, data_range=data_range)
    return with_choice(result, choice, {"psnr": psnr}, begun)
