"""Networks of neurons that are local in their argument: bumps, and bumps with waves in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from ctinr import checks
from ctinr.networks.activations import Gabor, Gaussian
from ctinr.networks.complex_linear import ComplexLinear
from ctinr.networks.coordinate import CoordinateNetwork
from ctinr.networks.family import Family, check_layers
from ctinr.networks.linear import Linear


@dataclass(frozen=True)
class Gauss(Family):
    """Linear layers with Gaussian bumps between them.

    A neuron is exp(-(scale * (w x + b))^2). Weights and biases start uniform on [-1, 1] /
    sqrt(inputs) of their layer.

    Parameters
    ----------
    width, depth
        Neurons of a hidden layer, and the number of hidden layers.
    scale
        The inverse width of the bumps.

    Raises
    ------
    TypeError, ValueError
        If a number is not above zero.

    Notes
    -----
    S. Ramasinghe, S. Lucey, "Beyond Periodicity: Towards a Unifying Framework for Activations in
    Coordinate-MLPs", ECCV 2022, doi:10.48550/arXiv.2111.15135.
    """

    rate: ClassVar[float] = 2e-3

    width: int = 256
    depth: int = 3
    scale: float = 10.0

    def __post_init__(self) -> None:
        check_layers(self.width, self.depth)
        checks.positive(self.scale, "scale")

    def _built(
        self, axes: int, channels: int, generator: torch.Generator | None
    ) -> CoordinateNetwork:
        body: list[nn.Module] = []
        for layer in range(self.depth):
            inputs = axes if layer == 0 else self.width
            body += [Linear(inputs, self.width, generator=generator), Gaussian(self.scale)]
        output = Linear(self.width, channels, generator=generator)
        return CoordinateNetwork(nn.Sequential(*body), output=output)


@dataclass(frozen=True)
class Wire(Family):
    """Complex linear layers with Gabor wavelets between them; the values are real parts.

    A neuron is exp(i omega z - |scale z|^2), z = w x + b. Real and imaginary parts of weights and
    biases start uniform on [-1, 1] / sqrt(inputs) of their layer; the first layer is real. The
    features are the real parts of the last layer and its imaginary parts, twice the width.

    Parameters
    ----------
    width, depth
        Complex neurons of a hidden layer, each worth about two real ones, and the number of
        hidden layers.
    omega, scale
        Frequency of the wave and inverse width of the bump around it.

    Raises
    ------
    TypeError, ValueError
        If a number is not above zero.

    Notes
    -----
    V. Saragadam et al., "WIRE: Wavelet Implicit Neural Representations", CVPR 2023,
    doi:10.48550/arXiv.2301.05187.
    """

    rate: ClassVar[float] = 5e-3

    width: int = 180
    depth: int = 3
    omega: float = 10.0
    scale: float = 10.0

    def __post_init__(self) -> None:
        check_layers(self.width, self.depth)
        checks.positive(self.omega, "omega")
        checks.positive(self.scale, "scale")

    def _built(
        self, axes: int, channels: int, generator: torch.Generator | None
    ) -> CoordinateNetwork:
        body: list[nn.Module] = [
            Linear(axes, self.width, generator=generator),
            Gabor(self.omega, self.scale),
        ]
        for _ in range(self.depth - 1):
            body.append(ComplexLinear(self.width, self.width, generator=generator))
            body.append(Gabor(self.omega, self.scale, of_pairs=True))
        # Re(w h + b) = Re w Re h - Im w Im h + Re b: a real layer on twice as many numbers.
        bound = self.width**-0.5
        outer = {"weight_bound": bound, "bias_bound": bound}
        output = Linear(2 * self.width, channels, **outer, generator=generator)
        return CoordinateNetwork(nn.Sequential(*body), output=output)
