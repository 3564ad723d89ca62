"""What beams that turn about an axis have in common, whatever the shape of the beam."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from ctinr import checks
from ctinr.geometry.angles import picked, selected
from ctinr.geometry.detector import Detector
from ctinr.geometry.frames import Frames, row_coordinates
from ctinr.geometry.grid import Grid


class Turned:
    """A beam whose views are angles about the axis of rotation."""

    angles: tuple[float, ...]
    detector: Detector

    @cached_property
    def _angles(self) -> np.ndarray:
        """The angles as an array: of a million of them one is made only once."""
        return np.asarray(self.angles)

    @property
    def num_views(self) -> int:
        """Number of views."""
        return len(self.angles)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a sinogram: (angle, u), or (angle, v, u) for an area of bins."""
        return (len(self.angles), *self.detector.shape)

    def __getitem__(self, selection: Any) -> Self:
        """Return the geometry with the selected views (slice, list, boolean mask or index)."""
        changed: Any = replace(self, angles=selected(self.angles, selection))  # type: ignore[type-var]
        return changed


class Diverging(Turned):
    """A beam whose rays come from a source that turns: what a fan and a cone share.

    Seen along the axis of rotation both are a fan.
    """

    source_distance: float
    detector_distance: float
    curved: bool

    def _settle(self, source_distance: float, detector_distance: float, curved: bool) -> None:
        """Check and set distances and the kind of detector; angles and detector are set."""
        source_distance = checks.positive(source_distance, "source_distance")
        object.__setattr__(self, "source_distance", source_distance)
        behind = checks.finite(detector_distance, "detector_distance")
        remedy = "The detector lies on the other side of the axis than the source."
        checks.require(behind >= 0, "detector_distance", "be at least 0", detector_distance, remedy)
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
    def half_turns(self) -> int:
        """After how many half turns a view comes again: opposite views share only one line."""
        return 2

    @property
    def length(self) -> float:
        """The distance from the source to the detector, mm."""
        return self.source_distance + self.detector_distance

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

        In a cone they are those of its rays seen along the axis of rotation.

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
        ratio = u / self.length
        return ratio if self.curved else np.arctan(ratio)

    @property
    def _sources_across(self) -> np.ndarray:
        """Where the source is in every view, seen along the axis: (angle, 2), (x, y), mm."""
        angles = self._angles
        return self.source_distance * np.stack([np.sin(angles), -np.cos(angles)], axis=-1)

    def heights(self) -> np.ndarray:
        """Return the height z of the source in every view: (angle,), mm."""
        return self._rise * self._angles

    @property
    def _rise(self) -> float:
        """How much higher the source is per radian, mm."""
        return 0.0

    def frames(self, views: Any = None) -> Frames:
        """Return where the rays of some views lie; all of them if not given.

        Those of a fan have one row, at z = 0.
        """
        angles = picked(self._angles, views, "views")
        sine, cosine, none = np.sin(angles), np.cos(angles), np.zeros(len(angles))
        across = np.stack([cosine, sine, none], axis=-1)[:, None]
        along = np.stack([-sine, cosine, none], axis=-1)[:, None]
        origins = -self.source_distance * along[:, 0]
        origins[:, 2] = self._rise * angles
        u = self.detector.bin_centers()[:, None]
        ways = self.length * along + u * across
        if self.curved:
            gamma = self.fan_angles(u)
            ways = self.length * (np.cos(gamma) * along + np.sin(gamma) * across)
        upward = np.broadcast_to([0.0, 0.0, 1.0], origins.shape)
        return Frames(origins, origins[:, None] + ways, upward, row_coordinates(self.detector))

    def _covers_across(self, grid: Grid) -> bool:
        """Tell whether every view sees, from side to side, the grid's inscribed ellipse."""
        slack = self.detector.pitch[-1]
        low, high = self.fan_angles(self.detector.edges() + np.array([-slack, slack]))
        half, middle = (np.asarray(pair)[:-3:-1] for pair in (grid.extent, grid.center))
        ahead = middle - self._sources_across
        for gamma, outward in ((low, -1), (high, 1)):
            turned = self._angles - gamma
            normal = np.stack([np.cos(turned), np.sin(turned)], axis=-1)
            reach = np.hypot(*(normal * half / 2).T)
            if (outward * (ahead * normal).sum(axis=-1) + reach > 0).any():
                return False
        return True
