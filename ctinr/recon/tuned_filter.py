"""FBP and FDK with their filter chosen, from the data or, as oracles, against the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from torch import Tensor

from ctinr import checks, metrics
from ctinr.geometry import ConeBeam, ParallelBeam, VectorBeam
from ctinr.operators import LinearOperator
from ctinr.recon.fbp import fbp
from ctinr.recon.fdk import fdk
from ctinr.recon.filtered import LowPass
from ctinr.recon.left_out import LEFT_OUT_RULE, LeftOutRays
from ctinr.recon.observers import relative_error
from ctinr.recon.problem import beam_of, check_data, grid_of, of_views
from ctinr.recon.run import Observer, Reconstruction
from ctinr.recon.search import best_filter
from ctinr.recon.selection import WITHHELD_RULE, Choice, Split, split_views

ORACLE_RULE = "least root mean squared error against the truth"
# A method that takes a projector, its data, `window` and `cutoff`: `fbp` or `fdk`.
Analytic = Callable[..., Reconstruction]


def tuned_fbp(
    A: LinearOperator,
    y: Tensor,
    *,
    split: Split | None = None,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct by filtered backprojection with the window and the cut-off chosen from the data.

    The choice is the one of least image error, estimated by leaving out each ray in turn; see
    `ctinr.recon.left_out` for why not on withheld views. The error on withheld views that is
    reported is that of an image made, with that choice, of the other views.

    Parameters
    ----------
    A : LinearOperator
        A projector of a `ParallelBeam`, in two dimensions or in three, or of a `FanBeam`.
    y : Tensor, shape (*batch, angle, u) or (*batch, angle, v, u)
        Line integrals. One choice is made for the whole batch and for all slices.
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
    return _tuned(fbp, A, y, split)


def tuned_fdk(
    A: LinearOperator,
    y: Tensor,
    *,
    split: Split | None = None,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct a cone beam by `fdk` with the window and the cut-off chosen from the data.

    Parameters, record and errors are those of `tuned_fbp`, for a projector of a `ConeBeam`. On a
    circle the choice is made by leaving out each ray in turn. A helix makes every slice from views
    of its own, for which there is no such sum over rays; there the choice is the least error on
    withheld views, which tends to a smoother filter.
    """
    return _tuned(fdk, A, y, split)


def oracle_fbp(
    A: LinearOperator,
    y: Tensor,
    truth: Tensor,
    *,
    data_range: float,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct by filtered backprojection with the filter nearest to the truth.

    A yardstick; see `oracle_filter`.
    """
    return oracle_filter(fbp, A, y, truth=truth, data_range=data_range)


def oracle_fdk(
    A: LinearOperator,
    y: Tensor,
    truth: Tensor,
    *,
    data_range: float,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct a cone beam by `fdk` with the filter nearest to the truth.

    A yardstick; see `oracle_filter`.
    """
    return oracle_filter(fdk, A, y, truth=truth, data_range=data_range)


def oracle_filter(
    method: Analytic, A: LinearOperator, y: Tensor, *, truth: Tensor, data_range: float
) -> Reconstruction:
    """Reconstruct with the window and cut-off that come nearest to the truth.

    No rule that sees the data alone can be expected to do better. The record has `choice` and
    `psnr`, in dB and of the data range given.

    Parameters
    ----------
    method : callable
        `fbp` or `fdk`.
    A, y
        As for `tuned_fbp`.
    truth : Tensor, shape (*batch, *A.domain.shape)
        The true image, 1/mm.
    data_range : float
        The range of values that the PSNR refers to.
    """
    begun = time.perf_counter()
    check_data(A, y)

    def error(candidate: LowPass) -> float:
        return metrics.rmse(_made(method, A, y, candidate).image, truth)

    choice = best_filter(error, ORACLE_RULE)
    result = _made(method, A, y, choice.value)
    psnr = metrics.psnr(result.image, truth, data_range=data_range)
    return with_choice(result, choice, {"psnr": psnr}, begun)


def with_choice(
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


def _tuned(method: Analytic, A: LinearOperator, y: Tensor, split: Split | None) -> Reconstruction:
    """Return the image of all views with the filter that the data choose."""
    begun = time.perf_counter()
    geometry = beam_of(A)
    if isinstance(geometry, VectorBeam):
        rule, remedy = "be a projector of views with angles", "There are tv, sirt and cgls."
        raise TypeError(checks.message("A", rule, type(geometry).__name__, remedy))
    check_data(A, y)
    split = split or split_views(geometry)
    fitted, withheld = (of_views(A, y, views) for views in (split.fitted, split.withheld))

    def withheld_error(candidate: LowPass) -> float:
        judged = _made(method, *fitted, candidate).image
        return relative_error(withheld[0], judged, withheld[1])

    if isinstance(geometry, ConeBeam) and geometry.helical_pitch:
        choice = best_filter(withheld_error, WITHHELD_RULE)
    else:
        choice = best_filter(_left_out_error(method, A, y), LEFT_OUT_RULE)
    record = {"withheld_error": withheld_error(choice.value), "split": split.to_dict()}
    return with_choice(_made(method, A, y, choice.value), choice, record, begun)


def _left_out_error(method: Analytic, A: Any, y: Tensor) -> Callable[[LowPass], float]:
    """Return the estimate of the image error of a filter; slices of a volume are a batch."""
    geometry: Any = beam_of(A)
    if isinstance(geometry, ParallelBeam) and len(geometry.shape) == 3:
        A, y = A.rebuilt(geometry.slice, grid_of(A).slice), y.movedim(-2, -3)
    rays = LeftOutRays(y, beam_of(A), grid_of(A))  # type: ignore[arg-type]

    def error(candidate: LowPass) -> float:
        return rays.error(_made(method, A, y, candidate).image, candidate)

    return error


def _made(method: Analytic, A: LinearOperator, y: Tensor, low_pass: LowPass) -> Reconstruction:
    window, cutoff = low_pass
    return method(A, y, window=window, cutoff=cutoff)
