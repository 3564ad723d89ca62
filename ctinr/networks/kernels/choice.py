"""Which engine computes the wavelet: the table, and the rule that reads it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from ctinr import checks

KernelName = Literal["auto", "numba", "triton", "triton-linear", "torch"]
# The one whose engine takes the linear layer before the wavelet too.
WITH_LINEAR: KernelName = "triton-linear"


class Engine(Protocol):
    """What the module of an engine offers."""

    value: Callable[..., Tensor]
    slope: Callable[..., Tensor]


class LinearEngine(Protocol):
    """What the module of an engine for a linear layer and the wavelet after it offers."""

    value: Callable[..., tuple[Tensor, Tensor]]
    grad_input: Callable[..., Tensor]
    grad_parameters: Callable[..., tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Kernel:
    """One row of the table: an engine, where it can run, and the module that is loaded on use.

    Parameters
    ----------
    name
        The word a person types.
    module
        Import path of the engine; nothing is imported before `load`.
    requires
        The package the engine needs besides torch, or None.
    devices, dtypes
        Where it runs; None means everywhere that torch runs.
    linear
        Import path of what computes a linear layer together with the wavelet after it, or None.
    by_name
        Whether it is taken only if a person names it: what no card has timed yet.
    """

    name: str
    module: str
    requires: str | None
    devices: tuple[str, ...] | None
    dtypes: tuple[torch.dtype, ...] | None
    linear: str | None = None
    by_name: bool = False

    def obstacle(self, device: torch.device, *dtypes: torch.dtype) -> str | None:
        """Return why this engine cannot run there, as a sentence, or None if it can."""
        for dtype in dtypes:
            if not dtype.is_floating_point:
                return f"{dtype} is not a floating-point type"
        if self.devices is not None and device.type not in self.devices:
            return f"runs on {', '.join(self.devices)}, not on {device.type}"
        for dtype in dtypes:
            if self.dtypes is not None and dtype not in self.dtypes:
                return f"computes in {', '.join(map(str, self.dtypes))}, not in {dtype}"
        if self.requires is not None and importlib.util.find_spec(self.requires) is None:
            return f"needs {self.requires}: pip install {self.requires}"
        return None

    def load(self) -> Engine:
        """Import the engine (compiled by the engine itself on first use)."""
        return importlib.import_module(self.module)  # type: ignore[return-value]

    def load_linear(self) -> LinearEngine:
        """Import the engine of a linear layer and the wavelet after it."""
        rule = "take a linear layer with the wavelet"
        checks.require(self.linear is not None, "kernel", rule, repr(self.name))
        return importlib.import_module(str(self.linear))  # type: ignore[return-value]


# In order of preference; the plain twin, which runs everywhere, is last.
KERNELS = (
    Kernel(
        name="numba",
        module="ctinr.networks.kernels.wavelet_numba",
        requires="numba",
        devices=("cpu",),
        dtypes=(torch.float32, torch.float64, torch.bfloat16),
    ),
    Kernel(
        name="triton",
        module="ctinr.networks.kernels.wavelet_triton",
        requires="triton",
        devices=("cuda",),
        dtypes=(torch.float32, torch.bfloat16, torch.float16),
    ),
    Kernel(
        name="triton-linear",
        module="ctinr.networks.kernels.wavelet_triton",
        requires="triton",
        devices=("cuda",),
        dtypes=(torch.float32, torch.bfloat16, torch.float16),
        linear="ctinr.networks.kernels.linear_wavelet_triton",
        by_name=True,
    ),
    Kernel(
        name="torch",
        module="ctinr.networks.kernels.wavelet_torch",
        requires=None,
        devices=None,
        dtypes=None,
    ),
)


def choose_kernel(
    kernel: KernelName = "auto", *, device: torch.device | str, dtypes: tuple[torch.dtype, ...]
) -> Kernel:
    """Return the engine that computes the wavelet of tensors of a device and some formats.

    Parameters
    ----------
    kernel
        ``"auto"`` takes the first row of the table without an obstacle, except those that are
        taken by name only; a name takes that row.
    device, dtypes
        Of the tensors, those that are made included.

    Raises
    ------
    ValueError
        If there is no such kernel.
    BackendUnavailable
        If the kernel that was asked for cannot run there; the message is the table of obstacles.
    """
    device, rows = torch.device(device), {row.name: row for row in KERNELS}

    def obstacle(name: str) -> str | None:
        if kernel == "auto" and rows[name].by_name:
            return "is taken by its name only"
        return rows[name].obstacle(device, *dtypes)

    task = f"run on {device.type} in {', '.join(map(str, dict.fromkeys(dtypes)))}"
    return rows[checks.able_kernel(kernel, tuple(rows), obstacle, task=task)]
