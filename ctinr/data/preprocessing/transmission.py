"""From detector frames to line integrals: flat field, dead bins, the logarithm.

Beer's law says that a ray with line integral p leaves ``transmission = exp(−p)`` of its photons.
A detector adds its dark signal, and every bin has a gain of its own; a frame with the beam but
without the object (*white*) and one without the beam (*dark*) take both away:

    transmission = (frame − dark) / (white − dark)        p = −log(transmission)

The functions are pure and work in float64 on arrays whose last axis is u.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ctinr import checks

# No detector counts as much; sums and ratios of smaller numbers do not overflow.
MOST_COUNTS = 1e30
# A bin with less light than this fraction of the median bin is dead: its noise is its signal.
LEAST_LIGHT = 0.01
# The most bins that may be filled in from their neighbours, as a fraction of the detector.
MOST_DEAD = 0.05
# The most values that may have no logarithm, as a fraction of all.
MOST_FLOORED = 0.5

Bins = np.ndarray


def open_beam(white: Any, dark: Any = None) -> tuple[Float[np.ndarray, " u"], Bins]:
    """Return the light that each bin gets without the object, and the dark signal.

    Frames of one kind are averaged; from five frames on, without the largest and the smallest
    value of each bin, so that one stray photon does not draw a ring through the image.

    Parameters
    ----------
    white : array, shape (frame, u) or (u,)
        Frames with the beam and without the object, counts.
    dark : array, shape (frame, u) or (u,), optional
        Frames without the beam, counts; zero where there are none.

    Returns
    -------
    light, dark : arrays of shape (u,)
        Mean white minus mean dark, and mean dark, counts.

    Raises
    ------
    ValueError
        If frames are empty, not finite or of another width.
    """
    mean_white = _average(white, "white")
    if dark is None:
        return mean_white, np.zeros_like(mean_white)
    mean_dark = _average(dark, "dark")
    rule = f"have the {len(mean_white)} bins of the white frames"
    checks.require(mean_dark.shape == mean_white.shape, "dark", rule, np.asarray(dark))
    return mean_white - mean_dark, mean_dark


def flat_field(frames: Any, white: Any, dark: Any = None) -> tuple[np.ndarray, Bins]:
    """Return the transmission of every ray, and which bins are dead.

    A bin is dead if its light without the object is less than 1 % of the median bin's, or if it
    counts nothing above dark in any frame. Dead bins are filled in linearly along u from the
    nearest living ones.

    Parameters
    ----------
    frames : array, shape (angle, u)
        Frames with the object, counts.
    white, dark : array, shape (frame, u) or (u,)
        As for `open_beam`.

    Returns
    -------
    transmission : array, shape (angle, u)
        Without unit, 1 where nothing is in the way. Noise makes some values exceed 1 or fall
        below 0.
    dead : array of bool, shape (u,)
        The bins that were filled in.

    Raises
    ------
    ValueError
        If the frames do not fit the flat field, more than 5 % of the bins are dead, or a view
        counts nothing above dark at all.
    """
    frames = np.asarray(frames, dtype=np.float64)
    checks.require(frames.ndim == 2, "frames", "have the axes (angle, u)", frames)
    check_counts(frames, "frames")
    light, dark_level = open_beam(white, dark)
    rule = f"have the {frames.shape[1]} bins of the frames"
    checks.require(len(light) == frames.shape[1], "white", rule, np.asarray(white))
    signal = frames - dark_level
    _check_beam(signal)
    typical = float(np.median(light))
    remedy = "The flat field must be taken with the beam on."
    checks.require(typical > 0, "white", "be brighter than dark in most bins", light, remedy)
    unlit = light < LEAST_LIGHT * typical
    dead = unlit | (signal <= 0).all(axis=0)
    _check_dead(dead, unlit)
    transmission = signal / np.where(dead, 1.0, light)
    return fill_bins(transmission, dead), dead


def fill_bins(values: Any, dead: Any) -> np.ndarray:
    """Return values whose dead bins are interpolated linearly along the last axis.

    Parameters
    ----------
    values : array, shape (..., u)
        Transmissions or line integrals; what dead bins hold does not matter.
    dead : array of bool, shape (u,)
        The bins to fill in. Beyond the last living bin its value is carried on.

    Raises
    ------
    ValueError
        If the widths differ or no bin is alive.
    """
    values, dead = np.array(values, dtype=np.float64), np.asarray(dead, dtype=bool)
    rule = f"have the {values.shape[-1]} bins of the values"
    checks.require(dead.shape == values.shape[-1:], "dead", rule, dead)
    checks.require(not dead.all(), "dead", "leave at least one bin", dead)
    alive = np.flatnonzero(~dead)
    bins = np.flatnonzero(dead)
    right = np.clip(np.searchsorted(alive, bins), 0, len(alive) - 1)
    left = np.clip(np.searchsorted(alive, bins) - 1, 0, len(alive) - 1)
    distance = np.maximum(alive[right] - alive[left], 1)
    weight = np.clip((bins - alive[left]) / distance, 0, 1)
    values[..., bins] = (1 - weight) * values[..., alive[left]] + weight * values[..., alive[right]]
    return values


def minus_log(transmission: Any, *, floor: float | None = None) -> tuple[np.ndarray, int]:
    """Return −log of the transmission, and how many values were raised to the floor first.

    Where the object is dense, noise makes a transmission zero or negative, which has no logarithm.
    Such values, and all others below `floor`, are set to `floor`.

    Parameters
    ----------
    transmission : array
        Without unit, any shape.
    floor : float, optional
        The least transmission that the detector can tell from none, above zero: half a count
        over the light of the open beam, if that is known. Without it, the smallest positive
        value there is.

    Raises
    ------
    ValueError
        If values are empty, not finite, none is positive or more than half are below the floor.
    """
    values = np.asarray(transmission, dtype=np.float64)
    checks.finite_values(values, "transmission")
    positive = values > 0
    remedy = "Is dark larger than the frames, or was the logarithm taken already?"
    given = f"{int((~positive).sum())} of {values.size} values at zero or below"
    checks.require(bool(positive.any()), "transmission", "be above zero", given, remedy)
    least = values[positive].min() if floor is None else checks.positive(floor, "floor")
    low = values < least
    given = f"{int(low.sum())} of {values.size} values below {least:.3g}"
    rule = "be above zero in at least half of the values"
    checks.require(low.mean() <= MOST_FLOORED, "transmission", rule, given, remedy)
    return -np.log(np.where(low, least, values)), int(low.sum())


def check_counts(frames: np.ndarray, argument: str) -> None:
    """Raise unless values are finite and no larger than what a detector may count."""
    checks.finite_values(frames, argument)
    largest = float(np.abs(frames).max())
    rule = f"be below {MOST_COUNTS:g}, as counts are"
    checks.require(largest < MOST_COUNTS, argument, rule, f"values of up to {largest:.4g}")


def _average(frames: Any, argument: str) -> np.ndarray:
    frames = np.atleast_2d(np.asarray(frames, dtype=np.float64))
    checks.require(frames.ndim == 2, argument, "have the axes (frame, u)", frames)
    check_counts(frames, argument)
    if len(frames) >= 5:
        frames = np.sort(frames, axis=0)[1:-1]
    return frames.mean(axis=0)


def _check_beam(signal: np.ndarray) -> None:
    off = np.flatnonzero((signal <= 0).all(axis=1))
    if len(off):
        given = f"{len(off)} of {len(signal)} views at or below it, the first is view {off[0]}"
        remedy = "Was the beam off, or was dark taken with the beam on? Leave these views out."
        rule = "count more than dark in every view"
        raise ValueError(checks.message("frames", rule, given, remedy))


def _check_dead(dead: np.ndarray, unlit: np.ndarray) -> None:
    if dead.mean() > MOST_DEAD:
        given = (
            f"{int(dead.sum())} of {len(dead)} bins dead, {int(unlit.sum())} of them with a flat "
            f"field of zero, the first is bin {np.flatnonzero(dead)[0]}"
        )
        rule = f"be brighter than dark in all but {MOST_DEAD:.0%} of the bins"
        remedy = "Crop the detector to the beam, or take the flat field anew."
        raise ValueError(checks.message("white", rule, given, remedy))
