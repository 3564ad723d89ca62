"""Views given one by one as vectors: any trajectory, any tilt, and scanners that jitter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.geometry.angles import as_index, checked_detector, picked
from ctinr.geometry.cone import ConeBeam
from ctinr.geometry.detector import Detector
from ctinr.geometry.fan import FanBeam
from ctinr.geometry.frames import Frames, row_coordinates
from ctinr.geometry.grid import Grid
from ctinr.geometry.parallel import ParallelBeam
from ctinr.geometry.rays import Rays

# One number, or one a view.
Angles = float | Sequence[float] | np.ndarray
Vectors = tuple[tuple[float, ...], ...]
# How far from 1 the length of an axis may be, and how near to a plane a source may lie.
UNIT, FLAT = 1e-6, 1e-9


@dataclass(frozen=True)
class VectorBeam:
    """A scan whose views are given by vectors, each in the order (x, y) or (x, y, z).

    Bin (j, i) of a view lies at ``centers + u_i · u_axes + v_j · v_axes`` with the detector
    coordinates u and v of `Detector`, whose middle is thus moved from `centers` by its offset.
    Its ray comes from the source and begins there or, in a parallel beam, runs along a direction.
    Make one from another beam with `VectorBeam.of`.

    Parameters
    ----------
    origins : array, shape (view, axes)
        Where the source is, mm; or, if `parallel`, the direction of the rays, of any length.
    centers : array, shape (view, axes)
        Where the origin of the detector coordinates lies, mm.
    u_axes, v_axes : array, shape (view, axes)
        Unit vectors along the rows and along the columns of the detector. No `v_axes` in two
        dimensions.
    detector : Detector
        A line of bins in two dimensions, an area in three. It is flat.
    parallel : bool
        Whether the rays of a view are parallel.

    Raises
    ------
    TypeError
        If these are not numbers or the detector is not one.
    ValueError
        If there is no view, shapes differ, a number is not finite, an axis is not a unit vector,
        both axes of a detector are parallel, or rays run within a detector's plane.
    """

    origins: Vectors
    centers: Vectors
    u_axes: Vectors
    v_axes: Vectors | None
    detector: Detector
    parallel: bool = False

    def __init__(
        self,
        origins: Any,
        centers: Any,
        u_axes: Any,
        v_axes: Any,
        detector: Detector,
        *,
        parallel: bool = False,
    ) -> None:
        num_axes = len(checked_detector(detector).shape) + 1
        given = {"origins": origins, "centers": centers, "u_axes": u_axes, "v_axes": v_axes}
        if num_axes == 2:
            rule, remedy = "be None for a line of bins", "An area has two axes, (v, u)."
            checks.require(v_axes is None, "v_axes", rule, v_axes, remedy)
            del given["v_axes"]
        arrays = {name: _vectors(name, value, num_axes) for name, value in given.items()}
        _check_vectors(arrays, parallel=parallel)
        for name in ("origins", "centers", "u_axes", "v_axes"):
            value = tuple(map(tuple, arrays[name].tolist())) if name in arrays else None
            object.__setattr__(self, name, value)
        object.__setattr__(self, "detector", detector)
        object.__setattr__(self, "parallel", bool(parallel))

    @classmethod
    def of(cls, geometry: ParallelBeam | FanBeam | ConeBeam) -> VectorBeam:
        """Return the same scan as vectors.

        Raises
        ------
        ValueError
            If its detector is curved.
        """
        curved = getattr(geometry, "curved", False)
        rule = "have a flat detector, as vectors describe no other"
        checks.require(not curved, "geometry", rule, "a curved one")
        frames, num_axes = geometry.frames(), len(geometry.shape)
        angles, parallel = np.asarray(geometry.angles), frames.parallel
        across = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=-1)
        centers = frames.columns[:, 0] - geometry.detector.bin_centers()[0] * across
        given = (frames.origins, centers, across)
        origins, centers, u_axes = (part[:, :num_axes] for part in given)
        v_axes = frames.upward if num_axes == 3 else None
        return cls(origins, centers, u_axes, v_axes, geometry.detector, parallel=parallel)

    def turned_detector(
        self, *, roll: Angles = 0.0, tilt: Angles = 0.0, skew: Angles = 0.0
    ) -> VectorBeam:
        """Return the scan with its detectors turned about the origin of their coordinates.

        Three dimensions. The turns are about the detector's own axes, the first one first. The
        third axis is u × v, which points to the source in a scan made by `of`.

        Parameters
        ----------
        roll : float or array of shape (view,)
            In the plane of the detector, from u towards v, radians.
        tilt : float or array of shape (view,)
            About the u axis, from v towards the third axis, radians.
        skew : float or array of shape (view,)
            About the v axis, from u towards the third axis, radians.
        """
        checks.require(self.v_axes is not None, "detector", "be an area to turn", "a line of bins")
        u, v = np.asarray(self.u_axes), np.asarray(self.v_axes)
        u, v = _turned(u, v, roll, "roll"), _turned(v, -u, roll, "roll")
        v = _turned(v, np.cross(u, v), tilt, "tilt")
        u = _turned(u, np.cross(u, v), skew, "skew")
        return replace(self, u_axes=u, v_axes=v)  # type: ignore[arg-type]

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        """The vectors as arrays of three components, (view, 3)."""
        upward = self.v_axes or ((0.0, 0.0, 1.0),) * len(self.origins)
        given = (self.origins, self.centers, self.u_axes, upward)
        return tuple(_of_three(np.asarray(part)) for part in given)

    @property
    def num_views(self) -> int:
        """Number of views."""
        return len(self.origins)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a sinogram: (view, u) or (view, v, u)."""
        return (len(self.origins), *self.detector.shape)

    def __getitem__(self, selection: Any) -> VectorBeam:
        """Return the geometry with the selected views (slice, list, boolean mask or index)."""
        index = as_index(selection)
        names = ("origins", "centers", "u_axes") + (("v_axes",) if self.v_axes else ())
        chosen = {name: np.atleast_2d(np.asarray(getattr(self, name))[index]) for name in names}
        return replace(self, **chosen)  # type: ignore[arg-type]

    def sources(self) -> np.ndarray:
        """Return where the sources are, (view, axes), mm; none if the beam is parallel."""
        sources = np.asarray(self.origins)
        return sources[:0] if self.parallel else sources

    def frames(self, views: Any = None) -> Frames:
        """Return where the rays of some views lie; in two dimensions with z = 0 and one row."""
        index = picked(np.arange(self.num_views), views, "views")
        origins, middle, across, upward = (part[index] for part in self._arrays)
        columns = middle[:, None] + self.detector.bin_centers()[:, None] * across[:, None]
        return Frames(origins, columns, upward, row_coordinates(self.detector), self.parallel)

    def rays(self, views: Any = None, bins: Any = None) -> Rays:
        """Return the ray of every view and bin, an array of shape (view, u) or (view, v, u).

        The points are the sources, where rays begin, or those of the bins in a parallel beam.

        Parameters
        ----------
        views, bins : slice, list, boolean mask or index, optional
            Those to take, as in `ParallelBeam.rays`, with the same errors.
        """
        rays = self.frames(views).rays(bins)
        if self.v_axes is not None:
            return rays
        begins = None if rays.begins is None else rays.begins[:, 0]
        return Rays(rays.points[:, 0, :, :2], rays.directions[:, 0, :, :2], begins)

    def covers(self, grid: Grid) -> bool:
        """Tell whether the shadow of the grid's corners falls on the detector in every view."""
        sides = [grid.cell_centers(axis)[[0, -1]] for axis in range(len(grid.shape))]
        half = np.asarray(grid.spacing)[::-1] / 2
        corners = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, len(sides))
        corners = corners[:, ::-1] + half * np.sign(corners[:, ::-1] - grid.center[::-1])
        *seen, ahead = np.moveaxis(self._shadows(corners), -1, 0)
        if not self.parallel and not bool((ahead > 0).all()):
            return False
        for axis, at in zip((-1, 0), seen, strict=False):
            (low, high), slack = self.detector.edges(axis), self.detector.pitch[axis]
            if not bool(((at >= low - slack) & (at <= high + slack)).all()):
                return False
        return True

    def _shadows(self, points: np.ndarray) -> np.ndarray:
        """Return where points are seen: u, v and how far the ray goes on, (view, point, axes).

        The last is the way from the source to the detector as a multiple of that to the point.
        """
        given = (self.origins, self.centers, self.u_axes, self.v_axes)
        starts, middle, *axes = (np.asarray(part)[:, None] for part in given if part is not None)
        origins = points if self.parallel else starts
        ways = starts if self.parallel else points - starts
        shape = np.broadcast_shapes(ways.shape, (len(starts), *points.shape))
        parts = [np.broadcast_to(part, shape) for part in (*axes, -ways)]
        offsets = np.broadcast_to(origins - middle, shape)[..., None]
        return np.linalg.solve(np.stack(parts, axis=-1), offsets)[..., 0]

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `from_dict` takes."""
        return {
            "beam": "vectors",
            "origins": [list(vector) for vector in self.origins],
            "centers": [list(vector) for vector in self.centers],
            "u_axes": [list(vector) for vector in self.u_axes],
            "v_axes": None if self.v_axes is None else [list(vector) for vector in self.v_axes],
            "detector": self.detector.to_dict(),
            "parallel": self.parallel,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VectorBeam:
        """Return the geometry that `to_dict` described."""
        checks.one_of(values["beam"], "beam", ("vectors",))
        origins, centers, *axes = (
            values[name] for name in ("origins", "centers", "u_axes", "v_axes")
        )
        detector = Detector.from_dict(values["detector"])
        return cls(origins, centers, axes[0], axes[1], detector, parallel=values["parallel"])


def _vectors(argument: str, value: Any, num_axes: int) -> np.ndarray:
    """Return vectors as an array (view, axes); raise unless they are finite numbers."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(checks.message(argument, "be numbers", checks.describe(value))) from None
    good = array.ndim == 2 and array.shape[1] == num_axes and len(array) > 0
    checks.require(good, argument, f"have the shape (view, {num_axes}), at least one view", array)
    checks.finite_values(array, argument)
    return array


