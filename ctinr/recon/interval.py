"""Between which values the truth lies, from images of data that might as well have been measured.

The data that were measured are the projection of the true image, the noise, and what cells and bins
cannot show. Suppose that the image x that was made of them were the truth: then data like these are
``A x + s (y − A x)``, where s is a random sign for each ray (the *wild* bootstrap). The residual
knows how noisy each ray is, so neither photons nor units have to be known, and it holds the errors
of the model that no count of photons would tell. What the method makes of such data differs from x
by an error like that of x itself: its noise, and its bias as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

# Squares of few members scatter: each cell takes the mean with its neighbours. An edge that lies
# elsewhere in another image is a large error of another cell, too.
NEIGHBOURHOOD = 3
# Where the factors of an interval are noted, for calibration curves.
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, eq=False)
class Interval:
    """Where the values of an image lie, cell by cell.

    Parameters
    ----------
    std : Tensor, shape (y, x)
        The root mean square of the error that is to be expected, bias included; 1/mm.
    lower, upper : Tensor, shape (y, x)
        The ends of the interval, 1/mm; none is below zero.
    level : float
        The part of the cells in which the truth is expected to lie between them.
    factors : tuple of (float, float)
        Other levels, and how many times `std` their intervals reach up and down from the image.
    members : int
        How many images it was made of.
    """

    std: Tensor
    lower: Tensor
    upper: Tensor
    level: float
    factors: tuple[tuple[float, float], ...]
    members: int


def resampled(
    projection: Float[Tensor, "angle u"],
    residual: Float[Tensor, "angle u"],
    members: int,
    *,
    seed: int = 0,
) -> Float[Tensor, "{members} angle u"]:
    """Return data like those measured: the projection, and the residual with random signs.

    References
    ----------
    Wu 1986, doi:10.1214/aos/1176350142; Mammen 1993, doi:10.1214/aos/1176349025 (wild bootstrap).
    """
    generator = torch.Generator().manual_seed(seed)
    signs = 2 * torch.randint(2, (members, *residual.shape), generator=generator) - 1
    return projection + signs.to(residual) * residual


def interval_of(
    image: Float[Tensor, "y x"],
    errors: Float[Tensor, "members y x"],
    *,
    level: float,
) -> Interval:
    """Return the interval about an image, from the errors of members that are errors like its own.

    How many standard deviations it reaches is read off the members: the error of each is compared
    with the deviation that the others make expect, which also tells how little so few know.

    Parameters
    ----------
    image : Tensor, shape (y, x)
        1/mm.
    errors : Tensor, shape (members, y, x)
        1/mm; of two members or more.
    level : float
        The part of the cells to cover, in (0, 1).
    """
    squares = errors.square()
    total, count = squares.sum(0), len(errors)
    others = _smoothed((total - squares).clamp(min=0) / (count - 1)).sqrt()
    ratios = torch.where(errors == 0, 0.0, errors.abs() / others).flatten()
    std = _smoothed(total[None] / count)[0].sqrt()
    reach = _quantiles(ratios, (level,))[0] * std
    factors = tuple(zip(LEVELS, _quantiles(ratios, LEVELS), strict=True))
    return Interval(std, (image - reach).clamp(min=0), image + reach, level, factors, count)


def _smoothed(images: Tensor) -> Tensor:
    """Return the mean of each cell and its neighbours, (image, y, x)."""
    around = NEIGHBOURHOOD // 2
    return avg_pool2d(images[:, None], NEIGHBOURHOOD, 1, around, count_include_pad=False)[:, 0]


def _quantiles(values: Tensor, levels: Sequence[float]) -> list[float]:
    """Return the least values that so large parts of all do not exceed."""
    ordered = values.sort().values
    last = len(ordered) - 1
    return [float(ordered[min(last, round(level * last))]) for level in levels]
