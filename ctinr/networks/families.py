"""Families of coordinate networks: a name, its hyper-parameters, and how it is built."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import nn

from ctinr import checks
from ctinr.networks.activations import Sine, Wavelet
from ctinr.networks.coordinate import CoordinateNetwork
from ctinr.networks.kernels.choice import KERNELS, KernelName
from ctinr.networks.linear import Linear


class Family(ABC):
    """A frozen dataclass of exactly the hyper-parameters that its networks use.

    In every family `width` is the number of neurons of a hidden layer and `depth` the number of
    activated hidden layers.
    """

    @abstractmethod
    def build(
        self, axes: int, channels: int = 1, *, generator: torch.Generator | None = None
    ) -> CoordinateNetwork:
        """Return a new network from ``(*points, axes)`` to ``(*points, channels)``.

        Parameters
        ----------
        axes
            Coordinates of a point, meant to lie in [-1, 1].
        channels
            Values at a point.
        generator
            The only source of the initial values, and its device the device of the network:
            the same seed gives the same bits. None is torch's default generator on the CPU.

        Raises
        ------
        TypeError, ValueError
            If axes or channels is not a whole number above zero.
        """


@dataclass(frozen=True)
class BWReLU(Family):
    """Linear layers with B-spline wavelets between them: a ReLU network, well conditioned.

    A neuron is psi(scale * (w x + b)); psi is a sum of seven ReLUs (see `wavelet`). Weights and
    biases start uniform on [-1, 1] / sqrt(inputs) of their layer.

    Parameters
    ----------
    width, depth
        Neurons of a hidden layer, and the number of hidden layers.
    scale
        The factor c of the whole network: the initial scale of its details.
    linear_layers
        Whether each hidden layer is followed by a linear layer without activation, so that the
        matrix between two wavelet layers is a product of two.
    kernel
        The engine of the wavelet (see `wavelet`).

    Raises
    ------
    TypeError, ValueError
        If a number is not above zero, or there is no such kernel.

    Notes
    -----
    J. Shenouda, Y. Zhou, R. Nowak, "ReLUs Are Sufficient for Learning Implicit Neural
    Representations", ICML 2024, doi:10.48550/arXiv.2406.02529.
    """

    width: int = 300
    depth: int = 3
    scale: float = 3.0
    linear_layers: bool = False
    kernel: KernelName = "auto"

    def __post_init__(self) -> None:
        checks.count(self.width, "width")
        checks.count(self.depth, "depth")
        checks.positive(self.scale, "scale")
        checks.one_of(self.linear_layers, "linear_layers", (False, True))
        checks.one_of(self.kernel, "kernel", ("auto", *(row.name for row in KERNELS)))

    def build(
        self, axes: int, channels: int = 1, *, generator: torch.Generator | None = None
    ) -> CoordinateNetwork:
        """Return a new network (see `Family.build`)."""
        _check_sizes(axes, channels)
        body: list[nn.Module] = []
        for layer in range(self.depth):
            if layer > 0 and self.linear_layers:
                body.append(Linear(self.width, self.width, generator=generator))
            inputs = axes if layer == 0 else self.width
            body.append(Linear(inputs, self.width, generator=generator))
            body.append(Wavelet(self.scale, kernel=self.kernel))
        output = Linear(self.width, channels, generator=generator)
        return CoordinateNetwork(nn.Sequential(*body), output=output)


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

    width: int = 256
    depth: int = 3
    omega_first: float = 30.0
    omega_hidden: float = 30.0

    def __post_init__(self) -> None:
        checks.count(self.width, "width")
        checks.count(self.depth, "depth")
        checks.positive(self.omega_first, "omega_first")
        checks.positive(self.omega_hidden, "omega_hidden")

    def build(
        self, axes: int, channels: int = 1, *, generator: torch.Generator | None = None
    ) -> CoordinateNetwork:
        """Return a new network (see `Family.build`)."""
        _check_sizes(axes, channels)
        bound = math.sqrt(6 / self.width) / self.omega_hidden
        body: list[nn.Module] = []
        for layer in range(self.depth):
            inputs, first = (axes, True) if layer == 0 else (self.width, False)
            weight_bound = 1 / axes if first else bound
            body.append(Linear(inputs, self.width, weight_bound=weight_bound, generator=generator))
            body.append(Sine(self.omega_first if first else self.omega_hidden))
        output = Linear(self.width, channels, weight_bound=bound, generator=generator)
        return CoordinateNetwork(nn.Sequential(*body), output=output)


def _check_sizes(axes: int, channels: int) -> None:
    """Raise unless both are whole numbers above zero."""
    checks.count(axes, "axes")
    checks.count(channels, "channels")


families: Mapping[str, type[Family]] = MappingProxyType({"bw-relu": BWReLU, "siren": Siren})
