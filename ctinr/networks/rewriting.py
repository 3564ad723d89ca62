"""A network of wavelets, written as the ReLU network that it is."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from ctinr.networks.activations import Wavelet
from ctinr.networks.coordinate import CoordinateNetwork
from ctinr.networks.kernels.wavelet_torch import BREAKPOINTS
from ctinr.networks.linear import Linear
from ctinr.networks.norms import activated_layers

# The weights of the seven ReLUs of psi, one at each breakpoint.
COEFFICIENTS = (1 / 6, -8 / 6, 23 / 6, -32 / 6, 23 / 6, -8 / 6, 1 / 6)


@torch.no_grad()
def to_relu(network: CoordinateNetwork) -> CoordinateNetwork:
    """Return the ReLU network that equals a network of wavelets, seven neurons for each of its.

    psi(c (w x + b)) is sum_j a_j relu(c w x + c b - j/2), j = 0, ..., 6: seven neurons that share
    the direction of their weights, and whose output weights are in fixed proportion. So a BW-ReLU
    network of K neurons is a ReLU network of 7 K neurons with constrained weights. The two have
    the same values and, for one hidden layer, the same `variation_norm`.

    The seven terms grow outside of the support of psi and cancel: take float64 for values equal to
    rounding, and the wavelets for anything but proofs.

    Parameters
    ----------
    network
        A `CoordinateNetwork` of wavelets; not modified.

    Raises
    ------
    TypeError
        If the network has other activations.

    Notes
    -----
    Figure 1 of J. Shenouda, Y. Zhou, R. Nowak, ICML 2024, doi:10.48550/arXiv.2406.02529.
    """
    twin = copy.deepcopy(network)
    for before, wavelet, after in activated_layers(twin, (Wavelet,)):
        _split(before, wavelet.scale)
        _merge(after)
    body = [nn.ReLU() if isinstance(layer, Wavelet) else layer for layer in twin.body]
    return CoordinateNetwork(nn.Sequential(*body), output=twin.output, skip=twin.skip)


def _split(layer: Linear, scale: Any) -> None:
    """Repeat every neuron at the seven breakpoints, one after the other."""
    offsets = layer.bias.new_tensor(BREAKPOINTS)
    layer.weight = nn.Parameter((scale * layer.weight).repeat_interleave(len(offsets), dim=0))
    layer.bias = nn.Parameter((scale * layer.bias[:, None] - offsets).flatten())


def _merge(layer: Linear) -> None:
    """Give every seven neurons the weight that one had, in the proportions of psi."""
    proportions = layer.weight.new_tensor(COEFFICIENTS)
    layer.weight = nn.Parameter((layer.weight[..., None] * proportions).flatten(1))
