"""Count the projections of total variation, beside the plain method's, and try weights in a batch.

First: how many applications of A and of its transpose it takes until the objective is within a
part of its least value, from the same filtered backprojection. Estimating the step sizes counts.
The plain method has one step size for the image and one for what is dual to it; `equal` takes the
two to be the same, `best` is the least over several ratios, chosen afterwards, which nobody can
know beforehand.

Second: what it costs to choose the weight. One after the other, as the package does, each from
the image of the nearest; and a path of weights in one batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from ctinr.projectors import Projector
from ctinr.recon.problem import of_views
from ctinr.recon.rough import rough_image
from ctinr.recon.run import Step
from ctinr.recon.search import TRIAL_ITERATIONS, WEIGHTS, WeightTrials, largest_weight
from ctinr.recon.selection import split_views
from ctinr.recon.tuned import tuned_tv
from ctinr.recon.tv import tv, tv_steps
from recon_scripts._scans import phantom_scan
from recon_scripts.benchmarks._plain import Counted, plain_steps
from recon_scripts.benchmarks._timing import options_of, publish

LEVELS = (1e-3, 1e-4)
SIZE, ITERATIONS = 256, 1000
SMOKE_SIZE, SMOKE_ITERATIONS = 16, 40
# Of the image's step to the dual one's; the least count over them is the plain method at its best.
BALANCES = (1.0, 0.3, 0.1, 0.03, 0.01)


@dataclass(frozen=True, eq=False)
class Case:
    """A scan with the weight that suits it; float64, so that rounding does not end the descent."""

    name: str
    A: Projector
    y: Tensor
    weight: float
    start: Tensor

    @classmethod
    def of(cls, name: str, views: int, size: int) -> Case:
        """Return a noisy scan of a phantom."""
        scan = phantom_scan(name, size=size, views=views)
        A, y = Projector(scan.geometry, scan.grid), scan.sinogram
        weight = tuned_tv(A, y).parameters["weight"]
        y = y.double()
        return cls(f"{name}, {views} views", A, y, weight, rough_image(A, y))


def needed(steps: Iterator[Step], A: Counted, least: float, iterations: int) -> list[int | None]:
    """Return the projections after which the loss was within each level of the least value."""
    found: list[int | None] = []
    for step in islice(steps, iterations):
        while len(found) < len(LEVELS) and step.loss <= least * (1 + LEVELS[len(found)]):
            found.append(A.number)
        if len(found) == len(LEVELS):
            break
    return found + [None] * (len(LEVELS) - len(found))


def least_value(case: Case, iterations: int) -> float:
    """Return the least objective of a run that is several times as long as those compared."""
    solved = tv(case.A, case.y, weight=case.weight, iterations=3 * iterations, gap=1e-8)
    return min(solved.losses)


def descents(case: Case, iterations: int) -> list[dict[str, Any]]:
    """Return the row of each method."""
    least, found = least_value(case, iterations), {}
    A = Counted(case.A)
    steps = tv_steps(A, case.y, weight=case.weight, initial=case.start)
    found["tv"] = needed(steps, A, least, iterations)
    plain = []
    for balance in BALANCES:
        A = Counted(case.A)
        steps = plain_steps(A, case.y, weight=case.weight, initial=case.start, balance=balance)
        plain.append(needed(steps, A, least, iterations))
    found["plain, equal"] = plain[0]
    found["plain, best"] = [_least(counts) for counts in zip(*plain, strict=True)]
    rows = []
    for name, counts in found.items():
        row: dict[str, Any] = {"problem": case.name, "method": name}
        for level, count, own in zip(LEVELS, counts, found["tv"], strict=True):
            row[f"to {level:g}"] = count if count is not None else f"> {2 * iterations}"
            row[f"times tv's, {level:g}"] = count / own if count and own else "–"
        rows.append(row)
    return rows


def _least(counts: Sequence[int | None]) -> int | None:
    return min((count for count in counts if count is not None), default=None)


def choices(case: Case) -> list[dict[str, Any]]:
    """Return what it costs to fit a path of weights to some views, and what is chosen of them."""
    y = case.y.float()
    split = split_views(case.A.geometry)  # type: ignore[arg-type]
    fitted, withheld = (of_views(case.A, y, views) for views in (split.fitted, split.withheld))
    weights = [part * largest_weight(*fitted) for part in WEIGHTS[:8]]
    rows = []
    for name, solve in (("one after the other", _sequential), ("one batch", _batched)):
        A, begun = Counted(fitted[0]), time.perf_counter()  # type: ignore[arg-type]
        images = solve(A, fitted[1], weights)
        seconds = time.perf_counter() - begun
        errors = (withheld[0](images) - withheld[1]).flatten(1).norm(dim=1) / withheld[1].norm()
        place = int(errors.argmin())
        chosen = {"chosen": weights[place], "its withheld error": float(errors[place])}
        row = {"problem": case.name, "weights": name, "of": len(weights)}
        rows.append({**row, "projections": A.number, "seconds": seconds, **chosen})
    return rows


def _sequential(A: Counted, y: Tensor, weights: Sequence[float]) -> Tensor:
    trials = WeightTrials(A, y)
    return torch.stack([trials.solve(weight).image for weight in weights])


def _batched(A: Counted, y: Tensor, weights: Sequence[float]) -> Tensor:
    steps = tv_steps(A, y.expand(len(weights), *y.shape), weight=torch.tensor(weights))
    for step in islice(steps, TRIAL_ITERATIONS):
        image = step.image
    return image.clone()


def main() -> None:
    """Count for all problems."""
    parser = options_of(__doc__ or "")
    parser.add_argument("--size", type=int, default=SIZE, help="cells along a side")
    options = parser.parse_args()
    size, iterations = (
        (SMOKE_SIZE, SMOKE_ITERATIONS) if options.smoke else (options.size, ITERATIONS)
    )
    problems = (("forbild-thorax", 60), ("tissue", 60), ("forbild-head", 20))
    cases = [Case.of(*problem, size) for problem in problems[: 1 if options.smoke else 3]]
    rows = [row for case in cases for row in descents(case, iterations)]
    publish("TV projections: until the objective is near its least value", rows, options.out)
    paths = [row for case in cases for row in choices(case)]
    publish("TV weights: a path of them", paths, options.out)


if __name__ == "__main__":
    main()
