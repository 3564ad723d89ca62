"""Stripes: bins that always count a little too much or too little, and draw rings.

A bin whose gain the flat field does not catch adds the same amount to all views: a stripe along
the angle, and after reconstruction a ring (half a ring over half a turn) about the axis.

Two ways to take stripes away. Sorting makes every bin's values comparable with its neighbours'
and needs no guess about frequencies; filtering damps what does not change with the angle and
changes quickly along u. Neither can tell a stripe from an object that is a ring about the axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ctinr import checks
from ctinr.data.preprocessing.integrals import checked_integrals


def remove_stripes_by_sorting(
    sinogram: Any, *, size: int = 21
) -> Float[np.ndarray, "angle *rows u"]:
    """Return line integrals without stripes: sort each bin, smooth across bins, sort back.

    Neighbouring bins see nearly the same values in the course of a turn, only in another order.
    Sorted, they differ by their stripes alone, which a median across the bins takes away. A stripe
    that is lower than the step from one sorted bin to the next is not seen.

    Parameters
    ----------
    sinogram : array or Tensor, shape (angle, u) or (angle, v, u)
        Line integrals, without unit.
    size : int
        Bins of the median, odd; more than twice the width of the widest stripe.

    Raises
    ------
    ValueError
        If values are intensities or not finite, or the size is even or wider than the detector.

    References
    ----------
    Vo, Atwood, Drakopoulos 2018, Superior techniques for eliminating ring artifacts in X-ray
    micro-tomography, algorithm 3, doi:10.1364/OE.26.028396.
    """
    from scipy.ndimage import median_filter

    values = checked_integrals(sinogram)
    checks.require(checks.count(size, "size", least=3) % 2 == 1, "size", "be odd", size)
    rule = f"be at most {values.shape[-1]}, the number of bins"
    checks.require(size <= values.shape[-1], "size", rule, size)
    order = np.argsort(values, axis=0, kind="stable")
    rising = np.take_along_axis(values, order, axis=0)
    window = (1,) * (values.ndim - 1) + (size,)
    smooth = median_filter(rising, size=window, mode="mirror")
    np.put_along_axis(values, order, smooth, axis=0)
    return values


def remove_stripes_by_filtering(
    sinogram: Any, *, cutoff: float = 0.04, damping: float = 1.0
) -> Float[np.ndarray, "angle *rows u"]:
    """Return line integrals without stripes: damp what is constant in angle and fine along u.

    Parameters
    ----------
    sinogram : array or Tensor, shape (angle, u) or (angle, v, u)
        Line integrals, without unit.
    cutoff : float
        Frequencies along u from which on stripes are damped, in turns per bin, up to 0.5. Lower
        ones hold the shape of the object, whose outline makes rings if they are damped too.
    damping : float
        Width of the damped band about frequency 0 along the angle, in turns over the scan: how
        much a stripe may change during it.

    Raises
    ------
    ValueError
        If values are intensities or not finite, or a number is out of range.

    References
    ----------
    Münch, Trtik, Marone, Stampanoni 2009, Stripe and ring artifact removal with combined wavelet–
    Fourier filtering, doi:10.1364/OE.17.008567. Here bands of the Fourier transform along u take
    the place of the wavelets.
    """
    values = checked_integrals(sinogram, least_views=2)
    cutoff = checks.positive(cutoff, "cutoff")
    checks.require(cutoff <= 0.5, "cutoff", "be at most 0.5 turns per bin", cutoff)
    damping = checks.positive(damping, "damping")
    # Mirrored at both ends of u, so that a truncated object makes no step.
    width = values.shape[-1]
    mirrored = np.concatenate([values, values[..., ::-1]], axis=-1)
    spectrum = np.fft.rfft2(mirrored, axes=(0, -1))
    turns = np.fft.fftfreq(len(values)) * len(values)
    along_u = np.fft.rfftfreq(2 * width)
    # From nothing to all within a band as wide as the cutoff itself: a sharp edge would ring.
    fine = np.clip((along_u - cutoff / 2) / cutoff, 0, 1)
    steady = np.exp(-0.5 * (turns / damping) ** 2)
    shape = (len(turns), *(1,) * (values.ndim - 2), len(along_u))
    spectrum *= 1 - (steady[:, None] * fine).reshape(shape)
    return np.fft.irfft2(spectrum, s=(len(values), 2 * width), axes=(0, -1))[..., :width]
