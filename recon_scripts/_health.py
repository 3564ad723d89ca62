"""What this machine has and which engines work on it, tried out and not only looked up."""

from __future__ import annotations

import os
from typing import Any

import torch

from ctinr.geometry import Detector, Grid, ParallelBeam
from ctinr.networks import bf16_is_fast
from ctinr.networks.kernels.choice import KERNELS
from ctinr.projectors import BACKENDS, Projector
from ctinr.projectors.registry import Backend
from ctinr.report import wording
from ctinr.report.record import processor
from recon_scripts._facts import version_facts

WORKS = "works"


def health(*, cards: bool = True) -> dict[str, dict[str, str]]:
    """Return devices, engines and kernels on each of them, and versions, as terms and values.

    Without `cards` engines are tried on the CPU alone.
    """
    kinds = ("cpu", "cuda") if cards and torch.cuda.is_available() else ("cpu",)
    return {
        "Devices": devices(),
        "Engines of the X-ray transform": {
            f"{backend.name} on {kind}": state(backend, kind)
            for kind in kinds
            for backend in BACKENDS
        },
        "Kernels of the wavelet": {
            f"{kernel.name} on {kind}": kernel.obstacle(torch.device(kind), torch.float32)
            or "can run"
            for kind in kinds
            for kernel in KERNELS
        },
        "Versions": version_facts(),
    }


def devices() -> dict[str, str]:
    """Return the processor and the graphics cards, or why there are none."""
    products = "fast" if bf16_is_fast("cpu") else "no faster, so they are taken in float32"
    capability = torch.backends.cpu.get_cpu_capability()
    found = {
        "cpu": f"{processor()}; {os.cpu_count()} logical cores, {torch.get_num_threads()} threads; "
        f"{capability}; products in bfloat16 are {products}"
    }
    if not torch.cuda.is_available():
        built = torch.version.cuda is not None
        why = "torch finds no card or no driver" if built else "this torch was built without CUDA"
        return {**found, "cuda": f"none: {why}. The CPU does everything."}
    for number in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(number)
        found[f"cuda:{number}"] = f"{card.name}, {wording.memory(card.total_memory)}"
    return found


def state(backend: Backend, kind: str) -> str:
    """Return "works", or why an engine does not, after it has projected a small image."""
    geometry, grid = ParallelBeam([0.3, 1.2], Detector(12)), Grid((8, 8))
    obstacle = backend.obstacle(geometry, grid, kind, torch.float32)
    if obstacle is not None:
        return obstacle
    image = torch.ones(grid.shape, device=kind)
    try:
        A = Projector(geometry, grid, backend.name)
        sums = A(image)
        gap = float((sums * sums).sum() / (image * A.T(sums)).sum() - 1)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with an installation
        return f"Fails: {type(error).__name__}: {error}. Install it anew: {remedy(backend)}."
    allowed = max(1e-5, 2 * backend.adjoint_gap)
    return WORKS if abs(gap) <= allowed else f"Works, but its transpose is off by {gap:.1e}."


def remedy(backend: Backend) -> str:
    """Return the commands that install what an engine needs."""
    commands = [command for _, command in backend.requires]
    return ", ".join(commands) or "pip install torch"


def can_work(found: dict[str, dict[str, Any]]) -> bool:
    """Tell whether there is an engine that works on the CPU."""
    engines = found["Engines of the X-ray transform"]
    return any(value == WORKS for name, value in engines.items() if name.endswith(" on cpu"))
