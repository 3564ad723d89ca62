"""Time one training step of the paper's CT task: the naive recipe against this package's.

The naive step evaluates the wavelet as its seven ReLUs, in float32, and projects by rotating the
image once a view and adding up the rows, which is how reference implementations do it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ctinr.geometry import Detector, Grid, ParallelBeam
from ctinr.networks import BWReLU, CoordinateNetwork
from ctinr.operators import Observation, RampFilter
from ctinr.projectors import Projector
from ctinr.recon.fit import fit_steps
from ctinr.recon.optimizers import AdamOnly
from ctinr.recon.short_products import apply_precision
from ctinr.recon.stages import Stage
from recon_scripts.benchmarks._timing import parse, publish, take_turns

SHAPE, VIEWS, WIDTH = (326, 435), 100, 300
SMOKE_SHAPE, SMOKE_VIEWS, SMOKE_WIDTH = (32, 44), 10, 32
KNOTS = ((1, 0.0), (-8, 0.5), (23, 1.0), (-32, 1.5), (23, 2.0), (-8, 2.5), (1, 3.0))


def seven_relus(x: Tensor) -> Tensor:
    """Return the wavelet as the sum of its ReLUs."""
    return sum(weight * functional.relu(x - knot) for weight, knot in KNOTS) / 6  # type: ignore[return-value]


def rotate_and_sum(image: Tensor, angles: Tensor) -> Tensor:
    """Return the sinogram by resampling the image, padded to its diagonal, once a view."""
    side = math.ceil(math.hypot(*image.shape))
    rows, columns = side - image.shape[0], side - image.shape[1]
    padding = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    padded = functional.pad(image, padding)[None, None]
    views = []
    for angle in angles:
        cosine, sine = torch.cos(angle), torch.sin(angle)
        zero = torch.zeros(())
        turn = torch.stack([cosine, -sine, zero, sine, cosine, zero]).reshape(1, 2, 3)
        places = functional.affine_grid(turn, [1, 1, side, side], align_corners=False)
        turned = functional.grid_sample(padded, places, align_corners=False)
        views.append(turned.sum((0, 1, 2)))
    return torch.stack(views)


def naive_step(network: CoordinateNetwork, grid: Grid, views: int) -> Callable[[], float]:
    """Return a call that takes one naive step."""
    angles = torch.linspace(0, math.pi, views)
    points = grid.coordinates().flatten(0, 1)
    data = rotate_and_sum(torch.ones(grid.shape), angles)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    scale = 3.0

    def image() -> Tensor:
        hidden = points
        for layer in network.linears:
            hidden = seven_relus(scale * layer(hidden))
        return network.output(hidden).reshape(grid.shape)

    def step() -> float:
        optimizer.zero_grad()
        loss = (rotate_and_sum(image(), angles) - data).square().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def our_step(network: CoordinateNetwork, grid: Grid, views: int) -> Callable[[], float]:
    """Return a call that takes one step of the package's fit."""
    bins = math.ceil(math.hypot(*grid.shape))
    geometry = ParallelBeam(torch.linspace(0, math.pi, views).tolist(), Detector(bins))
    A = Projector(geometry, grid)
    weight = RampFilter(geometry, 1.0, exponent=0.5, normalised=True)
    observation = Observation(A, A(torch.ones(grid.shape)), weight)
    apply_precision(network, "auto")
    stage = Stage(grid, (observation,), 10_000)
    steps = fit_steps(network, (stage,), optimizer=AdamOnly())
    return lambda: next(steps).loss


def main() -> None:
    """Time both steps in turn, with the bare matrix products as the floor."""
    options = parse(__doc__ or "")
    shape = SMOKE_SHAPE if options.smoke else SHAPE
    views = SMOKE_VIEWS if options.smoke else VIEWS
    family = BWReLU(width=SMOKE_WIDTH if options.smoke else WIDTH)
    grid = Grid(shape)
    first, second = (family.build(2, generator=torch.Generator().manual_seed(0)) for _ in range(2))
    activations = torch.rand(shape[0] * shape[1], family.width)
    matrix = torch.rand(family.width, family.width)

    def products() -> None:
        for _ in range(2 * (family.depth - 1)):
            torch.mm(activations, matrix)
        for _ in range(family.depth - 1):
            torch.mm(activations.T, activations)

    contenders = {
        "bare matrix products": products,
        "this package": our_step(first, grid, views),
        "naive": naive_step(second, grid, views),
    }
    seconds = take_turns(contenders, rounds=2 if options.smoke else 3)
    rows = [
        {"step": name, "seconds": value, "times this package's": value / seconds["this package"]}
        for name, value in seconds.items()
    ]
    publish(f"Training step: {shape[0]} x {shape[1]}, {views} views", rows, options.out)


if __name__ == "__main__":
    main()
