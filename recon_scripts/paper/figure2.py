"""Figure 2: condition numbers of ReLUs and of wavelets: of neurons on the line, and in training.

Left, the Gram matrices of evenly spaced neurons over their number. Middle and right, the last
hidden features of networks that are fitted to sin x + sin 3x + sin 5x, and their losses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure

from ctinr.geometry import Grid
from ctinr.networks import (
    BWReLU,
    Family,
    ReLU,
    condition_number,
    feature_condition,
    relu_features,
    wavelet_gram,
)
from ctinr.operators import Identity, Observation
from ctinr.recon.fit import fit
from ctinr.recon.observers import Curve
from ctinr.recon.optimizers import AdamOnly
from ctinr.report.style import LIGHT, METHOD_COLORS, blank, dress, legend
from recon_scripts.paper._publishing import Result, options_of, publish

NEURONS = tuple(2**power for power in range(4, 11))
SAMPLES, WIDTH, STEPS, EVERY = 201, 50, 2000, 50
COLORS = {"ReLU": METHOD_COLORS["fbp"], "BW-ReLU": METHOD_COLORS["inr"]}


@dataclass(frozen=True)
class Course:
    """A fit as it went: condition of the features and loss, every so many steps; why it ended."""

    steps: list[int]
    conditions: list[float]
    losses: list[float]
    stopped_by: str


def of_neurons(numbers: tuple[int, ...]) -> dict[str, list[float]]:
    """Return condition numbers of the Gram matrices of so many neurons."""
    found: dict[str, list[float]] = {"ReLU": [], "BW-ReLU": []}
    for number in numbers:
        knots = torch.arange(number, dtype=torch.float64)
        found["ReLU"].append(condition_number(relu_features(knots / number)) ** 2)
        found["BW-ReLU"].append(condition_number(wavelet_gram(knots)))
    return found


def course(family: Family, *, steps: int, every: int, seed: int) -> Course:
    """Fit a network to the three sines on [-pi, pi] and watch its features."""
    grid = Grid((SAMPLES,), 2 * math.pi / SAMPLES)
    x = grid.coordinates()[:, 0] * math.pi
    target = torch.sin(x) + torch.sin(3 * x) + torch.sin(5 * x)
    network = family.build(1, generator=torch.Generator().manual_seed(seed))
    points = grid.coordinates()

    def condition(_: object) -> float:
        return feature_condition(network, points, live_only=True)

    watched = Curve(condition, every=every), Curve(lambda step: step.loss, every=every)
    result = fit(
        network,
        Observation(Identity(grid), target),
        grid=grid,
        iterations=steps,
        optimizer=AdamOnly(family.rate),
        precision="float32",
        observers=watched,
    )
    curves = watched[0].indices, watched[0].values, watched[1].values
    return Course(*curves, result.stopped_by)


def drawing(grams: dict[str, list[float]], courses: dict[str, Course]) -> Figure:
    """Return the three panels."""
    figure = blank(LIGHT, width=12, height=3.4)
    neurons, features, losses = (dress(axes, LIGHT) for axes in figure.subplots(1, 3))
    for name, color in COLORS.items():
        numbers = NEURONS[: len(grams[name])]
        neurons.loglog(numbers, grams[name], "o-", color=color, ms=4, label=name)
        found = courses[name]
        features.semilogy(found.steps, found.conditions, color=color, label=name)
        losses.semilogy(found.steps, found.losses, color=color, label=name)
    neurons.axhline(9 / 4, color=LIGHT.muted, linewidth=0.8, linestyle=":", label="9/4")
    neurons.set(xlabel="neurons", ylabel="condition of the Gram matrix")
    features.set(xlabel="step", ylabel="condition of the features")
    losses.set(xlabel="step", ylabel="loss")
    legend(neurons, LIGHT)
    for axes in (neurons, features, losses):
        dress(axes, LIGHT)
    return figure


def main() -> None:
    """Compute both, draw, publish."""
    options = options_of(__doc__ or "").parse_args()
    numbers = NEURONS[:2] if options.smoke else NEURONS
    steps, every = (20, 5) if options.smoke else (STEPS, EVERY)
    width = 8 if options.smoke else WIDTH
    grams = of_neurons(numbers)
    families = {"ReLU": ReLU(width=width), "BW-ReLU": BWReLU(width=width)}
    courses = {
        name: course(family, steps=steps, every=every, seed=0) for name, family in families.items()
    }
    rows = [
        {"what": f"Gram matrix of {number}", "ReLU": relu, "BW-ReLU": wavelets}
        for number, relu, wavelets in zip(numbers, *grams.values(), strict=True)
    ]
    for what, values in (
        ("features after training", [found.conditions[-1] for found in courses.values()]),
        ("largest in training", [max(found.conditions) for found in courses.values()]),
        ("loss after training", [found.losses[-1] for found in courses.values()]),
        ("training ended by", [found.stopped_by for found in courses.values()]),
    ):
        rows.append({"what": what, **dict(zip(courses, values, strict=True))})
    record = {"families": [repr(family) for family in families.values()], "steps": steps}
    publish(Result("figure2", drawing(grams, courses), rows, record), options.out)


if __name__ == "__main__":
    main()
