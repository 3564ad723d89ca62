"""Where things are: pixels, detectors and rays, in mm and radians; nothing about computing."""

from ctinr.geometry.angles import equal_angles
from ctinr.geometry.detector import Detector
from ctinr.geometry.fan import FanBeam
from ctinr.geometry.grid import Grid
from ctinr.geometry.parallel import ParallelBeam
from ctinr.geometry.rays import Rays

# A scan of any beam.
Beam = ParallelBeam | FanBeam

__all__ = [
    "Beam",
    "Detector",
    "FanBeam",
    "Grid",
    "ParallelBeam",
    "Rays",
    "equal_angles",
]
