"""BW-ReLU networks: ReLU networks whose neurons are B-spline wavelets."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from ctinr import checks
from ctinr.networks import initial
from ctinr.networks.activations import Wavelet
from ctinr.networks.coordinate import CoordinateNetwork
from ctinr.networks.family import Family, check_layers
from ctinr.networks.kernels.choice import KERNELS, KernelName
from ctinr.networks.linear import Linear


@dataclass(frozen=True)
class BWReLU(Family):
    """Linear layers with B-spline wavelets between them: a ReLU network, well conditioned.

    A neuron is psi(scale * (w x + b)); psi is a sum of seven ReLUs (see `wavelet`).

    Parameters
    ----------
    width, depth
        Neurons of a hidden layer, and the number of hidden layers.
    scale
        The factor c: the initial scale of the details. One number for the whole network, or one a
        layer.
    learned_scale
        Whether the scales are trained, each layer having its own.
    linear_layers
        Whether each hidden layer is followed by a linear layer without activation, so that the
        matrix between two wavelet layers is a product of two.
    skip
        Whether an affine function of the coordinates is added to the values: what the variation
        norm does not see.
    init
        ``"spread"``: the weights and biases of hidden layers keep the spread of the wavelets'
        arguments the same in all of them, whatever the scale (docs/networks.md derives it).
        ``"flat"``: the same, and the output layer is zero: the network begins as zero everywhere,
        and shows no detail of its random features that the data did not ask for.
        ``"torch"``: uniform on [-1, 1] / sqrt(inputs) of the layer, as torch.nn.Linear does and as
        the paper's code has it; small scales then fade from layer to layer.
    spread
        Not for ``init="torch"``: the standard deviation over the points that the arguments of
        hidden wavelets start with. From 0.17 on, each layer begins with finer details than the one
        before.
    kernel
        The engine of the wavelet (see `wavelet`).

    Raises
    ------
    TypeError, ValueError
        If a number is not above zero, there is not one scale a layer, or a word is unknown.

    Notes
    -----
    J. Shenouda, Y. Zhou, R. Nowak, "ReLUs Are Sufficient for Learning Implicit Neural
    Representations", ICML 2024, doi:10.48550/arXiv.2406.02529.
    """

    rate: ClassVar[float] = 3e-3

    width: int = 300
    depth: int = 3
    scale: float | tuple[float, ...] = 3.0
    learned_scale: bool = False
    linear_layers: bool = False
    skip: bool = False
    init: Literal["spread", "flat", "torch"] = "spread"
    spread: float = 0.3
    kernel: KernelName = "auto"

    def __post_init__(self) -> None:
        check_layers(self.width, self.depth)
        if isinstance(self.scale, tuple):
            rule = f"be one number, or one for each of the {self.depth} layers"
            checks.require(len(self.scale) == self.depth, "scale", rule, repr(self.scale))
        for scale in self.scales:
            checks.positive(scale, "scale")
        for name in ("learned_scale", "linear_layers", "skip"):
            checks.one_of(getattr(self, name), name, (False, True))
        checks.one_of(self.init, "init", ("spread", "flat", "torch"))
        checks.positive(self.spread, "spread")
        checks.one_of(self.kernel, "kernel", ("auto", *(row.name for row in KERNELS)))

    @property
    def scales(self) -> tuple[float, ...]:
        """The scale of each layer."""
        return self.scale if isinstance(self.scale, tuple) else (self.scale,) * self.depth

    def _built(
        self, axes: int, channels: int, generator: torch.Generator | None
    ) -> CoordinateNetwork:
        body: list[nn.Module] = []
        for layer, scale in enumerate(self.scales):
            if layer > 0 and self.linear_layers:
                body.append(Linear(self.width, self.width, generator=generator))
            inputs = axes if layer == 0 else self.width
            body.append(Linear(inputs, self.width, generator=generator))
            body.append(Wavelet(scale, learned=self.learned_scale, kernel=self.kernel))
        output = Linear(self.width, channels, generator=generator)
        skip = Linear(axes, channels, generator=generator) if self.skip else None
        if self.init != "torch":
            self._start(body, generator)
        if self.init == "flat":
            initial.start_at_zero(output)
        return CoordinateNetwork(nn.Sequential(*body), output=output, skip=skip)

    def _start(self, body: list[nn.Module], generator: torch.Generator | None) -> None:
        """Set the initial values of the layers before wavelets, and of those between them."""
        first, variance = True, 0.0
        scales = iter(self.scales)
        for layer, after in itertools.pairwise(body):
            if isinstance(layer, Linear) and not isinstance(after, Wavelet):
                initial.start_linear(layer, generator=generator)
            elif isinstance(layer, Linear) and first:
                variance = initial.start_first(layer, scale=next(scales), generator=generator)
                first = False
            elif isinstance(layer, Linear):
                given = {"spread": self.spread, "variance": variance, "scale": next(scales)}
                variance = initial.start_hidden(layer, **given, generator=generator)
