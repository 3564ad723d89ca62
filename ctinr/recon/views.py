"""The directions of views, the part of the turn that each stands for, and rays measured twice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ctinr import checks
from ctinr.geometry import FanBeam

# Directions closer than this part of a half turn are one direction: measured twice, not two.
SAME_DIRECTION = 1e-9
# A step that is so many times the mean of the others is a part of the turn without views.
GAP = 3.0


def view_weights(angles: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the part of the half turn that each view stands for, radians; they add up to π.

    A direction stands for half the way to its neighbours modulo π on either side, whatever the
    order and spacing of the views; views of one direction, as after a full turn, share its part.

    Parameters
    ----------
    angles : sequence of float
        Radians.

    Returns
    -------
    ndarray, shape (view,)
        Radians, float64.
    """
    directions, index = distinct_directions(angles)
    ahead = np.diff(directions, append=directions[0] + math.pi)
    cells = (ahead + np.roll(ahead, 1)) / 2
    return (cells / np.bincount(index))[index]


def distinct_directions(
    angles: Sequence[float] | np.ndarray, *, half_turns: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the directions modulo π in rising order, and which of them each view has.

    Parameters
    ----------
    angles : sequence of float
        Radians.
    half_turns : int
        How many half turns make a period: 2 tells opposite directions apart, as a fan does.

    Returns
    -------
    directions : ndarray, shape (direction,)
        In [0, half_turns · π), radians.
    index : ndarray of int, shape (view,)
        Place of every view's direction.
    """
    whole = half_turns * round(1 / SAME_DIRECTION)
    steps = np.round(np.asarray(angles, dtype=np.float64) / (math.pi * SAME_DIRECTION))
    distinct, index = np.unique(np.mod(steps, whole), return_inverse=True)
    return distinct * (math.pi * SAME_DIRECTION), index


class UnseenLines(ValueError):
    """The views of a fan leave lines through the object unseen: there is no analytic inverse."""


@dataclass(frozen=True, eq=False)
class Arc:
    """The part of the turn that the views of a fan cover.

    Parameters
    ----------
    begin, length : float
        Where it begins and how long it is, radians; the length is 2π for a full turn.
    weights : ndarray, shape (view,)
        The part that each view stands for, radians; they add up to the length.
    """

    begin: float
    length: float
    weights: np.ndarray

    @classmethod
    def of(cls, angles: Sequence[float] | np.ndarray) -> Arc:
        """Return the full turn, or what is left of it without one large gap.

        A view stands for half the way to its neighbours, the first and last of an arc for as
        much outwards as inwards; views of one direction share its part.
        """
        directions, index = distinct_directions(angles, half_turns=2)
        ahead = np.diff(directions, append=directions[0] + 2 * math.pi)
        first = (int(ahead.argmax()) + 1) % len(ahead)
        steps = np.roll(ahead, -first)[:-1]
        begin, length = 0.0, 2 * math.pi
        if len(steps) and ahead.max() <= GAP * steps.mean():
            cells = (ahead + np.roll(ahead, 1)) / 2
        else:
            around = np.pad(steps, 1, mode="edge") if len(steps) else np.zeros(2)
            inside = (around[:-1] + around[1:]) / 2
            begin, length = float(directions[first] - around[0] / 2), float(inside.sum())
            cells = np.roll(inside, first)
        return cls(begin, length, (cells / np.bincount(index))[index])

    @property
    def is_full(self) -> bool:
        """Whether it is the full turn."""
        return self.length == 2 * math.pi


def fan_shares(geometry: FanBeam, reach: float) -> np.ndarray:
    """Return the share that every ray of a fan has in its line: one of two, or the only one.

    A line is met again from its other side, at the angle ``θ + π − 2γ`` and at −γ. Either ray
    has a certainty that falls smoothly to zero at the ends of an arc and at the nearer end of a
    detector that is too short on one side; their shares are in proportion to it. With the views
    of an arc that is as long as it must be, these are Parker's weights on the central ray; with
    an offset detector and a full turn they are Wang's.

    Parameters
    ----------
    geometry : FanBeam
        Where the rays lie.
    reach : float
        Radius of the disk around the axis of rotation that holds the object, mm.

    Returns
    -------
    ndarray, shape (angle, u)
        In [0, 1].

    Raises
    ------
    UnseenLines
        If there are lines through that disk, as far as the detector sees it, that no ray follows.

    References
    ----------
    Parker 1982, Optimal short scan convolution reconstruction for fanbeam CT,
    doi:10.1118/1.595078. Wang 2002, X-ray micro-CT with a displaced detector array,
    doi:10.1118/1.1489043. Noo et al. 2002, Image reconstruction from fan-beam projections on less
    than a short scan, doi:10.1088/0031-9155/47/14/311.
    """
    arc, gamma = Arc.of(geometry.angles), geometry.fan_angles()
    near, far = sorted([max(0.0, -float(gamma[0])), max(0.0, float(gamma[-1]))])
    wanted = math.asin(min(1.0, reach / geometry.source_distance))
    lopsided = near < min(wanted, far - float(np.diff(gamma).max(initial=0.0)))
    _check_lines(arc, min(wanted, far), near if lopsided else None)
    side, more = (1.0 if -gamma[0] < gamma[-1] else -1.0), arc.length - math.pi

    def certainty(along: np.ndarray, beside: np.ndarray) -> np.ndarray:
        within = np.mod(along, 2 * math.pi) + 0 * beside
        sure = np.ones(geometry.shape)
        if not arc.is_full:
            sure *= _rise(within / more) * _rise((arc.length - within) / more)
        if lopsided:
            sure *= _rise((1 + side * beside / near) / 2)
        return sure

    along = np.asarray(geometry.angles)[:, None] - arc.begin
    own, other = certainty(along, gamma), certainty(along + math.pi - 2 * gamma, -gamma)
    return np.divide(own, own + other, out=np.zeros(geometry.shape), where=own > 0)


def _rise(fraction: np.ndarray) -> np.ndarray:
    """Go smoothly from 0 at 0 to 1 at 1."""
    return np.sin(math.pi / 2 * np.clip(fraction, 0.0, 1.0)) ** 2


def _check_lines(arc: Arc, widest: float, near: float | None) -> None:
    """Raise unless every line is followed by a ray; `near` is the end of a lopsided detector."""
    given = f"views over {math.degrees(arc.length):.6g} degrees"
    remedy = "Methods that iterate (tv, sirt, cgls) make do with less."
    if near is not None:
        rule = "have a detector that reaches past the shadow of the axis of rotation"
        _require_seen(near > 0, rule, "one that ends before it", remedy)
        rule = "have views over a full turn, as its detector ends within the grid on one side"
        _require_seen(arc.is_full, rule, given, remedy)
    least = math.pi + 2 * widest
    rule = f"have views over a half turn and the fan angle, {math.degrees(least):.6g} degrees"
    _require_seen(arc.length >= least - 1e-6, rule, given, remedy)


def _require_seen(seen: bool, rule: str, given: str, remedy: str) -> None:
    if not seen:
        raise UnseenLines(checks.message("A", rule, given, remedy))
