"""The axis of rotation: which bin of the detector it falls on.

In parallel beam the view half a turn on is the same view mirrored at the axis. So a half turn,
extended by its own mirror image, must be a smooth function of the angle over the full turn, and
it is so for the right axis only. How smooth it is bounded by is known: the Fourier transform of
a view at frequency ω, as a function of the angle, holds no harmonics beyond about ω R for an
object of radius R (the double wedge of Vo et al. 2014, doi:10.1364/OE.22.019078; Edholm, Lewitt,
Lindholm 1986, Proc. SPIE 671).

Here what lies outside the wedge is found by projecting onto the harmonics inside it, which needs
no equal angles and few views. A shift of the axis by c turns the phases by exp(iωc); the energy
outside the wedge is then a constant plus ``Re Σ K(ω) exp(2iωc)`` with a cross spectrum K that is
computed once, and its minimum over c is found to a fraction of a bin.

The derivative along u is used in place of the views themselves, in a window that is symmetric
about the axis: neither a constant background nor a truncated object then pulls the result to the
middle of the detector.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ctinr import checks
from ctinr.data.inspection import largest_gap, looks_like_intensities

# More views than this are thinned out: precision is limited by other things long before.
MOST_VIEWS = 256
# Highest frequency used, in turns over the detector.
MOST_FREQUENCIES = 64
# Harmonics inside the wedge at most, as a fraction of the distinct directions.
MOST_HARMONICS = 0.9
# Width of the window's slopes as a fraction of its half width.
SLOPE = 0.2
# The window follows the axis, the axis the window: this settles in two or three rounds.
ROUNDS = 5

Bases = tuple[np.ndarray, np.ndarray]


def find_center(sinogram: Any, angles: Any) -> float:
    """Return the bin on which the axis of rotation falls.

    Parameters
    ----------
    sinogram : array or Tensor, shape (angle, u)
        Line integrals (after −log), without unit.
    angles : sequence of float
        Angle of every view, radians, over a half turn or more.

    Returns
    -------
    float
        Bins from the centre of bin 0, fractions included; it lies in the middle half of the
        detector. The detector's offset is ``((bins − 1) / 2 − center) · pitch``.

    Raises
    ------
    ValueError
        If values are intensities rather than line integrals, constant or not finite; if there
        are too few views or the angles leave out part of the half turn; or if the best position
        is at the border of the middle half.
    """
    values = _checked(sinogram)
    turns = np.asarray(angles, dtype=np.float64)
    rule = f"have one angle for each of the {len(values)} views"
    checks.require(turns.shape == (len(values),), "angles", rule, turns)
    checks.finite_values(turns, "angles")
    _check_angles(turns)
    if len(values) > MOST_VIEWS:
        chosen = np.linspace(0, len(values), MOST_VIEWS, endpoint=False).astype(int)
        values, turns = values[chosen], turns[chosen]
    # The derivative between bins k and k + 1 lies at k + 1/2.
    steps = np.diff(values, axis=1)
    bases, highest, omega = _wedge(turns, steps.shape[1])
    center = (values.shape[1] - 1) / 2
    window = np.ones(steps.shape[1])
    for _ in range(ROUNDS):
        spectrum = np.fft.rfft(steps * window, axis=1)[:, 1 : 1 + len(omega)]
        before, center = center, 0.5 + _quietest(_cross(spectrum, bases, highest), omega, steps)
        if abs(center - before) < 0.01:
            break
        window = _window(center, values.shape[1])
    return center


def _checked(sinogram: Any) -> np.ndarray:
    if hasattr(sinogram, "detach"):
        sinogram = sinogram.detach().cpu().numpy()
    values = np.asarray(sinogram, dtype=np.float64)
    checks.require(values.ndim == 2, "sinogram", "have the axes (angle, u)", values)
    checks.finite_values(values, "sinogram")
    checks.require(values.shape[1] >= 8, "sinogram", "have at least 8 bins", values)
    checks.require(
        not looks_like_intensities(values),
        "sinogram",
        "hold line integrals",
        f"values from {values.min():.4g} to {values.max():.4g} that are largest beside the "
        "object, as counts and transmissions are",
        "Take −log of the transmission first.",
    )
    remedy = "Give the center yourself."
    varied = float(np.ptp(np.diff(values, axis=1))) > 1e-12 * float(np.abs(values).max())
    checks.require(varied, "sinogram", "show an object", "equal values in all bins", remedy)
    return values


def _check_angles(angles: np.ndarray) -> None:
    gap = largest_gap(angles)
    usual = np.pi / len(np.unique(np.round(angles % np.pi, 6)))
    checks.require(
        gap <= max(2.5 * usual, np.deg2rad(10)),
        "angles",
        "cover a half turn to find the center",
        f"views that leave out {np.rad2deg(gap):.3g}° of it",
        "Give the center yourself.",
    )


def _wedge(angles: np.ndarray, bins: int) -> tuple[Bases, np.ndarray, np.ndarray]:
    """Return bases of the even and the odd harmonics, the highest inside the wedge, and the ω.

    The first columns of a basis span its lowest harmonics, so that one factorisation serves all
    frequencies.
    """
    distinct = len(np.unique(np.round(angles % np.pi, 6)))
    omega = 2 * np.pi / bins * np.arange(1, min(MOST_FREQUENCIES, bins // 2) + 1)
    # Bessel functions J_n(z) fall off fast from n = z + O(z^(1/3)) on.
    phase = omega * bins / 2
    highest = np.ceil(phase + 2 + 2 * np.cbrt(phase)).astype(int)
    usable = highest <= MOST_HARMONICS * distinct
    rule, remedy = "hold at least 11 distinct views to find the center", "Give the center yourself."
    checks.require(bool(usable[0]), "angles", rule, f"{distinct} distinct views", remedy)
    omega, highest = omega[usable], highest[usable]
    bases = []
    for first in (0, 1):
        waves = angles[:, None] * np.arange(first, highest[-1] + 1, 2)
        pairs = np.stack([np.cos(waves), np.sin(waves)], axis=-1).reshape(len(angles), -1)
        # sin 0 is no function.
        bases.append(np.linalg.qr(np.delete(pairs, 1, axis=1) if first == 0 else pairs)[0])
    return (bases[0], bases[1]), highest, omega


def _cross(spectrum: np.ndarray, bases: Bases, highest: np.ndarray) -> np.ndarray:
    """Return K(ω): the product, outside the wedge, of the views and of their mirror images.

    With a the views, continued by zeros, and b zeros, continued by the mirrored views, centring
    by c gives e^{iωc} a + e^{−iωc} b. The part P of it outside the wedge has the energy
    |Pa|² + |Pb|² + 2 Re e^{2iωc}⟨Pb, Pa⟩, and K = ⟨Pb, Pa⟩ = −⟨Qb, Qa⟩ with Q the part inside,
    as ⟨b, a⟩ = 0. Half a turn on, even harmonics are the same and odd ones change sign; a mirrored
    view has the conjugate spectrum, its derivative that with a minus. So K is half the sum of the
    squared even coefficients less that of the odd ones.
    """
    even, odd = (basis.T @ spectrum for basis in bases)
    inside_even = np.arange(len(even))[:, None] < 2 * (highest // 2) + 1
    inside_odd = np.arange(len(odd))[:, None] < 2 * ((highest + 1) // 2)
    return 0.5 * ((even**2 * inside_even).sum(axis=0) - (odd**2 * inside_odd).sum(axis=0))


def _quietest(cross: np.ndarray, omega: np.ndarray, steps: np.ndarray) -> float:
    """Return the position c, in the middle half, of least energy outside the wedge."""
    last = steps.shape[1] - 1
    positions = np.arange(0.25 * last, 0.75 * last, 0.05)
    energy = np.real(np.exp(2j * np.outer(positions, omega)) @ cross)
    best = int(energy.argmin())
    remedy = "Give the center yourself."
    given = "the best one at the border of it"
    rule = "have its axis of rotation in the middle half of the detector"
    checks.require(0 < best < len(positions) - 1, "sinogram", rule, given, remedy)
    # The vertex of the parabola through the three lowest points.
    before, here, after = energy[best - 1 : best + 2]
    shift = 0.5 * (before - after) / (before - 2 * here + after)
    return float(positions[best] + 0.05 * shift)


def _window(center: float, bins: int) -> np.ndarray:
    """Return a window over the steps between bins, symmetric about the axis, with soft ends."""
    radius = min(center, bins - 1 - center)
    distance = np.abs(np.arange(bins - 1) + 0.5 - center) / radius
    ramp = np.clip((1 - distance) / SLOPE, 0, 1)
    return 0.5 - 0.5 * np.cos(np.pi * ramp)