def _check_vectors(arrays: dict[str, np.ndarray], *, parallel: bool) -> None:
    """Raise unless there are as many of each, axes have unit length and rays meet detectors."""
    num_views = len(arrays["origins"])
    for name, array in arrays.items():
        checks.require(
            len(array) == num_views, name, f"have one for each of the {num_views} origins", array
        )
        if name.endswith("axes"):
            off = np.abs(np.linalg.norm(array, axis=1) - 1)
            given = f"one of length {1 + off.max():.6g} or its inverse"
            remedy = "What a bin measures is the detector's pitch."
            checks.require(bool(off.max() < UNIT), name, "be unit vectors", given, remedy)
    ways = arrays["origins"] if parallel else arrays["centers"] - arrays["origins"]
    lengths = np.linalg.norm(ways, axis=1)
    axes = [array for name, array in arrays.items() if name.endswith("axes")]
    volume = np.abs(np.linalg.det(np.stack([*axes, ways], axis=1)))
    flat = np.flatnonzero(volume <= FLAT * np.maximum(lengths, 1e-300))
    rule = "span with the axes of the detector all of space: no ray runs within its plane"
    given = f"{len(flat)} views where they do not, the first of them {flat[:1]}"
    checks.require(len(flat) == 0, "origins", rule, given)


def _turned(axis: np.ndarray, towards: np.ndarray, angle: Angles, argument: str) -> np.ndarray:
    """Return unit vectors turned by angles towards others at right angles to them."""
    values = np.asarray(angle, dtype=np.float64)
    rule = f"be one angle or one for each of the {len(axis)} views, rad"
    checks.require(values.shape in ((), (len(axis),)), argument, rule, values)
    checks.finite_values(values, argument)
    return np.cos(values)[..., None] * axis + np.sin(values)[..., None] * towards


def _of_three(vectors: np.ndarray) -> np.ndarray:
    """Return vectors with three components, the last of them 0 if there were two."""
    return np.pad(vectors, ((0, 0), (0, 3 - vectors.shape[1])))
