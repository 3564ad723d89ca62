"""Figure 4: tomography by every family, at equal width, depth and steps.

Each family takes the best of at least three learning rates: fitted without some views, judged by
the error on them, and the grid is widened while the best is at its end. Then all views are fitted
with that rate, from every seed. FBP and TV, which choose on the same views, stand beside them. The
PSNR is that of the last iterate as it is, against the picture scaled to [0, 1].

By default the picture is scanned on its own cells and reconstructed on cells twice as large, and
the residual is ramp-filtered; the PSNR refers to block means. With --protocol paper all is as in
the code of the paper; `recon_scripts.paper._tomography` says what that gets wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from ctinr.metrics import psnr
from ctinr.networks import BWReLU, Family, FourierFeatures, Wire
from ctinr.recon.levels import Problem
from ctinr.recon.observers import relative_error
from ctinr.recon.optimizers import AdamOnly
from ctinr.recon.run import Reconstruction
from ctinr.recon.selection import Split, split_views
from ctinr.recon.tuned import tuned_tv
from ctinr.recon.tuned_filter import tuned_fbp
from ctinr.report.style import LIGHT, METHOD_COLORS, OTHER_COLOR, blank, dress
from recon_scripts._terminal import say
from recon_scripts.paper._contest import (
    MOST_COLUMNS,
    chosen,
    contenders,
    fit_seeds,
    mean_and_error,
    num_parameters,
)
from recon_scripts.paper._publishing import (
    Result,
    add_picture,
    add_protocol,
    options_of,
    picture,
    publish,
)
from recon_scripts.paper._tomography import SETTINGS, Setting

DEPTH, SCALE, VIEWS, SIZE = 3, 3.0, 100, 256
# How much larger the scale of BW-ReLU is in each layer than in the one before. At one spread of
# arguments it does not change what the hidden layers draw at first, but how far a step moves them:
# Adam moves all weights alike, and with equal scales the output layer runs ahead.
GROWTH = 3.0
# The numbers of steps and of neurons.
SIZES = {"standard": (150, 128), "paper": (10_000, 300)}
# Learning rates that are tried first, times that of the family, and how often further ones are.
FACTORS = (1 / 3, 1.0, 3.0)
WIDENINGS = 2
METHODS = {"FBP": tuned_fbp, "TV": tuned_tv}


@dataclass(frozen=True, eq=False)
class Rivals:
    """What is the same for all: the setting, the views that judge rates, steps and seeds."""

    setting: Setting
    split: Split
    steps: int
    seeds: int

    def fitted(
        self, problem: Problem, family: Family, *, rate: float, seeds: int
    ) -> Reconstruction:
        """Return the fit of some seeds, its images (seed, y, x)."""
        return fit_seeds(
            family,
            seeds,
            self.setting.observation(problem, copies=seeds),
            iterations=self.steps,
            optimizer=AdamOnly(rate),
            schedule=self.setting.schedule,
        )

    def tried(self, family: Family) -> dict[float, float]:
        """Return the error on withheld views of each learning rate, from lowest to highest."""
        parts = self.split.fitted, self.split.withheld
        some, others = (self.setting.problem.restricted(part) for part in parts)

        def error(rate: float) -> float:
            result = self.fitted(some, family, rate=rate, seeds=1)
            failed = result.diverged
            return math.inf if failed else relative_error(others.A, result.image[0], others.y)

        errors = {factor * family.rate: error(factor * family.rate) for factor in FACTORS}
        for _ in range(WIDENINGS):
            best, rates = min(errors, key=errors.__getitem__), sorted(errors)
            if best not in (rates[0], rates[-1]):
                break
            further = best / 3 if best == rates[0] else best * 3
            errors[further] = error(further)
        return dict(sorted(errors.items()))

    def of_family(self, family: Family) -> tuple[Tensor, dict[str, Any]]:
        """Return the image of the first seed, and the row of a family."""
        errors = self.tried(family)
        rate = min(errors, key=errors.__getitem__)
        images = self.fitted(self.setting.problem, family, rate=rate, seeds=self.seeds).image
        found = [psnr(image, self.setting.truth, data_range=1.0) for image in images]
        row = {**mean_and_error(found), "parameters": num_parameters(family)}
        grid = ", ".join(f"{rate:.2g}: {error:.4f}" for rate, error in errors.items())
        return images[0], {**row, "rate": rate, "withheld error of rates": grid}

    def of_method(self, method: Callable[..., Reconstruction]) -> tuple[Tensor, dict[str, Any]]:
        """Return the image and the row of a method that chooses by itself."""
        result = method(self.setting.problem.A, self.setting.problem.y, split=self.split)
        row: dict[str, Any] = {"PSNR": psnr(result.image, self.setting.truth, data_range=1.0)}
        empty = ("standard error", "of", "parameters", "rate", "withheld error of rates")
        return result.image, row | dict.fromkeys(empty)


def families(width: int, samples: int, *, as_in_paper: bool) -> dict[str, Family]:
    """Return the contenders at a width, with the paper's hyper-parameters if wished."""
    found = contenders(width, DEPTH, samples, scale=SCALE)
    scales = tuple(SCALE * GROWTH**layer for layer in range(DEPTH))
    found["bw-relu"] = BWReLU(width=width, depth=DEPTH, scale=scales, init="flat")
    for name, family in found.items():
        if as_in_paper and isinstance(family, FourierFeatures):
            # The number of views, taken for that of pixels: four octaves, whatever the picture.
            found[name] = replace(family, samples=16)
        elif as_in_paper and isinstance(family, Wire):
            found[name] = replace(family, width=width)
    return found


