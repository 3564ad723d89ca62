"""A few ellipses and their exact parallel projections, written down anew to judge the package."""

from __future__ import annotations

import numpy as np

from ctinr.geometry import Detector, ParallelBeam

# x, y, half axes, tilt and attenuation; nothing symmetric about the origin.
ELLIPSES = (
    (10, -15, 80, 60, 0.3, 0.02),
    (30, 10, 20, 10, 1.0, 0.02),
    (-20, -30, 15, 25, 0.2, -0.015),
    (40, -30, 8, 8, 0.0, 0.05),
)


def projections(angles, bins, center, *, scale=1.0, ellipses=ELLIPSES) -> np.ndarray:
    """Line integrals (angle, u) for bins of 1 mm, the axis falling on bin `center`."""
    angles, u = np.asarray(angles)[:, None], np.arange(bins)[None, :] - center
    total = np.zeros((len(angles), bins))
    for x, y, a, b, tilt, value in ellipses:
        a, b = a * scale, b * scale
        width2 = (a * np.cos(angles - tilt)) ** 2 + (b * np.sin(angles - tilt)) ** 2
        offset = u - scale * (x * np.cos(angles) + y * np.sin(angles))
        chord = 2 * a * b * np.sqrt(np.clip(width2 - offset**2, 0, None)) / width2
        total += value * chord
    return total


def half_turn(num_views: int, span: float = np.pi) -> np.ndarray:
    return np.arange(num_views) * span / num_views


def beam(num_views: int = 12, bins: int = 16) -> ParallelBeam:
    return ParallelBeam(half_turn(num_views), Detector(bins, 0.5, 0.25))
