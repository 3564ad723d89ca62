"""Where things are: pixels, detectors and rays, in mm and radians; nothing about computing."""

from ctinr.geometry.angles import equal_angles
from ctinr.geometry.beams import Beam, beam_from_dict
from ctinr.geometry.detector import Detector
from ctinr.geometry.fan import FanBeam
from ctinr.geometry.grid import Grid
from ctinr.geometry.parallel import ParallelBeam
from ctinr.geometry.rays import Rays

__all__ = [
    "Beam",
    "Detector",
    "FanBeam",
    "Grid",
    "ParallelBeam",
    "Rays",
    "beam_from_dict",
    "equal_angles",
]
