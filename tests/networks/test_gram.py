"""Inner products of neurons on the line against quadrature of neurons written down anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ctinr.networks import (
    relu_features,
    relu_gram,
    wavelet_autocorrelation,
    wavelet_features,
    wavelet_gram,
)
from tests.networks.reference import psi

MIDPOINTS = 2**18  # of a rule whose error on [-6, 6] is below 1e-8


def midpoints(low: float, high: float) -> tuple[Tensor, float]:
    step = (high - low) / MIDPOINTS
    return low + step * (torch.arange(MIDPOINTS, dtype=torch.float64) + 0.5), step


def test_autocorrelation_at_the_lags_of_the_theorem() -> None:
    lags = torch.tensor([0.0, 1, -1, 2, 3, 3.5, -40], dtype=torch.float64)
    expected = torch.tensor([1 / 4, 5 / 108, 5 / 108, -1 / 216, 0, 0, 0], dtype=torch.float64)
    assert (wavelet_autocorrelation(lags) - expected).abs().max() < 1e-14
    assert wavelet_autocorrelation(lags)[-3:].count_nonzero() == 0


@pytest.mark.parametrize("lag", [0.0, 0.21, -0.5, 0.77, 1.3, 2.6, 2.95])
def test_autocorrelation_is_the_integral(lag: float) -> None:
    points, step = midpoints(0, 3)
    expected = float((psi(points) * psi(points + lag)).sum() * step)
    got = wavelet_autocorrelation(torch.tensor(lag, dtype=torch.float64))
    assert float(got) == pytest.approx(expected, abs=2e-10)


def test_autocorrelation_keeps_float64_and_the_shape() -> None:
    lags = torch.linspace(-4, 4, 6, dtype=torch.float32).reshape(2, 3)
    assert wavelet_autocorrelation(lags).dtype == torch.float64
    assert wavelet_autocorrelation(lags).shape == (2, 3)


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_wavelet_gram_is_the_integral_of_products(scale: float) -> None:
    knots = torch.tensor([0.3, -1.0, 0.9, 2.55], dtype=torch.float64)
    points, step = midpoints(-2, 6)
    neurons = psi(scale * (points[:, None] - knots))
    assert (wavelet_gram(knots, scale) - step * neurons.T @ neurons).abs().max() < 1e-8
    factor = wavelet_features(scale * knots, torch.full_like(knots, scale))
    assert (factor.T @ factor / scale - wavelet_gram(knots, scale)).abs().max() < 1e-14


def test_relu_gram_and_its_factor_are_the_integral_of_products() -> None:
    knots = torch.tensor([0.6, 0.0, 0.25, 0.97], dtype=torch.float64)
    points, step = midpoints(0, 1)
    neurons = (points[:, None] - knots).relu()
    factor = relu_features(knots)
    assert factor.shape == (8, 4)
    assert (relu_gram(knots) - step * neurons.T @ neurons).abs().max() < 1e-10
    assert (factor.T @ factor / relu_gram(knots) - 1).abs().max() < 1e-14


def test_wavelets_of_several_scales_are_the_integral_of_products() -> None:
    shifts = torch.tensor([0.0, 1.0, -2.5, 5.0], dtype=torch.float64)
    scales = torch.tensor([1.0, 4.0, 0.7, 2.3], dtype=torch.float64)
    points, step = midpoints(-6, 6)
    neurons = scales.sqrt() * psi(points[:, None] * scales - shifts)
    factor = wavelet_features(shifts, scales)
    assert (factor.T @ factor - step * neurons.T @ neurons).abs().max() < 1e-8
    assert (factor.norm(dim=0) - 0.5).abs().max() < 1e-14


def test_levels_of_the_dyadic_family_are_orthogonal() -> None:
    shifts, fine = torch.arange(-3.0, 8.0), torch.arange(-9.0, 30.0)
    both = torch.cat([shifts, fine])
    for ratio, orthogonal in ((2.0, True), (8.0, True), (3.0, False)):
        scales = torch.cat([torch.ones_like(shifts), torch.full_like(fine, ratio)])
        factor = wavelet_features(both, scales)
        across = factor[:, : len(shifts)].T @ factor[:, len(shifts) :]
        assert (across.abs().max() < 1e-14) == orthogonal, ratio


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: relu_gram(torch.tensor([0.5, 1.0])), "`knots` must lie in .0, 1.; got knots from"),
        (lambda: relu_features(torch.tensor([-0.1])), "`knots` must lie in .0, 1.; got knots from"),
        (lambda: relu_gram(torch.zeros(2, 2)), "`knots` must have one axis; got Tensor of shape"),
        (lambda: wavelet_gram(torch.zeros(0)), "`knots` must not be empty"),
        (lambda: wavelet_gram(torch.zeros(2), -1.0), "`scale` must be above zero; got -1.0"),
        (lambda: wavelet_autocorrelation(torch.tensor([np.nan])), "`lag` must be finite"),
        (
            lambda: wavelet_features(torch.zeros(2), torch.ones(3)),
            "`scales` must have one scale for each of the 2 shifts; got Tensor",
        ),
        (
            lambda: wavelet_features(torch.zeros(2), torch.tensor([1.0, 0.0])),
            "`scales` must be above zero; got a smallest one of 0.0",
        ),
    ],
)
def test_bad_input_is_refused(call, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()
