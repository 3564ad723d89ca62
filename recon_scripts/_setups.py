"""How a phantom is scanned: a parallel beam or a fan around a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ctinr import checks
from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, PlanarBeam, equal_angles

# Air around the object, so that its edge lies inside the image and both ends of the detector.
MARGIN = 1.04


@dataclass(frozen=True)
class Setup:
    """How a phantom is scanned: the beam, and the distances of a fan in mm."""

    beam: str = "parallel"
    source_distance: float | None = None
    detector_distance: float | None = None

    def geometry(self, grid: Grid, *, views: int) -> PlanarBeam:
        """Return so many views whose detector is a little wider than the grid's shadow."""
        spacing = grid.spacing[1]
        if self.beam == "parallel":
            for name in ("source_distance", "detector_distance"):
                rule, distance = "be left out unless the beam is a fan", getattr(self, name)
                checks.require(distance is None, name, rule, distance, "Choose it with --beam.")
            bins = math.ceil(grid.shape[1] * MARGIN)
            return ParallelBeam(equal_angles(views), Detector(bins, spacing))
        side = max(grid.extent)
        source = 2 * side if self.source_distance is None else self.source_distance
        behind = side if self.detector_distance is None else self.detector_distance
        rule, remedy = f"be more than {side / 2:.6g} mm", "The source must lie outside the object."
        checks.require(source > side / 2, "source_distance", rule, source, remedy)
        angle, length = math.asin(min(1, side / 2 / source)), source + behind
        curved = self.beam == "fan-curved"
        shadow = 2 * length * (angle if curved else math.tan(angle))
        pitch = spacing * length / source
        detector = Detector(math.ceil(shadow / pitch * MARGIN), pitch)
        return FanBeam(
            equal_angles(views, span=2 * math.pi), detector, source, behind, curved=curved
        )
