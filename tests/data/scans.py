"""A scan with something in every field."""

from __future__ import annotations

import numpy as np
import torch

from ctinr.data import Scan
from ctinr.geometry import Detector, Grid, ParallelBeam

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
