"""The error of a filtered backprojection, estimated from rays that are judged without themselves.

Backprojection B turns filtered views W c y into the image, where c are weights of the rays that a
beam may need, and its transpose is a projection. So the correlation with an image x that nobody
knows is a sum over rays that were measured, each standing for a part of the turn:

    ⟨B W c y, x⟩ = ⟨W c y, Bᵀ x⟩

and with it the error ‖B W c y − x‖² = ‖B W c y‖² − 2 ⟨B W c y, x⟩ + ‖x‖². Of a parallel beam Bᵀ x
are the line integrals; of a cone on a circle, whose cells weigh with the squared ratio of
distances, they are those along the central ray (or at right angles to the axis, if the detector is
curved). Of a fan the ray passes each point with the weight D / L, the distances of the axis and of
the point from the source: with D cos γ + τ for the distance along the ray, that is

    ∫ x D / L = 1 / cos γ · ∫ x (1 − τ / (D cos γ) + …)

of which the first term is kept. The next ones come from both sides of a line with opposite signs
or are of second order, and all are smooth: they are the same for every filter but where filters
differ, in fine detail, of which they change a small part.

The measured rays stand for the line integrals. Their noise would be rewarded wherever it meets
itself, so what a ray's noise contributes to the filtered value of that very ray is taken away: the
middle of the filter's kernel times the variance of the noise, which neighbouring rays tell.

Views withheld whole cannot judge a filter: a filtered backprojection of few views knows nothing of
the directions between them but the low frequencies, which every filter passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ctinr.geometry import ConeBeam, FanBeam, Grid, ParallelBeam, PlanarBeam
from ctinr.recon.fbp import fan_weights
from ctinr.recon.fdk import cone_weights
from ctinr.recon.filtered import LowPass, ramped
from ctinr.recon.views import Arc, view_weights

LEFT_OUT_RULE = "least squared error of the image, estimated by leaving out each ray in turn"
WHOLE: LowPass = ("ram-lak", 1.0)

# The middle value from one on either side: of few, so that few rays have an edge among them.
NEIGHBOURS = (0.5, 0.0, 0.5)
# A quarter of the squares of normal numbers of variance 1 is below this. Edges of the object, which
# neighbours cannot tell, make some squares larger and move that quarter least.
QUARTER = 0.1015310


class RayWeights(NamedTuple):
    """Weights of rays before the filter, and in the sum over rays, of the shape of a sinogram."""

    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True, eq=False)
class LeftOutRays:
    """Estimates the error of filtered backprojections of one sinogram, relative to the object.

    The noise is taken to be normal and independent from ray to ray. The estimate of its variance is
    too large where most rays cross fine detail, and the filter chosen then too smooth. The constant
    part of the error is estimated too, so it can fall below zero; only differences choose.

    Parameters
    ----------
    y : Tensor, shape (*batch, angle, u) or (*batch, angle, v, u)
        Line integrals.
    geometry : ParallelBeam, FanBeam or ConeBeam
        Where the rays lie: in a plane, or a cone on a circle.
    grid : Grid
        Where the cells lie; the object is inside.

    References
    ----------
    Efron 2004, The estimation of prediction error: covariance penalties and cross-validation,
    doi:10.1198/016214504000000692.
    """

    y: Tensor
    geometry: PlanarBeam | ConeBeam
    grid: Grid

    def error(self, image: Tensor, low_pass: LowPass) -> float:
        """Return the estimated ‖image − x‖² / ‖x‖² of the image that was made with that filter."""
        energy = self.energy
        own = float(image.square().sum(dtype=torch.float64)) * self.grid.cell_measure
        # Data of noise alone have no energy to compare with.
        return (own - 2 * self.correlation(low_pass) + energy) / (energy if energy > 0 else 1.0)

    @cached_property
    def energy(self) -> float:
        """The estimate of ‖x‖², from the whole ramp."""
        return self.correlation(WHOLE)

    def correlation(self, low_pass: LowPass) -> float:
        """Return the estimate of ⟨B W c y, x⟩, in mm² or mm³ times (1/mm)²."""
        before, after = (self.y.new_tensor(part) for part in self._weights)
        products = self._filtered(before * self.y, low_pass) * self.y
        products -= self._own_part(low_pass) * before * self.noise
        return float((after * products).sum(dtype=torch.float64))

    @cached_property
    def noise(self) -> Tensor:
        """The variance of the noise in every column of the detector, (u,).

        The median of a tenth of the columns around each: the ends of a round object lie in the
        same few columns in all views.
        """
        num_bins, reach = self.y.shape[-1], len(NEIGHBOURS) // 2
        padded = pad(self.y.reshape(1, -1, num_bins), (reach, reach), mode="replicate")
        beside = sum(padded[0, :, k : k + num_bins] * part for k, part in enumerate(NEIGHBOURS))
        squares = (self.y.reshape(-1, num_bins) - beside).square()
        place = 1 + (len(squares) - 1) // 4
        quarter = squares.kthvalue(place, dim=0).values
        around = max(1, num_bins // 20)
        columns = pad(quarter[None, None], (around, around), mode="replicate")[0, 0]
        usual = columns.unfold(0, 2 * around + 1, 1).median(dim=-1).values
        return usual / (QUARTER * (1 + sum(part**2 for part in NEIGHBOURS)))

    @property
    def _planar(self) -> PlanarBeam:
        return self.geometry if isinstance(self.geometry, PlanarBeam) else self.geometry.slice

    @cached_property
    def _weights(self) -> RayWeights:
        """What rays weigh; those of the sum hold the part of the turn and the size of a bin."""
        geometry, pitch = self.geometry, self._planar.detector.pitch[0]
        if isinstance(geometry, ParallelBeam):
            weights = view_weights(geometry.angles)[:, None] * pitch
            return RayWeights(np.ones(geometry.shape), np.broadcast_to(weights, geometry.shape))
        pitch = pitch / geometry.magnification
        parts, cosine = Arc.of(geometry.angles).weights, np.cos(geometry.fan_angles())
        if isinstance(geometry, FanBeam):
            return RayWeights(fan_weights(geometry, self.grid), parts[:, None] * pitch / cosine)
        slant, shares = cone_weights(geometry, self.grid)
        height = geometry.detector.pitch[0] / geometry.magnification
        along = slant / cosine if geometry.curved else slant
        sizes = parts[:, None, None] * (pitch * height)
        return RayWeights(slant * shares[:, None], sizes * along)

    def _filtered(self, views: Tensor, low_pass: LowPass) -> Tensor:
        if isinstance(self.geometry, PlanarBeam):
            return ramped(views, self.geometry, *low_pass)
        return ramped(views.movedim(-2, -3), self._planar, *low_pass).movedim(-3, -2)

    def _own_part(self, low_pass: LowPass) -> float:
        """Return what a value contributes to its own filtered value: the middle of the kernel."""
        one_view = self._planar[[0]]
        impulse = torch.zeros(one_view.shape, dtype=torch.float64)
        impulse[0, 0] = 1.0
        return float(ramped(impulse, one_view, *low_pass)[0, 0])
