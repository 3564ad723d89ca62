"""Figure 7: tomography at several scales, compared by their variation norm at equal misfit.

The picture is scanned noise-free on the grid that reconstructs it, which is a little too kind to
all alike. Networks of all scales are fitted together; the table has, for each, the norm when it
reached the common misfit, and the PSNR after the last step.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.metrics import psnr
from ctinr.networks import BWReLU
from ctinr.operators import Observation, RampFilter
from ctinr.projectors import Projector
from ctinr.recon.scale import ScaleChoice, select_scale
from ctinr.recon.stages import render_grid
from ctinr.report.style import LIGHT, METHOD_COLORS, OTHER_COLOR, blank, dress, legend
from recon_scripts.paper._publishing import Result, add_picture, options_of, picture, publish

SCALES = (1.0, 2.0, 3.0, 5.0)
SIZE, VIEWS, WIDTH, STEPS = 96, 30, 128, 400


def scanned(truth: Tensor, grid: Grid, views: int) -> Observation:
    """Return the sinogram of a picture, its residual filtered."""
    bins = round(1.5 * max(truth.shape))
    geometry = ParallelBeam(equal_angles(views), Detector(bins, pitch=grid.spacing[0]))
    A = Projector(geometry, grid)
    return Observation(A, A(truth), RampFilter(geometry, grid.spacing[0], exponent=0.5))


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
    options = parser.parse_args()
    size, views, width, steps = (16, 8, 8, 10) if options.smoke else (SIZE, VIEWS, WIDTH, STEPS)
    truth = picture(None if options.smoke else options.image, size)
    grid = Grid(tuple(truth.shape), 2 / max(truth.shape))
    choice = select_scale(
        scanned(truth, grid, views),
        grid=grid,
        family=BWReLU(width=width, init="torch"),
        scales=SCALES,
        iterations=steps,
        every=5,
    )
    images = render_grid(choice.networks, grid)
    record = {**choice.to_dict(), "views": views, "steps": steps}
    found = rows(choice, images, truth)
    publish(Result("figure7", drawing(choice, images, truth), found, record), options.out)


if __name__ == "__main__":
    main()
