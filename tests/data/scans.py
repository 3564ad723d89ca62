"""A scan with something in every field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ctinr.data import Scan
from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam

METADATA = {
    "title": "Zahn, 2. Schicht — α",
    "photons": 1e5 / 3,
    "slice": 3,
    "simulated": True,
    "views": (0, 5, 10),
    "weights": (0.1, 1 / 3),
    "warnings": ("One.", "Zwei: µ."),
    "flags": (True, False),
    "nothing": (),
    "empty": "",
}


def fan_example(*, curved: bool = False) -> Scan:
    scan = example()
    angles = np.arange(7) * (2 * np.pi / 7)
    beam = FanBeam(angles, Detector(9, 0.1 + 0.2, -1 / 3), 10 / 3, 0.7, curved=curved)
    return replace(scan, geometry=beam)


def example(dtype=torch.float32, *, truth=True) -> Scan:
    random = torch.Generator().manual_seed(0)
    angles = np.random.default_rng(0).uniform(-3, 3, 7)
    return Scan(
        torch.rand(7, 9, generator=random, dtype=dtype),
        ParallelBeam(angles, Detector(9, 0.1 + 0.2, -1 / 3)),
        Grid((5, 6), (0.3, 1 / 7), (-0.1, 2 / 3)),
        torch.rand(5, 6, generator=random, dtype=dtype) if truth else None,
        METADATA,
    )
