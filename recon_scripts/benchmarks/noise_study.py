"""Reconstruct many objects at several doses by FBP, TV and the neural field, and compare.

Methods and choices are those of `ctinr compare`. Oracle rows are tuned against the truth and show
what a choice could gain at most; they take no part in the figure. Each result is a row of
noise_study.csv in --out, written as soon as it is there: a run that was ended goes on where it
was, and the rows of several runs are summed up together.

A picture is averaged over two by two cells, and scaled so that the largest line integral is 5.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ctinr import checks
from ctinr.data import Scan, read_image
from ctinr.report import Cost
from ctinr.report.style import LIGHT, METHOD_COLORS, OTHER_COLOR, blank, dress, legend, png
from recon_scripts._comparison import Settings, compare
from recon_scripts._jobs import Job
from recon_scripts._methods import method_named
from recon_scripts._options import MethodOptions
from recon_scripts._progress import Display
from recon_scripts._statistics import standard_error
from recon_scripts._terminal import say
from recon_scripts.benchmarks._cells import SCAN_KEYS, Cell
from recon_scripts.benchmarks._ledger import Ledger
from recon_scripts.benchmarks._oracle import oracle_inr
from recon_scripts.benchmarks._timing import options_of, publish

OBJECTS = (
    *("forbild-head", "forbild-thorax", "random-ellipses"),
    *("tissue", "gradients", "trabeculae", "rock", "weave"),
)
JOBS: Mapping[str, Job] = {
    "fbp": Job(method_named("fbp")),
    "tv": Job(method_named("tv")),
    "oracle-tv": Job(method_named("tv"), oracle=True),
    "pnp": Job(method_named("pnp")),
    "inr": Job(method_named("inr")),
    "oracle-inr": Job(replace(method_named("inr"), oracle=oracle_inr), oracle=True),
}
KEYS = (*SCAN_KEYS, "method")
SMOKE_SIZE, SMOKE_VIEWS = 24, 12
# Without the search around the choice of the field, which fits many networks.
SMOKE_METHODS = ("fbp", "tv", "oracle-tv", "pnp", "inr")
VALUES = ("psnr", "ssim", "seconds", "choice")
# What seeds are averaged over.
CELL = ("object", "size", "views", "photons")


def cells(options: argparse.Namespace) -> Iterator[Cell]:
    """Yield the scans that are asked for, the first seed of all before the second."""
    if options.smoke:
        yield Cell("tissue", SMOKE_SIZE, SMOKE_VIEWS, 1e4, 0)
        return
    objects: list[tuple[str, int, Path | None]] = [
        (name, options.size, None) for name in (options.only or OBJECTS)
    ]
    if options.image is not None:
        size = max(read_image(options.image).shape) // 2
        objects = [(options.image.stem, size, options.image), *(objects if options.only else ())]
    for seed in range(options.seeds):
        for name, size, image in objects:
            for views, photons in product(options.views, options.photons):
                yield Cell(name, size, views, photons, seed, image)


def measured(cell: Cell, scan: Scan, method: str, *, smoke: bool) -> dict[str, Any] | None:
    """Return the row of one method; None if it was interrupted."""
    settings = Settings(MethodOptions(), seed=cell.seed, smoke=smoke)
    with Display() as display:
        found = compare(scan, [JOBS[method]], settings, display=display, before=Cost())
    if found.record["interrupted"]:
        return None
    row = found.rows[0]
    choice = row.reconstruction.record.get("choice", {}).get("value", "")
    values = {name: f"{row.metrics[name]:.6g}" for name in ("psnr", "ssim")}
    return {**cell.key(method), **values, "seconds": f"{row.seconds:.4g}", "choice": choice}


def study(ledger: Ledger, options: argparse.Namespace) -> None:
    """Add the rows that are missing; an interrupt ends it, and nothing is lost."""
    for cell in cells(options):
        missing = [method for method in options.methods if cell.key(method) not in ledger]
        scan = cell.scan() if missing else None
        for method in missing:
            row = measured(cell, scan, method, smoke=options.smoke)  # type: ignore[arg-type]
            if row is None:
                return
            ledger.append(row)
            say(", ".join(f"{name} {value}" for name, value in row.items()))


def summary(rows: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return the means over the seeds."""
    groups: dict[tuple[str, ...], list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in (*CELL, "method"))].append(row)
    found = []
    for key, members in groups.items():
        levels = [float(row["psnr"]) for row in members]
        means = {"PSNR": statistics.mean(levels), "standard error": standard_error(levels)}
        seconds = statistics.mean(float(row["seconds"]) for row in members)
        named = dict(zip((*CELL, "method"), key, strict=True))
        found.append({**named, **means, "of": len(members), "seconds": seconds})
    return found


