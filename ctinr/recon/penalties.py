"""Penalties on the image or the network that a fit may add to its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from ctinr import checks
from ctinr.geometry import Grid
from ctinr.networks import variation_norm
from ctinr.operators import Gradient


class Penalty(Protocol):
    """A differentiable number that a fit makes small along with its loss."""

    def __call__(self, image: Tensor, *, grid: Grid, network: nn.Module) -> Tensor:
        """Return the penalty of the image on the grid, or of the network that drew it."""
        ...


@dataclass(frozen=True)
class TotalVariation:
    """The isotropic total variation of the rendered image, per mm² of its grid.

    ``weight · mean over cells of sqrt(|∇f|² + smoothing²)``; the mean makes the weight mean the
    same on a coarse grid and on a fine one.

    Parameters
    ----------
    weight : float
        At least 0.
    smoothing : float
        Rounds off the corner of the norm, in values per mm.

    References
    ----------
    Rudin, Osher, Fatemi 1992, doi:10.1016/0167-2789(92)90242-F.
    """

    weight: float
    smoothing: float = 1e-3

    def __post_init__(self) -> None:
        checks.require(checks.finite(self.weight, "weight") >= 0, "weight", "be ≥ 0", self.weight)
        checks.positive(self.smoothing, "smoothing")

    def __call__(self, image: Tensor, *, grid: Grid, network: nn.Module) -> Tensor:
        """Return the weighted mean of the smoothed gradient norm."""
        axes = Gradient(grid)(image).square().sum(-len(grid.shape) - 1)
        return self.weight * (axes + self.smoothing**2).sqrt().mean()


@dataclass(frozen=True)
class VariationNorm:
    """The variation norm of the network: ``weight · variation_norm(network)``; of many, their sum.

    Parameters
    ----------
    weight : float
        At least 0.

    References
    ----------
    Proposition 3.2 of Shenouda, Zhou, Nowak 2024, doi:10.48550/arXiv.2406.02529.
    """

    weight: float

    def __post_init__(self) -> None:
        checks.require(checks.finite(self.weight, "weight") >= 0, "weight", "be ≥ 0", self.weight)

    def __call__(self, image: Tensor, *, grid: Grid, network: nn.Module) -> Tensor:
        """Return the weighted norm, whose gradient is one in the parameters."""
        return self.weight * variation_norm(network).sum()
