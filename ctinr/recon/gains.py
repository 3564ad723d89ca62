"""Whether a gain on the withheld views is one, or an accident: few of them scatter much."""

from __future__ import annotations

import math

from torch import Tensor

# How often a gain that is none may be taken for a clear one: the fewer views there are, the more
# standard errors they must gain.
BY_CHANCE = 1 / 20


def clear_gain(gains: Tensor) -> bool:
    """Return whether gains of squared error, (view,), are no accident; a single view cannot tell.

    By Student's one-sided t-test: gains that are normal and zero in the mean pass it at a rate of
    `BY_CHANCE`.

    References
    ----------
    Student 1908, doi:10.1093/biomet/6.1.1.
    """
    from scipy.special import stdtrit

    if len(gains) < 2:
        return False
    return standard_errors(gains) > stdtrit(len(gains) - 1, 1 - BY_CHANCE)


def standard_errors(gains: Tensor) -> float:
    """Return the mean of gains, (view,), in units of its standard error; of one, 0 or ±infinity."""
    mean = float(gains.mean())
    error = float(gains.std()) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
    return mean / error if error > 0 else math.copysign(math.inf, mean) if mean else 0.0