def gains(rows: Sequence[Mapping[str, str]]) -> dict[tuple[str, ...], list[float]]:
    """Return by how many dB the field is above oracle-free TV, seed by seed, for every cell."""
    levels = {tuple(row[name] for name in KEYS): float(row["psnr"]) for row in rows}
    found: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for (*cell, method), level in levels.items():
        other = levels.get((*cell, "tv"))
        if method == "inr" and other is not None:
            found[tuple(cell[:-1])].append(level - other)
    return found


def drawing(rows: Sequence[Mapping[str, str]]) -> Figure:
    """Return the gain of the field over TV, by object; one colour a kind of scan."""
    found = gains(rows)
    names = list(dict.fromkeys(cell[0] for cell in found))
    scans = sorted({cell[2:] for cell in found}, key=lambda scan: [float(part) for part in scan])
    figure = blank(LIGHT, width=9, height=4.5)
    axes = dress(figure.add_subplot(), LIGHT)
    colors = (METHOD_COLORS["tv"], METHOD_COLORS["inr"], OTHER_COLOR, METHOD_COLORS["sirt"])
    for place, scan in enumerate(scans):
        own = {cell[0]: values for cell, values in found.items() if cell[2:] == scan}
        axes.errorbar(
            [names.index(name) + (place - (len(scans) - 1) / 2) * 0.15 for name in own],
            [statistics.mean(values) for values in own.values()],
            [standard_error(values) or 0.0 for values in own.values()],
            fmt="os"[place % 2],
            color=colors[place % len(colors)],
            capsize=3,
            label=f"{scan[0]} views, {float(scan[1]):g} photons",
        )
    axes.axhline(0, color=LIGHT.ink, linewidth=0.8)
    axes.set_xticks(range(len(names)), names, rotation=20)
    axes.set_ylabel("PSNR of the neural field above TV's, dB")
    legend(axes, LIGHT)
    return figure


def main() -> None:
    """Run what is missing, and sum up what there is."""
    parser = options_of(__doc__ or "")
    parser.add_argument("--only", nargs="+", help=f"some of {', '.join(OBJECTS)} (default: all)")
    parser.add_argument("--image", type=Path, help="a picture, alone or beside those of --only")
    parser.add_argument("--methods", nargs="+", help="default: all")
    parser.add_argument("--views", nargs="+", type=int, default=[30, 60])
    parser.add_argument("--photons", nargs="+", type=float, default=[1e4, 1e5])
    parser.add_argument("--seeds", type=int, default=3, help="number of repetitions")
    parser.add_argument("--size", type=int, default=256, help="cells along a phantom's side")
    options = parser.parse_args()
    options.methods = options.methods or list(SMOKE_METHODS if options.smoke else JOBS)
    for name, known in (("only", OBJECTS), ("methods", tuple(JOBS))):
        for given in getattr(options, name) or ():
            checks.one_of(given, name, known)
    ledger = Ledger(options.out / "noise_study.csv", KEYS, VALUES)
    study(ledger, options)
    publish("Noise study: means over seeds", summary(ledger.rows), options.out)
    if gains(ledger.rows):
        (options.out / "noise_study.png").write_bytes(png(drawing(ledger.rows)))


if __name__ == "__main__":
    main()
