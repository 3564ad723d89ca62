"""Follow the PSNR of every method over wall time, and say how long each takes to given levels.

`fbp`, `tv` and `inr` choose their parameters without the truth, and the time of that is theirs: a
curve begins when the choice is made. `oracle-tv` is given the best weight for nothing. `sirt`,
`cgls`, `pixels` (one parameter a cell) and the families of networks by plain Adam on the plain
loss, all rays at once (`plain-…`: what most papers do), have no rule to stop: they end with the
budget, and their best PSNR on the way is what an oracle would stop at. The truth is seen by the
observer that records. All methods are run once on a tiny scan before, for what is compiled then.

A picture is averaged over two by two cells, and scaled so that the largest line integral is 5.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ctinr import checks
from ctinr.data import Scan, read_image
from ctinr.projectors import Projector
from ctinr.report import range_of_truth
from ctinr.report.style import LIGHT, METHOD_COLORS, OTHER_COLOR, blank, dress, legend, png
from recon_scripts._comparison import prepare
from recon_scripts._deadline import Deadline
from recon_scripts._scans import phantom_scan
from recon_scripts._terminal import say
from recon_scripts.benchmarks._cells import Cell
from recon_scripts.benchmarks._contenders import CONTENDERS, OracleTimeline, Problem
from recon_scripts.benchmarks._timing import options_of, publish

# A level every so many dB unless they are named.
STEP = 2
SMOKE_SIZE, SMOKE_VIEWS = 24, 12
SMOKE_CONTENDERS = ("fbp", "sirt", "tv", "oracle-tv", "pixels", "plain-bw-relu", "inr")
SMOKE_BUDGET, WARM_UP = 0.1, 0.01
STYLES: Mapping[str, dict[str, Any]] = {
    "pixels": {"color": OTHER_COLOR},
    "oracle-tv": {"color": METHOD_COLORS["tv"], "linestyle": "--"},
}


@dataclass(frozen=True)
class Curve:
    """The PSNR of one method over time: seconds, dB."""

    name: str
    seconds: tuple[float, ...]
    values: tuple[float, ...]
    stopped_by: str

    def until(self, level: float) -> float | None:
        """Return the seconds to the first image of that level; None if there was none."""
        pairs = zip(self.seconds, self.values, strict=True)
        return next((seconds for seconds, value in pairs if value >= level), None)


def problem_of(scan: Scan, *, smoke: bool) -> Problem:
    """Return the problem of a scan, its engine compiled."""
    A = Projector(scan.geometry, scan.grid)
    prepare(A, scan.sinogram)
    data_range = range_of_truth(scan.truth).value  # type: ignore[arg-type]
    seed = int(scan.metadata.get("seed", 0))
    return Problem(A, scan.sinogram, scan.truth, data_range, seed, smoke)  # type: ignore[arg-type]


def followed(name: str, problem: Problem, *, budget: float) -> Curve:
    """Run a method and return its curve."""
    if name == "oracle-tv":
        _ = problem.oracle_weight  # what it is given for nothing
    timeline = OracleTimeline(problem.truth, data_range=problem.data_range)
    deadline = Deadline(budget)
    found = deadline.judged(CONTENDERS[name](problem, (timeline, deadline)))
    timeline.finish(found)
    return Curve(name, tuple(timeline.seconds), tuple(timeline.values), found.stopped_by)


def levels_of(curves: Sequence[Curve]) -> list[float]:
    """Return whole dB every so many, from that of FBP to the best of all."""
    first = next((curve for curve in curves if curve.name == "fbp"), curves[0])
    best = max(chain.from_iterable(curve.values for curve in curves))
    lowest = math.floor(first.values[-1])
    return [float(level) for level in range(lowest, math.floor(best) + 1, STEP)]


def table(curves: Sequence[Curve], levels: Sequence[float]) -> list[dict[str, Any]]:
    """Return the row of every method."""
    rows = []
    for curve in curves:
        row: dict[str, Any] = {"method": curve.name, "seconds": curve.seconds[-1]}
        row |= {"PSNR": curve.values[-1], "best PSNR": max(curve.values)}
        for level in levels:
            seconds = curve.until(level)
            row[f"to {level:g} dB"] = "–" if seconds is None else seconds
        rows.append({**row, "ended by": curve.stopped_by})
    return rows


def drawing(curves: Sequence[Curve]) -> Figure:
    """Return all curves over the logarithm of the time; results that come at once are points."""
    figure = blank(LIGHT, width=9, height=5)
    axes = dress(figure.add_subplot(), LIGHT)
    for place, curve in enumerate(curves):
        style = STYLES.get(curve.name, {"color": METHOD_COLORS.get(curve.name)})
        if curve.name.startswith("plain-"):
            shade = 0.25 + 0.5 * (place % 4) / 3
            style = {"color": str(shade), "linewidth": 1, "linestyle": ("-", ":")[place // 4 % 2]}
        marker = "o" if len(curve.values) == 1 else None
        axes.plot(curve.seconds, curve.values, marker=marker, label=curve.name, **style)
        if marker is None and not curve.name.startswith("plain-"):
            axes.plot(curve.seconds[-1], curve.values[-1], "o", markersize=4, color=style["color"])
    axes.set_xscale("log")
    axes.set(xlabel="seconds, the choice of parameters included", ylabel="PSNR, dB")
    legend(axes, LIGHT, outside=True, loc="outside right upper")
    return figure


def write_curves(path: Path, curves: Sequence[Curve]) -> None:
    """Write all points as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("method", "seconds", "psnr"))
        for curve in curves:
            points = zip(curve.seconds, curve.values, strict=True)
            writer.writerows((curve.name, f"{s:.4g}", f"{value:.5g}") for s, value in points)


