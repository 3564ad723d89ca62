"""Judge the intervals of `uncertainty` where the truth is known: what they cover, what they cost.

The time of one is that of `inr` in the very run: its trials and its fit, before the ensemble goes
on from there. Each scan is a row of uncertainty.csv in --out, written as soon as it is there: a run
that was ended goes on where it was. The figure has the calibration of each scan. Air is easily
covered, where object and image are zero: the cells of the object are counted by themselves, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ctinr.metrics import psnr
from ctinr.projectors import Projector
from ctinr.recon.interval import LEVELS
from ctinr.recon.neural_field.field import fitted_field
from ctinr.recon.uncertainty import LEVEL, with_interval
from ctinr.report.choices import SERIES
from ctinr.report.intervals import calibration, draw_calibration
from ctinr.report.style import LIGHT, blank, legend, png
from ctinr.report.window import as_array
from recon_scripts._comparison import prepare
from recon_scripts._methods import FAMILIES, SMOKE_FAMILIES, SMOKE_RECIPE
from recon_scripts._terminal import say
from recon_scripts.benchmarks._cells import SCAN_KEYS, Cell
from recon_scripts.benchmarks._ledger import Ledger
from recon_scripts.benchmarks._timing import options_of, publish

OBJECTS = ("forbild-head", "forbild-thorax", "random-ellipses")
PHOTONS, MEMBERS = 1e5, 8
KEYS = (*SCAN_KEYS, "members")
COVERED = tuple(f"covered at {level:g}" for level in LEVELS)
# The part of the cells that are not air whose truth lies between the ends.
OF_OBJECT = "object covered"
VALUES = ("psnr", "seconds of one", "seconds of all", "times", OF_OBJECT, *COVERED)


def cells(options: argparse.Namespace) -> list[Cell]:
    """Return the scans that are asked for."""
    if options.smoke:
        return [Cell("random-ellipses", 32, 12, PHOTONS, 0)]
    return [
        Cell(name, options.size, views, PHOTONS, seed)
        for seed in range(options.seeds)
        for name in options.only
        for views in options.views
    ]


def measured(cell: Cell, members: int, *, smoke: bool) -> dict[str, Any]:
    """Return the row of one scan."""
    scan = cell.scan()
    truth = scan.truth
    if truth is None:
        raise ValueError("a phantom has a truth")
    A = Projector(scan.geometry, scan.grid)
    prepare(A, scan.sinogram)
    family = (SMOKE_FAMILIES if smoke else FAMILIES)["bw-relu"]
    recipe = SMOKE_RECIPE if smoke else None
    field = fitted_field(A, scan.sinogram, family=family, recipe=recipe, seed=cell.seed)
    result = with_interval(field, members=members, seed=cell.seed)
    if result.interval is None:
        raise KeyboardInterrupt
    one, every = field.result.seconds, result.seconds
    found = calibration(result.interval, result.image, as_array(truth))
    lower, upper = result.interval.lower, result.interval.upper
    inside = float(((lower <= truth) & (truth <= upper))[truth > 0].float().mean())
    level = psnr(result.image, truth.to(result.image), data_range=float(truth.max() - truth.min()))
    values = (level, one, every, every / one, inside, *(part for _, part in found))
    named = {name: f"{value:.4g}" for name, value in zip(VALUES, values, strict=True)}
    return {**_key(cell, members), **named}


def drawing(rows: Sequence[Mapping[str, str]]) -> Figure:
    """Return the calibration of every scan."""
    figure = blank(LIGHT, width=6.5, height=5)
    axes = figure.add_subplot()
    names = [f"{row['object']}, {row['views']} views, seed {row['seed']}" for row in rows]
    curves = {
        name: [(level, float(row[key])) for level, key in zip(LEVELS, COVERED, strict=True)]
        for name, row in zip(names, rows, strict=True)
    }
    colors = {name: SERIES[place % len(SERIES)] for place, name in enumerate(names)}
    draw_calibration(axes, curves, LIGHT, colors=colors)
    legend(axes, LIGHT)
    return figure


def _key(cell: Cell, members: int) -> dict[str, Any]:
    return {**{name: getattr(cell, name) for name in SCAN_KEYS}, "members": members}


def _shown(row: Mapping[str, str]) -> dict[str, str]:
    kept = (*KEYS, "psnr", "seconds of one", "times", f"covered at {LEVEL:g}", OF_OBJECT)
    return {name: row[name] for name in kept}


def main() -> None:
    """Run what is missing, and sum up what there is."""
    parser = options_of(__doc__ or "")
    parser.add_argument("--only", nargs="+", choices=OBJECTS, default=OBJECTS, help="which objects")
    parser.add_argument("--views", nargs="+", type=int, default=[30, 60])
    parser.add_argument("--size", type=int, default=256, help="cells along a phantom's side")
    parser.add_argument("--seeds", type=int, default=1, help="number of repetitions")
    parser.add_argument("--members", type=int, default=MEMBERS, help="networks of the ensemble")
    options = parser.parse_args()
    members = 2 if options.smoke else options.members
    ledger = Ledger(options.out / "uncertainty.csv", KEYS, VALUES)
    for cell in cells(options):
        if _key(cell, members) not in ledger:
            row = measured(cell, members, smoke=options.smoke)
            ledger.append(row)
            say(", ".join(f"{name} {value}" for name, value in _shown(row).items()))
    publish("Uncertainty: cost and coverage", [_shown(row) for row in ledger.rows], options.out)
    (options.out / "uncertainty.png").write_bytes(png(drawing(ledger.rows)))


if __name__ == "__main__":
    main()
