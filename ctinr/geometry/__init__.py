"""Where things are: pixels, detectors and rays, in mm and radians; nothing about computing."""

from ctinr.geometry.detector import Detector
from ctinr.geometry.grid import Grid
from ctinr.geometry.parallel import ParallelBeam, equal_angles
from ctinr.geometry.rays import Rays

__all__ = ["Detector", "Grid", "ParallelBeam", "Rays", "equal_angles"]
