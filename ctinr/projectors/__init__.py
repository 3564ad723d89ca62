"""The X-ray transform as an operator, and the table of engines that can compute it."""

from ctinr.projectors.projector import Projector, available_backends
from ctinr.projectors.ray_integral import RayIntegral
from ctinr.projectors.registry import BACKENDS, Backend

__all__ = ["BACKENDS", "Backend", "Projector", "RayIntegral", "available_backends"]
