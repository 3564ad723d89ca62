"""The candidates for the parameters of FBP and TV, and the order in which they are tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ctinr.operators import Gradient, LinearOperator
from ctinr.operators.filters import WINDOWS
from ctinr.recon.gains import standard_errors
from ctinr.recon.problem import grid_of
from ctinr.recon.rough import guessed_image
from ctinr.recon.run import Observer, Reconstruction, run
from ctinr.recon.saddle import data_norm
from ctinr.recon.selection import Choice, least
from ctinr.recon.tv import tv_steps

CUTOFFS = (1.0, 0.8, 0.63, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.13, 0.1)
# Parts of the largest useful weight, from strong to weak; then smaller steps about the best.
WEIGHTS = tuple(2.0**-exponent for exponent in range(3, 27, 2))
FACTORS = (2.0, math.sqrt(2.0))
STRONGEST_RULE = "strongest weight as good on the withheld views as the best, to one standard error"
# What it takes to tell neighbouring weights apart: errors within 0.5 % of those at the end.
TRIAL_ITERATIONS = 80


def best_filter(error: Callable[[tuple[str, float]], float], rule: str) -> Choice:
    """Return the choice of a window and a cut-off; each window from sharp to smooth."""
    choice: Choice | None = None
    for window in WINDOWS:
        candidates = [(window, cutoff) for cutoff in CUTOFFS]
        choice = least(error, candidates, rule=rule, patience=2, found=choice)
        if choice.interrupted:
            break
    return choice  # type: ignore[return-value]


def best_weight(error: Callable[[float], float], largest: float, rule: str) -> Choice:
    """Return the choice of a weight: down from a part of the largest, then about the best."""
    path = [part * largest for part in WEIGHTS]
    choice = least(error, path, rule=rule, patience=1)
    for factor in FACTORS:
        if not choice.interrupted:
            about = (choice.value * factor, choice.value / factor)
            choice = least(error, about, rule=rule, found=choice)
    return choice


def strongest_alike(choice: Choice, squares: Callable[[float], Tensor], rule: str) -> Choice:
    """Return the choice of the strongest weight that is as good as the best, for all one can tell.

    Withheld views say little about noise in fine detail, which they see blurred, and much about
    the contrast that a strong weight costs: the weight of least error tends to be too weak. Of
    the stronger ones that were tried, the strongest wins whose excess of squared error over the
    best is, in the mean over the views, no more than its standard error.

    Parameters
    ----------
    choice : Choice
        The best weight and the others tried.
    squares : callable
        From a weight to its squared error in every withheld view, (view,).
    rule : str
        Goes into the result.

    References
    ----------
    Breiman, Friedman, Olshen, Stone, Classification and Regression Trees (1984), section 3.4.3,
    doi:10.1201/9781315139470: the one-standard-error rule.
    """
    best = squares(choice.value)
    value = choice.value
    for weight in sorted(candidate for candidate in choice.candidates if candidate > value):
        if standard_errors(squares(weight) - best) > 1:
            break
        value = weight
    return replace(choice, value=value, rule=rule)


@torch.no_grad()
def view_squares(A: LinearOperator, image: Tensor, y: Tensor) -> Tensor:
    """Return the squared error of the image in every view, summed over bins and batch, (view,)."""
    bins = tuple(range(1 - len(A.range.shape), 0))
    squares = (A(image) - y).square().sum(bins, dtype=torch.float64)
    return squares.reshape(-1, squares.shape[-1]).sum(0)


@torch.no_grad()
def largest_weight(A: LinearOperator, y: Tensor) -> float:
    """Return a weight of total variation beyond which there is little left but a constant.

    What the misfit gains, at first, on the way from the best constant image to the filtered
    backprojection, divided by what the variation loses.
    """
    constant, grid = y.new_ones(tuple(A.domain.shape)), grid_of(A)
    image = guessed_image(A, y)
    variation = (
        Gradient(grid)(image).norm(dim=-1 - len(grid.shape)).sum(dtype=torch.float64)
        * grid.cell_measure
    )
    A_constant, A_image = A(constant), A(image)
    own = tuple(range(-len(A.range.shape), 0))
    value = (A_constant * y).sum(own, keepdim=True) / A_constant.square().sum()
    gain = ((y - value * A_constant) * A_image).sum(dtype=torch.float64)
    weight = float(gain / variation)
    # Data of zeros, or of a constant image, leave nothing to weigh.
    return weight if 0 < weight < math.inf else 1.0


class WeightTrials:
    """Fits of total variation at many weights; each starts from that of the nearest.

    Parameters
    ----------
    A, y
        What is fitted.
    nonnegative : bool
        As for `tv`.
    observers : sequence of Observer
        See every step of every fit.
    """

    def __init__(
        self,
        A: LinearOperator,
        y: Tensor,
        *,
        nonnegative: bool = True,
        observers: Sequence[Observer] = (),
    ) -> None:
        self._A, self._y, self._nonnegative, self._observers = A, y, nonnegative, observers
        self._norm = data_norm(A, y)
        self._results: dict[float, Reconstruction] = {}

    @property
    def interrupted(self) -> bool:
        """Whether a fit was ended from the keyboard; none is begun after that."""
        return any(done.stopped_by == "interrupted" for done in self._results.values())

    def solve(self, weight: float) -> Reconstruction:
        """Return the fit of that weight, made now unless it was made before.

        Raises
        ------
        KeyboardInterrupt
            If an earlier fit was interrupted and this one would have to be made.
        """
        if weight not in self._results:
            if self.interrupted:
                raise KeyboardInterrupt
            self._results[weight] = self._fitted(weight)
        return self._results[weight]

    def _fitted(self, weight: float) -> Reconstruction:
        # Of two as near, the weaker: it has already found what lies deepest in the data.
        weaker_first = sorted(self._results)
        near = min(weaker_first, key=lambda done: abs(math.log(done / weight)), default=None)
        steps = tv_steps(
            self._A,
            self._y,
            weight=weight,
            nonnegative=self._nonnegative,
            initial=None if near is None else self._results[near].image,
            norm=self._norm,
        )
        parameters = {"weight": weight, "nonnegative": self._nonnegative}
        return run(steps, TRIAL_ITERATIONS, self._observers, method="TV", parameters=parameters)
