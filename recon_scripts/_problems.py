"""The scans on which engines are checked: one a kind of beam, of objects that are known exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

import phantoms
from ctinr.geometry import (
    Beam,
    ConeBeam,
    Detector,
    FanBeam,
    Grid,
    ParallelBeam,
    VectorBeam,
    equal_angles,
)

# A picture or volume has sides of so many mm on whatever number of cells; what is in it.
SIDE, RADIUS, VALUE, CENTER = 96.0, 30.0, 0.02, (4.0, -6.0, 2.0)
SOURCE, BEHIND = 150.0, 75.0
# A volume has as many cells a side as a picture divided by this; it has many more of them. With
# fewer than of a picture of LEAST cells an error of second order does not show its order.
COARSER, LEAST = 3, 72
# A helix turns so often, and moves so many mm a turn.
TURNS, HELICAL_PITCH = 5, 30.0


def _planar(kind: str, size: int, views: int) -> tuple[Beam, Grid]:
    cell = SIDE / size
    grid = Grid((size, size), cell)
    if kind == "parallel":
        return ParallelBeam(_turned(views, math.pi), Detector(math.ceil(1.5 * size), cell)), grid
    angles = _turned(views, 2 * math.pi)
    detector = Detector(math.ceil(1.7 * size), 1.5 * cell)
    return FanBeam(angles, detector, SOURCE, BEHIND, curved=kind == "fan-curved"), grid


def _spatial(kind: str, size: int, views: int) -> tuple[Beam, Grid]:
    size = size // COARSER
    cell = SIDE / size
    grid = Grid((size, size, size), cell)
    if kind == "parallel-volume":
        area = Detector((size, math.ceil(1.5 * size)), cell)
        return ParallelBeam(_turned(views, math.pi), area), grid
    area = Detector((2 * size, math.ceil(1.7 * size)), 1.5 * cell)
    if kind == "helix":
        angles = tuple((np.asarray(_turned(views, 2 * math.pi * TURNS)) - math.pi * TURNS).tolist())
        return ConeBeam(angles, area, SOURCE, BEHIND, helical_pitch=HELICAL_PITCH), grid
    circle = _turned(views, 2 * math.pi)
    cone = ConeBeam(circle, area, SOURCE, BEHIND, curved=kind == "cone-curved")
    if kind != "vectors":
        return cone, grid
    return VectorBeam.of(cone).turned_detector(roll=0.2, tilt=0.15, skew=-0.1), grid


def _turned(views: int, span: float) -> tuple[float, ...]:
    """Return angles that begin beside zero, so that no view lies along an axis or a diagonal."""
    return tuple(np.add(equal_angles(views, span=span), 0.1).tolist())


PROBLEMS: Mapping[str, Any] = MappingProxyType(
    {
        "parallel": _planar,
        "fan-flat": _planar,
        "fan-curved": _planar,
        "parallel-volume": _spatial,
        "cone-flat": _spatial,
        "cone-curved": _spatial,
        "helix": _spatial,
        "vectors": _spatial,
    }
)
"""From the name of a geometry to a function of that name, the cells a side and the views."""


def enough(geometry: str, size: int) -> int:
    """Return the size, or one that a volume can be judged on."""
    return max(size, LEAST) if PROBLEMS[geometry] is _spatial else size


def problem(geometry: str, size: int, views: int) -> tuple[Beam, Grid]:
    """Return a scan that sees all of a picture of `size` cells a side, or of a volume of fewer."""
    return PROBLEMS[geometry](geometry, size, views)


def smooth_object(grid: Grid) -> phantoms.Phantom | phantoms.VolumePhantom:
    """Return a bump with two continuous derivatives, of as many axes as the grid."""
    if len(grid.shape) == 2:
        return phantoms.bump((36.0, 30.0), VALUE, center=(4.0, -5.0), angle=0.4)
    term = phantoms.Ellipsoid(VALUE, (1.0, -2.0, 1.5), (45.0, 41.0, 43.0), 0.4, 0.3, power=3)
    return phantoms.VolumePhantom((term,))


def even_object(grid: Grid) -> phantoms.Phantom | phantoms.VolumePhantom:
    """Return a disk or a ball of constant value."""
    if len(grid.shape) == 2:
        return phantoms.disk(RADIUS, VALUE, center=CENTER[:2])
    return phantoms.ball(RADIUS, VALUE, center=CENTER)


def positions(grid: Grid) -> np.ndarray:
    """Return where every cell is, in the order of rays, (x, y) or (x, y, z), mm: (*shape, axes)."""
    axes = [grid.cell_centers(axis) for axis in range(len(grid.shape))]
    return np.stack(np.meshgrid(*axes, indexing="ij")[::-1], axis=-1)


def distances(grid: Grid) -> np.ndarray:
    """Return how far every cell is from the middle of the disk or ball, mm."""
    return np.linalg.norm(positions(grid) - CENTER[: len(grid.shape)], axis=-1)
