"""Filters on sinograms: the ramp of filtered backprojection, its windows and its powers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import final

import numpy as np
import torch
from torch import Tensor

from ctinr import checks
from ctinr.operators.base import HasShape, LinearOperator
from ctinr.operators.spectra import filtered_spectrum

Window = Callable[[np.ndarray], np.ndarray]

# Windows over the frequency as a fraction of the cut-off, 0 … 1.
WINDOWS: Mapping[str, Window] = MappingProxyType(
    {
        "ram-lak": np.ones_like,
        "shepp-logan": lambda fraction: np.sinc(fraction / 2),
        "cosine": lambda fraction: np.cos(np.pi / 2 * fraction),
        "hamming": lambda fraction: 0.54 + 0.46 * np.cos(np.pi * fraction),
        "hann": lambda fraction: 0.5 + 0.5 * np.cos(np.pi * fraction),
    }
)


def ramp_kernel(length: int, pitch: float) -> np.ndarray:
    """Return the band-limited ramp in space, sampled at the bins, ordered for an FFT.

    ``h(0) = 1/(4τ²)``, ``h(n) = −1/(π n τ)²`` for odd n and 0 for even n, with τ the pitch.
    Sampling |f| in frequency instead shifts every reconstructed value by a constant.

    Parameters
    ----------
    length : int
        Number of samples, at least twice the bins so that the convolution does not wrap around.
    pitch : float
        Distance between bins, mm.

    Returns
    -------
    ndarray, shape (length,)
        1/mm².

    References
    ----------
    Kak, Slaney, Principles of Computerized Tomographic Imaging (1988), eq. 61 of chapter 3,
    doi:10.1137/1.9780898719277.
    """
    n = np.minimum(np.arange(length), length - np.arange(length))
    kernel = np.zeros(length)
    kernel[0] = 1 / (4 * pitch**2)
    odd = n % 2 == 1
    kernel[odd] = -1 / (math.pi * n[odd] * pitch) ** 2
    return kernel


@final
class RampFilter(LinearOperator):
    """Convolve every view with the ramp, windowed, raised to a power if asked for.

    The response is ``(ramp · window)^exponent``: exponent 1 filters for backprojection, 1/2 turns
    a least-squares loss into the ramp-filtered loss, which conditions the problem, and 0 is the
    identity (with `window="ram-lak"` and `cutoff=1`). The kernel is even, so the operator is its
    own transpose.

    Parameters
    ----------
    space : ParallelBeam or anything with a shape
        The space of sinograms; the last axis is filtered.
    pitch : float
        Distance between bins, mm.
    window : str or callable
        One of ram-lak, shepp-logan, cosine, hamming, hann, or a function of the frequency as a
        fraction of the cut-off, given and returned as arrays.
    cutoff : float
        Highest frequency kept, as a fraction of the Nyquist frequency 1/(2 pitch), in (0, 1].
    exponent : float
        The power of the response, at least 0.
    normalised : bool
        Divide by the ramp's largest value, 1/(2 pitch), before taking the power, so that the
        largest response is 1 whatever the exponent.

    Raises
    ------
    ValueError
        If the window is unknown or, when first applied, gives anything but finite numbers of at
        least 0; if the cut-off is outside (0, 1] or the exponent negative.
    """

    def __init__(
        self,
        space: HasShape,
        pitch: float,
        *,
        window: str | Window = "ram-lak",
        cutoff: float = 1.0,
        exponent: float = 1.0,
        normalised: bool = False,
    ) -> None:
        self._space = space
        self._pitch = checks.positive(pitch, "pitch")
        self._window = window if callable(window) else checks.one_of(window, "window", WINDOWS)
        self._cutoff = checks.fraction(cutoff, "cutoff")
        self._exponent = checks.finite(exponent, "exponent")
        checks.require(self._exponent >= 0, "exponent", "be at least 0", exponent)
        self._normalised = normalised
        self._response = lru_cache(maxsize=4)(self._response_on)

    def __repr__(self) -> str:
        return (
            f"RampFilter(pitch={self._pitch}, window={self._window!r}, cutoff={self._cutoff}, "
            f"exponent={self._exponent}, normalised={self._normalised})"
        )

    @property
    def domain(self) -> HasShape:
        """The space of sinograms."""
        return self._space

    @property
    def range(self) -> HasShape:
        """The space of sinograms."""
        return self._space

    def response(self) -> np.ndarray:
        """Return the frequency response at the non-negative frequencies of the padded FFT."""
        length = padded_length(self._space.shape[-1])
        ramp = self._pitch * np.fft.rfft(ramp_kernel(length, self._pitch)).real
        fraction = np.linspace(0, 1, length // 2 + 1) / self._cutoff
        window = WINDOWS[self._window] if isinstance(self._window, str) else self._window
        values = np.asarray(window(np.minimum(fraction, 1.0)), dtype=np.float64)
        checks.require(
            values.shape == fraction.shape
            and bool((values >= 0).all() and (values < np.inf).all()),
            "window",
            "return a finite number of at least 0 for every frequency",
            values,
        )
        scale = 2 * self._pitch if self._normalised else 1.0
        # The transform of the kernel is positive; rounding may leave a tiny negative value.
        ramp = np.maximum(scale * ramp, 0.0)
        return (ramp * np.where(fraction <= 1, values, 0.0)) ** self._exponent

    def _response_on(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        return torch.as_tensor(self.response(), device=device, dtype=dtype)

    def _forward(self, x: Tensor) -> Tensor:
        num_bins = x.shape[-1]
        length = padded_length(num_bins)
        response = self._response(x.device, x.dtype)
        return filtered_spectrum(x, response, length=length)[..., :num_bins].contiguous()

    def _transposed(self, y: Tensor) -> Tensor:
        return self._forward(y)


def padded_length(num_bins: int) -> int:
    """Return the power of two that leaves room for the whole convolution."""
    return max(2, 1 << (2 * num_bins - 1).bit_length())
