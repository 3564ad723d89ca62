"""Objects of one shape, and random and smooth ones: what tests ask for."""

from __future__ import annotations

import math

import numpy as np

from phantoms import checks
from phantoms.phantom import Phantom
from phantoms.published import WATER
from phantoms.shapes import Box, Ellipse, Pair
from phantoms.terms import Bump, Solid


def disk(radius: float = 100.0, value: float = WATER, *, center: Pair = (0.0, 0.0)) -> Phantom:
    """Return a disk of `radius` mm around `center` = (x, y) mm, of `value` 1/mm."""
    radius = checks.positive(radius, "radius")
    return Phantom((Solid(checks.finite(value, "value"), Ellipse.of(center, (radius, radius))),))


def box(
    half_sides: Pair = (80.0, 50.0),
    value: float = WATER,
    *,
    center: Pair = (0.0, 0.0),
    angle: float = 0.0,
) -> Phantom:
    """Return a rectangle.

    Parameters
    ----------
    half_sides : tuple of float
        Half the width and half the height in mm, before the rotation: (x, y).
    value : float
        The attenuation in 1/mm.
    center : tuple of float
        (x, y) in mm.
    angle : float
        The rotation about the centre from +x towards +y, in radians.
    """
    return Phantom((Solid(checks.finite(value, "value"), Box.of(center, half_sides, angle)),))


def bump(
    semi_axes: Pair = (90.0, 60.0),
    value: float = WATER,
    *,
    center: Pair = (0.0, 0.0),
    angle: float = 0.0,
    power: int = 3,
) -> Phantom:
    """Return a smooth bump: value · (1 − q)^power inside an ellipse, q the squared distance.

    With the default power it has two continuous derivatives everywhere, so a second-order method
    shows its order of convergence on it.

    Parameters
    ----------
    semi_axes : tuple of float
        The semi-axes in mm of the ellipse outside which the value is zero (there q = 1).
    value : float
        The attenuation at the centre in 1/mm.
    center : tuple of float
        (x, y) in mm.
    angle : float
        The rotation about the centre from +x towards +y, in radians.
    power : int
        One more than the number of continuous derivatives, at least 1.
    """
    shape = Ellipse.of(center, semi_axes, angle)
    return Phantom((Bump(checks.finite(value, "value"), shape, power),))


def random_ellipses(
    seed: int = 0, num: int = 20, *, radius: float = 100.0, value: float = WATER
) -> Phantom:
    """Return an elliptic body with random ellipses in it, no value below zero.

    Parameters
    ----------
    seed : int
        The same seed gives the same phantom.
    num : int
        The number of ellipses, the body included, at least 1.
    radius : float
        The mm of an origin-centred circle that holds them all.
    value : float
        The attenuation of the body in 1/mm; each ellipse in it adds or takes away up to half of
        that, and where they overlap never more than there is.
    """
    generator = np.random.default_rng(checks.count(seed, "seed", least=0))
    inner = checks.count(num, "num") - 1
    body = _random_body(generator, checks.positive(radius, "radius"))
    weights = generator.uniform(-0.5, 0.5, inner)
    holes = weights < 0
    weights[holes] /= max(1.0, -float(weights[holes].sum()))
    # ellipses in the unit disk, carried into the body by the body's own affine map
    inclusions = tuple(
        Solid(float(weight), _inside_unit_disk(generator)).mapped(
            np.array(body.matrix), np.array(body.center)
        )
        for weight in weights
    )
    terms = (Solid(1.0, body), *inclusions)
    return Phantom(terms).weighted(checks.positive(value, "value"))


def smooth_blobs(
    seed: int = 0, num: int = 8, *, radius: float = 100.0, value: float = WATER
) -> Phantom:
    """Return random smooth bumps of two continuous derivatives, all of them above zero.

    Parameters
    ----------
    seed : int
        The same seed gives the same phantom.
    num : int
        The number of bumps, at least 1.
    radius : float
        The mm of an origin-centred circle that holds them all.
    value : float
        The greatest height of a bump in 1/mm; the smallest is a quarter of it.
    """
    generator = np.random.default_rng(checks.count(seed, "seed", least=0))
    heights = generator.uniform(0.25, 1.0, checks.count(num, "num"))
    bumps = tuple(
        Bump(float(height), _inside_unit_disk(generator, smallest=0.3)) for height in heights
    )
    lengths = checks.positive(radius, "radius")
    return Phantom(bumps).scaled(lengths).weighted(checks.positive(value, "value"))


def _random_body(generator: np.random.Generator, radius: float) -> Ellipse:
    """Return an ellipse around the origin that nearly fills the circle."""
    semi_axes = generator.uniform(0.7, 0.98, 2) * radius
    angle = float(generator.uniform(0, math.pi))
    return Ellipse.of((0.0, 0.0), (float(semi_axes[0]), float(semi_axes[1])), angle)


def _inside_unit_disk(generator: np.random.Generator, smallest: float = 0.05) -> Ellipse:
    """Return a random ellipse inside the unit disk, its longer semi-axis at least `smallest`."""
    longest = float(generator.uniform(smallest, 0.5))
    shortest = longest * float(generator.uniform(0.5, 1.0))
    distance = (1 - longest) * math.sqrt(float(generator.uniform()))
    turn, angle = (float(angle) for angle in generator.uniform(0, 2 * math.pi, 2))
    center = (distance * math.cos(turn), distance * math.sin(turn))
    return Ellipse.of(center, (longest, shortest), angle)
