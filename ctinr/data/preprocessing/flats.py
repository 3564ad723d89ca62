"""A beam that drifts: flat fields from before and after the scan, interpolated in time.

The mirrors and crystals of a beamline warm up, and the current of its ring decays. A flat field
taken before the scan no longer fits its last views, and what it leaves are gradients and stripes
that become rings. To first order the beam changes evenly from the one flat field to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.data.preprocessing.transmission import (
    LEAST_LIGHT,
    Bins,
    check_counts,
    flat_field,
    open_beam,
)


def drifting_flat_field(
    frames: Any,
    before: Any,
    after: Any,
    *,
    dark: Any = None,
    times: Sequence[float] | None = None,
) -> tuple[np.ndarray, Bins]:
    """Return the transmission of every ray under a beam that drifts, and which bins are dead.

    As `flat_field`, but the light of every view is interpolated linearly in time between the mean
    flat field before the scan and the one after it. A bin that is dead in either is dead.

    Parameters
    ----------
    frames : array, shape (angle, u)
        Frames with the object, counts.
    before, after : array, shape (frame, u) or (u,)
        Frames with the beam and without the object, taken before and after, counts.
    dark : array, shape (frame, u) or (u,), optional
        Frames without the beam, counts.
    times : sequence of float, optional
        When each view was taken: 0 with the flat field before, 1 with the one after. Without it,
        the views are taken at equal steps, half a step away from either.

    Returns
    -------
    transmission : array, shape (angle, u)
        Without unit.
    dead : array of bool, shape (u,)
        The bins that were filled in.

    Raises
    ------
    ValueError
        If frames do not fit one another, there is no time for each view or one is outside 0 to 1;
        and what `flat_field` raises.
    """
    frames = np.asarray(frames, dtype=np.float64)
    checks.require(frames.ndim == 2, "frames", "have the axes (angle, u)", frames)
    check_counts(frames, "frames")
    first, dark_level = open_beam(before, dark)
    last, _ = open_beam(after, dark)
    rule = f"have the {len(first)} bins of the frames before the scan"
    checks.require(last.shape == first.shape, "after", rule, np.asarray(after))
    rule = f"have the {frames.shape[1]} bins of the frames"
    checks.require(len(first) == frames.shape[1], "before", rule, np.asarray(before))
    moments = _moments(times, len(frames))[:, None]
    light = (1 - moments) * first + moments * last
    typical = float(np.median((first + last) / 2))
    remedy = "The flat field must be taken with the beam on."
    checks.require(typical > 0, "before", "be brighter than dark in most bins", first, remedy)
    lit = np.minimum(first, last) >= LEAST_LIGHT * typical
    steady = np.where(lit, (first + last) / 2, 0.0)
    # What the frames would have counted under the mean beam, so that one flat field serves all.
    counted = (frames - dark_level) * np.where(lit, steady / np.where(lit, light, 1.0), 1.0)
    return flat_field(counted, steady)


def _moments(times: Sequence[float] | None, num_views: int) -> np.ndarray:
    if times is None:
        return (np.arange(num_views) + 0.5) / num_views
    moments = np.asarray(times, dtype=np.float64)
    rule = f"have one time for each of the {num_views} views"
    checks.require(moments.shape == (num_views,), "times", rule, moments)
    checks.finite_values(moments, "times")
    given = f"times from {moments.min():.4g} to {moments.max():.4g}"
    remedy = "0 is the flat field before the scan, 1 the one after it."
    inside = bool(moments.min() >= 0 and moments.max() <= 1)
    checks.require(inside, "times", "lie between 0 and 1", given, remedy)
    return moments
