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

KernelName = Literal["auto", "numba", "triton", "torch"]


class Engine(Protocol):
    """What the module of an engine offers."""

    value: Callable[..., Tensor]
    slope: Callable[..., Tensor]


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
    """

    name: str
    module: str
    requires: str | None
    devices: tuple[str, ...] | None
    dtypes: tuple[torch.dtype, ...] | None

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
        ``"auto"`` takes the first row of the table without an obstacle; a name takes that row.
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
        return rows[name].obstacle(device, *dtypes)

    task = f"run on {device.type} in {', '.join(map(str, dict.fromkeys(dtypes)))}"
    return rows[checks.able_kernel(kernel, tuple(rows), obstacle, task=task)]
