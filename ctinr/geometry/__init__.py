"""Where things are: pixels, detectors and rays, in mm and radians; nothing about computing."""

from ctinr.geometry.angles import equal_angles
from ctinr.geometry.cone import ConeBeam
from ctinr.geometry.detector import Detector
from ctinr.geometry.fan import FanBeam
from ctinr.geometry.frames import Frames
from ctinr.geometry.grid import Grid
from ctinr.geometry.parallel import ParallelBeam
from ctinr.geometry.rays import Rays
from ctinr.geometry.vectors import VectorBeam

# A scan whose slices may be scanned alone.
PlanarBeam = ParallelBeam | FanBeam
# A scan of any beam, and how messages list them.
Beam = ParallelBeam | FanBeam | ConeBeam | VectorBeam
BEAMS = "ParallelBeam, FanBeam, ConeBeam or VectorBeam"

__all__ = [
    "BEAMS",
    "Beam",
    "ConeBeam",
    "Detector",
    "FanBeam",
    "Frames",
    "Grid",
    "ParallelBeam",
    "PlanarBeam",
    "Rays",
    "VectorBeam",
    "equal_angles",
]
