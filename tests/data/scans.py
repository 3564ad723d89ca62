"""A scan with something in every field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ctinr.data import Scan
from ctinr.geometry import Beam, ConeBeam, Detector, FanBeam, Grid, ParallelBeam, VectorBeam

METADATA = {
    "title": "Zahn, 2. Schicht — α",
    "photons": 1e5 / 3,
    "slice": 3,
    "simulated": True,
    "views": (0, 5, 10, 11, 12, 20, 30),
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


AREA = Detector((4, 9), (0.7, 0.1 + 0.2), (1 / 7, -1 / 3))
ANGLES = tuple(np.random.default_rng(1).uniform(-3, 3, 7).tolist())
HELIX = tuple(np.linspace(-20.0, 1 / 3, 7).tolist())


def tilted(geometry: ParallelBeam | ConeBeam) -> VectorBeam:
    """Return the views of a beam as vectors, each detector turned a little differently."""
    return VectorBeam.of(geometry).turned_detector(tilt=np.linspace(-0.1, 0.2, 7), roll=0.03)


# One of each kind, with numbers that no short decimal gives back.
BEAMS: dict[str, Beam] = {
    "parallel": ParallelBeam(ANGLES, Detector(9, 0.1 + 0.2, -1 / 3)),
    "fan-flat": FanBeam(ANGLES, Detector(9, 0.3, -1 / 3), 10 / 3, 0.7),
    "fan-curved": FanBeam(ANGLES, Detector(9, 0.3, -1 / 3), 10 / 3, 0.7, curved=True),
    "vectors": VectorBeam.of(FanBeam(ANGLES, Detector(9, 0.3, -1 / 3), 10 / 3, 0.7)),
    "parallel-vectors": VectorBeam.of(ParallelBeam(ANGLES, Detector(9, 0.3))),
    "parallel-3d": ParallelBeam(ANGLES, AREA),
    "cone-flat": ConeBeam(ANGLES, AREA, 10 / 3, 0.7),
    "cone-curved": ConeBeam(ANGLES, AREA, 10 / 3, 0.7, curved=True),
    "helix": ConeBeam(HELIX, AREA, 10 / 3, 0.7, helical_pitch=-1 / 3),
    "vectors-3d": tilted(ConeBeam(ANGLES, AREA, 10 / 3, 0.7)),
    "parallel-vectors-3d": tilted(ParallelBeam(ANGLES, AREA)),
}
PLANAR = ("parallel", "fan-flat", "fan-curved")


def of_beam(kind: str, dtype=torch.float32, **metadata) -> Scan:
    """Return a scan by a beam of that kind, of noise, with a truth of noise."""
    random, geometry = torch.Generator().manual_seed(0), BEAMS[kind]
    area = len(geometry.shape) == 3
    grid = Grid((3, 5, 6), (0.2, 0.3, 1 / 7), (0.3, -0.1, 2 / 3)) if area else example().grid
    return Scan(
        torch.rand(geometry.shape, generator=random, dtype=dtype),
        geometry,
        grid,
        torch.rand(grid.shape, generator=random, dtype=dtype),
        METADATA | metadata,
    )


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
