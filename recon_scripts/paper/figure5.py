"""Figure 5: a picture drawn by every family, at equal width, depth and steps.

All seeds of a family are fitted as one ensemble. The PSNR is that of the last iterate as it is,
against the picture scaled to [0, 1].
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ctinr import checks
from ctinr.geometry import Grid
from ctinr.metrics import psnr
from ctinr.networks import BWReLU, Ensemble, Family, families
from ctinr.operators import Identity, Observation
from ctinr.recon.fit import fit
from ctinr.recon.observers import Curve
from ctinr.recon.optimizers import AdamOnly
from ctinr.recon.run import Step
from ctinr.report.style import LIGHT, METHOD_COLORS, blank, dress, legend
from recon_scripts.paper._publishing import Result, add_picture, options_of, picture, publish

STEPS, WIDTH, DEPTH, SCALE = 1000, 300, 3, 9.0
SIZE = 128
# Complex neurons of which each counts for two: a layer's parameters grow with their square.
COMPLEX = 2**-0.5


def contenders(width: int, depth: int, samples: int) -> dict[str, Family]:
    """Return every family at the same width, WIRE at the same number of parameters."""
    found: dict[str, Family] = {
        name: family(width=width, depth=depth)  # type: ignore[call-arg]
        for name, family in families.items()
    }
    found["bw-relu"] = BWReLU(width=width, depth=depth, scale=SCALE)
    found["bw-relu, torch's start"] = BWReLU(width=width, depth=depth, scale=SCALE, init="torch")
    found["wire"] = replace(found["wire"], width=max(1, round(width * COMPLEX)))  # type: ignore[type-var]
    for name in ("fourier", "hash-grid"):
        found[name] = replace(found[name], samples=max(16, samples))  # type: ignore[type-var]
    return found


def fitted(family: Family, truth: Tensor, *, seeds: int, steps: int) -> tuple[Tensor, Curve]:
    """Return the images (seed, y, x) after the last step, and the PSNR of the mean square error."""
    grid = Grid(tuple(truth.shape))
    generators = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
    networks = [family.build(2, generator=generator) for generator in generators]

    def quality(step: Step) -> float:
        return psnr(step.image.reshape(-1, *truth.shape)[0], truth, data_range=1.0)

    curve = Curve(quality, every=max(1, steps // 50))
    result = fit(
        Ensemble(networks),
        Observation(Identity(grid), truth.expand(seeds, *truth.shape).squeeze(0)),
        grid=grid,
        iterations=steps,
        optimizer=AdamOnly(family.rate),
        observers=(curve,),
    )
    return result.image.reshape(seeds, *truth.shape), curve


def drawing(truth: Tensor, images: dict[str, Tensor], curves: dict[str, Curve]) -> Figure:
    """Return the pictures above, the PSNR over the steps below."""
    figure = blank(LIGHT, width=13, height=6.5)
    layout = figure.add_gridspec(2, len(images) + 1, height_ratios=(1, 1.3))
    for place, (name, image) in enumerate({"truth": truth, **images}.items()):
        axes = figure.add_subplot(layout[0, place])
        axes.imshow(image, cmap="gray", vmin=0, vmax=1)
        axes.set_title(name, fontsize=8, color=LIGHT.ink)
        axes.set_axis_off()
    below = dress(figure.add_subplot(layout[1, :]), LIGHT)
    for name, curve in curves.items():
        main = {"color": METHOD_COLORS["inr"], "linewidth": 2.4} if name == "bw-relu" else {}
        below.plot(curve.indices, curve.values, label=name, **main)
    below.set(xlabel="step", ylabel="PSNR, dB")
    legend(dress(below, LIGHT), LIGHT, ncols=3)
    return figure


def row(name: str, family: Family, found: Sequence[float]) -> dict[str, Any]:
    """Return the row of a family."""
    spread = statistics.stdev(found) / len(found) ** 0.5 if len(found) > 1 else None
    parameters = sum(value.numel() for value in family.build(2).parameters())
    row = {"family": name, "parameters": parameters, "rate": family.rate}
    return {**row, "PSNR": statistics.mean(found), "standard error": spread, "of": len(found)}


def main() -> None:
    """Fit all families, draw, publish."""
    parser = options_of(__doc__ or "", seeds=1)
    add_picture(parser)
    parser.add_argument("--steps", type=int, default=STEPS, help="optimiser steps")
    parser.add_argument("--only", nargs="+", help="some of the families (default: all)")
    options = parser.parse_args()
    steps, seeds = (5, 2) if options.smoke else (options.steps, options.seeds)
    truth = picture(None if options.smoke else options.image, 16 if options.smoke else SIZE)
    width, depth = (8, 2) if options.smoke else (WIDTH, DEPTH)
    images, curves, rows = {}, {}, []
    used = contenders(width, depth, max(truth.shape))
    for name in options.only or ():
        checks.one_of(name, "only", tuple(used))
    used = {name: used[name] for name in options.only or used}
    for name, family in used.items():
        found, curves[name] = fitted(family, truth, seeds=seeds, steps=steps)
        images[name] = found[0]
        rows.append(row(name, family, [psnr(each, truth, data_range=1.0) for each in found]))
    record = {"steps": steps, "families": {name: repr(each) for name, each in used.items()}}
    publish(Result("figure5", drawing(truth, images, curves), rows, record), options.out)


if __name__ == "__main__":
    main()
