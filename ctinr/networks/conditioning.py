"""Condition numbers of matrices, and what theory says of those of neurons on the line."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial import chebyshev
from torch import Tensor

from ctinr import checks
from ctinr.networks.gram import LAGS, SUPPORT, wavelet_autocorrelation

# The least and the largest eigenvalue that wavelets psi(x - k) with whole k can have together.
WAVELET_EIGENVALUES = (4 / 27, 1 / 3)

# The first root of cos(m) cosh(m) = -1, the frequency of a beam that is clamped at one end.
CLAMPED_BEAM = 1.8751040687119611
RELU_CONSTANT = 48 / CLAMPED_BEAM**4


def condition_number(matrix: Float[Tensor, "rows columns"]) -> float:
    """Return the largest singular value of a matrix over the smallest of min(rows, columns).

    For a Gram matrix this is the ratio of its eigenvalues, and the square of what it is for a
    feature matrix. It is infinite if the smallest is lost in the rounding of float64, that is,
    not above max(rows, columns) times 2.2e-16 of the largest.

    Parameters
    ----------
    matrix
        A Gram matrix, a feature matrix, or a factor of either, on any device; computed in float64.

    Raises
    ------
    ValueError
        If the matrix is empty, or has values that are not finite.
    """
    checks.finite_values(matrix, "matrix")
    values = torch.linalg.svdvals(matrix.detach().double())
    largest, smallest = float(values[0]), float(values[-1])
    lost = smallest <= max(matrix.shape) * torch.finfo(torch.float64).eps * largest
    return math.inf if lost else largest / smallest


def gershgorin_bound(gram: Float[Tensor, "neurons neurons"]) -> float:
    """Return an upper bound of the condition number of a Gram matrix from its Gershgorin discs.

    The bound is the right end of the rightmost disc over the left end of the leftmost, and
    infinite if a disc reaches zero.

    Parameters
    ----------
    gram
        A symmetric matrix with positive diagonal.

    Raises
    ------
    ValueError
        If the matrix is not square, is empty, or has values that are not finite.
    """
    checks.require(gram.ndim == 2 and gram.shape[0] == gram.shape[-1], "gram", "be square", gram)
    checks.finite_values(gram, "gram")
    gram = gram.detach().double()
    radii = gram.abs().sum(1) - gram.diagonal().abs()
    largest, smallest = (gram.diagonal() + radii).max(), (gram.diagonal() - radii).min()
    return float(largest / smallest) if smallest > 0 else math.inf


def relu_condition(neurons: int) -> float:
    """Return 3.883 K^4, to which the condition number of K ReLUs with even knots tends.

    The neurons are max(x - k / K, 0) on [0, 1], k = 0 ... K - 1, and the number is that of their
    Gram matrix. It is approached from above: at K = 64 the number is 3 percent larger, at
    K = 1024 it is 0.2 percent.

    Raises
    ------
    TypeError, ValueError
        If neurons is not a whole number above zero.

    Notes
    -----
    The constant is 48 / m^4, where m = 1.8751 solves cos(m) cosh(m) = -1 (``docs/theory.md``).
    For the growth see J. Shenouda, Y. Zhou, R. Nowak, ICML 2024, doi:10.48550/arXiv.2406.02529.
    """
    return RELU_CONSTANT * checks.count(neurons, "neurons") ** 4


def spacing_condition(spacing: float) -> float:
    """Return the condition number of the Gram matrix of psi(x - spacing k), k any whole number.

    It is the supremum over all finite numbers of neurons: 9/4 at spacing 1, 5.3 at 0.8, 42 at
    0.7, and infinite at 1/2, where the neurons are dependent in the limit. In a network,
    spacing is the scale c times the distance of neighbouring knots.

    Raises
    ------
    TypeError, ValueError
        If spacing is not a finite number above zero.

    Notes
    -----
    The eigenvalues fill the range of r(0) + 2 sum_m r(spacing m) cos(m angle), which is a
    polynomial in the cosine: its extremes are at ends and where its derivative is zero.
    """
    spacing = checks.positive(spacing, "spacing")
    lags = spacing * torch.arange(math.ceil(SUPPORT / spacing), dtype=torch.float64)
    series = 2 * wavelet_autocorrelation(lags).numpy()
    series[0] /= 2
    roots = chebyshev.chebroots(chebyshev.chebder(series)) if len(series) > 2 else np.zeros(0)
    # A root that is no cosine is moved to one, where the value is one more that is taken.
    values = chebyshev.chebval(np.append(np.clip(roots.real, -1, 1), [-1.0, 1.0]), series)
    lost = values.min() <= 1e-14 * values.max()
    return math.inf if lost else float(values.max() / values.min())


def jitter_bound(jitter: float) -> float:
    """Return Gershgorin's bound of the condition number where knots are off by up to a jitter.

    The neurons are psi(x - k - e_k) with |e_k| <= jitter, for any number of whole k. The bound is
    19/8 at 0, 2.81 at 0.01, 4.69 at 0.05, and infinite from about 0.122 on, where the discs reach
    zero; the matrices are far better than that (a median of 2.9 at 0.1).

    Parameters
    ----------
    jitter
        In units of the spacing, in [0, 1/2).

    Raises
    ------
    TypeError, ValueError
        If jitter is not a number in [0, 1/2).

    Notes
    -----
    Two knots m apart are within [m - 2 jitter, m + 2 jitter] of each other, and the discs are
    bounded with the largest |r| of each such interval.
    """
    jitter = checks.finite(jitter, "jitter")
    checks.require(0 <= jitter < 0.5, "jitter", "lie in [0, 1/2)", jitter)
    radius = 2 * sum(_largest(m - 2 * jitter, m + 2 * jitter) for m in (1, 2, 3))
    peak = float(wavelet_autocorrelation(torch.zeros(1)))
    return (peak + radius) / (peak - radius) if radius < peak else math.inf


def _largest(low: float, high: float) -> float:
    """Return the largest |r(s)| for s between two lags: at an end, or where r turns."""
    turning: list[float] = []
    for piece in range(len(LAGS) - 1):
        # On the piece, r' is a quadratic in s - piece / 2, times -1/72.
        rest, steps = np.array(LAGS[piece + 1 :]), np.arange(1, len(LAGS) - piece) / 2
        roots = np.roots([rest.sum(), -2 * (rest * steps).sum(), (rest * steps**2).sum()])
        turning += [piece / 2 + root.real for root in roots if 0 <= root.real <= 0.5]
    inside = [lag for lag in turning if low < lag < high]
    lags = torch.tensor([low, high, *inside], dtype=torch.float64)
    return float(wavelet_autocorrelation(lags).abs().max())
