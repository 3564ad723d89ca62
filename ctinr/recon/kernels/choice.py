"""Which engine backprojects: the table, and the rule that reads it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Literal, cast

import torch
from torch import Tensor

from ctinr import checks

KernelName = Literal["auto", "numba", "torch"]
# In order of preference; the plain twin, which runs everywhere, is last.
KERNELS: tuple[KernelName, ...] = ("numba", "torch")
DTYPES = (torch.float32, torch.float64)


def obstacle(kernel: str, views: Tensor) -> str | None:
    """Return why an engine cannot backproject such views, as a sentence, or None if it can."""
    if kernel == "torch":
        return None
    if views.device.type != "cpu":
        return f"runs on cpu, not on {views.device.type}"
    if views.dtype not in DTYPES:
        return f"computes in {', '.join(map(str, DTYPES))}, not in {views.dtype}"
    if torch.is_grad_enabled() and views.requires_grad:
        return "has no gradient, and the views require one"
    if importlib.util.find_spec("numba") is None:
        return "needs numba: pip install numba"
    return None


def choose_kernel(kernel: KernelName, views: Tensor) -> KernelName:
    """Return the name of the engine that backprojects such views.

    Parameters
    ----------
    kernel
        ``"auto"`` takes the first of the table without an obstacle; a name takes that one.
    views
        Where they are, in which dtype, and whether they require a gradient.

    Raises
    ------
    ValueError
        If there is no such kernel.
    BackendUnavailable
        If the kernel that was asked for cannot run there; the message is the table of obstacles.
    """
    task = f"backproject {views.dtype} on {views.device.type}"
    able = checks.able_kernel(kernel, KERNELS, lambda name: obstacle(name, views), task=task)
    return cast(KernelName, able)


def load_kernel(name: str) -> Callable[..., Tensor]:
    """Import an engine of a beam, such as "cone_numba", and return its `backproject`."""
    return importlib.import_module(f"ctinr.recon.kernels.{name}").backproject
