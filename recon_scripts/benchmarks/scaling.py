"""Fit how the time of the CPU engine grows with the side of the image and the number of views.

Theory: with the square of the side, as there are that many cells and rays cross a side's number of
lines, and in proportion to the views.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, equal_angles
from ctinr.projectors import Projector
from recon_scripts.benchmarks._timing import parse, publish, take_turns

SIDES, VIEWS_OF_SIDES = (128, 256, 512, 1024, 2048), 180
VIEWS, SIDE_OF_VIEWS = (16, 64, 256, 1024, 2048), 512
SMOKE = (16, 24, 32)


def calls(beam: str, side: int, views: int) -> dict[str, Callable[[], Any]]:
    """Return forward and adjoint of one image as calls."""
    bins, span = side * 3 // 2, math.pi if beam == "parallel" else 2 * math.pi
    angles = equal_angles(views, span=span)
    if beam == "parallel":
        geometry = ParallelBeam(angles, Detector(bins))
    else:
        geometry = FanBeam(angles, Detector(bins, 1.5), 2.0 * side, 1.0 * side)
    A = Projector(geometry, Grid((side, side)), "numba")
    image = torch.rand(side, side, generator=torch.Generator().manual_seed(0))
    sinogram = A(image)
    return {"forward": lambda: A(image), "adjoint": lambda: A.T(sinogram)}


def measured(beam: str, sizes: list[tuple[int, int]], rounds: int) -> dict[str, list[float]]:
    """Return seconds of every (side, views), by direction; all take turns."""
    contenders = {(way, size): call for size in sizes for way, call in calls(beam, *size).items()}
    seconds = take_turns(contenders, rounds=rounds)
    return {way: [seconds[way, size] for size in sizes] for way in ("forward", "adjoint")}


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """Return the power of the sizes that fits the times best, in logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def exponent_beyond(sizes: list[int], seconds: list[float]) -> tuple[float, float]:
    """Return power and fixed seconds of the best fit c + k · size^power, in relative errors.

    Calls cost a millisecond or two whatever their size, which flattens the plain fit.
    """
    n, t = np.asarray(sizes, dtype=float), np.asarray(seconds)
    best = (math.inf, 0.0, 0.0)
    for power in np.arange(0.5, 3.0, 0.005):
        grown = (n / n[-1]) ** power
        for matrix in (np.stack([1 / t, grown / t], axis=1), (grown / t)[:, None]):
            parts, *_ = np.linalg.lstsq(matrix, np.ones_like(t), rcond=None)
            left = float(((matrix @ parts - 1) ** 2).sum())
            fixed = float(parts[0]) if len(parts) == 2 else 0.0
            if fixed >= 0 and left < best[0]:
                best = (left, float(power), fixed)
    return best[1], best[2]


def main() -> None:
    """Time all sizes and publish the fitted exponents."""
    options = parse(__doc__ or "")
    sides, views = (SMOKE, SMOKE) if options.smoke else (SIDES, VIEWS)
    side, number = (24, 12) if options.smoke else (SIDE_OF_VIEWS, VIEWS_OF_SIDES)
    rows = []
    for beam in ("parallel", "fan"):
        for what, sizes, pairs, theory in (
            ("side", sides, [(n, number) for n in sides], 2),
            ("views", views, [(side, n) for n in views], 1),
        ):
            seconds = measured(beam, pairs, rounds=2 if options.smoke else 5)
            for way, times in seconds.items():
                rows.append(
                    {
                        "beam": beam,
                        "grows": f"{what} {sizes[0]} to {sizes[-1]}",
                        "direction": way,
                        "exponent": exponent(list(sizes), times),
                        "beyond a fixed cost": exponent_beyond(list(sizes), times)[0],
                        "fixed s": exponent_beyond(list(sizes), times)[1],
                        "theory": theory,
                        "seconds": ", ".join(f"{value:.4g}" for value in times),
                    }
                )
    publish("Scaling: float32, one image", rows, options.out)


if __name__ == "__main__":
    main()
