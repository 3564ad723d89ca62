"""The parallel beam: every view sees the object along one direction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.geometry.angles import checked_angles, checked_detector, picked
from ctinr.geometry.detector import Detector
from ctinr.geometry.frames import Frames, row_coordinates
from ctinr.geometry.grid import Grid
from ctinr.geometry.rays import Rays
from ctinr.geometry.turned import Turned


@dataclass(frozen=True)
class ParallelBeam(Turned):
    """A parallel-beam scan, in two dimensions or in three.

    The ray of angle θ and detector coordinate u is the set of points (x, y) with
    ``x cos θ + y sin θ = u``; its direction is (−sin θ, cos θ). In three dimensions z is the axis
    of rotation, and rays of detector coordinate v run at the height z = v.

    Parameters
    ----------
    angles : sequence of float
        Angle of every view, radians. A half turn is given without its end point, which repeats
        the first view mirrored.
    detector : Detector
        A line of bins, (u,), or an area, (v, u).

    Raises
    ------
    TypeError
        If the angles are not numbers or the detector is not one.
    ValueError
        If there is no view, an angle is not finite, or the angles look like degrees.
    """

    angles: tuple[float, ...]
    detector: Detector

    def __init__(self, angles: Iterable[float], detector: Detector) -> None:
        object.__setattr__(self, "angles", checked_angles(angles))
        object.__setattr__(self, "detector", checked_detector(detector))

    @property
    def half_turns(self) -> int:
        """After how many half turns a view comes again: after one, mirrored."""
        return 1

    @property
    def slice(self) -> ParallelBeam:
        """The scan of one slice: the same views by one row of the detector."""
        return replace(self, detector=self.detector.line)

    @property
    def field_of_view(self) -> float:
        """Radius of the disk around the axis of rotation that every view sees whole, mm."""
        return max(0.0, self.detector.extent[-1] / 2 - abs(self.detector.offset[-1]))

    def covers(self, grid: Grid) -> bool:
        """Tell whether every view sees the whole of the grid's inscribed ellipse.

        Objects that fill the grid's corners as well need a wider detector; a grid whose inscribed
        ellipse does not fit is truncated in some views and cannot be reconstructed exactly.
        """
        angles = self._angles
        along = np.stack([np.sin(angles), np.cos(angles)])
        half = np.asarray(grid.extent)[-2:, None] / 2
        middle = np.asarray(grid.center)[-2:] @ along
        reach = np.sqrt(((half * along) ** 2).sum(axis=0))
        within = np.abs(middle - self.detector.offset[-1]) + reach
        covered = bool((within <= self.detector.extent[-1] / 2 + self.detector.pitch[-1]).all())
        if len(self.detector.shape) == 1 or len(grid.shape) == 2:
            return covered
        apart = abs(grid.center[0] - self.detector.offset[0]) + grid.extent[0] / 2
        return covered and apart <= self.detector.extent[0] / 2 + self.detector.pitch[0]

    def rays(self, views: Any = None, bins: Any = None) -> Rays:
        """Return the ray of every view and bin, as an array of shape (angle, u) or (angle, v, u).

        The points are those nearest to the axis of rotation.

        Parameters
        ----------
        views, bins : slice, list, boolean mask or index, optional
            Those to take, each of them with each; all if not given. `bins` are those along u, of
            every row of an area. Take single pairs of a view and a bin from the result, as in
            ``rays()[views, bins]``.

        Raises
        ------
        IndexError
            If there is no such view or bin.
        ValueError
            If a selection is empty.
        """
        area = len(self.detector.shape) == 2
        angles = picked(self._angles, views, "views")
        angles = angles.reshape(-1, *(1,) * len(self.detector.shape))
        u = picked(self.detector.bin_centers(), bins, "bins")
        v = self.detector.bin_centers(0)[:, None] if area else 0.0
        u, v, cosine, sine = np.broadcast_arrays(u, v, np.cos(angles), np.sin(angles))
        points, directions = [u * cosine, u * sine], [-sine, cosine]
        if area:
            points, directions = [*points, v], [*directions, np.zeros_like(v)]
        return Rays(np.stack(points, axis=-1), np.stack(directions, axis=-1))

    def frames(self, views: Any = None) -> Frames:
        """Return where the rays of some views lie; all of them if not given."""
        angles = picked(self._angles, views, "views")
        sine, cosine, none = np.sin(angles), np.cos(angles), np.zeros(len(angles))
        across = np.stack([cosine, sine, none], axis=-1)
        columns = self.detector.bin_centers()[:, None] * across[:, None]
        upward = np.broadcast_to([0.0, 0.0, 1.0], across.shape)
        along = np.stack([-sine, cosine, none], axis=-1)
        return Frames(along, columns, upward, row_coordinates(self.detector), parallel=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `from_dict` takes."""
        return {
            "beam": "parallel",
            "angles": list(self.angles),
            "detector": self.detector.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ParallelBeam:
        """Return the geometry that `to_dict` described."""
        checks.one_of(values["beam"], "beam", ("parallel",))
        return cls(values["angles"], Detector.from_dict(values["detector"]))
