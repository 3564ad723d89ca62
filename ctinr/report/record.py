"""The run record: everything that is needed to know how a result came about."""

from __future__ import annotations

import datetime
import importlib.metadata
import math
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

PACKAGES = ("ctinr", "torch", "numpy", "scipy", "numba", "h5py", "scikit-image", "matplotlib")


def run_record(*, command: Sequence[str], seed: int, **facts: Any) -> dict[str, Any]:
    """Return the versions, the machine, the time, the command line, the seed and further facts.

    Parameters
    ----------
    command : sequence of str
        The command line.
    seed : int
        What every random choice followed from.
    **facts
        What the caller knows besides, such as engine and precision; plain values.
    """
    return {
        "command": list(command),
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "seed": seed,
        **facts,
        "threads": torch.get_num_threads(),
        "machine": f"{platform.system()} on {platform.machine()}, {os.cpu_count()} logical cores",
        "python": platform.python_version(),
        "versions": versions(),
    }


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Return the installed version of every package that numbers depend on."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    # What is installed under one number differs: "+cu130" or "+cpu" says which build it is.
    return found | {"torch": str(torch.__version__)}


def plain(value: Any) -> Any:
    """Return the value as JSON knows it: dicts, lists, strings, finite numbers, booleans, None.

    Infinity and NaN, which JSON lacks, become the strings "inf", "-inf" and "nan"; anything that
    has no plain form becomes its description.
    """
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset | range):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, bool | int | float | str | None) else str(value)
