"""Norms of the function that a network represents, as functions of its weights."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctinr import checks
from ctinr.networks.activations import Wavelet
from ctinr.networks.coordinate import CoordinateNetwork
from ctinr.networks.linear import Linear

# The total variation of psi': its jumps, which are the weights of its seven ReLUs.
VARIATION_OF_THE_SLOPE = 16.0


def variation_norm(network: nn.Module) -> Float[Tensor, ""]:
    """Return the variation norm of a network of wavelets, differentiable in its weights.

    A wavelet layer with rows w_k of the matrix before it and columns v_k of the matrix after it
    counts ::

        16 c sum_k |v_k| |w_k|        (Euclidean norms)

    and the norm of the network is the sum over its wavelet layers, the output layer being the
    matrix after the last. For one hidden layer, one coordinate and one channel this is the
    total variation of the derivative f' on the line, exactly so if no two kinks coincide: the
    16 is the total variation of psi', the weights of whose seven ReLUs are
    (1, 8, 23, 32, 23, 8, 1) / 6.

    Raises
    ------
    TypeError
        If the network is not a `CoordinateNetwork` whose activations are all wavelets.

    Notes
    -----
    Proposition 3.2 of J. Shenouda, Y. Zhou, R. Nowak, ICML 2024, doi:10.48550/arXiv.2406.02529.
    """
    terms = [
        layer.scale * _path_norm(before.weight, after.weight)
        for before, layer, after in _wavelet_layers(network)
    ]
    return VARIATION_OF_THE_SLOPE * torch.stack(terms).sum()


def _path_norm(before: Tensor, after: Tensor) -> Tensor:
    """Return sum_k |column k of after| |row k of before|."""
    norm = torch.linalg.vector_norm
    return torch.dot(norm(after, dim=0), norm(before, dim=1))


def _wavelet_layers(network: nn.Module) -> list[tuple[Linear, Wavelet, Linear]]:
    """Return each wavelet of a network between the linear layers before and after it."""
    layers = [*network.body, network.output] if isinstance(network, CoordinateNetwork) else []
    found = [
        (before, layer, after)
        for before, layer, after in zip(layers, layers[1:], layers[2:], strict=False)
        if isinstance(layer, Wavelet)
    ]
    if not found or len(found) + sum(isinstance(layer, Linear) for layer in layers) != len(layers):
        given, remedy = repr(type(network).__name__), "Build it with BWReLU."
        rule = "be a CoordinateNetwork of linear layers and wavelets"
        raise TypeError(checks.message("network", rule, given, remedy))
    return found
