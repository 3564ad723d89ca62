"""The ramp filter: the Kak–Slaney kernel, its windows and its powers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ctinr.operators import RampFilter, Space, ramp_kernel
from ctinr.operators.filters import WINDOWS

LINE = Space((2, 21))


def views(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=LINE.shape)


def filtered(values: np.ndarray, **options) -> np.ndarray:
    return RampFilter(LINE, options.pop("pitch", 1.0), **options)(torch.as_tensor(values)).numpy()


def test_the_kernel_is_that_of_kak_and_slaney():
    kernel = ramp_kernel(16, 0.5)
    assert kernel[0] == pytest.approx(1 / (4 * 0.5**2))
    assert kernel[2:15:2] == pytest.approx(0, abs=0)
    for n in (1, 3, 5, 7):
        assert kernel[n] == kernel[16 - n] == pytest.approx(-1 / (math.pi * n * 0.5) ** 2)


@pytest.mark.parametrize("pitch", [0.3, 1.0, 2.5])
def test_the_filter_is_the_convolution_with_the_kernel_without_wrapping(pitch):
    n = LINE.shape[-1]
    half = ramp_kernel(4 * n, pitch)[:n]
    kernel = np.concatenate([half[:0:-1], half])
    direct = np.stack([np.convolve(view, kernel)[n - 1 : 2 * n - 1] for view in views()])
    assert filtered(views(), pitch=pitch) == pytest.approx(pitch * direct, rel=1e-11, abs=1e-12)


def test_the_constant_is_not_lost():
    """|f| sampled in frequency is zero at zero: every FBP would be off by a constant."""
    response = RampFilter(LINE, 0.5).response()
    length = 2 * (len(response) - 1)
    assert response[0] == pytest.approx(0.5 * ramp_kernel(length, 0.5).sum())
    # what the odd n beyond N = length / 2 would take away: Σ 2/(π n τ)² · τ = 1/(π² N τ)
    assert response[0] == pytest.approx(1 / (math.pi**2 * (length / 2) * 0.5), rel=0.01)
    assert response[-1] == pytest.approx(1 / (2 * 0.5), rel=0.01)
    frequencies = np.fft.rfftfreq(length, 0.5)
    assert response == pytest.approx(frequencies, abs=1.2 * response[0])


def test_the_projection_of_a_disk_filters_to_a_constant_inside():
    """The filtered projection of the unit disk, 2·sqrt(1−u²), is 1/π for |u| < 1."""
    n, pitch = 2001, 0.002
    u = (np.arange(n) - (n - 1) / 2) * pitch
    view = 2 * np.sqrt(np.maximum(1 - u**2, 0))
    result = RampFilter(Space((n,)), pitch, window="hann")(torch.as_tensor(view)).numpy()
    assert result[np.abs(u) < 0.8] == pytest.approx(1 / math.pi, rel=2e-3)
    assert (result[np.abs(u) > 1.1] < 0).all()


@pytest.mark.parametrize(
    "name, at_half, at_end",
    [
        ("ram-lak", 1.0, 1.0),
        ("shepp-logan", 2 * math.sqrt(2) / math.pi, 2 / math.pi),
        ("cosine", math.sqrt(0.5), 0.0),
        ("hamming", 0.54, 0.08),
        ("hann", 0.5, 0.0),
    ],
)
def test_windows_have_their_published_values(name, at_half, at_end):
    values = WINDOWS[name](np.array([0.0, 0.5, 1.0]))
    assert values == pytest.approx([1.0, at_half, at_end], abs=1e-12)
    plain = RampFilter(LINE, 1.0).response()
    response = RampFilter(LINE, 1.0, window=name).response()
    assert response[len(plain) // 2] == pytest.approx(at_half * plain[len(plain) // 2])


@pytest.mark.parametrize("cutoff", [1.0, 0.5, 0.1])
def test_the_cutoff_is_a_fraction_of_the_highest_frequency(cutoff):
    plain, cut = (RampFilter(LINE, 0.7, cutoff=c).response() for c in (1.0, cutoff))
    fraction = np.linspace(0, 1, len(plain))
    assert cut[fraction <= cutoff] == pytest.approx(plain[fraction <= cutoff])
    assert not cut[fraction > cutoff + 1e-9].any()
    hann = RampFilter(LINE, 0.7, cutoff=cutoff, window="hann").response()
    middle = np.argmin(np.abs(fraction - cutoff / 2))
    window = 0.5 + 0.5 * math.cos(math.pi * fraction[middle] / cutoff)
    assert hann[middle] == pytest.approx(window * plain[middle])


def test_a_window_may_be_any_function():
    named = filtered(views(), window="hann", cutoff=0.7)
    own = filtered(views(), window=lambda f: 0.5 + 0.5 * np.cos(np.pi * f), cutoff=0.7)
    assert own == pytest.approx(named)


def test_the_power_applies_to_the_windowed_ramp():
    whole, half, none = (
        RampFilter(LINE, 0.6, window="hann", exponent=power).response() for power in (1, 0.5, 0)
    )
    assert half**2 == pytest.approx(whole)
    assert (none == 1).all()
    assert filtered(views(), exponent=0.0) == pytest.approx(views())


@pytest.mark.parametrize("pitch", [0.2, 3.0])
@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_a_normalised_filter_is_at_most_one(pitch, exponent):
    response = RampFilter(LINE, pitch, exponent=exponent, normalised=True).response()
    assert response.max() == pytest.approx(1.0, rel=0.02)
    assert RampFilter(LINE, pitch, exponent=exponent, normalised=True).norm() <= 1 + 1e-6


@pytest.mark.parametrize(
    "options, kind, message",
    [
        ({"pitch": 0.0}, ValueError, r"`pitch` must be above zero; got 0\.0\."),
        ({"window": "hanning"}, ValueError, r"`window` must be one of 'ram-lak', .*; got hanning"),
        ({"window": None}, ValueError, r"`window` must be one of 'ram-lak', .*; got None\."),
        ({"window": ["hann"]}, ValueError, r"`window` must be one of .*; got \['hann'\]\."),
        ({"cutoff": 0.0}, ValueError, r"`cutoff` must lie in \(0, 1\]; got 0\.0\."),
        ({"cutoff": 1.1}, ValueError, r"`cutoff` must lie in \(0, 1\]; got 1\.1\."),
        ({"exponent": -0.5}, ValueError, r"`exponent` must be at least 0; got -0\.5\."),
        ({"exponent": math.inf}, ValueError, r"`exponent` must be finite; got inf\."),
        ({"exponent": "1"}, TypeError, r"`exponent` must be one real number; got '1'\."),
    ],
)
def test_what_is_no_filter_is_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        filtered(views(), **options)


@pytest.mark.parametrize(
    "window",
    [
        lambda fraction: np.cos(np.pi * fraction),
        lambda fraction: np.full_like(fraction, np.nan),
        lambda fraction: np.where(fraction > 0, 1 / np.maximum(fraction, 1e-9), np.inf),
        lambda fraction: 1.0,
    ],
    ids=["negative", "nan", "infinite", "scalar"],
)
def test_a_window_must_give_a_weight_for_every_frequency(window):
    message = r"`window` must return a finite number of at least 0 for every frequency; got "
    with pytest.raises(ValueError, match=message):
        filtered(views(), window=window)


def test_the_repr_tells_filters_apart():
    filters = {
        repr(RampFilter(LINE, 0.5, **options))
        for options in ({}, {"window": "hann"}, {"cutoff": 0.5}, {"exponent": 0.5})
    } | {repr(RampFilter(LINE, 0.5, normalised=True)), repr(RampFilter(LINE, 0.25))}
    assert len(filters) == 6
