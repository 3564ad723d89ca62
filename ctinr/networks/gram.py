"""Inner products of neurons on the line, exactly: Gram matrices and factors of them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ctinr import checks
from ctinr.networks.bspline import wavelet

# psi is a sum of ReLUs at i / 2 with weights a_i / 6. These are sum_i a_i a_(i + m), m = 0 ... 6.
LAGS = (2212.0, -1856.0, 1087.0, -432.0, 110.0, -16.0, 1.0)
SUPPORT = 3.0


def wavelet_autocorrelation(lag: Float[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
    """Return r(s), the integral over the line of psi(x) psi(x + s).

    r is even, cubic between multiples of 1/2, and zero from 3 on. With A_m the autocorrelation
    of (1, -8, 23, -32, 23, -8, 1), ::

        r(s) = sum_m A_m max(m / 2 - |s|, 0)^3 / 216

    so r(0) = 1/4, r(1) = 5/108, r(2) = -1/216. It is summed from the far end of the support, where
    the terms are small: the values that are zero are zero, and the others are right to 1e-14.

    Parameters
    ----------
    lag
        The lags s, any shape and floating-point type.

    Raises
    ------
    ValueError
        If there is no lag, or one is NaN or infinite.

    Notes
    -----
    psi is that of J. Shenouda, Y. Zhou, R. Nowak, ICML 2024, doi:10.48550/arXiv.2406.02529; the
    formula is derived in ``docs/theory.md``.
    """
    checks.finite_values(lag, "lag")
    distance = lag.double().abs()
    total = torch.zeros_like(distance)
    for index in reversed(range(len(LAGS))):
        total = total + LAGS[index] * (index / 2 - distance).clamp(min=0) ** 3
    return total / 216


def wavelet_gram(
    knots: Float[Tensor, " neurons"], scale: float = 1.0
) -> Float64[Tensor, "neurons neurons"]:
    """Return the inner products over the line of the neurons psi(scale * (x - knot)).

    They are r(scale * (t_j - t_k)) / scale, with r the `wavelet_autocorrelation`. Neurons of
    several scales have no formula as short: `wavelet_features` has their factor.

    Parameters
    ----------
    knots
        Where the supports begin, in any order.
    scale
        The factor c of all neurons, above zero.

    Raises
    ------
    TypeError, ValueError
        If the knots are not one axis of finite numbers, or scale is not a finite number above
        zero.
    """
    knots, scale = _line(knots, "knots"), checks.positive(scale, "scale")
    return wavelet_autocorrelation(scale * (knots[:, None] - knots)) / scale


def relu_gram(knots: Float[Tensor, " neurons"]) -> Float64[Tensor, "neurons neurons"]:
    """Return the inner products over [0, 1] of the neurons max(x - knot, 0).

    With u = 1 - max(t_j, t_k) and d = |t_j - t_k| they are u^3 / 3 + d u^2 / 2: nothing cancels,
    and every entry is right to the last digits. The smallest eigenvalue of the rounded matrix is
    less so the larger K is: to seven digits at K = 1024, to none from several thousand on. The
    singular values of `relu_features` have no such end in sight.

    Parameters
    ----------
    knots
        Where the neurons begin to rise, in [0, 1) and in any order.

    Raises
    ------
    ValueError
        If the knots are not one axis of numbers in [0, 1).
    """
    knots = _in_unit_interval(knots)
    rest = 1 - torch.maximum(knots[:, None], knots)
    return rest**2 * (rest / 3 + (knots[:, None] - knots).abs() / 2)


def relu_features(knots: Float[Tensor, " neurons"]) -> Float64[Tensor, "points neurons"]:
    """Return a matrix F whose F^T F is `relu_gram`: a factor with the root of its condition.

    F holds the neurons at the two Gauss points between neighbouring knots, times the roots of
    the weights: that quadrature is exact for products of functions that are linear in between.
    The condition number of F is the root of that of the Gram matrix, so float64 has room for it.

    Parameters
    ----------
    knots
        Where the neurons begin to rise, in [0, 1) and in any order.

    Returns
    -------
    Tensor
        Two rows for each interval between distinct knots, the last of which ends at 1.

    Raises
    ------
    ValueError
        If the knots are not one axis of numbers in [0, 1).
    """
    knots = _in_unit_interval(knots)
    points, roots = _gauss(torch.cat([knots, knots.new_ones(1)]))
    return roots[:, None] * (points[:, None] - knots).clamp(min=0)


def wavelet_features(
    shifts: Float[Tensor, " neurons"], scales: Float[Tensor, " neurons"]
) -> Float64[Tensor, "points neurons"]:
    """Return a matrix F of the neurons sqrt(c) psi(c x - k), with F^T F their inner products.

    Every neuron has its own scale c and shift k; all have the norm 1/2. With scales ``2.0**j``
    and whole shifts these are members of the dyadic family. As in `relu_features`, a row is a
    Gauss point between two neighbouring breakpoints of any neurons.

    Parameters
    ----------
    shifts
        The shifts k.
    scales
        The scales c, above zero, one a neuron.

    Returns
    -------
    Tensor
        Two rows an interval; at most 14 a neuron.

    Raises
    ------
    ValueError
        If shifts and scales are not of one axis and size, are not finite, or a scale is not
        above zero.
    """
    shifts, scales = _line(shifts, "shifts"), _line(scales, "scales")
    rule = f"have one scale for each of the {len(shifts)} shifts"
    checks.require(scales.shape == shifts.shape, "scales", rule, scales)
    smallest = float(scales.min())
    checks.require(smallest > 0, "scales", "be above zero", f"a smallest one of {smallest}")
    halves = torch.arange(7, dtype=torch.float64, device=shifts.device) / 2
    points, roots = _gauss(((shifts[:, None] + halves) / scales[:, None]).flatten())
    values = wavelet(points[:, None] * scales - shifts, 1.0, kernel="torch")
    return roots[:, None] * scales.sqrt() * values


def _gauss(breakpoints: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two Gauss points of every interval between breakpoints, and roots of weights."""
    edges = torch.unique(breakpoints)
    middles, halves = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    points = torch.cat([middles - halves / 3**0.5, middles + halves / 3**0.5])
    return points, halves.sqrt().repeat(2)


def _line(values: Tensor, argument: str) -> Tensor:
    """Return one axis of finite numbers in float64."""
    checks.require(values.ndim == 1, argument, "have one axis", values)
    checks.finite_values(values, argument)
    return values.double()


def _in_unit_interval(knots: Tensor) -> Tensor:
    """Return knots in float64, all of which lie in [0, 1)."""
    knots = _line(knots, "knots")
    inside = bool(((knots >= 0) & (knots < 1)).all())
    given = f"knots from {float(knots.min())} to {float(knots.max())}"
    remedy = "A ReLU that begins at 1 or beyond is zero on the interval."
    checks.require(inside, "knots", "lie in [0, 1)", given, remedy)
    return knots
