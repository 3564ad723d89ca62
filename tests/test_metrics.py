"""Metrics: known values, a stated data range, and nothing quietly repaired."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch

from ctinr import metrics

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.uniform(0.2, 0.8, (16, 19))
NOISY = TRUTH + RANDOM.normal(0, 0.05, TRUTH.shape)
RANGED = pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim])


def test_rmse_is_in_the_unit_of_the_images():
    assert metrics.rmse(TRUTH + 0.1, TRUTH) == pytest.approx(0.1)
    assert metrics.rmse(np.array([3.0, 4.0]), np.zeros(2)) == pytest.approx(math.sqrt(12.5))
    assert metrics.rmse(TRUTH, TRUTH) == 0.0


@pytest.mark.parametrize(
    "error, data_range, decibels",
    [(0.1, 1.0, 20.0), (0.01, 1.0, 40.0), (0.1, 2.0, 20 + 20 * math.log10(2)), (1.0, 1.0, 0.0)],
)
def test_psnr_is_the_range_over_the_error(error, data_range, decibels):
    given = metrics.psnr(TRUTH + error, TRUTH, data_range=data_range)
    assert given == pytest.approx(decibels, abs=1e-9)


def test_psnr_of_a_perfect_image_is_infinite():
    assert metrics.psnr(TRUTH, TRUTH, data_range=1.0) == math.inf


def ssim_by_hand(image: np.ndarray, truth: np.ndarray, data_range: float) -> float:
    """The formula of Wang et al., an 11 × 11 Gaussian window of σ = 1.5 at every whole place."""
    steps = np.arange(-5, 6)
    window = np.exp(-(steps**2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2
    patches = [
        np.lib.stride_tricks.sliding_window_view(values, (11, 11)) for values in (image, truth)
    ]

    def mean(values):
        return (values * window).sum(axis=(-2, -1))

    a, b = (mean(patch) for patch in patches)
    spread = mean(patches[0] ** 2) - a**2 + mean(patches[1] ** 2) - b**2
    shared = mean(patches[0] * patches[1]) - a * b
    first, second = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = (2 * a * b + first) * (2 * shared + second)
    return float((values / ((a**2 + b**2 + first) * (spread + second))).mean())


@pytest.mark.parametrize("data_range", [1.0, 0.1, 20.0])
def test_ssim_is_that_of_its_paper(data_range):
    given = metrics.ssim(NOISY, TRUTH, data_range=data_range)
    assert given == pytest.approx(ssim_by_hand(NOISY, TRUTH, data_range), abs=1e-9)
    assert metrics.ssim(TRUTH, TRUTH, data_range=data_range) == pytest.approx(1.0)


def test_ssim_depends_on_the_range_which_is_why_it_is_asked_for():
    narrow, wide = (metrics.ssim(NOISY, TRUTH, data_range=r) for r in (0.1, 10.0))
    assert wide - narrow > 0.02


@RANGED
def test_the_data_range_must_be_said_and_by_name(metric):
    with pytest.raises(TypeError, match="data_range"):
        metric(NOISY, TRUTH)
    with pytest.raises(TypeError, match="positional"):
        metric(NOISY, TRUTH, 1.0)
    parameter = inspect.signature(metric).parameters["data_range"]
    assert (parameter.kind, parameter.default) == (parameter.KEYWORD_ONLY, parameter.empty)


@RANGED
@pytest.mark.parametrize(
    "data_range, kind, message",
    [
        (0.0, ValueError, r"^`data_range` must be above zero; got 0\.0\.$"),
        (-1.0, ValueError, r"^`data_range` must be above zero; got -1\.0\.$"),
        (math.nan, ValueError, r"^`data_range` must be finite; got nan\.$"),
        (None, TypeError, r"^`data_range` must be one real number; got None\.$"),
    ],
)
def test_what_is_no_range_is_refused(metric, data_range, kind, message):
    with pytest.raises(kind, match=message):
        metric(NOISY, TRUTH, data_range=data_range)


METRICS = pytest.mark.parametrize(
    "metric",
    [
        metrics.rmse,
        lambda image, truth: metrics.psnr(image, truth, data_range=1.0),
        lambda image, truth: metrics.ssim(image, truth, data_range=1.0),
    ],
    ids=["rmse", "psnr", "ssim"],
)


@METRICS
def test_tensors_and_arrays_are_the_same(metric):
    tensors = torch.as_tensor(NOISY).requires_grad_(), torch.as_tensor(TRUTH)
    assert metric(*tensors) == metric(NOISY, TRUTH)
    assert isinstance(metric(*tensors), float)
    single = metric(*(torch.as_tensor(values).float() for values in (NOISY, TRUTH)))
    assert single == pytest.approx(metric(NOISY, TRUTH), rel=1e-5)


@METRICS
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_image_that_is_not_finite_has_no_number(metric, bad):
    broken = NOISY.copy()
    broken[3, 4] = bad
    message = r"must be finite everywhere; got 1 NaN or infinite values in .* first at \(3, 4\)"
    with pytest.raises(ValueError, match="`image` " + message):
        metric(broken, TRUTH)
    with pytest.raises(ValueError, match="`truth` " + message):
        metric(TRUTH, broken)


@METRICS
def test_images_of_other_shapes_are_not_broadcast(metric):
    message = r"`image` must have the shape \(16, 19\) of the truth; got ndarray of shape \(16, 1\)"
    with pytest.raises(ValueError, match=message):
        metric(NOISY[:, :1], TRUTH)
    with pytest.raises(ValueError, match=r"`image` must (not be empty|be at least)"):
        metric(NOISY[:0], TRUTH[:0])


@pytest.mark.parametrize("shape", [(10, 30), (30,), (3, 20, 20)])
def test_ssim_needs_a_picture_as_large_as_its_window(shape):
    values = np.zeros(shape)
    with pytest.raises(ValueError, match=r"`image` must be at least 11 × 11; got ndarray of shape"):
        metrics.ssim(values, values, data_range=1.0)


def test_nothing_is_clipped():
    assert metrics.rmse(TRUTH * 0 + 5.0, TRUTH * 0) == pytest.approx(5.0)
    assert metrics.psnr(TRUTH * 0 + 10.0, TRUTH * 0, data_range=1.0) == pytest.approx(-20.0)
