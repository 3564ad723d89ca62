"""Condition numbers against the theorems, arithmetic of 60 digits, and numbers found before."""

from __future__ import annotations

import math
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor

from ctinr.networks import (
    RELU_CONSTANT,
    WAVELET_EIGENVALUES,
    condition_number,
    gershgorin_bound,
    jitter_bound,
    relu_condition,
    relu_features,
    relu_gram,
    spacing_condition,
    wavelet_autocorrelation,
    wavelet_features,
    wavelet_gram,
)

COUNTS = (16, 32, 64, 128, 256, 512, 1024)


def whole(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.float64)


def relu_of(neurons: int) -> float:
    return condition_number(relu_features(whole(neurons) / neurons)) ** 2


@pytest.fixture(scope="module")
def relu_conditions() -> list[float]:
    return [relu_of(neurons) for neurons in COUNTS]


# ------------------------------------------------------------------ ReLUs


@pytest.mark.parametrize("neurons", [5, 12, 24])
def test_relus_against_sixty_digits(neurons: int) -> None:
    with mpmath.workdps(60):
        gram = mpmath.matrix(neurons, neurons)
        for row in range(neurons):
            for column in range(neurons):
                rest = 1 - mpmath.mpf(max(row, column)) / neurons
                apart = mpmath.mpf(abs(row - column)) / neurons
                gram[row, column] = rest**3 / 3 + apart * rest**2 / 2
        eigenvalues = mpmath.eigsy(gram, eigvals_only=True)
        expected = float(max(eigenvalues) / min(eigenvalues))
    assert relu_of(neurons) == pytest.approx(expected, rel=1e-12)
    assert condition_number(relu_gram(whole(neurons) / neurons)) == pytest.approx(expected, 1e-9)


def test_relus_grow_with_the_fourth_power(relu_conditions: list[float]) -> None:
    """The plain fit of a power, and the fit with two orders of 1 / K for the constant."""
    counts, logs = np.array(COUNTS, dtype=float), np.log(relu_conditions)
    slope, _ = np.polyfit(np.log(counts), logs, 1)
    assert slope == pytest.approx(4, rel=0.01)
    columns = np.stack([np.log(counts), np.ones_like(counts), 1 / counts, 1 / counts**2], axis=1)
    exponent, constant = np.linalg.lstsq(columns, logs)[0][:2]
    assert exponent == pytest.approx(4, rel=1e-3)
    assert math.exp(constant) == pytest.approx(3.883, rel=0.005)


def test_relus_approach_their_limit_from_above(relu_conditions: list[float]) -> None:
    excess = [
        found / relu_condition(neurons) - 1
        for neurons, found in zip(COUNTS, relu_conditions, strict=True)
    ]
    assert all(0 < later < earlier for earlier, later in pairwise(excess))
    assert excess[-1] < 0.002
    assert relu_conditions[2] == pytest.approx(6.7e7, rel=0.005)
    assert relu_conditions[-1] == pytest.approx(4.28e12, rel=0.002)


def test_the_constant_is_that_of_a_clamped_beam() -> None:
    frequency = float(mpmath.findroot(lambda x: mpmath.cos(x) * mpmath.cosh(x) + 1, 1.9))
    assert pytest.approx(48 / frequency**4, rel=1e-14) == RELU_CONSTANT


def test_the_smallest_eigenvalue_of_the_relus_is_that_of_their_finest_wiggle() -> None:
    values = torch.linalg.svdvals(relu_features(whole(256) / 256)) ** 2
    assert float(values[-1]) * 48 * 256**3 == pytest.approx(1, rel=1e-3)
    assert float(values[0]) / 256 == pytest.approx(0.0809, rel=0.01)


# ------------------------------------------------------------------ wavelets


