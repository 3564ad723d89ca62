"""The features of a network at points: their Gram matrix and its condition, part by part."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from ctinr import checks
from ctinr.networks.conditioning import condition_number
from ctinr.networks.coordinate import CoordinateNetwork


@torch.no_grad()
def feature_gram(
    network: nn.Module, points: Float[Tensor, "*points axes"], *, part: int = 4096
) -> Float64[Tensor, "width width"]:
    """Return the mean over points of products of a network's last hidden features.

    Features are computed in the network's own format for `part` points at a time and added in
    float64, so memory does not grow with the number of points. Of a condition number above 1e7
    in the features, whose square the Gram matrix has, take `feature_condition`.

    Parameters
    ----------
    network
        A `CoordinateNetwork`; nothing of it is changed.
    points
        Where to measure, with any leading axes.
    part
        Points at a time.

    Returns
    -------
    Tensor
        Symmetric, in float64, on the device of the network.

    Raises
    ------
    TypeError, ValueError
        If the network is not a `CoordinateNetwork`, there are no points or they do not fit it,
        or part is not a whole number above zero.
    """
    known, parts = _split(network, points, part)
    total = torch.zeros((), dtype=torch.float64)
    for some in parts:
        features = known.features(some).double()
        total = total.to(features.device) + features.T @ features
    return total / sum(len(some) for some in parts)


@torch.no_grad()
def feature_factor(
    network: nn.Module, points: Float[Tensor, "*points axes"], *, part: int = 4096
) -> Float64[Tensor, "rows width"]:
    """Return a small matrix with the singular values of a network's feature matrix.

    It is triangular, with min(points, width) rows: the R of a QR decomposition of the features
    over the root of the number of points, so R^T R is `feature_gram`. One part of the points
    after the other is stacked below R and reduced. Nothing is squared on the way, so condition
    numbers of up to 1e13 are seen if the network is in float64 (up to 1e7 in float32).

    Parameters and errors are those of `feature_gram`.
    """
    known, parts = _split(network, points, part)
    factor = None
    for some in parts:
        features = known.features(some).double()
        rows = features if factor is None else torch.cat([factor, features])
        factor = torch.linalg.qr(rows, mode="r").R
    return factor / math.sqrt(sum(len(some) for some in parts))  # type: ignore[operator]


def feature_condition(
    network: nn.Module,
    points: Float[Tensor, "*points axes"],
    *,
    live_only: bool = False,
    part: int = 4096,
) -> float:
    """Return the condition number of the matrix of a network's last hidden features at points.

    The square is that of `feature_gram` if there are at least as many points as features; with
    fewer, it is the ratio over as many singular values as there are points. To follow it
    through training, measure it in an observer: the network is not touched ::

        Curve(lambda step: feature_condition(network, points, live_only=True), every=100)

    A step's loss is that of before its update, and the features are those of after it.

    Parameters
    ----------
    network
        A `CoordinateNetwork`. In float32 nothing above 1e7 is told apart from rounding; for
        more, give ``copy.deepcopy(network).double()``, and points in float64.
    points
        Where to measure, with any leading axes.
    live_only
        Leave out features that are zero at all points. One such makes the number infinite, but
        is no part of what the network can do there.
    part
        Points at a time; memory does not grow with their number.

    Raises
    ------
    TypeError, ValueError
        If the network is not a `CoordinateNetwork`, there are no points or they do not fit it,
        or part is not a whole number above zero.
    """
    checks.one_of(live_only, "live_only", (False, True))
    factor = feature_factor(network, points, part=part)
    live = factor.norm(dim=0) > 0
    return condition_number(factor[:, live] if live_only and live.any() else factor)


def _split(network: nn.Module, points: Tensor, part: int) -> tuple[CoordinateNetwork, list[Tensor]]:
    """Return the network, known for what it is, and the points in parts."""
    if not isinstance(network, CoordinateNetwork):
        given, remedy = repr(type(network).__name__), "Build it with a Family."
        raise TypeError(checks.message("network", "be a CoordinateNetwork", given, remedy))
    checks.trailing_shape(points, "points", shape=(network.axes,), what="a point of this network")
    checks.require(points.numel() > 0, "points", "not be empty", points)
    part = checks.count(part, "part")
    return network, list(points.reshape(-1, network.axes).split(part))
