"""What there is to say about a scan and about an installation, as terms and values."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

import phantoms
from ctinr.data import Scan, contents_of, is_volume, read_volume
from ctinr.data.readers import reader_for
from ctinr.projectors import BACKENDS
from ctinr.report import wording
from ctinr.report.facts import scan_facts
from ctinr.report.record import versions
from recon_scripts._methods import METHODS

NOTHING: Mapping[str, Any] = MappingProxyType({})


def scan_information(
    scan: Scan, path: Path | None, given: Mapping[str, Any] = NOTHING
) -> dict[str, str]:
    """Return what a file was recognised as, where things are, and the range of the values.

    `given` are the options with which it was read.
    """
    facts = {} if path is None else {"Recognised as": reader_for(path, given).name}
    if path is not None:
        facts |= contents_of(path)
    if "title" in scan.metadata:
        facts["Title"] = str(scan.metadata["title"])
    facts |= dict(scan_facts(scan))
    facts["Line integrals"] = _range(scan.sinogram)
    if scan.truth is not None:
        facts["Truth"] = f"{_range(scan.truth)} 1/mm"
    return facts


def volume_facts(path: Path | None) -> dict[str, str]:
    """Return what a volume is and how it was made; nothing if the file is none."""
    if path is None or not is_volume(path):
        return {}
    volume = read_volume(path)
    known, grid = volume.metadata, volume.grid
    first, last = volume.slices[0], volume.slices[-1]
    numbers = json.loads(str(known.get("parameters", "{}")))
    facts = {
        "Recognised as": "ctinr volume (HDF5)",
        "Made of": f"{known.get('source', 'a stack')}, slices {first} to {last}",
        "Cells": f"{' x '.join(map(str, grid.shape))} (z, y, x)",
        "Size of a cell": f"{' x '.join(f'{size:.4g}' for size in grid.spacing)} mm",
        "Values": "attenuation, 1/mm",
        "Method": str(known.get("method", "not known")),
        "Parameters": ", ".join(f"{name} {value}" for name, value in numbers.items()),
    }
    failed = volume.failed
    told = "; ".join(f"slice {number}: {reason}" for number, reason in failed.items())
    return facts | {"Not reconstructed": f"{len(failed)} slices" + (f" ({told})" if told else "")}


def _range(values: torch.Tensor) -> str:
    # What is left of a zero after rounding is a zero.
    least = 1e-9 * float(values.abs().max())
    low, high, mean = (
        wording.number(float(value) if abs(value) > least else 0.0, 4)
        for value in (values.min(), values.max(), values.mean())
    )
    return f"{low} to {high}, mean {mean}"


def installation() -> dict[str, dict[str, str]]:
    """Return methods, phantoms, engines with their obstacles, and versions."""
    scan = _smallest_problem()
    obstacles = {
        backend.name: backend.obstacle(*scan, "cpu", torch.float32) for backend in BACKENDS
    }
    return {
        "Engines": {name: why or "can run" for name, why in obstacles.items()},
        "Methods": {method.name: method.summary for method in METHODS},
        "Phantoms": {
            "slices": ", ".join(phantoms.catalogue),
            "volumes": ", ".join(phantoms.volume_catalogue),
        },
        "Versions": version_facts(),
    }


def version_facts() -> dict[str, str]:
    """Return the versions of Python and of every package that numbers depend on."""
    return {"python": platform.python_version(), **versions()}


def _smallest_problem():
    from ctinr.geometry import Detector, Grid, ParallelBeam

    return ParallelBeam([0.0], Detector(1)), Grid((1, 1))
