"""The saddle point behind total variation: primal and dual values, and steps that suit them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ctinr.geometry import Beam
from ctinr.operators import Gradient, LinearOperator
from ctinr.operators.spectra import filtered_spectrum
from ctinr.recon.problem import item_sums

# The part of the step sizes that serves the data; the rest serves the variation.
DATA_SHARE = 0.5
# How far the image moves in one step where the variation pulls with all its weight, as a part of
# the image's size. Decides the balance of primal and dual steps, and so the speed only.
PACE = 0.025
# The gap looks for better images within this part of the image's size, up and down, in each cell.
REACH = 0.1


@dataclass(frozen=True, eq=False)
class Saddle:
    """½ ‖A x − y‖² + radius · Σ |gradient x| over one batch axis, x ≥ 0 if wished.

    The dual variables are one number a ray (of the misfit) and one vector a cell, no longer than
    the radius (of the variation); `pull` is Aᵀ rays + gradientᵀ edges, zero at the solution where
    the image is above zero. The radius is a number, or one an item in a shape that multiplies
    images.
    """

    A: LinearOperator
    y: Tensor
    gradient: Gradient
    radius: float | Tensor
    nonnegative: bool

    def allowed(self, x: Tensor) -> Tensor:
        """Return the nearest image that is allowed, in the same memory."""
        return x.clamp_(min=0) if self.nonnegative else x

    def shortened(self, edges: Tensor) -> Tensor:
        """Return the vectors, those longer than the radius cut to it, in the same memory."""
        excess = lengths(edges).div_(_like(self.radius, edges)).clamp_(min=1)
        return edges.div_(excess.unsqueeze(1))

    def size(self) -> Tensor:
        """Return the value of the constant image whose data are as large as y, (batch,)."""
        num_axes = self.y.ndim - 1
        ones = self.A(self.y.new_ones(tuple(self.A.domain.shape)))
        squares = item_sums(self.y.square(), num_axes) / item_sums(ones.square(), num_axes)
        size = squares.sqrt().to(self.y.dtype)
        return torch.where((size > 0) & size.isfinite(), size, 1)

    def primal(self, x: Tensor, Ax: Tensor) -> Tensor:
        """Return the value that is minimised, (batch,), float64."""
        misfit = item_sums((Ax - self.y).square_(), self.y.ndim - 1) / 2
        variation = item_sums(lengths(self.gradient(x)), x.ndim - 1)
        radii = torch.as_tensor(self.radius, dtype=variation.dtype, device=variation.device)
        return misfit + radii.flatten() * variation

    def bound(self, x: Tensor, rays: Tensor, pull: Tensor, reach: Tensor) -> Tensor:
        """Return what no allowed image within `reach` of x in every cell is below, (batch,).

        The misfit is at least ⟨rays, A z − y⟩ − ½ ‖rays‖² and the variation at least
        ⟨edges, gradient z⟩, for every image z; the sum is linear in z and smallest at a corner.
        """
        constant = item_sums(rays.square() / 2 + rays * self.y, self.y.ndim - 1)
        down = torch.minimum(x, reach) if self.nonnegative else reach
        change = torch.where(pull > 0, -down, reach)
        return item_sums(pull * (x + change), x.ndim - 1) - constant


@dataclass(frozen=True, eq=False)
class StepSizes:
    """How far the steps go, one an item of the batch; ‖Σ^½ (A, gradient) T^½‖ ≤ 1.

    `primal` is T, `edges` the dual step of the variation, and `response` that of the data: the
    spectrum of the filter σ Σ (1 + σ Σ)⁻¹, by which the dual of the misfit moves.
    """

    primal: Tensor
    edges: Tensor
    response: Tensor
    size: Tensor

    @classmethod
    def of(cls, saddle: Saddle, norm: float) -> StepSizes:
        """Return steps that suit the size of the image and the weight."""
        spacing = saddle.gradient.domain.spacing
        steepness = 2 * math.sqrt(sum(step**-2 for step in spacing))
        size = saddle.size().reshape(-1, *(1,) * len(spacing))
        primal = _like(PACE / (steepness * saddle.radius), size) * size
        dual = DATA_SHARE / (norm * primal.reshape(-1, *(1,) * (saddle.y.ndim - 1)))
        response = dual * data_metric(saddle.A, saddle.y)
        edges = (1 - DATA_SHARE) / (steepness**2 * primal.unsqueeze(1))
        return cls(primal, edges, response / (1 + response), size)

    def reach(self, x: Tensor) -> Tensor:
        """Return how far the gap looks, one an item of the batch."""
        largest = x.abs().amax(dim=tuple(range(1, x.ndim)), keepdim=True)
        return REACH * torch.maximum(largest, self.size)


def _like(value: float | Tensor, tensor: Tensor) -> float | Tensor:
    """Return a number as it is, and one an item in the dtype of a tensor."""
    return value.to(tensor) if isinstance(value, Tensor) else value


def lengths(vectors: Tensor) -> Tensor:
    """Return the Euclidean length of the vectors along axis 1: (batch, axis, …) to (batch, …).

    `torch.linalg.vector_norm` walks from component to component with long strides, one cell at a
    time; whole components at once are ten times as fast.
    """
    squares = vectors[:, 0].square()
    for component in vectors.unbind(1)[1:]:
        squares.addcmul_(component, component)
    return squares.sqrt_()


def data_metric(A: LinearOperator, y: Tensor) -> Tensor:
    """Return the response of the filter Σ that conditions the misfit, at the frequencies of rfft.

    Where A is a projector, AᵀA blurs by one over the frequency, and the ramp along u undoes it;
    its start is lifted, as a view of finite width blurs no further. Elsewhere it is one.
    """
    if not isinstance(A.range, Beam):
        return y.new_ones(1)
    num_bins = A.range.shape[-1]
    frequency = torch.arange(num_bins // 2 + 1, device=y.device, dtype=y.dtype)
    return torch.clamp(frequency * (2 / num_bins), min=min(1, 4 / num_bins))


@torch.no_grad()
def data_norm(A: LinearOperator, y: Tensor) -> float:
    """Return the largest eigenvalue of AᵀΣA by power iteration, with a margin; see `data_metric`.

    Only the device and the dtype of y matter.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(tuple(A.domain.shape), generator=generator, dtype=torch.float64).to(y)
    metric = data_metric(A, y)
    for _ in range(12):
        x = A.T(filtered(A(x / x.norm()), metric))
    # Twelve iterations come within 5 % from below; the method bears a bound that is slightly low.
    return 1.08 * float(x.norm()) or 1.0


def filtered(values: Tensor, response: Tensor) -> Tensor:
    """Multiply the spectrum along the last axis by a response: periodic, with no padding."""
    if response.shape[-1] == 1:
        return values * response
    return filtered_spectrum(values, response, length=values.shape[-1])
