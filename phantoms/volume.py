"""Objects in three dimensions: sums of ellipsoids, whose line integrals are known exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from phantoms import checks
from phantoms.published import WATER
from phantoms.shapes import Array

Triple = tuple[float, float, float]
# Points handled at once.
BLOCK = 1 << 18


@dataclass(frozen=True)
class Ellipsoid:
    """A term whose value depends on q, the squared distance from its centre in semi-axes.

    Its value is value · (1 − q)^power where q < 1, and 0 elsewhere: a solid with power 0, a smooth
    bump with more. Without a power it is value · exp(−q), which has no end.

    Parameters
    ----------
    value : float
        The attenuation at the centre, 1/mm.
    center, semi_axes : tuple of float
        (x, y, z), mm.
    angle : float
        The rotation about the z axis through the centre, from +x towards +y, radians.
    tilt : float
        The rotation about the x axis through the centre, from +y towards +z, before that by
        `angle`, radians.
    power : int or None
        As above.
    """

    value: float
    center: Triple
    semi_axes: Triple
    angle: float = 0.0
    tilt: float = 0.0
    power: int | None = 0

    def __post_init__(self) -> None:
        checks.finite(self.value, "value")
        for name in ("center", "semi_axes"):
            numbers = checks.vectors(getattr(self, name), name, axes=3)
            object.__setattr__(self, name, tuple(numbers.tolist()))
        checks.require(min(self.semi_axes) > 0, "semi_axes", "be above zero", self.semi_axes)
        if self.power is not None:
            checks.count(self.power, "power", least=0)

    @property
    def matrix(self) -> Array:
        """The matrix that takes the ellipsoid to the unit ball."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        turned = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
        cosine, sine = math.cos(self.tilt), math.sin(self.tilt)
        tilted = np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])
        return tilted @ turned / np.asarray(self.semi_axes)[:, None]

    def values(self, points: Array) -> Array:
        """Return the value at points (n, 3), 1/mm."""
        return self.value * self._profile((((points - self.center) @ self.matrix.T) ** 2).sum(-1))

    def line_integrals(self, points: Array, units: Array) -> Array:
        """Return the integrals along the lines through points (n, 3) in unit directions (n, 3)."""
        start, way = (points - self.center) @ self.matrix.T, units @ self.matrix.T
        # q along the line is least + (t · speed)².
        square = (way**2).sum(-1)
        along = (start * way).sum(-1)
        least = (start**2).sum(-1) - along**2 / square
        if self.power is None:
            return self.value * np.sqrt(np.pi / square) * np.exp(-least)
        # ∫ (1 − least − s²)^power ds is a beta function times a power of 1 − least.
        factor = math.sqrt(math.pi) * math.gamma(self.power + 1) / math.gamma(self.power + 1.5)
        depth = np.maximum(0.0, 1.0 - least) ** (self.power + 0.5)
        return self.value * factor * depth / np.sqrt(square)

    def _profile(self, q: Array) -> Array:
        if self.power is None:
            return np.exp(-q)
        return np.where(q < 1, np.maximum(0.0, 1.0 - q) ** self.power, 0.0)


