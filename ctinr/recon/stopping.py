"""Rules that end an iteration before it fits the noise, without the truth and with all the rays.

`WithheldError` of `ctinr.recon.observers` needs rays that are not fitted; these do not.
"""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from ctinr import checks
from ctinr.operators import LinearOperator
from ctinr.recon.observers import Curve, Patient
from ctinr.recon.problem import check_data
from ctinr.recon.run import Step


def photon_deviation(y: Tensor, photons: float, *, electronic: float = 0.0) -> Tensor:
    """Return the standard deviation of line integrals that were made from counts.

    Of ``y = −log(N / photons)``, N being a Poisson number of photons and the noise of the
    electronics: ``sqrt(N + electronic²) / N`` to first order, with N taken from y itself.

    Parameters
    ----------
    y : Tensor
        Line integrals, without unit.
    photons : float
        Mean number of photons that a bin counts without the object.
    electronic : float
        Standard deviation of the noise of the electronics, in photons.

    Raises
    ------
    ValueError
        If photons are not positive or the electronic noise is negative.
    """
    checks.positive(photons, "photons")
    noise = checks.finite(electronic, "electronic")
    checks.require(noise >= 0, "electronic", "be at least 0", electronic)
    counts = photons * torch.exp(-y)
    return (counts + noise**2).sqrt() / counts


class Discrepancy(Curve):
    """Stop when the data are explained as well as their noise allows: Morozov's principle.

    The value of a step is the root mean square of the residual, each ray in units of its standard
    deviation. Of the true image it is 1; below it an iteration fits noise.

    Parameters
    ----------
    operator : LinearOperator
        The forward model.
    data : Tensor, shape (*batch, *operator.range.shape)
        The measured values.
    deviation : float or Tensor
        Their standard deviation, above zero: one number, or one for each value (see
        `photon_deviation`).
    level : float
        The value at which to stop; a little above 1 where the model is not quite right.
    every : int
        Measure only every so many steps; each costs a projection.

    Raises
    ------
    TypeError, ValueError
        If the data do not fit the operator, or a number is not above zero.

    References
    ----------
    Morozov 1966, On the solution of functional equations by the method of regularization, Soviet
    Mathematics Doklady 7.
    """

    def __init__(
        self,
        operator: LinearOperator,
        data: Tensor,
        deviation: float | Tensor,
        *,
        level: float = 1.0,
        every: int = 1,
    ) -> None:
        super().__init__(self._value, checks.count(every, "every"))
        check_data(operator, data)
        spread = torch.as_tensor(deviation, dtype=data.dtype, device=data.device)
        rule = "be above zero and finite everywhere"
        right = bool((spread > 0).all() and spread.isfinite().all())
        checks.require(right, "deviation", rule, f"{float(spread.min())} at least")
        self._operator, self._data, self._spread = operator, data, spread
        self._level = checks.positive(level, "level")

    def observe(self, step: Step) -> str | None:
        """Measure, and stop when the level is reached."""
        measured = len(self.values)
        super().observe(step)
        reached = len(self.values) > measured and self.values[-1] <= self._level
        return "discrepancy" if reached else None

    @torch.no_grad()
    def _value(self, step: Step) -> float:
        residual = self._operator(step.image.to(self._data.dtype)) - self._data
        return float((residual / self._spread).square().mean(dtype=torch.float64).sqrt())


class WindowedVariance(Patient):
    """Stop when the images of the last steps have stopped agreeing better with one another.

    While an iteration settles on the object its images change less and less; when it begins to fit
    noise they change more. The value of a step is the variance of the last images, the mean
    squared distance from their mean, and the first value is that of the first full window; its
    minimum, of which `best` is the index, is near the best image. Of use where steps are noisy, as
    those of a network are; an iteration that never slows down has no minimum.

    Parameters
    ----------
    window : int
        Images that are compared, at least 2; they are kept.
    patience : int
        Stop when the variance has not been less for so many steps.
    every : int
        Look only every so many steps.

    References
    ----------
    Wang, Li, Zhuang, Chen, Liang, Sun 2023, Early stopping for deep image prior, Transactions on
    Machine Learning Research, doi:10.48550/arXiv.2112.06074.
    """

    def __init__(self, *, window: int = 20, patience: int = 50, every: int = 1) -> None:
        super().__init__(self._variance, every, reason="windowed variance", patience=patience)
        self._images: deque[Tensor] = deque(maxlen=checks.count(window, "window", least=2))

    def observe(self, step: Step) -> str | None:
        """Remember the image; measure once the window is full."""
        if step.index % self.every == 0:
            self._images.append(step.image.detach().clone())
        return super().observe(step) if len(self._images) == self._images.maxlen else None

    @torch.no_grad()
    def _variance(self, step: Step) -> float:
        images = torch.stack(tuple(self._images)).double()
        return float((images - images.mean(0)).square().mean())
