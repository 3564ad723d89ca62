"""The optimisers of a fit, and how their rates fall."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ctinr import checks
from ctinr.networks import Family, hidden_matrices, other_parameters
from ctinr.recon.muon import Muon

Optimizers = Callable[[nn.Module], Sequence[torch.optim.Optimizer]]
Schedule = Callable[[float], float]


@dataclass(frozen=True)
class MuonAdam:
    """Muon for the matrices between hidden layers, Adam for everything else.

    Muon takes the nearest orthogonal matrix of the momentum as its step, which moves all singular
    directions of a layer at the same speed.

    Parameters
    ----------
    matrix_rate : float
        Learning rate of Muon: spectral norm of one step of a hidden matrix.
    rate : float
        Learning rate of Adam.

    References
    ----------
    Jordan et al. 2024, Muon: an optimizer for hidden layers in neural networks; for coordinate
    networks arXiv:2512.14366. Kingma, Ba 2015, Adam, doi:10.48550/arXiv.1412.6980.
    """

    matrix_rate: float = 0.02
    rate: float = 3e-3

    def __post_init__(self) -> None:
        checks.positive(self.matrix_rate, "matrix_rate")
        checks.positive(self.rate, "rate")

    @classmethod
    def of(cls, family: Family) -> MuonAdam:
        """Return the optimisers at the rates that suit a family."""
        return cls(matrix_rate=family.matrix_rate, rate=family.rate)

    def __call__(self, network: nn.Module) -> list[torch.optim.Optimizer]:
        """Return the two optimisers of a network; only Adam if it has no hidden matrices."""
        others = other_parameters(network)
        optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(others, lr=self.rate, betas=(0.9, 0.99), eps=1e-14)
        ]
        if matrices := hidden_matrices(network):
            optimizers.append(Muon(matrices, lr=self.matrix_rate))
        return optimizers


@dataclass(frozen=True)
class AdamOnly:
    """Adam for all parameters.

    Parameters
    ----------
    rate : float
        Learning rate.
    """

    rate: float = 2e-3

    def __post_init__(self) -> None:
        checks.positive(self.rate, "rate")

    def __call__(self, network: nn.Module) -> list[torch.optim.Optimizer]:
        """Return the optimiser of a network."""
        return [torch.optim.Adam(network.parameters(), lr=self.rate)]


def constant(progress: float) -> float:
    """Return 1: the learning rate stays."""
    return 1.0


def cosine(progress: float) -> float:
    """Return a factor that falls from 1 to 0.02 along half a cosine; progress goes from 0 to 1."""
    return 0.02 + 0.98 * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


def set_rates(
    optimizers: Sequence[torch.optim.Optimizer], rates: list[list[float]], factor: float
) -> None:
    """Give every group of every optimiser so many times its rate; a tensor stays where it is."""
    for optimizer, base in zip(optimizers, rates, strict=True):
        for group, rate in zip(optimizer.param_groups, base, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate * factor)
            else:
                group["lr"] = rate * factor
