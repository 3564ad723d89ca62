"""Figure 3: of univariate interpolants at several scales, the one of least norm errs least.

For each of three functions, and each seed, networks of five scales are fitted together to samples
at random places of [-1, 1] and at its ends. The table says which had the least variation norm at
equal misfit, and which the least error where nothing was sampled.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ctinr.geometry import Grid
from ctinr.networks import BWReLU, ReLU
from ctinr.operators import Observation, Select
from ctinr.recon.optimizers import AdamOnly
from ctinr.recon.scale import ScaleChoice, select_scale
from ctinr.report.style import LIGHT, METHOD_COLORS, OTHER_COLOR, blank, dress, legend
from recon_scripts.paper._publishing import Result, options_of, publish

SCALES = (1.0, 2.0, 4.0, 8.0, 16.0)
POINTS, SAMPLES, WIDTH, STEPS = 400, 20, 100, 5000
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


def fitted(name: str, seed: int, *, width: int, steps: int) -> tuple[ScaleChoice, Tensor, Tensor]:
    """Return the choice, the error of each scale off the samples, and where the samples are."""
    grid = Grid((POINTS,), 2 / POINTS)
    truth = FUNCTIONS[name](grid.coordinates()[:, 0])
    order = torch.randperm(POINTS - 2, generator=torch.Generator().manual_seed(seed)) + 1
    mask = torch.zeros(POINTS, dtype=torch.bool)
    # Both ends, for beyond the outermost samples nothing is interpolated.
    mask[[0, -1, *order[: SAMPLES - 2].tolist()]] = True
    A = Select(grid, mask)
    choice = select_scale(
        Observation(A, A(truth)),
        grid=grid,
        family=BWReLU(width=width, depth=1, skip=True),
        scales=SCALES,
        seeds=(seed,),
        iterations=steps,
        misfit=MISFIT if steps == STEPS else None,
        optimizer=AdamOnly(5e-3),
        every=20,
    )
    drawn = choice.networks(grid.coordinates()).detach().T
    errors = (drawn - truth)[:, ~mask].square().mean(1).sqrt()
    return choice, errors, mask


def panel(figure: Figure, place: int, name: str, *, choice: ScaleChoice, mask: Tensor) -> None:
    """Draw the function, its samples, and the interpolants of least and of largest norm."""
    axes = dress(figure.add_subplot(1, len(FUNCTIONS), place), LIGHT)
    points = Grid((POINTS,), 2 / POINTS).coordinates()
    x, truth = points[:, 0], FUNCTIONS[name](points[:, 0])
    drawn = choice.networks(points).detach()
    least, most = SCALES.index(choice.scale), len(SCALES) - 1
    axes.plot(x, drawn[:, most], color=OTHER_COLOR, lw=0.9, label=f"c = {SCALES[most]:g}")
    axes.plot(x, truth, color=LIGHT.ink, lw=1, ls=":", label="truth")
    axes.plot(x, drawn[:, least], color=METHOD_COLORS["inr"], lw=1.8, label=f"c = {choice.scale:g}")
    axes.plot(x[mask], truth[mask], "o", color=LIGHT.ink, ms=3.5)
    low, high = float(truth.min()), float(truth.max())
    margin = 0.5 * (high - low)
    axes.set_ylim(low - margin, high + margin)
    axes.set_title(f"{name}: norm {choice.norms[least]:.0f} against {choice.norms[most]:.0f}")
    axes.title.set(fontsize=9.5, color=LIGHT.ink)
    legend(axes, LIGHT, loc="lower left")


def main() -> None:
    """Fit all, count, draw, publish."""
    options = options_of(__doc__ or "", seeds=5).parse_args()
    seeds, width, steps = (1, 8, 30) if options.smoke else (options.seeds, WIDTH, STEPS)
    figure, rows = blank(LIGHT, width=13, height=3.6), []
    for place, name in enumerate(FUNCTIONS, start=1):
        for seed in range(seeds):
            choice, errors, mask = fitted(name, seed, width=width, steps=steps)
            best = SCALES[int(errors.argmin())]
            row = {"function": name, "seed": seed, "least norm": choice.scale, "least error": best}
            chosen = float(errors[SCALES.index(choice.scale)])
            error = {"error": chosen, "of the best": float(errors.min())}
            norms = ", ".join(f"{norm:.4g}" for norm in choice.norms)
            rows.append({**row, "agree": choice.scale == best, **error, "norms": norms})
            if seed == 0:
                panel(figure, place, name, choice=choice, mask=mask)
    record = {"agree": sum(row["agree"] for row in rows), "of": len(rows), "steps": steps}
    publish(Result("figure3", figure, rows, {**record, "width": width}), options.out)


if __name__ == "__main__":
    main()
