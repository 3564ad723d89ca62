"""What the values and angles of a scan give away: sentences for the report, never errors.

A scan that is truncated, has repeated views or was never put through the logarithm can be
reconstructed, and the picture may even look plausible. So it is said beside the picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ctinr.geometry import Beam, ConeBeam, FanBeam, Grid, ParallelBeam, VectorBeam

AngleBeam = ParallelBeam | FanBeam | ConeBeam

# Bins at either end that should see nothing but air, as a fraction of the detector.
EDGE = 0.02
# What they may carry, as a fraction of the largest value, before the object counts as cut off.
TRUNCATED = 0.05
# exp(−30) of the photons is less than one in 10¹³: no detector measures that.
LARGEST_MEASURED = 30.0
# Fields of view, mm, beyond which no scanner is: 10 µm and 5 m.
SMALLEST_FIELD, LARGEST_FIELD = 0.01, 5000.0
# Angles closer than this are the same view, radians.
SAME_ANGLE = 1e-6
# More views than this within so small an angle, radians, are no tomography.
MOST_VIEWS_OF_A_GLANCE, GLANCE = 8, np.deg2rad(6.4)


def suspicions(
    sinogram: np.ndarray, geometry: Beam, grid: Grid, *, simulated: bool = False
) -> tuple[str, ...]:
    """Return what is odd about line integrals (angle, u) or (angle, v, u), one sentence each."""
    of_values = (
        _blank(sinogram),
        _intensities(sinogram),
        _too_large(sinogram, simulated),
        _negative(sinogram),
        _cut_off(sinogram),
    )
    return tuple(sentence for sentence in (*of_values, *_of_views(geometry, grid)) if sentence)


def _of_views(geometry: Beam, grid: Grid) -> tuple[str, ...]:
    """Return what is odd about views; what a helix or vectors see is not judged here."""
    if isinstance(geometry, VectorBeam):
        return ()
    if isinstance(geometry, ConeBeam) and geometry.helical_pitch:
        return (_narrow(geometry, grid), _size(geometry))
    gaps = (
        _missing_angles(geometry)
        if isinstance(geometry, ParallelBeam)
        else _unseen_lines(geometry.slice if isinstance(geometry, ConeBeam) else geometry, grid)
    )
    sizes = (_narrow(geometry, grid), _size(geometry), _low(geometry, grid))
    return (*sizes, _repeated(geometry), gaps)


def looks_like_intensities(sinogram: np.ndarray) -> bool:
    """Tell whether values (angle, u) or (angle, v, u) are counts or transmissions.

    They are no line integrals then. Beside the object line integrals are least, near 0, and
    intensities are largest: near 1 if a flat field was divided out, large if not. Counts that are
    large everywhere tell themselves.
    """
    low, high = np.percentile(sinogram, [1, 99])
    if low > 100:
        return True
    beside = float(np.median(edge_bins(sinogram)))
    brightest = beside > low + 0.8 * (high - low) and high > low
    return bool(brightest and low > -0.1 * high and (0.8 < beside < 1.2 or beside > 30))


def edge_bins(sinogram: np.ndarray) -> np.ndarray:
    """Return the values of the outermost bins of both sides, (angle, 2 n) or (angle, v, 2 n)."""
    num = max(1, round(EDGE * sinogram.shape[-1]))
    return np.concatenate([sinogram[..., :num], sinogram[..., -num:]], axis=-1)


def largest_gap(angles: np.ndarray) -> float:
    """Return the largest angle in which no view lies, views a half turn apart being one; rad."""
    return float(_steps(angles).max())


def _steps(angles: Any, *, period: float = np.pi) -> np.ndarray:
    """Return the angles between neighbours around the half turn, or another period, rad."""
    turned = np.sort(np.asarray(angles, dtype=np.float64) % period)
    return np.diff(np.append(turned, turned[0] + period))


def _blank(sinogram: np.ndarray) -> str:
    if np.ptp(sinogram) > 0:
        return ""
    return f"All values are {sinogram.flat[0]:.4g}: there is nothing to reconstruct."


def _intensities(sinogram: np.ndarray) -> str:
    if not looks_like_intensities(sinogram):
        return ""
    return "The values look like counts or transmissions, not line integrals: take −log first."


def _too_large(sinogram: np.ndarray, simulated: bool) -> str:
    largest = float(sinogram.max())
    if simulated or largest <= LARGEST_MEASURED or looks_like_intensities(sinogram):
        return ""
    return (
        f"Line integrals reach {largest:.4g}; beyond {LARGEST_MEASURED:g} no photon passes, so "
        "these may be values of another kind or scale."
    )


def _negative(sinogram: np.ndarray) -> str:
    if np.median(sinogram) >= -0.05 * np.abs(sinogram).max():
        return ""
    return "Most values are negative, which line integrals of an attenuation are not."


def _cut_off(sinogram: np.ndarray) -> str:
    largest = float(sinogram.max())
    if largest <= 0 or looks_like_intensities(sinogram):
        return ""
    sides = np.maximum(_carried(sinogram), _carried(sinogram[..., ::-1]))
    # The 95th percentile over views: an object may stick out in some of them only. The same over
    # rows, of which noise makes one larger than the others.
    rows = sides if sides.ndim == 1 else np.percentile(sides, 95, axis=1)
    share = float(np.percentile(rows, 95)) / largest
    if share <= TRUNCATED:
        return ""
    return (
        f"The outermost bins carry {share:.0%} of the largest value: the object is wider than the "
        "detector (truncation), and values near the edge of the image are not to be trusted."
    )


def _carried(sinogram: np.ndarray) -> np.ndarray:
    """Return what the first bins carry in every view, (angle,) or (angle, v).

    All of them against noise, or the very first where it is less: an object that ends just before
    the detector does leaves it in air.
    """
    num = max(1, round(EDGE * sinogram.shape[-1]))
    outer = max(1, num // 4)
    return np.minimum(sinogram[..., :num].mean(axis=-1), sinogram[..., :outer].mean(axis=-1))


def _narrow(geometry: AngleBeam, grid: Grid) -> str:
    radius, reach = geometry.field_of_view, min(grid.extent[-2:]) / 2
    if radius >= 0.75 * reach:
        return ""
    return (
        f"Every view sees only the disk of radius {max(radius, 0.0):.4g} mm around the axis, but "
        f"the grid reaches {reach:.4g} mm: what lies further out is not determined by the data."
    )


def _size(geometry: AngleBeam) -> str:
    field = geometry.detector.extent[-1] / getattr(geometry, "magnification", 1.0)
    if SMALLEST_FIELD <= field <= LARGEST_FIELD:
        return ""
    unit = "metres" if field < SMALLEST_FIELD else "micrometres"
    return (
        f"The detector sees {field:.4g} mm across the axis of rotation, which no scanner does: was "
        f"a length in {unit} taken for one in mm?"
    )


def _low(geometry: AngleBeam, grid: Grid) -> str:
    """Say how much of the height of a grid rows see, on the axis of rotation."""
    if len(geometry.shape) == 2:
        return ""
    edges = geometry.detector.edges(0) / getattr(geometry, "magnification", 1.0)
    ends = grid.center[0] + np.array([-0.5, 0.5]) * grid.extent[0]
    low, high = np.clip(edges, *ends)
    if high - low >= 0.75 * grid.extent[0]:
        return ""
    return (
        f"The rows of the detector see z from {edges[0]:.4g} to {edges[1]:.4g} mm on the axis of "
        f"rotation, but the grid reaches from {ends[0]:.4g} to {ends[1]:.4g} mm: what lies "
        "further up or down is not determined by the data."
    )


def _repeated(geometry: AngleBeam) -> str:
    period = geometry.half_turns * np.pi
    turned = np.asarray(geometry.angles) % period
    order = np.argsort(turned)
    steps = np.diff(np.append(turned[order], turned[order[0]] + period))
    same = np.flatnonzero(steps < SAME_ANGLE) if len(turned) > 1 else np.array([], dtype=int)
    if not len(same):
        return ""
    mirrored = ", possibly mirrored" if geometry.half_turns == 1 else ""
    first, second = sorted((int(order[same[0]]), int(order[(same[0] + 1) % len(order)])))
    return (
        f"{len(same)} of the {len(turned)} views repeat another one{mirrored}; view "
        f"{second} repeats view {first}. There are {len(turned) - len(same)} distinct views."
    )


def _unseen_lines(geometry: FanBeam, grid: Grid) -> str:
    steps = _steps(geometry.angles, period=2 * np.pi)
    seen = 2 * np.pi - float(steps.max()) + float(np.median(steps))
    reach = min(max(grid.extent[-2:]) / 2, geometry.field_of_view)
    wanted = np.pi + 2 * float(np.arcsin(reach / geometry.source_distance))
    if len(steps) < 3 or seen >= wanted - SAME_ANGLE:
        return ""
    return (
        f"The views cover {np.rad2deg(seen):.4g}° of the turn and a fan needs a half turn and its "
        f"own angle, {np.rad2deg(wanted):.4g}°: some lines through the grid are not measured, and "
        "edges along them cannot be recovered."
    )


def _missing_angles(geometry: ParallelBeam) -> str:
    steps = _steps(geometry.angles)
    gap, usual = float(steps.max()), float(np.median(steps[steps >= SAME_ANGLE]))
    if len(steps) < 3 or gap <= 2.5 * usual:
        return ""
    sentence = (
        f"The views leave out {np.rad2deg(gap):.3g}° of the half turn: edges along the missing "
        "directions cannot be recovered."
    )
    if len(steps) <= MOST_VIEWS_OF_A_GLANCE or np.pi - gap >= GLANCE:
        return sentence
    return f"{sentence} Were the angles in radians already when they were turned into radians?"
