"""The candidates for the parameters of FBP and TV, and the order in which they are tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ctinr.operators import Gradient, LinearOperator
from ctinr.operators.filters import WINDOWS
from ctinr.recon.fbp import fbp
from ctinr.recon.problem import grid_of
from ctinr.recon.run import Observer, Reconstruction, run
from ctinr.recon.saddle import data_norm
from ctinr.recon.selection import Choice, least
from ctinr.recon.tv import tv_steps

CUTOFFS = (1.0, 0.8, 0.63, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.13, 0.1)
# Parts of the largest useful weight, from strong to weak; then smaller steps about the best.
WEIGHTS = tuple(2.0**-exponent for exponent in range(3, 27, 2))
FACTORS = (2.0, math.sqrt(2.0))
# Enough to tell weights apart; the image of the chosen one is taken further.
TRIAL_ITERATIONS = 40


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


@torch.no_grad()
def largest_weight(A: LinearOperator, y: Tensor) -> float:
    """Return a weight of total variation beyond which there is little left but a constant.

    What the misfit gains, at first, on the way from the best constant image to the filtered
    backprojection, divided by what the variation loses.
    """
    constant, image = y.new_ones(tuple(A.domain.shape)), fbp(A, y).image
    grid = grid_of(A)
    variation = Gradient(grid)(image).norm(dim=-3).sum(dtype=torch.float64) * grid.cell_measure
    A_constant, A_image = A(constant), A(image)
    value = (A_constant * y).sum((-2, -1), keepdim=True) / A_constant.square().sum()
    gain = ((y - value * A_constant) * A_image).sum(dtype=torch.float64)
    weight = float(gain / variation)
    # Data of zeros, or of a constant image, leave nothing to weigh.
    return weight if 0 < weight < math.inf else 1.0


class WeightTrials:
    """Fits of total variation at many weights; each starts from the image of the nearest one.

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
        near = min(self._results, key=lambda done: abs(math.log(done / weight)), default=None)
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
