"""Norms of the function that a network represents, as functions of its weights."""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctinr import checks
from ctinr.networks.activations import Wavelet
from ctinr.networks.coordinate import CoordinateNetwork
from ctinr.networks.ensemble import Ensemble
from ctinr.networks.linear import Linear

# The total variation of psi': its jumps, which are the weights of its seven ReLUs.
VARIATION_OF_THE_SLOPE = 16.0


def variation_norm(network: nn.Module) -> Float[Tensor, "*members"]:
    """Return the variation norm of a network of wavelets or ReLUs, differentiable in its weights.

    A layer with rows w_k of the matrix before it and columns v_k of the matrix after it counts ::

        16 c sum_k |v_k| |w_k|        wavelets psi(c .)
             sum_k |v_k| |w_k|        ReLUs            (Euclidean norms)

    and the norm of the network is the sum over its activated layers, the output layer being the
    matrix after the last. For one hidden layer, one coordinate and one channel this is the
    total variation of the derivative f' on the line, exactly so if no two kinks coincide: the
    16 is the total variation of psi', the weights of whose seven ReLUs are
    (1, 8, 23, 32, 23, 8, 1) / 6. An affine skip connection counts nothing. An `Ensemble` has one
    norm for each of its members.

    Raises
    ------
    TypeError
        If the network is not a `CoordinateNetwork` on plain coordinates whose activations are
        wavelets and ReLUs.

    Notes
    -----
    Proposition 3.2 of J. Shenouda, Y. Zhou, R. Nowak, ICML 2024, doi:10.48550/arXiv.2406.02529.
    """
    if isinstance(network, Ensemble):
        return network.each(variation_norm)
    terms = [
        _slope_variation(layer) * _path_norm(before.weight, after.weight)
        for before, layer, after in activated_layers(network, (Wavelet, nn.ReLU))
    ]
    return torch.stack(terms).sum()


def has_variation_norm(network: nn.Module) -> bool:
    """Return whether `variation_norm` is defined for a network."""
    one = network.layout if isinstance(network, Ensemble) else network
    return bool(_found(one, (Wavelet, nn.ReLU)))


def activated_layers(
    network: nn.Module, kinds: tuple[type[nn.Module], ...]
) -> list[tuple[Linear, nn.Module, Linear]]:
    """Return each activation of a network between the linear layers before and after it.

    Raises
    ------
    TypeError
        If the network has anything but linear layers and activations of those kinds.
    """
    found = _found(network, kinds)
    if not found:
        names = " or ".join(kind.__name__ for kind in kinds)
        rule = f"be a CoordinateNetwork of linear layers and activations of kind {names}"
        remedy = "Build it with BWReLU."
        raise TypeError(checks.message("network", rule, repr(type(network).__name__), remedy))
    return found


def _found(
    network: nn.Module, kinds: tuple[type[nn.Module], ...]
) -> list[tuple[Linear, nn.Module, Linear]]:
    layers = [*network.body, network.output] if isinstance(network, CoordinateNetwork) else []
    found = [
        (before, layer, after)
        for before, layer, after in zip(layers, layers[1:], layers[2:], strict=False)
        if isinstance(layer, kinds)
    ]
    others = [layer for layer in layers if not isinstance(layer, Linear)]
    neighbours = all(
        isinstance(layer, Linear) or isinstance(after, Linear)
        for layer, after in itertools.pairwise(layers)
    )
    return found if neighbours and len(found) == len(others) else []


def _slope_variation(layer: nn.Module) -> float | Tensor:
    """Return the total variation of the derivative of an activation."""
    return VARIATION_OF_THE_SLOPE * layer.scale if isinstance(layer, Wavelet) else 1.0


def _path_norm(before: Tensor, after: Tensor) -> Tensor:
    """Return sum_k |column k of after| |row k of before|."""
    norm = torch.linalg.vector_norm
    return torch.dot(norm(after, dim=0), norm(before, dim=1))
