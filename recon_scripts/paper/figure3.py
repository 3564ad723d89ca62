"""Figure 3: of univariate interpolants at several scales, the one of least norm errs least.

For each of three functions, and each seed, networks of five scales are fitted together to samples
at random places of [-1, 1] and at its ends, several networks of each scale, until all interpolate.
The table says which scale had the least variation norm when the residual first was 1 % of the data,
and which had the least error then where nothing was sampled, both on average over the starts. With
--protocol paper there is one start and no sample at the ends, networks start as in the code of the
paper, and norms and errors are those after 5000 steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ctinr.geometry import Grid
from ctinr.networks import BWReLU, ReLU
from ctinr.operators import Observation, Select
from ctinr.recon.observers import Watcher
from ctinr.recon.optimizers import AdamOnly
from ctinr.recon.run import Step
from ctinr.recon.scale import ScaleChoice, select_scale
from ctinr.report.style import LIGHT, METHOD_COLORS, OTHER_COLOR, blank, dress, legend
from recon_scripts.paper._publishing import Result, add_protocol, options_of, publish

SCALES = (1.0, 2.0, 4.0, 8.0, 16.0)
POINTS, SAMPLES, WIDTH = 400, 20, 100
# Small scales take many steps to a jump, and a network that does not interpolate has no say.
STEPS = {"standard": 20_000, "paper": 5000}
# Networks of one scale that are fitted to the same samples: norm and error vary with the start.
STARTS = 5
# Steps between two looks.
EVERY = 20
# The relative residual that counts as interpolation.
MISFIT = 0.01


def relu_network(x: Tensor) -> Tensor:
    """Return what a random ReLU network of five neurons draws."""
    network = ReLU(width=5, depth=1).build(1, generator=torch.Generator().manual_seed(7))
    return network(x[:, None]).detach()[:, 0]


def threshold_network(x: Tensor) -> Tensor:
    """Return a function of three steps."""
    return (x > -0.55).float() - 1.5 * (x > 0.1).float() + 0.8 * (x > 0.6).float()


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "ReLU network": relu_network,
    "threshold network": threshold_network,
    "sines": lambda x: torch.sin(3 * x) + 0.5 * torch.sin(7 * x),
}


class OracleErrors(Watcher):
    """Writes down the error of every network off the samples, whenever `select_scale` looks."""

    def __init__(self, truth: Tensor, mask: Tensor) -> None:
        self._truth, self._mask = truth, mask
        self.errors: list[Tensor] = []

    def observe(self, step: Step) -> None:
        """Write down root mean squares."""
        if (step.index - 1) % EVERY == 0:
            off = (step.image - self._truth)[:, ~self._mask]
            self.errors.append(off.square().mean(1).sqrt())


@dataclass(frozen=True, eq=False)
class Fits:
    """Networks of all scales fitted to the same samples, compared by norm and by error."""

    choice: ScaleChoice
    norms: tuple[float, ...]
    errors: tuple[float, ...]
    mask: Tensor


def samples(seed: int, *, ends: bool) -> Tensor:
    """Return at which points there are samples."""
    mask = torch.zeros(POINTS, dtype=torch.bool)
    order = torch.randperm(POINTS - 2, generator=torch.Generator().manual_seed(seed)) + 1
    # Beyond the outermost samples nothing is interpolated.
    mask[[0, -1, *order[: SAMPLES - 2].tolist()] if ends else order[:SAMPLES]] = True
    return mask


def fitted(
    name: str, seed: int, *, width: int, steps: int, misfit: float | None, paper: bool = False
) -> Fits:
    """Return the fits of a function's samples, compared at a misfit or at the least they reach."""
    starts = 1 if paper else STARTS
    grid = Grid((POINTS,), 2 / POINTS)
    truth = FUNCTIONS[name](grid.coordinates()[:, 0])
    mask = samples(seed, ends=not paper)
    A, oracle = Select(grid, mask), OracleErrors(truth, mask)
    family = BWReLU(width=width, depth=1, skip=True, init="torch" if paper else "spread")
    choice = select_scale(
        Observation(A, A(truth)),
        grid=grid,
        family=family,
        scales=SCALES,
        seeds=tuple(range(starts * seed, starts * (seed + 1))),
        iterations=steps,
        misfit=misfit,
        optimizer=AdamOnly(5e-3),
        every=EVERY,
        observers=(oracle,),
    )
    errors = torch.stack(oracle.errors[: choice.misfits.shape[-1]], dim=1).numpy()
    errors = errors.reshape(choice.misfits.shape)
    if paper:
        ends = tuple(float(curve[0, -1]) for curve in choice.curves)
        return Fits(choice, ends, tuple(errors[:, 0, -1].tolist()), mask)
    # A network that never interpolates is no interpolant.
    met = choice.misfits <= choice.misfit
    first = np.argmax(met, axis=-1)[..., None]
    found = np.where(met.any(-1), np.take_along_axis(errors, first, -1)[..., 0], math.inf)
    return Fits(choice, choice.norms, tuple(found.mean(axis=-1).tolist()), mask)


