"""The fan beam: the rays of a view come from one point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.geometry.angles import checked_angles, checked_line, picked, selected
from ctinr.geometry.detector import Detector
from ctinr.geometry.grid import Grid
from ctinr.geometry.rays import Rays


@dataclass(frozen=True)
class FanBeam:
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
        source_distance = checks.positive(source_distance, "source_distance")
        object.__setattr__(self, "source_distance", source_distance)
        behind = checks.finite(detector_distance, "detector_distance")
        checks.require(behind >= 0, "detector_distance", "be at least 0", detector_distance)
        object.__setattr__(self, "detector_distance", behind)
        if not isinstance(curved, bool | np.bool_):
            raise TypeError(checks.message("curved", "be True or False", repr(curved)))
        object.__setattr__(self, "curved", bool(curved))
        widest = float(np.abs(self.fan_angles(self.detector.edges())).max())
        checks.require(
            widest < math.pi / 2,
            "detector",
            "stay within a quarter turn of the central ray",
            f"{math.degrees(widest):.4g} degrees to its edge",
            "Distances and pitch are in mm.",
        )

    @property
    def num_views(self) -> int:
        """Number of views."""
        return len(self.angles)

    @property
    def half_turns(self) -> int:
        """After how many half turns a view comes again: opposite views share only one line."""
        return 2

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a sinogram: (angle, u)."""
        return (len(self.angles), self.detector.shape[0])

    @property
    def magnification(self) -> float:
        """How much larger the shadow of a thing on the axis of rotation is than the thing."""
        return 1 + self.detector_distance / self.source_distance

    @property
    def field_of_view(self) -> float:
        """Radius of the disk around the axis of rotation that every view sees whole, mm."""
        low, high = self.fan_angles(self.detector.edges())
        return self.source_distance * max(0.0, math.sin(min(-low, high)))

    def fan_angles(self, u: np.ndarray | None = None) -> np.ndarray:
        """Return the angles γ between the rays at detector coordinates u and the central one.

        Parameters
        ----------
        u : ndarray, optional
            Detector coordinates, mm; those of the bin centres if not given.

        Returns
        -------
        ndarray
            Radians, of the shape of u.
        """
        u = self.detector.bin_centers() if u is None else u
        ratio = u / (self.source_distance + self.detector_distance)
        return ratio if self.curved else np.arctan(ratio)

    def sources(self) -> np.ndarray:
        """Return where the source is in every view: (angle, 2), the order being (x, y), mm."""
        angles = np.asarray(self.angles)
        return self.source_distance * np.stack([np.sin(angles), -np.cos(angles)], axis=-1)

    def covers(self, grid: Grid) -> bool:
        """Tell whether every view sees the whole of the grid's inscribed ellipse.

        Objects that fill the grid's corners as well need a wider detector; a grid whose inscribed
        ellipse does not fit is truncated in some views and cannot be reconstructed exactly.
        """
        slack = self.detector.pitch[0]
        low, high = self.fan_angles(self.detector.edges() + np.array([-slack, slack]))
        half, middle = (np.asarray(pair)[::-1] for pair in (grid.extent, grid.center))
        ahead = middle - self.sources()
        for gamma, outward in ((low, -1), (high, 1)):
            turned = np.asarray(self.angles) - gamma
            normal = np.stack([np.cos(turned), np.sin(turned)], axis=-1)
            reach = np.hypot(*(normal * half / 2).T)
            if (outward * (ahead * normal).sum(axis=-1) + reach > 0).any():
                return False
        return True

    def __getitem__(self, selection: Any) -> FanBeam:
        """Return the geometry with the selected views (slice, list, boolean mask or index)."""
        return replace(self, angles=selected(self.angles, selection))

    def rays(self, views: Any = None, bins: Any = None) -> Rays:
        """Return the ray of every view and bin, as an array of shape (angle, u).

        The points are those nearest to the axis of rotation; every ray begins at its source.

        Parameters
        ----------
        views, bins : slice, list, boolean mask or index, optional
            Those to take, as in `ParallelBeam.rays`, with the same errors.
        """
        gamma = self.fan_angles(picked(self.detector.bin_centers(), bins, "bins"))
        turned = picked(np.asarray(self.angles), views, "views")[:, None] - gamma
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
