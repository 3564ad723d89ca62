"""What the figures share in which all families are fitted alike: who takes part, and the fit."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ctinr import checks
from ctinr.metrics import psnr
from ctinr.networks import BWReLU, Ensemble, Family, families
from ctinr.operators import LinearOperator, Observation
from ctinr.recon.fit import fit
from ctinr.recon.observers import Curve
from ctinr.recon.optimizers import AdamOnly
from ctinr.recon.problem import grid_of
from ctinr.recon.run import Reconstruction, Step
from ctinr.report.style import LIGHT, METHOD_COLORS, blank, dress, legend
from recon_scripts._statistics import standard_error
from recon_scripts.paper._publishing import stretched

SCALE = 9.0
# Complex neurons of which each counts for two: a layer's parameters grow with their square.
COMPLEX = 2**-0.5
# Points of a curve, and pictures in a row.
POINTS, MOST_COLUMNS = 50, 6


def contenders(width: int, depth: int, samples: int, *, scale: float = SCALE) -> dict[str, Family]:
    """Return every family at the same width, WIRE at the same number of parameters."""
    found: dict[str, Family] = {
        name: family(width=width, depth=depth)  # type: ignore[call-arg]
        for name, family in families.items()
    }
    found["bw-relu"] = BWReLU(width=width, depth=depth, scale=scale)
    found["bw-relu, torch's start"] = BWReLU(width=width, depth=depth, scale=scale, init="torch")
    found["wire"] = replace(found["wire"], width=max(1, round(width * COMPLEX)))  # type: ignore[type-var]
    for name in ("fourier", "hash-grid"):
        found[name] = replace(found[name], samples=max(16, samples))  # type: ignore[type-var]
    return found


def chosen(contenders: Mapping[str, Family], only: Sequence[str] | None) -> dict[str, Family]:
    """Return those of the contenders that `--only` names, in its order, or all."""
    for name in only or ():
        checks.one_of(name, "only", tuple(contenders))
    return {name: contenders[name] for name in only or contenders}


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a contest, by the names of the families."""

    used: Mapping[str, Family]
    results: Mapping[str, Reconstruction]
    curves: Mapping[str, Curve]

    @property
    def images(self) -> dict[str, Tensor]:
        """The image of the first seed of each."""
        return {name: result.image[0] for name, result in self.results.items()}

    @property
    def record(self) -> dict[str, dict[str, str]]:
        """Hyper-parameters, and why each fit ended; plain values."""
        families = {name: repr(family) for name, family in self.used.items()}
        ended = {name: result.stopped_by for name, result in self.results.items()}
        return {"families": families, "ended": ended}


