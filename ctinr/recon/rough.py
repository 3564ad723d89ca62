"""Where a method that iterates may start, whatever the beam."""

from __future__ import annotations

from torch import Tensor

from ctinr.geometry import ConeBeam, PlanarBeam
from ctinr.operators import LinearOperator
from ctinr.recon.cgls import cgls
from ctinr.recon.fbp import fbp
from ctinr.recon.fdk import fdk
from ctinr.recon.problem import batch_shape
from ctinr.recon.views import UnseenLines

# Iterations to an image with most of the object's variation, where there is no analytic inverse.
GUESSED = 8


def rough_image(A: LinearOperator, y: Tensor, *, window: str = "ram-lak") -> Tensor:
    """Return where a method that iterates may start: what the analytic method gives, or zeros.

    Zeros where there is none: views given as vectors, or views that leave lines unseen, which
    `fbp` and `fdk` refuse.
    """
    try:
        if isinstance(A.range, PlanarBeam):
            return fbp(A, y, window=window).image
        if isinstance(A.range, ConeBeam):
            return fdk(A, y, window=window).image
    except UnseenLines:
        pass
    return y.new_zeros((*batch_shape(A, y), *A.domain.shape))


def guessed_image(A: LinearOperator, y: Tensor, *, window: str = "ram-lak") -> Tensor:
    """Return the rough image, or where there is none some iterations of least squares."""
    image = rough_image(A, y, window=window)
    return image if image.any() else cgls(A, y, iterations=GUESSED).image


def value_scale(image: Tensor) -> float:
    """Return a typical large value of an image, 1/mm, or 1 for an image of zeros."""
    value = float(image.abs().flatten().kthvalue(max(1, int(0.99 * image.numel()))).values)
    return value if value > 0 else 1.0