@pytest.mark.parametrize("neurons", [1, 2, 3, 7, 20, 101, 1024])
def test_wavelets_stay_below_nine_quarters_for_every_number(neurons: int) -> None:
    gram = wavelet_gram(whole(neurons))
    values = torch.linalg.eigvalsh(gram)
    low, high = WAVELET_EIGENVALUES
    assert low < float(values[0]) <= float(values[-1]) < high
    condition = float(values[-1] / values[0])
    assert condition <= 9 / 4
    assert condition <= gershgorin_bound(gram) * (1 + 1e-14) <= 19 / 8 * (1 + 1e-14)
    if neurons < 200:
        assert condition_number(gram) == pytest.approx(condition, rel=1e-12)
    if neurons > 500:  # there is no better bound
        assert condition > 2.2499


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_subsets_of_the_dyadic_family_stay_below_nine_quarters(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(-3, 5, (150,), generator=generator)
    shifts = torch.randint(-12, 12, (150,), generator=generator)
    members = torch.unique(torch.stack([levels, shifts], dim=1), dim=0).double()
    values = torch.linalg.svdvals(wavelet_features(members[:, 1], 2 ** members[:, 0])) ** 2
    low, high = WAVELET_EIGENVALUES
    assert low - 1e-14 < float(values[-1]) < 0.18
    assert 0.3 < float(values[0]) < high + 1e-14


def test_scales_that_are_not_powers_of_two_are_worse() -> None:
    shifts = torch.cat([whole(20), whole(30)])
    scales = torch.cat([torch.ones(20), torch.full((30,), 1.5)])
    assert condition_number(wavelet_features(shifts, scales)) ** 2 > 4


@pytest.mark.parametrize(
    ("spacing", "expected"), [(1.0, 2.25), (0.8, 5.3), (0.7, 42.3), (0.6, 393), (3.0, 1.0)]
)
def test_conditioning_needs_spacing(spacing: float, expected: float) -> None:
    bound = spacing_condition(spacing)
    assert bound == pytest.approx(expected, rel=0.005)
    finite = condition_number(wavelet_gram(spacing * whole(300)))
    assert 0.98 * bound < finite <= bound * (1 + 1e-9)


@pytest.mark.parametrize("spacing", [0.4, 0.55, 0.9, 1.3])
def test_the_extremes_of_the_symbol_are_found(spacing: float) -> None:
    cosines = np.cos(np.linspace(0, np.pi, 20_001))
    lags = spacing * whole(math.ceil(3 / spacing))
    series = wavelet_gram(lags)[0].numpy() * np.where(np.arange(len(lags)) == 0, 1, 2)
    symbol = np.polynomial.chebyshev.chebval(cosines, series)
    assert spacing_condition(spacing) == pytest.approx(symbol.max() / symbol.min(), rel=1e-5)


def test_wavelets_half_a_unit_apart_are_dependent_in_the_limit() -> None:
    assert spacing_condition(0.5) == spacing_condition(0.25) == math.inf
    conditions = [condition_number(wavelet_gram(0.5 * whole(count))) for count in (50, 100, 200)]
    assert all(later > 3.5 * before for before, later in pairwise(conditions))


# ------------------------------------------------------------------ jitter


@pytest.mark.parametrize(
    ("jitter", "expected"), [(0.0, 19 / 8), (0.01, 2.81), (0.02, 3.28), (0.05, 4.69), (0.1, 7.0)]
)
def test_jitter_has_a_bound(jitter: float, expected: float) -> None:
    assert jitter_bound(jitter) == pytest.approx(expected, rel=0.002)


@pytest.mark.parametrize("jitter", [0.004, 0.06, 0.08, 0.088, 0.11])
def test_the_bound_knows_the_largest_of_each_interval(jitter: float) -> None:
    """From 0.073 to 0.09 the largest |r| near a lag of 1 is between the ends."""
    lags = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)
    lags = lags + torch.linspace(-2 * jitter, 2 * jitter, 20_001, dtype=torch.float64)
    radius = 2 * float(wavelet_autocorrelation(lags).abs().amax(1).sum())
    assert jitter_bound(jitter) == pytest.approx((0.25 + radius) / (0.25 - radius), rel=1e-6)


def test_the_bound_ends_where_the_discs_reach_zero() -> None:
    assert 100 < jitter_bound(0.1215) < math.inf
    assert jitter_bound(0.1225) == jitter_bound(0.3) == math.inf


@pytest.mark.parametrize("jitter", [0.03, 0.1])
def test_the_bound_holds_for_knots_that_try_to_break_it(jitter: float) -> None:
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (20, 64), generator=generator).double() * 2 - 1
    grams = [wavelet_gram(whole(64) + jitter * row) for row in signs]
    bound = jitter_bound(jitter)
    assert max(gershgorin_bound(gram) for gram in grams) <= bound
    assert max(gershgorin_bound(gram) for gram in grams) > 0.7 * bound


@pytest.mark.parametrize(("jitter", "median"), [(0.05, 2.36), (0.1, 2.87), (0.25, 9.9)])
def test_what_random_jitter_does(jitter: float, median: float) -> None:
    generator = torch.Generator().manual_seed(0)
    offsets = (torch.rand(5, 600, dtype=torch.float64, generator=generator) * 2 - 1) * jitter
    values = [torch.linalg.eigvalsh(wavelet_gram(whole(600) + row)) for row in offsets]
    found = [float(row[-1] / row[0]) for row in values]
    assert float(np.median(found)) == pytest.approx(median, rel=0.05)


# ------------------------------------------------------------------ matrices


def test_a_condition_number_is_that_of_numpy_until_rounding_hides_it() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.rand(9, 5, generator=generator)
    assert condition_number(matrix) == pytest.approx(np.linalg.cond(matrix.double()), rel=1e-12)
    assert condition_number(torch.diag(torch.tensor([1.0, 1e-10]))) == pytest.approx(1e10)
    assert condition_number(torch.diag(torch.tensor([1.0, 0.0]))) == math.inf
    assert condition_number(torch.ones(3, 3, dtype=torch.float64) / 3) == math.inf


def test_gershgorin_of_a_matrix_by_hand() -> None:
    gram = torch.tensor([[4.0, 1.0, 0.0], [1.0, 5.0, -2.0], [0.0, -2.0, 6.0]])
    assert gershgorin_bound(gram) == pytest.approx(8 / 2)
    assert gershgorin_bound(torch.ones(2, 2)) == math.inf


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: jitter_bound(0.5), "`jitter` must lie in .0, 1/2.; got 0.5"),
        (lambda: spacing_condition(0.0), "`spacing` must be above zero; got 0.0"),
        (lambda: relu_condition(0), "`neurons` must be at least 1; got 0"),
        (lambda: gershgorin_bound(torch.ones(2, 3)), "`gram` must be square; got Tensor"),
        (lambda: condition_number(torch.ones(0, 3)), "`matrix` must not be empty"),
        (lambda: condition_number(torch.full((2, 2), math.nan)), "`matrix` must be finite"),
    ],
)
def test_bad_input_is_refused(call, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()
