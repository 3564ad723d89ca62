"""Time the projectors of cone beams: circle, helix and tilted detector, one volume and eight.

What memory they need beyond the volume and the sinogram is measured on one volume. FDK of one
volume is timed with its compiled backprojection and with the plain one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from ctinr.geometry import Beam, ConeBeam, Detector, Grid, VectorBeam, equal_angles
from ctinr.projectors import Projector
from ctinr.recon.fdk import fdk
from ctinr.recon.kernels.choice import KernelName
from ctinr.report.memory import measured_cost, peak_resident
from recon_scripts.benchmarks._timing import parse, publish, take_turns


@dataclass(frozen=True)
class Case:
    """A volume of cells of 1 mm, and a detector half as many bins larger along each side."""

    beam: str
    side: int
    views: int
    batch: int = 1

    @property
    def grid(self) -> Grid:
        return Grid((self.side, self.side, self.side))

    def geometry(self) -> Beam:
        bins, source = self.side * 3 // 2, 3.0 * self.side
        angles, pitch = equal_angles(self.views, span=2 * math.pi), 0.0
        if self.beam == "helix":
            angles, pitch = tuple(4 * angle - 4 * math.pi for angle in angles), self.side / 3
        area = Detector((bins, bins), 1.6)
        cone = ConeBeam(angles, area, source, source / 2, helical_pitch=pitch)
        if self.beam != "tilted":
            return cone
        return VectorBeam.of(cone).turned_detector(roll=0.1, tilt=0.1)


CASES = [
    *(Case(beam, 128, 180) for beam in ("circle", "helix", "tilted")),
    Case("circle", 128, 180, batch=8),
]
MORE = [Case("circle", 256, 360)]
SMOKE = [Case(beam, 12, 6, batch) for beam in ("circle", "helix", "tilted") for batch in (1, 8)]


def timed(case: Case, rounds: int) -> dict[str, Any]:
    """Return seconds, memory and rates of one problem."""
    A = Projector(case.geometry(), case.grid, "numba")
    random = torch.Generator().manual_seed(0)
    volumes = torch.rand((case.batch, *case.grid.shape), generator=random)
    sinograms = A(volumes)
    calls = {"forward": lambda: A(volumes), "adjoint": lambda: A.T(sinograms)}
    seconds = take_turns(calls, rounds=rounds)
    # A ray meets about as many planes as the volume has along one side.
    crossings = case.batch * math.prod(A.range.shape) * case.side
    return {
        "problem": f"{case.beam}, {case.side}³ cells, {case.views} views of {A.range.shape[-1]}²",
        "volumes": case.batch,
        "forward s": seconds["forward"],
        "adjoint s": seconds["adjoint"],
        "1e9 crossings a s, forward": crossings / seconds["forward"] / 1e9,
        "adjoint": crossings / seconds["adjoint"] / 1e9,
        "memory besides, % of volume and sinogram": besides(A, volumes, sinograms),
        **seconds_of_fdk(A, sinograms, rounds=min(rounds, 2)),
    }


def besides(A: Projector, volumes: torch.Tensor, sinograms: torch.Tensor) -> float:
    """Return what forward and adjoint need besides what goes in and out, in % of that."""
    most, between = 0, volumes.nbytes + sinograms.nbytes
    for operator, given, made in ((A, volumes, sinograms), (A.T, sinograms, volumes)):
        with measured_cost() as cost:
            before = peak_resident() or 0
            result = operator(given)
        most = max(most, (cost.peak_memory or 0) - before - made.nbytes)
        del result
    return 100 * most / between


def seconds_of_fdk(A: Projector, sinograms: torch.Tensor, *, rounds: int) -> dict[str, Any]:
    """Return the seconds of one volume by FDK with either kernel, or "" where there is none."""
    kernels: dict[str, KernelName] = {"fdk s": "numba", "fdk plain s": "torch"}
    rate = "1e9 updates a s, fdk"
    if not isinstance(A.geometry, ConeBeam):
        return dict.fromkeys((*kernels, rate), "")
    one = sinograms[0]
    calls = {name: partial(fdk, A, one, kernel=kernel) for name, kernel in kernels.items()}
    seconds = take_turns(calls, rounds=rounds)
    updates = math.prod(A.domain.shape) * A.range.shape[0]
    return {**seconds, rate: updates / seconds["fdk s"] / 1e9}


def main() -> None:
    """Time every case and publish seconds, rates and memory."""
    options = parse(__doc__ or "", more="256³ cells and 360 views of 384² too")
    cases = SMOKE if options.smoke else CASES + MORE * options.more
    rows = [timed(case, rounds=2 if options.smoke else 5) for case in cases]
    publish("Volumes: float32, median", rows, options.out)


if __name__ == "__main__":
    main()
