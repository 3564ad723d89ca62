"""Frames: the rays of whole views in three dimensions, as a few numbers a view.

An area detector is made of columns that run straight up. So bin (j, i) of a view lies at

    columns[i] + rows[j] · upward

whether the detector is flat, curved, tilted or rolled, and its ray comes from the source or, if the
beam is parallel, along the direction of the view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ctinr.geometry.angles import picked
from ctinr.geometry.detector import Detector
from ctinr.geometry.rays import Rays


@dataclass(frozen=True, eq=False)
class Frames:
    """Where the rays of some views lie, in the order (x, y, z), mm.

    Parameters
    ----------
    origins : ndarray, shape (view, 3)
        The source of every view or, if `parallel`, the direction of its rays, of any length.
    columns : ndarray, shape (view, u, 3)
        Where every column of bins crosses the row coordinate 0.
    upward : ndarray, shape (view, 3)
        The unit vector along the columns.
    rows : ndarray, shape (v,)
        The row coordinate of every bin.
    parallel : bool
        Whether the rays of a view are parallel.
    """

    origins: np.ndarray
    columns: np.ndarray
    upward: np.ndarray
    rows: np.ndarray
    parallel: bool = False

    def rays(self, bins: Any = None) -> Rays:
        """Return the ray of every view and bin: (view, v, u).

        The points are the sources, where rays begin, or those of the bins if the beam is parallel.
        """
        index = picked(np.arange(self.columns.shape[1]), bins, "bins")
        ends = (
            self.columns[:, None, index] + self.rows[:, None, None] * self.upward[:, None, None, :]
        )
        starts = np.broadcast_to(self.origins[:, None, None], ends.shape)
        ways = starts if self.parallel else ends - starts
        directions = ways / np.linalg.norm(ways, axis=-1, keepdims=True)
        if self.parallel:
            return Rays(ends, directions)
        return Rays(starts, directions, np.zeros(ends.shape[:-1]))


def row_coordinates(detector: Detector) -> np.ndarray:
    """Return the row coordinate v of every bin, mm: (v,); a line of bins is one row, at 0."""
    return detector.bin_centers(0) if len(detector.shape) == 2 else np.zeros(1)
