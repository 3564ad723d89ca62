"""Figure 7: tomography at several scales, compared by their variation norm at equal misfit.

Networks of all scales are fitted together to the scan of a picture, noise-free; the table has, for
each, the norm when it reached the common misfit, and the PSNR after the last step. With --protocol
paper all is as in the code of the paper, which compares at a mean squared residual of 0.0473;
`recon_scripts.paper._tomography` says what it gets wrong.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from ctinr.metrics import psnr
from ctinr.networks import BWReLU
from ctinr.recon.optimizers import AdamOnly
from ctinr.recon.rendering import render_grid
from ctinr.recon.scale import ScaleChoice, select_scale
from ctinr.report.style import LIGHT, METHOD_COLORS, OTHER_COLOR, blank, dress, legend
from recon_scripts.paper._publishing import (
    Result,
    add_picture,
    add_protocol,
    options_of,
    picture,
    publish,
)
from recon_scripts.paper._tomography import SETTINGS, Setting

SCALES = (1.0, 2.0, 3.0, 5.0)
SIZE = 192
# The numbers of views, neurons and steps.
SIZES = {"standard": (30, 128, 400), "paper": (100, 300, 10_000)}
SMOKE_SIZES = (8, 8, 10)
PAPER_LOSS, PAPER_RATE = 4.73e-2, 2e-3


def compared(setting: Setting, width: int, steps: int, *, loss: float | None = None) -> ScaleChoice:
    """Return the choice at a mean squared residual, or at the least that all have reached."""
    mean_square = float(setting.problem.y.square().mean())
    given = {} if loss is None else {"misfit": (loss / mean_square) ** 0.5}
    return select_scale(
        setting.observation(setting.problem),
        grid=setting.grid,
        family=BWReLU(width=width, init="torch"),
        scales=SCALES,
        iterations=steps,
        optimizer=None if loss is None else AdamOnly(PAPER_RATE),
        schedule=setting.schedule,
        **given,
    )


def drawing(choice: ScaleChoice, images: Tensor, truth: Tensor) -> Figure:
    """Return the pictures, and norm over misfit in the course of the fits."""
    figure = blank(LIGHT, width=12, height=6)
    layout = figure.add_gridspec(2, len(SCALES) + 1, height_ratios=(1, 1.1))
    names = ["truth", *(f"c = {scale:g}" for scale in SCALES)]
    for place, (name, image) in enumerate(zip(names, (truth, *images), strict=True)):
        axes = figure.add_subplot(layout[0, place])
        axes.imshow(image, cmap="gray", vmin=0, vmax=1)
        axes.set_title(name, fontsize=9, color=LIGHT.ink)
        axes.set_axis_off()
    below = dress(figure.add_subplot(layout[1, :]), LIGHT)
    for scale, misfits, norms in zip(SCALES, choice.misfits, choice.curves, strict=True):
        chosen = scale == choice.scale
        color, width = (METHOD_COLORS["inr"], 2.2) if chosen else (OTHER_COLOR, 0.6 + scale / 4)
        label = f"c = {scale:g}" + (", chosen" if chosen else "")
        below.loglog(misfits[0], norms[0], color=color, linewidth=width, label=label)
    below.axvline(choice.misfit, color=LIGHT.muted, linestyle=":", linewidth=1)
    below.set(xlabel="relative misfit", ylabel="variation norm")
    below.invert_xaxis()
    legend(dress(below, LIGHT), LIGHT)
    return figure


def rows(choice: ScaleChoice, images: Tensor, truth: Tensor) -> list[dict[str, Any]]:
    """Return the row of every scale."""
    return [
        {
            "scale": scale,
            "norm at equal misfit": norm,
            "misfit at the end": float(misfits[0, -1]),
            "PSNR at the end": psnr(image, truth, data_range=1.0),
            "chosen": scale == choice.scale,
        }
        for scale, norm, misfits, image in zip(
            SCALES, choice.norms, choice.misfits, images, strict=True
        )
    ]


def main() -> None:
    """Scan, fit all scales, draw, publish."""
    parser = options_of(__doc__ or "")
    add_picture(parser)
    add_protocol(parser)
    parser.add_argument("--steps", type=int, help="optimiser steps (400; of the paper 10,000)")
    options = parser.parse_args()
    views, width, steps = SMOKE_SIZES if options.smoke else SIZES[options.protocol]
    steps = options.steps or steps
    image = picture(None, 32) if options.smoke else picture(options.image, SIZE)
    setting = SETTINGS[options.protocol](image, views=views, steps=steps)
    loss = PAPER_LOSS if options.protocol == "paper" and not options.smoke else None
    choice = compared(setting, width, steps, loss=loss)
    images = render_grid(choice.networks, setting.grid)
    record = {**choice.to_dict(), "views": views, "steps": steps, "protocol": options.protocol}
    found = rows(choice, images, setting.truth)
    publish(Result("figure7", drawing(choice, images, setting.truth), found, record), options.out)


if __name__ == "__main__":
    main()
