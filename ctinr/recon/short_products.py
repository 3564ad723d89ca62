"""In which format the products of a network are taken: bfloat16 where that costs nothing.

It is refused where the device would emulate it, and left where it is no faster than float32.
What it costs in quality is tried: the first steps are taken in both formats by copies of the
network. Nine networks and two problems were as good either way, within a few hundredths of the
loss, which is what any change of rounding makes of it. A network that already fits to the last
digits is not: rounded, its loss is a multiple.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Literal

import torch
from torch import nn

from ctinr import checks
from ctinr.networks import bf16_is_fast, bf16_is_native, set_product_dtype
from ctinr.recon.run import Diverged, Step

Precision = Literal["auto", "float32", "bfloat16"]
# Steps that are taken in both formats, of so many in all at least; and how much larger the sum of
# their losses may be in bfloat16.
FIRST, OF = 5, 50
ALLOWED = 1.1


def apply_precision(
    network: nn.Module,
    precision: Precision,
    first_steps: Callable[[nn.Module], Iterator[Step]] | None = None,
    *,
    iterations: int = OF,
) -> Precision:
    """Set the format of the network's matrix products and return its name.

    Parameters
    ----------
    network : nn.Module
        Changed in its format only.
    precision : str
        "float32", "bfloat16", or "auto": bfloat16 where the device is faster with it, unless the
        first steps are worse.
    first_steps : callable, optional
        From a copy of the network to the steps of its fit, of which the first few are taken twice.
        Without it they are not tried.
    iterations : int
        Steps of the fit in all; the first ones of a short fit are not worth trying.

    Raises
    ------
    ValueError
        If bfloat16 is asked for where the device would have to emulate it.
    """
    checks.one_of(precision, "precision", ("auto", "float32", "bfloat16"))
    device = next(network.parameters()).device
    if precision == "bfloat16" and not bf16_is_native(device):
        rule = f"be one that the {device.type} multiplies natively"
        remedy = "It would be emulated, tens of times slower: use 'auto' or 'float32'."
        raise ValueError(checks.message("precision", rule, precision, remedy))
    short = precision == "bfloat16" or (precision == "auto" and bf16_is_fast(device))
    if short and precision == "auto" and first_steps is not None and iterations >= OF:
        short = costs_nothing(network, first_steps)
    set_product_dtype(network, torch.bfloat16 if short else None)
    return "bfloat16" if short else "float32"


def costs_nothing(network: nn.Module, first_steps: Callable[[nn.Module], Iterator[Step]]) -> bool:
    """Return whether the first steps in bfloat16 are as good as in float32; no step: they are."""
    short, long = (_losses(network, dtype, first_steps) for dtype in (torch.bfloat16, None))
    return short <= ALLOWED * long


def _losses(
    network: nn.Module,
    dtype: torch.dtype | None,
    first_steps: Callable[[nn.Module], Iterator[Step]],
) -> float:
    """Return the sum of the first losses of a copy of the network; infinity if it diverges."""
    twin = copy.deepcopy(network)
    set_product_dtype(twin, dtype)
    try:
        return sum(step.loss for step in islice(first_steps(twin), FIRST))
    except Diverged:
        return math.inf
