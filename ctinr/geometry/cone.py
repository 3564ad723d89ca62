"""The cone beam: the rays of a view come from one point and meet an area of bins."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.geometry.angles import checked_angles, checked_area
from ctinr.geometry.detector import Detector
from ctinr.geometry.fan import FanBeam
from ctinr.geometry.grid import Grid
from ctinr.geometry.rays import Rays
from ctinr.geometry.turned import Diverging

# A helix of so many radians is fifty turns; more are degrees.
LONGEST_HELIX = 100 * math.pi


@dataclass(frozen=True)
class ConeBeam(Diverging):
    """A cone-beam scan, circular or helical, with a flat or a curved detector.

    Seen along z, the axis of rotation, it is the fan of `FanBeam`. The source and the middle row
    of the detector (v = 0) are at the height z = helical_pitch · θ / 2π, and v runs along z. A
    curved detector is part of the cylinder around the source whose axis is parallel to z.

    Parameters
    ----------
    angles : sequence of float
        Angle of every view, radians. A full turn is given without its end point; a helix goes on
        counting, so that 4π is the third time that the source comes by.
    detector : Detector
        An area of bins, (v, u). `pitch` and `offset` are measured on the detector, mm.
    source_distance : float
        From the source to the axis of rotation, mm.
    detector_distance : float
        From the axis of rotation to the detector, mm; 0 for a detector scaled to the axis.
    curved : bool
        Whether u is the length of an arc around the source, or along a straight line.
    helical_pitch : float
        How far the source moves along z while the angle grows by 2π, mm; 0 for a circle.

    Raises
    ------
    TypeError, ValueError
        As for `FanBeam`; a detector that is not an area; a pitch that is not finite.
    """

    angles: tuple[float, ...]
    detector: Detector
    source_distance: float
    detector_distance: float
    curved: bool = False
    helical_pitch: float = 0.0

    def __init__(
        self,
        angles: Iterable[float],
        detector: Detector,
        source_distance: float,
        detector_distance: float,
        *,
        curved: bool = False,
        helical_pitch: float = 0.0,
    ) -> None:
        pitch = checks.finite(helical_pitch, "helical_pitch")
        object.__setattr__(self, "helical_pitch", pitch)
        limit = {"largest": LONGEST_HELIX} if pitch else {}
        object.__setattr__(self, "angles", checked_angles(angles, **limit))
        object.__setattr__(self, "detector", checked_area(detector))
        self._settle(source_distance, detector_distance, curved)

    @property
    def slice(self) -> FanBeam:
        """The scan seen along the axis of rotation: a fan."""
        distances = self.source_distance, self.detector_distance
        angles = np.remainder(self.angles, 2 * math.pi) if self.helical_pitch else self.angles
        return FanBeam(angles, self.detector.line, *distances, curved=self.curved)

    @property
    def _rise(self) -> float:
        return self.helical_pitch / (2 * math.pi)

    def sources(self) -> np.ndarray:
        """Return where the source is in every view: (angle, 3), the order being (x, y, z), mm."""
        return np.concatenate([self._sources_across, self.heights()[:, None]], axis=1)

    def covers(self, grid: Grid) -> bool:
        """Tell whether every view sees the whole of the grid's inscribed elliptic cylinder.

        Of a helix it is enough that a cell is seen by the views of the full turn around it.
        """
        if not self._covers_across(grid):
            return False
        half = np.asarray(grid.extent) / 2
        low, high = grid.center[0] - half[0], grid.center[0] + half[0]
        away = math.hypot(*grid.center[1:]) + float(half[1:].max())
        scale = self.length / (self.source_distance - away)
        edges = self.detector.edges(0) + np.array([-1, 1]) * self.detector.pitch[0]
        if not self.helical_pitch:
            return bool(edges[0] <= low * scale and high * scale <= edges[1])
        reach, heights = abs(self.helical_pitch) / 2, self.heights()
        seen = bool(edges[0] <= -reach * scale and reach * scale <= edges[1])
        return seen and bool(heights.min() <= low - reach and high + reach <= heights.max())

    def rays(self, views: Any = None, bins: Any = None) -> Rays:
        """Return the ray of every view and bin, as an array of shape (angle, v, u).

        The points are the sources, where rays begin.

        Parameters
        ----------
        views, bins : slice, list, boolean mask or index, optional
            Those to take, as in `ParallelBeam.rays`, with the same errors.
        """
        return self.frames(views).rays(bins)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `from_dict` takes."""
        return {
            "beam": "cone",
            "angles": list(self.angles),
            "detector": self.detector.to_dict(),
            "source_distance": self.source_distance,
            "detector_distance": self.detector_distance,
            "curved": self.curved,
            "helical_pitch": self.helical_pitch,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ConeBeam:
        """Return the geometry that `to_dict` described."""
        checks.one_of(values["beam"], "beam", ("cone",))
        distances = values["source_distance"], values["detector_distance"]
        shape = {key: values[key] for key in ("curved", "helical_pitch")}
        return cls(values["angles"], Detector.from_dict(values["detector"]), *distances, **shape)
