"""The error of a filtered backprojection, estimated from rays that are judged without themselves.

Backprojection B turns filtered views W y into the image, and its transpose is the projection. So
the correlation with an image x that nobody knows is a sum over rays that were measured:

    ⟨B W y, x⟩ = ⟨W y, Bᵀ x⟩ = π / num_views · ⟨W y, line integrals of x⟩

and with it the error ‖B W y − x‖² = ‖B W y‖² − 2 ⟨B W y, x⟩ + ‖x‖². The measured rays stand for
the line integrals. Their noise would be rewarded wherever it meets itself, so each ray is
multiplied by the filtered value that the view would have there without that ray, which is taken
from its neighbours instead.

Views withheld whole cannot judge a filter: a filtered backprojection of few views knows nothing of
the directions between them but the low frequencies, which every filter passes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ctinr.geometry import Grid, ParallelBeam
from ctinr.operators import RampFilter
from ctinr.recon.views import view_weights

LEFT_OUT_RULE = "least squared error of the image, estimated by leaving out each ray in turn"

# The middle value from three on either side, exact for polynomials of degree 5.
NEIGHBOURS = (1 / 20, -6 / 20, 15 / 20, 0.0, 15 / 20, -6 / 20, 1 / 20)


@dataclass(frozen=True, eq=False)
class LeftOutRays:
    """Estimates the error of filtered backprojections of one sinogram, relative to the object.

    The estimate is unbiased for noise that is independent from ray to ray, up to what the object
    has in frequencies that neighbours cannot tell. Its constant part is estimated too, so it can
    fall below zero where the error is small; only differences choose.

    Parameters
    ----------
    y : Tensor, shape (*batch, angle, u)
        Line integrals.
    geometry : ParallelBeam
        Where the rays lie.
    grid : Grid
        Where the cells lie; the object is inside.

    References
    ----------
    Efron 2004, The estimation of prediction error: covariance penalties and cross-validation,
    doi:10.1198/016214504000000692.
    """

    y: Tensor
    geometry: ParallelBeam
    grid: Grid

    def error(self, image: Tensor, ramp: RampFilter) -> float:
        """Return the estimated ‖image − x‖² / ‖x‖² of the image that was made with that filter."""
        energy = self.correlation(RampFilter(self.geometry, self.geometry.detector.pitch[0]))
        own = float(image.square().sum(dtype=torch.float64)) * self.grid.cell_measure
        # Data of noise alone have no energy to compare with.
        return (own - 2 * self.correlation(ramp) + energy) / (energy if energy > 0 else 1.0)

    def correlation(self, ramp: RampFilter) -> float:
        """Return the estimate of ⟨B W y, x⟩, in mm² times (1/mm)²."""
        pitch = self.geometry.detector.pitch[0]
        weights = self.y.new_tensor(view_weights(self.geometry.angles))[:, None]
        # What a value contributes to its own filtered value: the middle of the kernel.
        middle = float(np.fft.irfft(ramp.response())[0])
        filtered = ramp(self.y) - middle * (self.y - self.from_neighbours())
        return pitch * float((weights * filtered * self.y).sum(dtype=torch.float64))

    def from_neighbours(self) -> Tensor:
        """Return what the neighbours along u say of every ray."""
        num_bins = self.y.shape[-1]
        padded = pad(self.y.reshape(-1, *self.geometry.shape), (3, 3), mode="replicate")
        shifted = [padded[..., k : k + num_bins] * part for k, part in enumerate(NEIGHBOURS)]
        return torch.stack(shifted).sum(0).reshape(self.y.shape)
