"""Initial weights of wavelet networks that keep the spread of every layer's arguments.

The argument of a wavelet is u = c (w x + b). Over the points it moves, with the spread s, around
c b. Two rules make every layer alike, whatever c is:

* The biases lie uniformly wherever the support [0, 3] can be met: |c b - 3/2| <= 3/2 + reach, the
  reach being how far the argument moves. So every point meets as many wavelets as any other.
* The weights of a layer have the variance that makes the spread of its arguments s, given the
  variance over the points of the activations before it.

That variance is known in closed form. For u = s g + c b, g standard normal, averaging over b
uniform on an interval of length L that is long enough gives E psi(u)^2 = 1/(4 L), since the
integral of psi^2 is 1/4; and what a neuron averages to over the points has the mean square
E r(sqrt(2) s g) / L, r being the autocorrelation of psi: a product of two averages is one average
over the difference of two independent arguments. So::

    variance over the points = (1/4 - E r(sqrt(2) s g)) / L.

As s falls, the wavelets become linear pieces and the variance falls with s^2; as it grows, the
mean vanishes and 1/(4 L) is left. In the first layer the arguments follow the points of the domain,
and the average over s g is one over the differences of two points.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from ctinr.networks.gram import wavelet_autocorrelation
from ctinr.networks.linear import Linear

# Half of the support of psi, and its middle.
HALF = 1.5
# How far, in its spread, a hidden argument is taken to move.
DEVIATIONS = 2.0
# Pairs of points over which an average over the domain is taken.
PAIRS = 256
# The integral of psi squared.
ENERGY = 0.25


@functools.lru_cache
def spatial_variance(spread: float) -> float:
    """Return the variance over the points of a hidden activation, on average over the neurons."""
    normal = torch.linspace(-8, 8, 16_001, dtype=torch.float64)
    density = torch.exp(-(normal**2) / 2)
    means = wavelet_autocorrelation(math.sqrt(2) * spread * normal) @ density / density.sum()
    return float((ENERGY - means) / (2 * (HALF + DEVIATIONS * spread)))


@torch.no_grad()
def start_first(layer: Linear, *, scale: float, generator: torch.Generator | None) -> float:
    """Set the biases of the first layer; return the variance of its activations over the points.

    Its weights, with c, are what decides how fine the details are that a network begins with, and
    stay as they are. Points lie in [-1, 1] along every axis.
    """
    slopes = scale * layer.weight.double().cpu()
    reach = slopes.abs().sum(1)
    _spread_biases(layer, reach, scale=scale, generator=generator)
    # Differences of independent points of the domain; always the same ones.
    shape = (2, PAIRS, slopes.shape[1])
    drawn = torch.empty(shape, dtype=torch.float64)
    drawn.uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
    means = wavelet_autocorrelation((drawn[0] - drawn[1]) @ slopes.T).mean(0)
    return float(((ENERGY - means) / (2 * (HALF + reach))).mean())


@torch.no_grad()
def start_hidden(
    layer: Linear,
    *,
    scale: float,
    spread: float,
    variance: float,
    generator: torch.Generator | None,
) -> float:
    """Set a hidden layer's weights and biases; return the variance of its activations.

    Parameters
    ----------
    layer
        Changed in place.
    scale
        The factor c of the wavelets that follow.
    spread
        The standard deviation that their arguments shall have over the points.
    variance
        Of the activations before it, over the points.
    generator
        The source of the values.
    """
    deviation = spread / scale / math.sqrt(layer.weight.shape[1] * variance)
    layer.weight.uniform_(-1, 1, generator=generator).mul_(math.sqrt(3) * deviation)
    reach = layer.bias.new_full(layer.bias.shape, DEVIATIONS * spread)
    _spread_biases(layer, reach, scale=scale, generator=generator)
    return spatial_variance(spread)


@torch.no_grad()
def start_linear(layer: Linear, *, generator: torch.Generator | None) -> None:
    """Set a layer without activation so that it passes on the variance that it gets."""
    bound = math.sqrt(3 / layer.weight.shape[1])
    layer.weight.uniform_(-bound, bound, generator=generator)
    layer.bias.zero_()


@torch.no_grad()
def start_at_zero(layer: Linear) -> None:
    """Set an output layer so that the network is zero everywhere.

    The first step then moves this layer alone, along what the features have in common with the
    data; the hidden layers follow in proportion to it. Nothing is left of a random start that
    the data do not see.
    """
    layer.weight.zero_()
    layer.bias.zero_()


def _spread_biases(
    layer: Linear, reach: Tensor, *, scale: float, generator: torch.Generator | None
) -> None:
    place = torch.empty_like(layer.bias).uniform_(-1, 1, generator=generator)
    layer.bias.copy_((HALF + place * (HALF + reach.to(place))) / scale)
