"""The parallel beam: every view sees the object along one direction."""

from __future__ import annotations

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
class ParallelBeam:
    """A parallel-beam scan in two dimensions.

    The ray of angle θ and detector coordinate u is the set of points (x, y) with
    ``x cos θ + y sin θ = u``; its direction is (−sin θ, cos θ).

    Parameters
    ----------
    angles : sequence of float
        Angle of every view, radians. A half turn is given without its end point, which repeats
        the first view mirrored.
    detector : Detector
        A line of bins.

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
        object.__setattr__(self, "detector", checked_line(detector))

    @property
    def num_views(self) -> int:
        """Number of views."""
        return len(self.angles)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a sinogram: (angle, u)."""
        return (len(self.angles), self.detector.shape[0])

    @property
    def field_of_view(self) -> float:
        """Radius of the disk around the axis of rotation that every view sees whole, mm."""
        return max(0.0, self.detector.extent[0] / 2 - abs(self.detector.offset[0]))

    def covers(self, grid: Grid) -> bool:
        """Tell whether every view sees the whole of the grid's inscribed ellipse.

        Objects that fill the grid's corners as well need a wider detector; a grid whose inscribed
        ellipse does not fit is truncated in some views and cannot be reconstructed exactly.
        """
        angles = np.asarray(self.angles)
        along = np.stack([np.sin(angles), np.cos(angles)])
        half = np.asarray(grid.extent)[:, None] / 2
        middle = np.asarray(grid.center) @ along
        reach = np.sqrt(((half * along) ** 2).sum(axis=0))
        low = self.detector.offset[0] - self.detector.extent[0] / 2
        high = self.detector.offset[0] + self.detector.extent[0] / 2
        slack = self.detector.pitch[0]
        return bool(((middle - reach >= low - slack) & (middle + reach <= high + slack)).all())

    def __getitem__(self, selection: Any) -> ParallelBeam:
        """Return the geometry with the selected views (slice, list, boolean mask or index)."""
        return replace(self, angles=selected(self.angles, selection))

    def rays(self, views: Any = None, bins: Any = None) -> Rays:
        """Return the ray of every view and bin, as an array of shape (angle, u).

        Parameters
        ----------
        views, bins : slice, list, boolean mask or index, optional
            Those to take, each of them with each; all if not given. Take single pairs of a view
            and a bin from the result, as in ``rays()[views, bins]``.

        Raises
        ------
        IndexError
            If there is no such view or bin.
        ValueError
            If a selection is empty.
        """
        angles = picked(np.asarray(self.angles), views, "views")[:, None]
        u = picked(self.detector.bin_centers(), bins, "bins")[None, :]
        cosine, sine = np.broadcast_arrays(np.cos(angles), np.sin(angles), u)[:2]
        points = np.stack([u * cosine, u * sine], axis=-1)
        return Rays(points, np.stack([-sine, cosine], axis=-1))

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