def panel(figure: Figure, place: int, name: str, fits: Fits) -> None:
    """Draw the function, its samples, and the last interpolants of least and of largest scale."""
    axes = dress(figure.add_subplot(1, len(FUNCTIONS), place), LIGHT)
    points = Grid((POINTS,), 2 / POINTS).coordinates()
    x, truth = points[:, 0], FUNCTIONS[name](points[:, 0])
    # The first start of each scale.
    drawn = fits.choice.networks(points).detach().unflatten(-1, (len(SCALES), -1))[..., 0]
    least, most = int(np.argmin(fits.norms)), len(SCALES) - 1
    color, mask = METHOD_COLORS["inr"], fits.mask
    axes.plot(x, drawn[:, most], color=OTHER_COLOR, lw=0.9, label=f"c = {SCALES[most]:g}")
    axes.plot(x, truth, color=LIGHT.ink, lw=1, ls=":", label="truth")
    axes.plot(x, drawn[:, least], color=color, lw=1.8, label=f"c = {SCALES[least]:g}")
    axes.plot(x[mask], truth[mask], "o", color=LIGHT.ink, ms=3.5)
    low, high = float(truth.min()), float(truth.max())
    margin = 0.5 * (high - low)
    axes.set_ylim(low - margin, high + margin)
    axes.set_title(f"{name}: norm {fits.norms[least]:.0f} against {fits.norms[most]:.0f}")
    axes.title.set(fontsize=9.5, color=LIGHT.ink)
    legend(axes, LIGHT, loc="lower left")


def row(name: str, seed: int, fits: Fits) -> dict[str, Any]:
    """Return which scale has the least norm and which the least error, and both of all scales."""
    chosen, best = int(np.argmin(fits.norms)), int(np.argmin(fits.errors))
    found = {"function": name, "seed": seed, "least norm": SCALES[chosen]}
    found |= {"least error": SCALES[best], "agree": chosen == best}
    found |= {"error": fits.errors[chosen], "of the best": fits.errors[best]}
    listed = {"norms": fits.norms, "errors": fits.errors}
    return found | {
        key: ", ".join(f"{each:.4g}" for each in every) for key, every in listed.items()
    }


def main() -> None:
    """Fit all, count, draw, publish."""
    parser = options_of(__doc__ or "", seeds=5)
    add_protocol(parser)
    options = parser.parse_args()
    paper = options.protocol == "paper"
    seeds, width, steps = options.seeds, WIDTH, STEPS[options.protocol]
    # In the paper norms are those of the end, whatever misfit has been passed on the way.
    misfit = None if paper or options.smoke else MISFIT
    if options.smoke:
        seeds, width, steps = 1, 8, 30
    figure, rows = blank(LIGHT, width=13, height=3.6), []
    for place, name in enumerate(FUNCTIONS, start=1):
        for seed in range(seeds):
            given = {"width": width, "steps": steps, "misfit": misfit, "paper": paper}
            fits = fitted(name, seed, **given)
            rows.append(row(name, seed, fits))
            if seed == 0:
                panel(figure, place, name, fits)
    record = {"agree": sum(row["agree"] for row in rows), "of": len(rows), "steps": steps}
    record |= {"protocol": options.protocol, "width": width, "scales": SCALES}
    record |= {"starts": 1 if paper else STARTS}
    publish(Result("figure3", figure, rows, record), options.out)


if __name__ == "__main__":
    main()
