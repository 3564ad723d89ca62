"""How a phantom is scanned: the beam around a grid, with a detector that sees all of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ctinr import checks
from ctinr.geometry import Beam, ConeBeam, Detector, FanBeam, Grid, ParallelBeam, equal_angles
from recon_scripts._options import BeamName

# Air around the object, so that its edge lies inside the image and both ends of the detector.
MARGIN = 1.04
# A helix of more turns is one whose pitch was mistaken.
MOST_TURNS = 50

VOLUMES = ("parallel-3d", "cone-flat", "cone-curved", "helix")
PARALLEL = ("parallel", "parallel-3d")


@dataclass(frozen=True)
class Setup:
    """How a phantom is scanned: the beam, distances and pitch in mm; what is None is chosen."""

    beam: BeamName = "parallel"
    source_distance: float | None = None
    detector_distance: float | None = None
    rows: int | None = None
    helical_pitch: float | None = None

    def __post_init__(self) -> None:
        """Raise if something is said that the beam does not have."""
        diverging = {name: "a fan or a cone" for name in ("source_distance", "detector_distance")}
        applies = dict.fromkeys(diverging, self.beam not in PARALLEL)
        applies |= {"rows": self.is_volume, "helical_pitch": self.beam == "helix"}
        kinds = diverging | {"rows": "one of volumes", "helical_pitch": "a helix"}
        for name, good in applies.items():
            rule, given = f"be left out unless the beam is {kinds[name]}", getattr(self, name)
            checks.require(good or given is None, name, rule, given, "Choose it with --beam.")
        if self.rows is not None:
            checks.count(self.rows, "rows")

    @property
    def is_volume(self) -> bool:
        """Whether the detector has rows."""
        return self.beam in VOLUMES

    def grid(self, radius: float, size: int) -> Grid:
        """Return so many cells a side around an object of that radius, mm, and some air."""
        spacing = 2 * radius * MARGIN / checks.count(size, "size", least=16)
        return Grid((size,) * (3 if self.is_volume else 2), spacing)

    def geometry(self, grid: Grid, *, views: int) -> Beam:
        """Return so many views whose detector is a little wider than the grid's shadow.

        A parallel beam has them over the half turn, a fan and a circle over the turn; a helix has
        so many in each of its turns, which end half a turn beyond the grid.
        """
        spacing = grid.spacing[-1]
        if self.beam in PARALLEL:
            bins = math.ceil(grid.shape[-1] * MARGIN)
            rows = (self.rows or grid.shape[0],) if self.is_volume else ()
            return ParallelBeam(equal_angles(views), Detector((*rows, bins), spacing))
        source, behind = self._distances(grid)
        side, length = max(grid.extent), source + behind
        curved = self.beam in ("fan-curved", "cone-curved")
        angle = math.asin(side / 2 / source)
        shadow = 2 * length * (angle if curved else math.tan(angle))
        pitch = spacing * length / source
        bins = math.ceil(shadow / pitch * MARGIN)
        angles = equal_angles(views, span=2 * math.pi)
        if not self.is_volume:
            return FanBeam(angles, Detector(bins, pitch), source, behind, curved=curved)
        # The half of the height that is to be seen, where the grid is nearest to the source.
        reach, near, rise = grid.extent[0] / 2, source - side / 2, 0.0
        if self.beam == "helix":
            rise = self._rise(grid)
            angles = _turns(grid.extent[0] / abs(rise) + 1, views)
            corner = math.hypot(*grid.extent[1:]) / 2
            rule = f"be more than {corner:.6g} mm for a helix"
            remedy = "Every corner of the volume must lie before the source."
            checks.require(source > corner, "source_distance", rule, source, remedy)
            reach, near = abs(rise) / 2 * MARGIN, source - corner
        rows = self.rows or math.ceil(2 * reach * length / near / pitch * MARGIN)
        detector = Detector((rows, bins), pitch)
        cone = {"curved": curved, "helical_pitch": rise}
        return ConeBeam(angles, detector, source, behind, **cone)

    def _distances(self, grid: Grid) -> tuple[float, float]:
        """Return how far source and detector are from the axis of rotation, mm."""
        side = max(grid.extent)
        source = 2 * side if self.source_distance is None else self.source_distance
        behind = side if self.detector_distance is None else self.detector_distance
        rule, remedy = f"be more than {side / 2:.6g} mm", "The source must lie outside the object."
        checks.require(source > side / 2, "source_distance", rule, source, remedy)
        return source, behind

    def _rise(self, grid: Grid) -> float:
        """Return how far a helix rises in a turn, mm."""
        height = grid.extent[0]
        if self.helical_pitch is None:
            return height / 2
        pitch = checks.finite(self.helical_pitch, "helical_pitch")
        least = height / (MOST_TURNS - 1)
        rule, remedy = (
            f"be {least:.4g} mm a turn or more",
            "With none it is a circle: --beam cone-flat.",
        )
        checks.require(abs(pitch) >= least, "helical_pitch", rule, pitch, remedy)
        return pitch


def _turns(turns: float, views: int) -> np.ndarray:
    """Return the angles of some turns about 0, so many in each."""
    step = 2 * math.pi / views
    half = math.ceil(turns * math.pi / step)
    return np.arange(-half, half + 1) * step