@dataclass(frozen=True)
class VolumePhantom:
    """A sum of ellipsoids.

    Points and directions are (x, y, z) in mm, as rays are written; what describes a raster is in
    the order of the array's axes, (z, y, x).

    Parameters
    ----------
    terms : tuple of Ellipsoid
        The summands, at least one.
    """

    terms: tuple[Ellipsoid, ...]

    def __post_init__(self) -> None:
        good = isinstance(self.terms, tuple) and len(self.terms) > 0
        good = good and all(isinstance(term, Ellipsoid) for term in self.terms)
        checks.require(good, "terms", "be a tuple of at least one Ellipsoid", self.terms)

    @property
    def radius(self) -> float:
        """Radius of a ball around the origin that holds everything, mm; of Gaussians infinite."""
        return max(
            math.inf if term.power is None else math.hypot(*term.center) + max(term.semi_axes)
            for term in self.terms
        )

    def __add__(self, other: VolumePhantom) -> VolumePhantom:
        """Return the phantom whose values are the sums."""
        return VolumePhantom(self.terms + other.terms)

    def values(self, points: ArrayLike) -> Array:
        """Return the attenuation at points (..., 3): (...), 1/mm, float64."""
        points = checks.vectors(points, "points", axes=3)
        flat = points.reshape(-1, 3)
        result = np.zeros(len(flat))
        for block in _blocks(len(flat)):
            result[block] = sum(term.values(flat[block]) for term in self.terms)
        return result.reshape(points.shape[:-1])

    def line_integrals(self, points: ArrayLike, directions: ArrayLike) -> Array:
        """Return the exact integrals along full lines, without unit, float64.

        Parameters
        ----------
        points : array of shape (..., 3)
            One point of each line, mm.
        directions : array of shape (..., 3)
            The direction of each line, of any length and either sign; broadcast against `points`.

        Raises
        ------
        ValueError
            If the last axes are not (x, y, z), a number is not finite or a direction is zero.
        """
        points = checks.vectors(points, "points", axes=3)
        directions = checks.vectors(directions, "directions", axes=3)
        lengths = np.linalg.norm(directions, axis=-1, keepdims=True)
        checks.require(bool((lengths > 0).all()), "directions", "not be zero", directions)
        points, units = np.broadcast_arrays(points, directions / lengths)
        flat, ways = points.reshape(-1, 3), units.reshape(-1, 3)
        result = np.zeros(len(flat))
        for block in _blocks(len(flat)):
            result[block] = sum(
                term.line_integrals(flat[block], ways[block]) for term in self.terms
            )
        return result.reshape(points.shape[:-1])

    def raster(
        self,
        shape: tuple[int, int, int],
        spacing: float | Triple,
        center: float | Triple = 0.0,
        *,
        supersampling: int = 4,
    ) -> Array:
        """Return the mean of the phantom over each cell of a grid, by supersampling³ samples.

        Parameters
        ----------
        shape : tuple of int
            (z, y, x). Cell k of n along an axis is centred at (k − (n−1)/2) · spacing + center.
        spacing, center : float or tuple of float
            The sides of a cell and the middle of the grid, (z, y, x), mm.
        supersampling : int
            Samples a cell along each axis.

        Returns
        -------
        array of shape (z, y, x)
            1/mm, float64.
        """
        sizes = [checks.count(size, "shape") for size in shape]
        checks.require(len(sizes) == 3, "shape", "be a triple (z, y, x)", shape)
        samples = checks.count(supersampling, "supersampling")
        inside = (np.arange(samples) + 0.5) / samples - 0.5
        axes = [
            ((np.arange(n) - (n - 1) / 2)[:, None] + inside).ravel() * step + middle
            for n, step, middle in zip(
                sizes, _triple(spacing, "spacing"), _triple(center, "center"), strict=True
            )
        ]
        volume = np.empty(sizes)
        for k in range(sizes[0]):
            z = axes[0][k * samples : (k + 1) * samples]
            mesh = np.stack(np.meshgrid(z, axes[1], axes[2], indexing="ij")[::-1], axis=-1)
            parts = self.values(mesh).mean(axis=0)
            volume[k] = parts.reshape(sizes[1], samples, sizes[2], samples).mean(axis=(1, 3))
        return volume


def ball(
    radius: float = 100.0, value: float = WATER, *, center: Triple = (0.0, 0.0, 0.0)
) -> VolumePhantom:
    """Return a ball of `radius` mm around `center` = (x, y, z) mm, of `value` 1/mm (water)."""
    radius = checks.positive(radius, "radius")
    return VolumePhantom((Ellipsoid(value, center, (radius, radius, radius)),))


def _triple(value: Any, argument: str) -> Triple:
    """Return three finite floats; one number stands for all of them."""
    values = (value,) * 3 if np.ndim(value) == 0 else tuple(value)
    checks.require(len(values) == 3, argument, "be one number or three, (z, y, x)", value)
    first, second, third = (checks.finite(float(number), argument) for number in values)
    return first, second, third


def _blocks(length: int) -> Iterator[slice]:
    """Yield the slices that cover range(length) in pieces."""
    return (slice(start, min(start + BLOCK, length)) for start in range(0, length, BLOCK))
