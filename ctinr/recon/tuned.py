"""FBP and TV with their parameters chosen, from the data or, as oracles, against the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from torch import Tensor

from ctinr import metrics
from ctinr.geometry import ParallelBeam
from ctinr.operators import LinearOperator, RampFilter
from ctinr.recon.fbp import fbp
from ctinr.recon.left_out import LEFT_OUT_RULE, LeftOutRays
from ctinr.recon.observers import relative_error
from ctinr.recon.problem import check_data, grid_of, of_views, slice_of
from ctinr.recon.run import Observer, Reconstruction
from ctinr.recon.search import (
    WeightTrials,
    best_filter,
    best_weight,
    largest_weight,
    strongest_alike,
    view_squares,
)
from ctinr.recon.selection import WITHHELD_RULE, Choice, Split, split_views
from ctinr.recon.tv import tv

STRONGEST_RULE = "strongest weight as good on the withheld views as the best, to one standard error"
ORACLE_RULE = "least root mean squared error against the truth"


def tuned_fbp(
    A: LinearOperator,
    y: Tensor,
    *,
    split: Split | None = None,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct by filtered backprojection with the window and the cut-off chosen from the data.

    The choice is the one of least image error, estimated by leaving out each ray in turn; see
    `ctinr.recon.left_out` for why not on withheld views. That estimate rests on the parallel
    beam; for a fan the choice is the least error on withheld views. The error on withheld views
    that is reported is that of an image made, with that choice, of the other views.

    Parameters
    ----------
    A : LinearOperator
        A projector.
    y : Tensor, shape (*batch, angle, u)
        Line integrals. One choice is made for the whole batch.
    split : Split, optional
        Which views measure the error that is reported; one in ten by default.
    observers : sequence of Observer
        They see nothing, as there are no steps.

    Returns
    -------
    Reconstruction
        Made of all views. The record has `choice`, `withheld_error` and `split`. After an
        interrupt from the keyboard the choice is among what was tried.

    Raises
    ------
    TypeError, ValueError
        As for `fbp` and `withhold_views`.
    """
    begun = time.perf_counter()
    geometry = slice_of(A)
    check_data(A, y)
    split = split or split_views(geometry)
    fitted, withheld = (of_views(A, y, views) for views in (split.fitted, split.withheld))

    def withheld_error(candidate: tuple[str, float]) -> float:
        window, cutoff = candidate
        judged = fbp(*fitted, window=window, cutoff=cutoff).image
        return relative_error(withheld[0], judged, withheld[1])

    choice = _filter_choice(A, y, withheld_error)
    window, cutoff = choice.value
    record = {"withheld_error": withheld_error(choice.value), "split": split.to_dict()}
    return _with_choice(fbp(A, y, window=window, cutoff=cutoff), choice, record, begun)


def _filter_choice(
    A: LinearOperator, y: Tensor, withheld_error: Callable[[tuple[str, float]], float]
) -> Choice:
    """Return the choice of a window and a cut-off by the rule that the beam allows."""
    geometry = slice_of(A)
    if not isinstance(geometry, ParallelBeam):
        return best_filter(withheld_error, WITHHELD_RULE)
    rays = LeftOutRays(y, geometry, grid_of(A))

    def left_out_error(candidate: tuple[str, float]) -> float:
        window, cutoff = candidate
        ramp = RampFilter(geometry, geometry.detector.pitch[0], window=window, cutoff=cutoff)
        return rays.error(fbp(A, y, window=window, cutoff=cutoff).image, ramp)

    return best_filter(left_out_error, LEFT_OUT_RULE)


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
    y : Tensor, shape (*batch, angle, u)
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
    split = split or split_views(slice_of(A))
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
    return _with_choice(result, choice, record, begun)


def oracle_fbp(
    A: LinearOperator,
    y: Tensor,
    truth: Tensor,
    *,
    data_range: float,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct by filtered backprojection with the window and cut-off nearest to the truth.

    A yardstick: no rule that sees the data alone can be expected to do better. The record has
    `choice` and `psnr`, in dB and of the data range given.

    Parameters
    ----------
    A, y, observers
        As for `tuned_fbp`.
    truth : Tensor, shape (*batch, y, x)
        The true image, 1/mm.
    data_range : float
        The range of values that the PSNR refers to.
    """
    begun = time.perf_counter()
    check_data(A, y)

    def error(candidate: tuple[str, float]) -> float:
        window, cutoff = candidate
        return metrics.rmse(fbp(A, y, window=window, cutoff=cutoff).image, truth)

    choice = best_filter(error, ORACLE_RULE)
    window, cutoff = choice.value
    result = fbp(A, y, window=window, cutoff=cutoff)
    psnr = metrics.psnr(result.image, truth, data_range=data_range)
    return _with_choice(result, choice, {"psnr": psnr}, begun)


def oracle_tv(
    A: LinearOperator,
    y: Tensor,
    truth: Tensor,
    *,
    data_range: float,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct with total variation, its weight the one that comes nearest to the truth.

    Parameters and record are those of `oracle_fbp`; the image is kept at or above zero, and all
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
    return _with_choice(result, choice, {"psnr": psnr}, begun)


def _with_choice(
    result: Reconstruction, choice: Choice, record: Mapping[str, Any], begun: float
) -> Reconstruction:
    """Return the final result with the choice in its record and the time of the whole."""
    stopped_by = "interrupted" if choice.interrupted else result.stopped_by
    return replace(
        result,
        stopped_by=stopped_by,
        seconds=time.perf_counter() - begun,
        record=MappingProxyType({"choice": choice.to_dict(), **record}),
    )
