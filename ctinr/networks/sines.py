"""Networks of sines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from ctinr import checks
from ctinr.networks.activations import Sine, VariableSine
from ctinr.networks.coordinate import CoordinateNetwork
from ctinr.networks.family import Family, check_layers
from ctinr.networks.linear import Linear


@dataclass(frozen=True)
class Siren(Family):
    """Linear layers with sines between them, and an initialisation that keeps their variance.

    A neuron is sin(omega * (w x + b)). Weights start uniform on [-1, 1] / axes in the first
    layer and on [-1, 1] sqrt(6 / width) / omega_hidden in all others, the output layer
    included, so that every sine sees an argument of variance 1; biases start uniform on
    [-1, 1] / sqrt(inputs) of their layer.

    Parameters
    ----------
    width, depth
        Neurons of a hidden layer, and the number of hidden layers.
    omega_first, omega_hidden
        Frequency of the first sine and of the others.

    Raises
    ------
    TypeError, ValueError
        If a number is not above zero.

    Notes
    -----
    V. Sitzmann, J. Martel, A. Bergman, D. Lindell, G. Wetzstein, "Implicit Neural
    Representations with Periodic Activation Functions", NeurIPS 2020,
    doi:10.48550/arXiv.2006.09661.
    """

    rate: ClassVar[float] = 1e-3
    matrix_rate: ClassVar[float] = 2e-3

    width: int = 256
    depth: int = 3
    omega_first: float = 30.0
    omega_hidden: float = 30.0

    def __post_init__(self) -> None:
        check_layers(self.width, self.depth)
        checks.positive(self.omega_first, "omega_first")
        checks.positive(self.omega_hidden, "omega_hidden")

    def _built(
        self, axes: int, channels: int, generator: torch.Generator | None
    ) -> CoordinateNetwork:
        omegas = (self.omega_first, *(self.depth - 1) * (self.omega_hidden,))
        sines = [Sine(omega) for omega in omegas]
        return _of_sines(sines, (axes, self.width, channels), generator=generator)


@dataclass(frozen=True)
class Finer(Family):
    """As `Siren`, with sines whose frequency grows with their argument.

    A neuron is sin(omega * (|z| + 1) * z), z = w x + b, and starts as that of `Siren`, but the
    biases of the first layer are uniform on [-first_bias, first_bias]: large ones are high
    frequencies.

    Parameters
    ----------
    width, depth
        Neurons of a hidden layer, and the number of hidden layers.
    omega_first, omega_hidden
        Frequency near zero of the first sine and of the others.
    first_bias
        Bound of the biases of the first layer.

    Raises
    ------
    TypeError, ValueError
        If a number is not above zero.

    Notes
    -----
    Z. Liu et al., "FINER: Flexible Spectral-Bias Tuning in Implicit Neural Representation by
    Variable-periodic Activation Functions", CVPR 2024, doi:10.48550/arXiv.2312.02434.
    """

    rate: ClassVar[float] = 5e-4
    matrix_rate: ClassVar[float] = 2e-3

    width: int = 256
    depth: int = 3
    omega_first: float = 30.0
    omega_hidden: float = 30.0
    first_bias: float = 1.0

    def __post_init__(self) -> None:
        check_layers(self.width, self.depth)
        for name in ("omega_first", "omega_hidden", "first_bias"):
            checks.positive(getattr(self, name), name)

    def _built(
        self, axes: int, channels: int, generator: torch.Generator | None
    ) -> CoordinateNetwork:
        omegas = (self.omega_first, *(self.depth - 1) * (self.omega_hidden,))
        sines: list[Sine] = [VariableSine(omega) for omega in omegas]
        sizes, bound = (axes, self.width, channels), self.first_bias
        return _of_sines(sines, sizes, first_bias=bound, generator=generator)


def _of_sines(
    sines: list[Sine],
    sizes: tuple[int, int, int],
    *,
    first_bias: float | None = None,
    generator: torch.Generator | None,
) -> CoordinateNetwork:
    """Return the network of axes, width and channels with the initial values of `Siren`."""
    axes, width, channels = sizes
    # The last sine's frequency is that of all hidden ones; a single layer has only its own.
    bound = math.sqrt(6 / width) / sines[-1].omega
    body: list[nn.Module] = [
        Linear(axes, width, weight_bound=1 / axes, bias_bound=first_bias, generator=generator),
        sines[0],
    ]
    for sine in sines[1:]:
        body += [Linear(width, width, weight_bound=bound, generator=generator), sine]
    output = Linear(width, channels, weight_bound=bound, generator=generator)
    return CoordinateNetwork(nn.Sequential(*body), output=output)
