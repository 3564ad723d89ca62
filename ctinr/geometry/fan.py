"""The fan beam: the rays of a view come from one point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.geometry.angles import checked_angles, checked_line, picked
from ctinr.geometry.detector import Detector
from ctinr.geometry.grid import Grid
from ctinr.geometry.rays import Rays
from ctinr.geometry.turned import Diverging


@dataclass(frozen=True)
class FanBeam(Diverging):
    """A fan-beam scan in two dimensions, with a flat or a curved detector.

    At angle θ the central ray runs through the axis of rotation in the direction
    (−sin θ, cos θ), as the ray of the parallel beam does: from the source, `source_distance`
    before the axis, to the detector, `detector_distance` behind it. The u axis has the direction
    (cos θ, sin θ). A ray that makes the angle γ with the central one, towards larger u, is the
    set of points (x, y) with ``x cos(θ − γ) + y sin(θ − γ) = source_distance · sin γ``. It begins
    at the source: what is behind the source is not seen.

    Parameters
    ----------
    angles : sequence of float
        Angle of every view, radians. A full turn is given without its end point.
    detector : Detector
        A line of bins. `pitch` and `offset` are measured on the detector, mm.
    source_distance : float
        From the source to the axis of rotation, mm.
    detector_distance : float
        From the axis of rotation to the detector, mm; 0 for a detector scaled to the axis.
    curved : bool
        Whether the bins lie on the circle around the source, u being the length of arc
        (``γ = u / (source_distance + detector_distance)``), or on a line at right angles to the
        central ray (``tan γ = u / (source_distance + detector_distance)``).

    Raises
    ------
    TypeError
        If the angles or distances are not numbers, the detector is not one, or `curved` is not a
        truth value.
    ValueError
        If there is no view, an angle is not finite, the angles look like degrees, a distance is
        negative or that of the source 0, or a curved detector reaches behind the source.
    """

    angles: tuple[float, ...]
    detector: Detector
    source_distance: float
    detector_distance: float
    curved: bool = False

    def __init__(
        self,
        angles: Iterable[float],
        detector: Detector,
        source_distance: float,
        detector_distance: float,
        *,
        curved: bool = False,
    ) -> None:
        object.__setattr__(self, "angles", checked_angles(angles))
        object.__setattr__(self, "detector", checked_line(detector))
        self._settle(source_distance, detector_distance, curved)

    def sources(self) -> np.ndarray:
        """Return where the source is in every view: (angle, 2), the order being (x, y), mm."""
        return self._sources_across

    def covers(self, grid: Grid) -> bool:
        """Tell whether every view sees the whole of the grid's inscribed ellipse.

        Objects that fill the grid's corners as well need a wider detector; a grid whose inscribed
        ellipse does not fit is truncated in some views and cannot be reconstructed exactly.
        """
        return self._covers_across(grid)

    def rays(self, views: Any = None, bins: Any = None) -> Rays:
        """Return the ray of every view and bin, as an array of shape (angle, u).

        The points are those nearest to the axis of rotation; every ray begins at its source.

        Parameters
        ----------
        views, bins : slice, list, boolean mask or index, optional
            Those to take, as in `ParallelBeam.rays`, with the same errors.
        """
        gamma = self.fan_angles(picked(self.detector.bin_centers(), bins, "bins"))
        turned = picked(self._angles, views, "views")[:, None] - gamma
        cosine, sine = np.cos(turned), np.sin(turned)
        distance = self.source_distance * np.sin(gamma)
        points = np.stack([distance * cosine, distance * sine], axis=-1)
        begins = np.broadcast_to(-self.source_distance * np.cos(gamma), turned.shape)
        return Rays(points, np.stack([-sine, cosine], axis=-1), begins)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `from_dict` takes."""
        return {
            "beam": "fan",
            "angles": list(self.angles),
            "detector": self.detector.to_dict(),
            "source_distance": self.source_distance,
            "detector_distance": self.detector_distance,
            "curved": self.curved,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FanBeam:
        """Return the geometry that `to_dict` described."""
        checks.one_of(values["beam"], "beam", ("fan",))
        distances = values["source_distance"], values["detector_distance"]
        detector = Detector.from_dict(values["detector"])
        return cls(values["angles"], detector, *distances, curved=values["curved"])
