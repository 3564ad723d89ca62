"""Two more ways to the axis of rotation, beside `find_center`: opposite views, and Vo's wedge.

In parallel beam the view half a turn on is the same view mirrored at the axis. So one pair of
views gives the axis away, and a full turn gives as many pairs as it has views: these need no
assumption about the object and work where the axis lies near the end of the detector, as it does
when the field of view is to be doubled.

The other is Vo's search in the Fourier transform of a half turn and its own mirror image, over
all positions. `find_center` rests on the same wedge, takes any angles and is to be preferred; this
one is the method of the paper, to compare with.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ctinr import checks
from ctinr.data.preprocessing.integrals import checked_integrals

# The least part of the detector that a view and its mirror image must share.
LEAST_OVERLAP = 0.1
# Vo's: the object's radius over the detector's width, and the rows and columns left out.
RADIUS, ROWS_LEFT_OUT, COLUMNS_LEFT_OUT = 0.25, 4, 1
# Angles of half a turn or a full one may be off by so many steps.
STEPS_OFF = 1.5


def center_of_opposite_views(first: Any, opposite: Any) -> float:
    """Return the bin of the axis, by the cross-correlation of views half a turn apart.

    Parameters
    ----------
    first, opposite : array, shape (u,) or (v, u)
        Line integrals of two views at θ and θ + π, without unit; of an area, all rows are used.

    Returns
    -------
    float
        Bins from the centre of bin 0, fractions included.

    Raises
    ------
    ValueError
        If the views differ in shape, are intensities or not finite, show nothing, or do not
        resemble each other's mirror image anywhere.
    """
    here, there = (checked_integrals(np.atleast_2d(each)) for each in (first, opposite))
    rule = f"have the shape {here.shape} of the first view"
    checks.require(there.shape == here.shape, "opposite", rule, there)
    return _best_mirror(here, there, "opposite")


def find_center_full_turn(sinogram: Any, angles: Any) -> float:
    """Return the bin of the axis of a full turn, from all pairs of opposite views.

    The axis may lie anywhere but in the outermost twentieth of the detector, and the object may
    reach beyond one of its ends.

    Parameters
    ----------
    sinogram : array or Tensor, shape (angle, u)
        Line integrals, without unit.
    angles : sequence of float
        Angle of every view, radians, over a full turn.

    Raises
    ------
    ValueError
        If values are intensities, not finite or show nothing, or the views leave out part of the
        turn.
    """
    values = checked_integrals(sinogram, least_views=4)
    checks.require(values.ndim == 2, "sinogram", "have the axes (angle, u)", values)
    theta = _checked_angles(angles, len(values))
    order = np.argsort(theta % (2 * np.pi))
    turned, values = (theta % (2 * np.pi))[order], values[order]
    gaps = np.diff(np.append(turned, turned[0] + 2 * np.pi))
    given = f"views that leave out {np.rad2deg(gaps.max()):.3g}° of it"
    whole = gaps.max() <= 2.5 * max(float(np.median(gaps)), 2 * np.pi / len(gaps) / 2)
    checks.require(bool(whole), "angles", "cover a full turn", given, "Use find_center.")
    half = turned < np.pi
    return _best_mirror(values[half], _between(values, turned, turned[half] + np.pi), "sinogram")


def find_center_in_wedge(
    sinogram: Any, angles: Any, *, within: tuple[float, float] | None = None
) -> float:
    """Return the bin of the axis by Vo's search, to a quarter of a bin.

    A half turn and its mirror image about the right axis are a smooth full turn, whose Fourier
    transform is small outside a double wedge; every position is tried.

    Parameters
    ----------
    sinogram : array or Tensor, shape (angle, u)
        Line integrals, without unit.
    angles : sequence of float
        Angle of every view, radians: equal steps over a half turn or a full one, with or without
        its end point. Of a full turn the first half is used.
    within : tuple of float, optional
        The first and the last bin to try; the middle half of the detector if not given.

    Raises
    ------
    ValueError
        If values are intensities or not finite, the angles are others, or the best position is
        at the border of the search.

    References
    ----------
    Vo, Drakopoulos, Atwood, Reinhard 2014, Reliable method for calculating the center of rotation
    in parallel-beam tomography, doi:10.1364/OE.22.019078.
    """
    values = checked_integrals(sinogram, least_views=12)
    checks.require(values.ndim == 2, "sinogram", "have the axes (angle, u)", values)
    theta = _checked_angles(angles, len(values))
    values = _half_turn(values, theta)
    last = values.shape[1] - 1
    low, high = (0.25 * last, 0.75 * last) if within is None else within
    rule, given = f"lie between 0 and {last}", f"{low:.6g} and {high:.6g}"
    checks.require(0 <= low < high <= last, "within", rule, given)
    outside = _outside(2 * len(values), values.shape[1])
    coarse = np.arange(np.ceil(low), np.floor(high) + 1)
    best = coarse[np.argmin([_energy(values, center, outside) for center in coarse])]
    remedy = "Give the center yourself, or search elsewhere."
    rule, given = "have its axis of rotation inside the search", f"bin {best:g} at its border"
    checks.require(coarse[0] < best < coarse[-1], "sinogram", rule, given, remedy)
    fine = best + np.arange(-4, 5) / 4
    return float(fine[np.argmin([_energy(values, center, outside) for center in fine])])


def _checked_angles(angles: Any, num_views: int) -> np.ndarray:
    theta = np.asarray(angles, dtype=np.float64)
    rule = f"have one angle for each of the {num_views} views"
    checks.require(theta.shape == (num_views,), "angles", rule, theta)
    checks.finite_values(theta, "angles")
    return theta


def _between(values: np.ndarray, theta: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return views at the wanted angles, linear between those of a sorted full turn."""
    around = np.concatenate([theta, theta[:1] + 2 * np.pi])
    wanted = (wanted - theta[0]) % (2 * np.pi) + theta[0]
    after = np.clip(np.searchsorted(around, wanted, side="right"), 1, len(theta))
    step = np.maximum(around[after] - around[after - 1], 1e-12)
    weight = ((wanted - around[after - 1]) / step)[:, None]
    return (1 - weight) * values[after - 1] + weight * values[after % len(theta)]


