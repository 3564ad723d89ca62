"""Measure how a step of a network grows with its width and the cells, and the memory of `inr`.

A step is one of `fit`: the network at every cell, the projection, and both ways back. Theory: its
time grows with the cells and with the square of the width. The memory is the peak that is resident
while `inr` runs, the program itself included, of a fit of a round or two: rounds are all alike, and
take their time but no more memory. `--memory` measures that alone, and only the largest scan takes
more than a minute or two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.networks import BWReLU
from ctinr.projectors import Projector
from ctinr.recon.inr import inr
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.report.memory import measured_cost
from phantoms import forbild_thorax
from recon_scripts.benchmarks._timing import options_of, publish, take_turns
from recon_scripts.benchmarks.scaling import exponent
from recon_scripts.benchmarks.training_step import our_step

VIEWS, ROUNDS = 100, 3
# Each grows while the other is the middle one.
SIDES, WIDTHS = (128, 181, 256, 362, 512), (128, 192, 256, 384, 512)
SMOKE_SIDES, SMOKE_WIDTHS = (16, 24, 32), (16, 32, 48)
FEW_ROUNDS = Recipe(rounds=2, refit=1, steps=3, finish=1)
GB = 10**9


@dataclass(frozen=True)
class Scan:
    """What memory is measured of: cells, views, and what may be taken, if anything is said."""

    shape: tuple[int, int]
    views: int
    budget: int | None = None


SCANS = (
    Scan((326, 435), 100),
    Scan((326, 435), 100, 6 * GB // 10),
    Scan((1024, 1024), 200),
    Scan((1024, 1024), 200, 3 * GB),
)
SMOKE_SCANS = (Scan((24, 32), 12),)


def step_of(side: int, width: int) -> Any:
    """Return a call that takes a step of a network of some width, on so many cells a side."""
    network = BWReLU(width=width).build(2, generator=torch.Generator().manual_seed(0))
    return our_step(network, Grid((side, side)), VIEWS)


def growth(sides: tuple[int, ...], widths: tuple[int, ...], *, rounds: int) -> list[dict[str, Any]]:
    """Return the seconds of all steps and the powers that fit them, all taking turns."""
    middle = len(sides) // 2
    by_side = [(side, widths[middle]) for side in sides]
    by_width = [(sides[middle], width) for width in widths]
    seconds = take_turns({case: step_of(*case) for case in {*by_side, *by_width}}, rounds=rounds)
    products = [(side * width) ** 2 for side, width in seconds]
    fits = (
        ("cells", [side**2 for side in sides], [seconds[case] for case in by_side], 1),
        ("width", list(widths), [seconds[case] for case in by_width], 2),
        ("cells times squared width", products, list(seconds.values()), 1),
    )
    return [
        {
            "grows": f"{name} {min(sizes)} to {max(sizes)}",
            "power": exponent(sizes, times),
            "theory": theory,
            "seconds": ", ".join(f"{value:.4g}" for value in times),
        }
        for name, sizes, times, theory in fits
    ]


def memory(scan: Scan) -> dict[str, Any]:
    """Return the peak of memory of a fit of a noisy scan of the thorax."""
    side = max(scan.shape)
    spacing = 400.0 / side
    grid = Grid(scan.shape, spacing)
    detector = Detector(math.ceil(math.hypot(*scan.shape)), spacing)
    A = Projector(ParallelBeam(equal_angles(scan.views), detector), grid)
    y = A(torch.as_tensor(forbild_thorax().raster(scan.shape, spacing, supersampling=2)).float())
    y = y + 0.01 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    with measured_cost() as cost:
        inr(A, y, recipe=FEW_ROUNDS, memory_budget=scan.budget)
    return {
        "cells": f"{scan.shape[0]} x {scan.shape[1]}",
        "views": scan.views,
        "may take GB": "" if scan.budget is None else scan.budget / GB,
        "peak GB": (cost.peak_memory or math.nan) / GB,
        "s": cost.seconds,
    }


def main() -> None:
    """Measure both and publish them."""
    parser = options_of(__doc__ or "")
    parser.add_argument("--memory", action="store_true", help="the memory alone")
    options = parser.parse_args()
    sides, widths = (SMOKE_SIDES, SMOKE_WIDTHS) if options.smoke else (SIDES, WIDTHS)
    if not options.memory:
        rows = growth(sides, widths, rounds=2 if options.smoke else ROUNDS)
        publish(f"Growth of a step: {VIEWS} views", rows, options.out)
    rows = []
    for scan in SMOKE_SCANS if options.smoke else SCANS:
        # Published after each: the last ones take minutes.
        rows.append(memory(scan))
        publish("Memory of inr", rows, options.out)


if __name__ == "__main__":
    main()
