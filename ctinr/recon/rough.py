"""Where a method that iterates may start, whatever the beam."""

from __future__ import annotations

from torch import Tensor

from ctinr.geometry import ConeBeam, PlanarBeam
from ctinr.operators import LinearOperator
from ctinr.recon.fbp import fbp
from ctinr.recon.fdk import fdk
from ctinr.recon.problem import batch_shape
from ctinr.recon.views import UnseenLines


def rough_image(A: LinearOperator, y: Tensor) -> Tensor:
    """Return where a method that iterates may start: what the analytic method gives, or zeros.

    Zeros where there is none: views given as vectors, or views that leave lines unseen, which
    `fbp` and `fdk` refuse.
    """
    try:
        if isinstance(A.range, PlanarBeam):
            return fbp(A, y).image
        if isinstance(A.range, ConeBeam):
            return fdk(A, y).image
    except UnseenLines:
        pass
    return y.new_zeros((*batch_shape(A, y), *A.domain.shape))