def drawing(truth: Tensor, images: dict[str, Tensor], rows: list[dict[str, Any]]) -> Figure:
    """Return the pictures above, the PSNR of all below."""
    lines = -(-(len(images) + 1) // MOST_COLUMNS)
    figure = blank(LIGHT, width=14, height=2.3 * lines + 3.5)
    layout = figure.add_gridspec(lines + 1, MOST_COLUMNS, height_ratios=(*[1] * lines, 1.7))
    for place, (name, image) in enumerate({"truth": truth, **images}.items()):
        axes = figure.add_subplot(layout[divmod(place, MOST_COLUMNS)])
        axes.imshow(image, cmap="gray", vmin=0, vmax=1)
        axes.set_title(name, fontsize=8, color=LIGHT.ink)
        axes.set_axis_off()
    below = dress(figure.add_subplot(layout[lines, :]), LIGHT)
    ranked = sorted(rows, key=lambda row: row["PSNR"])
    colors = [METHOD_COLORS.get(_method(row["name"]), OTHER_COLOR) for row in ranked]
    errors = [row["standard error"] or 0 for row in ranked]
    names = [row["name"] for row in ranked]
    values = [row["PSNR"] for row in ranked]
    bars = below.barh(names, values, xerr=errors, color=colors, ecolor=LIGHT.ink)
    below.bar_label(bars, fmt="%.2f", padding=4, color=LIGHT.ink, fontsize=8)
    below.set(xlabel="PSNR, dB", xlim=(min(values) - 1, max(values) + 0.5))
    return figure


def _method(name: str) -> str:
    """Return the method under whose colour a row is drawn."""
    return {"FBP": "fbp", "TV": "tv", "bw-relu": "inr"}.get(name, "other")


def main() -> None:
    """Scan, choose rates, fit all families, draw, publish."""
    parser = options_of(__doc__ or "", seeds=5)
    add_picture(parser)
    add_protocol(parser)
    parser.add_argument("--views", type=int, default=VIEWS, help="number of views")
    parser.add_argument("--steps", type=int, help="optimiser steps (150; of the paper 10,000)")
    parser.add_argument("--width", type=int, help="neurons a layer (128; of the paper 300)")
    parser.add_argument("--only", nargs="+", help="some of the families (default: all)")
    options = parser.parse_args()
    steps, width = SIZES[options.protocol]
    image, views, seeds = picture(options.image, SIZE), options.views, options.seeds
    steps, width = options.steps or steps, options.width or width
    if options.smoke:
        image, views, seeds, steps, width = picture(None, 24), 12, 2, 3, 8
    setting = SETTINGS[options.protocol](image, views=views, steps=steps)
    paper = options.protocol == "paper"
    used = families(width, max(setting.grid.shape), as_in_paper=paper)
    used = chosen(used, options.only)
    rivals = Rivals(setting, split_views(setting.problem.A.geometry), steps, seeds)
    found = {name: rivals.of_method(method) for name, method in METHODS.items()}
    for name, family in used.items():
        found[name] = rivals.of_family(family)
        say(f"{name}: {found[name][1]['PSNR']:.2f} dB")
    rows = [{"name": name, **row} for name, (_, row) in found.items()]
    images = {name: image for name, (image, _) in found.items()}
    record = {"protocol": options.protocol, "views": views, "steps": steps}
    record |= {"split": rivals.split.to_dict()}
    record |= {"families": {name: repr(family) for name, family in used.items()}}
    publish(Result("figure4", drawing(setting.truth, images, rows), rows, record), options.out)


if __name__ == "__main__":
    main()
