"""Rays: lines through the object, one for every measured value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Rays:
    """Straight lines, each given by a point on it and its direction.

    Parameters
    ----------
    points : ndarray, shape (..., axes)
        A point on every line, mm, in the order (x, y).
    directions : ndarray, shape (..., axes)
        The unit vector along every line.
    """

    points: np.ndarray
    directions: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of rays."""
        return self.points.shape[:-1]
