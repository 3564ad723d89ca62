"""How much of the turn each view of a cone beam stands for, and which slices it sees."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ctinr import checks
from ctinr.geometry import ConeBeam, Grid
from ctinr.recon.views import Arc, UnseenLines

# Views of a helix fade in and out over this angle where the detector is high enough, radians.
FADING = math.pi / 4
# A cell that is seen over less than this part of the turn is not reconstructed. Of one that is seen
# over exactly half of it every engine keeps the same, however it rounds the sum.
LEAST_SEEN = 0.5 - 1e-4
# In cells: one whose shadow ends with the detector is seen, however its place is rounded.
TIE = 1e-9


@dataclass(frozen=True, eq=False)
class Turns:
    """How much of the turn each view stands for, slice by slice.

    Parameters
    ----------
    angles, steps : ndarray, shape (angle,)
        The angle of every view, and the part of the turn that it stands for, radians.
    length : float
        The part of the turn that a cell is to be seen from, radians.
    pitch, fading : float
        Of a helix the mm a turn, 0 for a circle, and over what angle views fade, radians.
    """

    angles: np.ndarray
    steps: np.ndarray
    length: float
    pitch: float = 0.0
    fading: float = 0.0

    @classmethod
    def of(cls, geometry: ConeBeam, grid: Grid) -> Turns:
        """Return the parts of a circle's arc, or those of the turns of a helix around a slice.

        Raises
        ------
        UnseenLines
            If the detector is too low for the pitch of a helix.
        """
        angles, pitch = np.asarray(geometry.angles), geometry.helical_pitch
        if not pitch:
            arc = Arc.of(geometry.angles)
            return cls(angles, arc.weights, arc.length)
        order = np.argsort(angles)
        between = np.diff(angles[order]) if len(angles) > 1 else np.array([2 * math.pi])
        around = np.pad(between, 1, mode="edge")
        steps = np.empty(len(angles))
        steps[order] = (around[:-1] + around[1:]) / 2
        away = math.hypot(*grid.center[1:]) + math.hypot(*grid.extent[1:]) / 2
        nearest = max(geometry.source_distance - away, 1e-9 * geometry.source_distance)
        low, high = geometry.detector.edges(0) * (nearest / geometry.length)
        seen = min(-low, high) / abs(pitch) * 2 * math.pi
        least = math.pi + float(steps.max()) / 2
        if seen < least:
            largest = abs(pitch) * seen / least
            rule = "have a detector that sees the corners of the grid over a full turn of the helix"
            given = f"a helical pitch of {pitch:g} mm, and {largest:.4g} mm is the largest"
            remedy = "Methods that iterate (tv, sirt, cgls) make do with less."
            raise UnseenLines(checks.message("A", rule, given, remedy))
        fading = max(min(FADING, seen - math.pi), float(steps.max()) / 2)
        return cls(angles, steps, 2 * math.pi, pitch, fading)

    def weights(self, heights: np.ndarray) -> Iterator[tuple[int, slice, np.ndarray]]:
        """Yield the views that slices at some heights are made from: weights of those slices.

        The weights of the views that are full turns apart add up to the part that one stands for.
        """
        for view, (angle, step) in enumerate(zip(self.angles, self.steps, strict=True)):
            if not self.pitch:
                yield view, slice(0, len(heights)), np.full(len(heights), step)
                continue
            apart = np.abs(angle - heights * (2 * math.pi / self.pitch))
            part = np.clip((math.pi + self.fading - apart) / (2 * self.fading), 0, 1)
            used = np.flatnonzero(part)
            if len(used):
                chosen = slice(int(used[0]), int(used[-1]) + 1)
                yield view, chosen, step * part[chosen]

    def table(self, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what `weights` yields as arrays: weights (angle, z), slices (angle, 2)."""
        parts, slices = np.zeros((len(self.angles), len(heights))), np.zeros((len(self.angles), 2))
        for view, chosen, weights in self.weights(heights):
            parts[view, chosen], slices[view] = weights, (chosen.start, chosen.stop)
        return parts, slices.astype(np.int64)


def seen_slices(
    geometry: ConeBeam, grid: Grid, view: int, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first slice and the one after the last whose cells have shadows on the detector.

    Half a bin beyond the middle of the outermost one is still on the detector. `lengths` are the
    distances of cells from the source as in `backproject_cone`; behind it nothing is seen.
    """
    depth = np.maximum(lengths, 0) / geometry.length
    bottom, top = geometry.detector.edges(0)
    above, spacing = geometry.heights()[view] - grid.cell_centers(0)[0], grid.spacing[0]
    first = np.ceil((above + bottom * depth) / spacing - TIE)
    last = np.floor((above + top * depth) / spacing + TIE) + 1
    return first, np.where(lengths > 0, last, first)
