"""The directions of views modulo π, and the part of the half turn that each stands for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# Directions closer than this part of a half turn are one direction: measured twice, not two.
SAME_DIRECTION = 1e-9


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


def distinct_directions(angles: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the directions modulo π in rising order, and which of them each view has.

    Parameters
    ----------
    angles : sequence of float
        Radians.

    Returns
    -------
    directions : ndarray, shape (direction,)
        In [0, π), radians.
    index : ndarray of int, shape (view,)
        Place of every view's direction.
    """
    whole = round(1 / SAME_DIRECTION)
    steps = np.round(np.asarray(angles, dtype=np.float64) / (math.pi * SAME_DIRECTION))
    distinct, index = np.unique(np.mod(steps, whole), return_inverse=True)
    return distinct * (math.pi * SAME_DIRECTION), index
