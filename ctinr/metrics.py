"""Measures of how close an image is to the truth; the data range is always stated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ctinr import checks

Image = Tensor | np.ndarray


def rmse(image: Image, truth: Image) -> float:
    """Return the root of the mean squared difference, in the unit of the images.

    Parameters
    ----------
    image, truth : Tensor or ndarray of one shape
        The image and what it should be.

    Raises
    ------
    ValueError
        If the shapes differ or a value is NaN or infinite.
    """
    image, truth = _pair(image, truth)
    return float(np.sqrt(np.mean((image - truth) ** 2)))


def psnr(image: Image, truth: Image, *, data_range: float) -> float:
    """Return the peak signal-to-noise ratio, 10 log10(data_range² / mean squared error), dB.

    Parameters
    ----------
    image, truth : Tensor or ndarray of one shape
        The image and what it should be. Nothing is clipped or rescaled.
    data_range : float
        The range of values that counts as the peak; say it wherever the number is quoted.

    Raises
    ------
    ValueError
        If the shapes differ, a value is NaN or infinite, or the range is not positive.
    """
    peak = checks.positive(data_range, "data_range")
    error = rmse(image, truth)
    return math.inf if error == 0 else 20 * math.log10(peak / error)


def ssim(image: Image, truth: Image, *, data_range: float) -> float:
    """Return the structural similarity of two images, Gaussian window of σ = 1.5 cells.

    Parameters
    ----------
    image, truth : Tensor or ndarray of shape (y, x), at least 11 × 11
        The image and what it should be.
    data_range : float
        The range of values; without it the constants of the formula mean nothing.

    Raises
    ------
    ValueError
        If the shapes differ, the images are too small, or the range is not positive.

    References
    ----------
    Wang et al. 2004, doi:10.1109/TIP.2003.819861, with the settings given there.
    """
    from skimage.metrics import structural_similarity

    peak = checks.positive(data_range, "data_range")
    image, truth = _pair(image, truth)
    checks.require(
        image.ndim == 2 and min(image.shape) >= 11, "image", "be at least 11 × 11", image
    )
    value: Any = structural_similarity(
        truth,
        image,
        data_range=peak,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(value)


def _pair(image: Image, truth: Image) -> tuple[np.ndarray, np.ndarray]:
    pair = [_as_array(values) for values in (image, truth)]
    rule = f"have the shape {pair[1].shape} of the truth"
    checks.require(pair[0].shape == pair[1].shape, "image", rule, pair[0])
    checks.finite_values(pair[0], "image")
    checks.finite_values(pair[1], "truth")
    return pair[0], pair[1]


def _as_array(values: Image) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)