def scan_of(options: argparse.Namespace) -> Scan:
    """Return the scan that is asked for."""
    if options.smoke:
        return phantom_scan("tissue", size=SMOKE_SIZE, views=SMOKE_VIEWS)
    image, size = options.image, options.size
    name = options.object if image is None else image.stem
    if image is not None:
        size = max(read_image(image).shape) // 2
    return Cell(name, size, options.views, options.photons, options.seed, image).scan()


def main() -> None:
    """Run all methods, one after the other."""
    parser = options_of(__doc__ or "")
    parser.add_argument("--object", default="forbild-thorax", help="a phantom")
    parser.add_argument("--image", type=Path, help="a picture, in place of the phantom")
    parser.add_argument("--size", type=int, default=256, help="cells along a phantom's side")
    parser.add_argument("--views", type=int, default=60)
    parser.add_argument("--photons", type=float, default=1e5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=120, help="seconds a method")
    parser.add_argument("--only", nargs="+", help=f"some of {', '.join(CONTENDERS)}")
    parser.add_argument("--levels", nargs="+", type=float, help="dB (default: every other)")
    options = parser.parse_args()
    for name in options.only or ():
        checks.one_of(name, "only", tuple(CONTENDERS))
    budget = SMOKE_BUDGET if options.smoke else checks.positive(options.budget, "budget")
    problem = problem_of(scan_of(options), smoke=options.smoke)
    tiny = problem_of(phantom_scan("disk", size=16, views=6), smoke=True)
    curves = []
    for name in options.only or (SMOKE_CONTENDERS if options.smoke else CONTENDERS):
        followed(name, tiny, budget=WARM_UP)
        curves.append(followed(name, problem, budget=budget))
        say(f"{name}: {curves[-1].values[-1]:.2f} dB after {curves[-1].seconds[-1]:.3g} s")
    rows = table(curves, options.levels or levels_of(curves))
    publish("Time to PSNR: seconds", rows, options.out)
    write_curves(options.out / "time_to_psnr.csv", curves)
    (options.out / "time_to_psnr.png").write_bytes(png(drawing(curves)))


if __name__ == "__main__":
    main()