@dataclass(frozen=True, eq=False)
class Contest:
    """What all families are fitted to, and how they are judged.

    Parameters
    ----------
    operator : LinearOperator
        On the grid; its values of the truth are the data.
    truth : Tensor
        On the grid, scaled so that the range of its values is `data_range`.
    data_range : float
        What the PSNR refers to.
    seeds, steps : int
        Networks of a family, fitted as one ensemble, and their steps of Adam.
    data : Tensor, optional
        What is fitted where it is not what the operator makes of the truth.
    stretched : bool
        Whether an image is scaled to [0, 1] before it is judged.
    """

    operator: LinearOperator
    truth: Tensor
    data_range: float
    seeds: int
    steps: int
    data: Tensor | None = None
    stretched: bool = False

    def fitted(self, family: Family, *, rate: float | None = None) -> tuple[Reconstruction, Curve]:
        """Return the fit, its images (seed, *grid), and the first one's PSNR over the steps.

        The rate is that of the family unless another is given.
        """
        data = self.operator(self.truth) if self.data is None else self.data

        def quality(step: Step) -> float:
            return self.qualities(step.image)[0]

        curve = Curve(quality, every=max(1, self.steps // POINTS))
        result = fit_seeds(
            family,
            self.seeds,
            Observation(self.operator, data.expand(self.seeds, *data.shape).squeeze(0)),
            iterations=self.steps,
            optimizer=AdamOnly(family.rate if rate is None else rate),
            observers=(curve,),
        )
        return result, curve

    def held(
        self, used: Mapping[str, Family], rate_of: Callable[[Family], float] | None = None
    ) -> Outcome:
        """Return the fits of all families, at their own rates unless others are given."""
        results, curves = {}, {}
        for name, family in used.items():
            rate = None if rate_of is None else rate_of(family)
            results[name], curves[name] = self.fitted(family, rate=rate)
        return Outcome(used, results, curves)

    def rows(self, outcome: Outcome) -> list[dict[str, Any]]:
        """Return the row of every family."""
        return [
            row(name, family, self.qualities(outcome.results[name].image), axes=self.truth.ndim)
            for name, family in outcome.used.items()
        ]

    def qualities(self, images: Tensor) -> list[float]:
        """Return the PSNR of every image, as it is unless it is to be stretched."""
        several = images.reshape(-1, *self.truth.shape)
        if self.stretched:
            several = torch.stack([stretched(image) for image in several])
        return [psnr(image, self.truth, data_range=self.data_range) for image in several]


def fit_seeds(family: Family, seeds: int, observation: Observation, **given: Any) -> Reconstruction:
    """Return the fit of so many networks of a family as one, its images (seed, *grid).

    In single precision on every machine: shorter formats would bound the PSNR of the best. What
    else is given goes to `fit`.
    """
    grid = grid_of(observation.operator)
    generators = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
    networks = [family.build(len(grid.shape), generator=each) for each in generators]
    result = fit(Ensemble(networks), observation, grid=grid, precision="float32", **given)
    return replace(result, image=result.image.reshape(seeds, *grid.shape))


def as_in_paper(found: Mapping[str, Family]) -> dict[str, Family]:
    """Return the contenders with the start of the paper's code for BW-ReLU, which it has once."""
    kept = {name: family for name, family in found.items() if name != "bw-relu"}
    return {"bw-relu": kept.pop("bw-relu, torch's start"), **kept}


def add_contest(parser: argparse.ArgumentParser, steps: int) -> None:
    """Add the options of the number of steps and of who takes part."""
    parser.add_argument("--steps", type=int, default=steps, help="optimiser steps")
    parser.add_argument("--only", nargs="+", help="some of the families (default: all)")


def row(name: str, family: Family, found: Sequence[float], *, axes: int = 2) -> dict[str, Any]:
    """Return the row of a family."""
    row = {"family": name, "parameters": num_parameters(family, axes), "rate": family.rate}
    return {**row, **mean_and_error(found)}


def num_parameters(family: Family, axes: int = 2) -> int:
    """Return the number of parameters of a network of a family."""
    return sum(value.numel() for value in family.build(axes).parameters())


def mean_and_error(found: Sequence[float]) -> dict[str, Any]:
    """Return the columns of a row that sum up the PSNR of several seeds."""
    error = standard_error(found)
    return {"PSNR": statistics.mean(found), "standard error": error, "of": len(found)}


def drawing(
    pictures: Mapping[str, Tensor],
    curves: Mapping[str, Curve],
    *,
    level: tuple[str, float] | None = None,
) -> Figure:
    """Return the pictures above, the PSNR over the steps and a `level` that has none below."""
    rows = -(-len(pictures) // MOST_COLUMNS)
    columns = -(-len(pictures) // rows)
    figure = blank(LIGHT, width=13, height=2.2 * rows + 3.6)
    layout = figure.add_gridspec(rows + 1, columns, height_ratios=(*[1] * rows, 1.6))
    for place, (name, image) in enumerate(pictures.items()):
        axes = figure.add_subplot(layout[divmod(place, columns)])
        axes.imshow(image, cmap="gray", vmin=0, vmax=1)
        axes.set_title(name, fontsize=8, color=LIGHT.ink)
        axes.set_axis_off()
    draw_curves(figure.add_subplot(layout[rows, :]), curves, level=level)
    return figure


def draw_curves(
    axes: Axes, curves: Mapping[str, Curve], *, level: tuple[str, float] | None = None
) -> None:
    """Draw the PSNR over the steps, that of BW-ReLU with a broad line, and a level."""
    main, others = METHOD_COLORS["inr"], iter(colormaps["tab10"](range(10))[[0, *range(2, 10)]])
    for name, curve in curves.items():
        own = name == "bw-relu"
        color, linewidth = (main, 2.4) if own else (next(others), 1.4)
        axes.plot(curve.indices, curve.values, label=name, color=color, linewidth=linewidth)
    if level is not None:
        axes.axhline(level[1], label=level[0], color=LIGHT.muted, linestyle=":")
    axes.set(xlabel="step", ylabel="PSNR, dB")
    legend(dress(axes, LIGHT), LIGHT, ncols=3)
