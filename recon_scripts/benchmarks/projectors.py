"""Time the projector engines, beside ASTRA's CPU projectors where ASTRA is installed.

ASTRA takes images one at a time, so its time for a batch is that of one image times their number.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, PlanarBeam, equal_angles
from ctinr.projectors import Projector
from recon_scripts.benchmarks._timing import parse, publish, take_turns

Pair = tuple[Callable[[], Any], Callable[[], Any]]
# Larger problems are too slow for the plain engine to be a contender.
LARGEST_FOR_TORCH = 512 * 512 * 100


@dataclass(frozen=True)
class Case:
    """A scan of square cells of 1 mm: the fan magnifies one and a half times."""

    beam: str
    side: int
    views: int
    batch: int

    @property
    def bins(self) -> int:
        return self.side * 3 // 2

    @property
    def distances(self) -> tuple[float, float]:
        return 2.0 * self.side, 1.0 * self.side

    def geometry(self) -> PlanarBeam:
        if self.beam == "parallel":
            return ParallelBeam(equal_angles(self.views), Detector(self.bins))
        angles = equal_angles(self.views, span=2 * math.pi)
        return FanBeam(angles, Detector(self.bins, 1.5), *self.distances)


BEAMS, SIZES, LARGE = ("parallel", "fan"), ((512, 100), (512, 720)), (1024, 1000)
CASES = [Case(beam, *size, 1) for beam, size in product(BEAMS, SIZES)]
MORE = [Case(beam, *size, 8) for beam, size in product(BEAMS, SIZES)]
MORE += [Case(beam, *LARGE, n) for beam, n in product(BEAMS, (1, 8))]
SMOKE = [Case(beam, 32, 6, n) for beam, n in product(BEAMS, (1, 3))]


def ours(case: Case, images: torch.Tensor, backend: str) -> Pair:
    """Return forward and adjoint of one of our engines as calls."""
    A = Projector(case.geometry(), Grid((case.side, case.side)), backend=backend)
    sinograms = A(images)
    return lambda: A(images), lambda: A.T(sinograms)


def astra(case: Case, image: torch.Tensor) -> Pair:
    """Return forward and adjoint of an ASTRA CPU projector, in arrays that it need not copy."""
    import astra as toolbox

    volume, angles = toolbox.create_vol_geom(case.side, case.side), np.array(case.geometry().angles)
    if case.beam == "parallel":
        kind, rays = "linear", toolbox.create_proj_geom("parallel", 1.0, case.bins, angles)
    else:
        kind = "line_fanflat"
        rays = toolbox.create_proj_geom("fanflat", 1.5, case.bins, angles, *case.distances)
    operator = toolbox.OpTomo(toolbox.create_projector(kind, rays, volume))
    picture = np.ascontiguousarray(image.numpy())
    sinogram = operator.FP(picture)
    return lambda: operator.FP(picture), lambda: operator.BP(sinogram)


def contenders(case: Case) -> dict[str, Pair]:
    """Return the calls of every engine on one problem."""
    shape = (case.batch, case.side, case.side)
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    pairs = {"numba": ours(case, images, "numba")}
    if importlib.util.find_spec("astra") is not None:
        kind = "linear" if case.beam == "parallel" else "line_fanflat"
        pairs[f"ASTRA {kind}"] = astra(case, images[0])
    if case.batch * case.side**2 * case.views <= LARGEST_FOR_TORCH:
        pairs["torch"] = ours(case, images, "torch")
    return pairs


def timed(case: Case, rounds: int) -> list[dict[str, Any]]:
    """Return one row an engine."""
    pairs = contenders(case)
    seconds = [
        take_turns({name: pair[way] for name, pair in pairs.items()}, rounds=rounds)
        for way in (0, 1)
    ]
    for way, name in product((0, 1), pairs):
        seconds[way][name] *= case.batch if name.startswith("ASTRA") else 1
    return [
        {
            "problem": f"{case.beam}, {case.side}² cells, {case.views} views, {case.bins} bins",
            "images": case.batch,
            "engine": name,
            "forward s": seconds[0][name],
            "adjoint s": seconds[1][name],
            "forward, numba faster by": seconds[0][name] / seconds[0]["numba"],
            "adjoint, numba faster by": seconds[1][name] / seconds[1]["numba"],
        }
        for name in pairs
    ]


def main() -> None:
    """Time every engine on every case and publish seconds and ratios."""
    options = parse(__doc__ or "", more="batches of eight images and 1024² cells too: ten minutes")
    rows = []
    for case in SMOKE if options.smoke else CASES + MORE * options.more:
        rows += timed(case, rounds=2 if options.smoke else 5)
    publish("Projectors: float32, median", rows, options.out)


if __name__ == "__main__":
    main()