def _best_mirror(here: np.ndarray, there: np.ndarray, argument: str) -> float:
    """Return the c for which ``here[u]`` is most like ``there[2c − u]``, for lines (any, u)."""
    bins = here.shape[1]
    least = max(4, round(LEAST_OVERLAP * bins))
    sums = np.arange(least - 1, 2 * bins - 1 - (least - 1))
    likeness = np.array([_likeness(*_overlap(here, there, total)) for total in sums])
    best = int(likeness.argmax())
    rule, remedy = "be the mirror image of the other view", "Are they half a turn apart?"
    given = f"a correlation of {likeness[best]:.2f} at best"
    checks.require(bool(likeness[best] > 0.5), argument, rule, given, remedy)
    if not 0 < best < len(sums) - 1:
        return float(sums[best]) / 2
    before, at, after = likeness[best - 1 : best + 2]
    return float(sums[best] + 0.5 * (before - after) / (before - 2 * at + after)) / 2


def _overlap(here: np.ndarray, there: np.ndarray, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the bins u and total − u that both views have."""
    bins = here.shape[1]
    first, last = max(0, total - (bins - 1)), min(bins - 1, total)
    mirrored = there[:, ::-1]
    begin = bins - 1 - total + first
    return here[:, first : last + 1], mirrored[:, begin : begin + last - first + 1]


def _likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of two arrays, −1 if one of them is flat."""
    one, other = one - one.mean(), other - other.mean()
    sizes = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float((one * other).sum()) / sizes if sizes > 0 else -1.0


def _half_turn(values: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return the views of the first half turn, in the order of their angles."""
    order = np.argsort(theta)
    theta, values = theta[order], values[order]
    if theta[-1] - theta[0] > 1.5 * np.pi:
        first = theta - theta[0] < np.pi - 1e-9
        theta, values = theta[first], values[first]
    steps = np.diff(theta)
    step, span = float(np.median(steps)), float(theta[-1] - theta[0])
    equal = bool(np.abs(steps - step).max() <= 0.01 * step)
    given = f"steps from {steps.min():.4g} to {steps.max():.4g} over {np.rad2deg(span):.4g}°"
    rule, remedy = "be equal steps over a half turn or a full one", "Use find_center."
    fits = equal and abs(span + step / 2 - np.pi) <= STEPS_OFF / 2 * step
    checks.require(fits, "angles", rule, given, remedy)
    return values


def _outside(rows: int, columns: int) -> np.ndarray:
    """Return which coefficients of a full turn lie outside the double wedge, as `rfft2` has them.

    An object of radius R fills harmonics n up to about ωR at the frequency ω.
    """
    harmonics = np.abs(np.fft.fftfreq(rows) * rows)[:, None]
    omega = 2 * np.pi * np.fft.rfftfreq(columns)[None, :]
    outside = harmonics > omega * RADIUS * columns
    outside &= harmonics > ROWS_LEFT_OUT
    outside[:, : COLUMNS_LEFT_OUT + 1] = False
    return outside


def _energy(values: np.ndarray, center: float, outside: np.ndarray) -> float:
    """Return the mean coefficient outside the wedge for an axis at this bin."""
    from scipy.ndimage import shift

    bins = values.shape[1]
    moved = 2 * center - (bins - 1)
    mirrored = shift(values[:, ::-1], (0, moved), order=3 if moved % 1 else 0, mode="nearest")
    # Where the mirror image does not reach, the views before it in reverse keep the edge smooth.
    bare = np.arange(bins) - moved
    bare = (bare < 0) | (bare > bins - 1)
    mirrored[:, bare] = values[::-1, bare]
    return float(np.abs(np.fft.rfft2(np.concatenate([values, mirrored])))[outside].mean())
