"""When and where a coordinate network takes its matrix products in bfloat16."""

from __future__ import annotations

import functools
import math
import time

import torch
from torch import nn
from torch.nn import functional

from ctinr import checks
from ctinr.networks.coordinate import CoordinateNetwork
from ctinr.networks.ensemble import Ensemble

# The product that is timed, points and width; how often; and how much faster bfloat16 has to be,
# more than a busy machine makes of the ratio.
PROBED, CALLS, WORTH_IT = (8192, 256), 5, 1.2


def set_product_dtype(network: nn.Module, dtype: torch.dtype | None) -> None:
    """Take the matrix products between hidden layers in a format; None undoes it.

    Activations, accumulation, biases and the weights that an optimiser updates stay as they
    are. So do the products of the first and the last layer: they cost next to nothing, and
    eight significant bits would merge neighbouring pixels and round the values to 256 greys.

    Parameters
    ----------
    network
        A `CoordinateNetwork` or an `Ensemble`, changed in place. Any other module is accepted with
        None only.
    dtype
        ``torch.bfloat16``, or None for products in the format of the activations.

    Raises
    ------
    ValueError
        If dtype is another one.
    TypeError
        If the network is not a `CoordinateNetwork`, so that its hidden layers are not known.
    """
    checks.one_of(dtype, "dtype", (torch.bfloat16, None))
    network = network.layout if isinstance(network, Ensemble) else network
    if isinstance(network, CoordinateNetwork):
        for layer in network.hidden:
            layer.product_dtype = dtype
    elif dtype is not None:
        given, remedy = type(network).__name__, "Use None, or a network that a family built."
        raise TypeError(checks.message("network", "be a CoordinateNetwork", given, remedy))


def bf16_is_native(device: torch.device | str) -> bool:
    """Return whether a device has instructions for products of bfloat16.

    On CUDA, compute capability 8 and newer; on a CPU, AVX-512 BF16 (processors with AMX have
    it too). Without it the products are emulated, tens of times slower than float32.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # The public torch.cpu.get_capabilities() is younger than the oldest torch we support.
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def bf16_is_fast(device: torch.device | str) -> bool:
    """Return whether a device multiplies bfloat16 matrices faster than those of float32.

    A CPU may have the instructions and gain nothing by them: with matrix units (AMX) products
    are several times as fast, on AMD's Zen 4 twice, on Intel's processors whose AMX is hidden
    slower than in float32. So both are timed, once a process, some hundredth of a second each.
    """
    device = torch.device(device)
    if not bf16_is_native(device):
        return False
    return device.type == "cuda" or bf16_gain() >= WORTH_IT


@functools.cache
def bf16_gain() -> float:
    """Return how many times as fast the CPU multiplies in bfloat16 as in float32: a hidden layer.

    The best of some calls, taken in turns, so that other work on the machine hits both alike.
    """
    seconds = {torch.float32: math.inf, torch.bfloat16: math.inf}
    for _ in range(CALLS):
        for dtype, best in seconds.items():
            seconds[dtype] = min(best, _product_seconds(dtype))
    return seconds[torch.float32] / seconds[torch.bfloat16]


@torch.no_grad()
def _product_seconds(dtype: torch.dtype) -> float:
    x, weight = (torch.ones(size, PROBED[1], dtype=dtype) for size in PROBED)
    begun = time.perf_counter()
    functional.linear(x, weight)
    return time.perf_counter() - begun
