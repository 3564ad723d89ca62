"""The FORBILD thorax against the published definition, painted object over object."""

import math

import numpy as np
import pytest

from phantoms import WATER, forbild_thorax

RANDOM = np.random.default_rng(11).uniform(-1, 1, (8000, 2))


def paint_thorax(x, y):
    """Return densities as published: in order, a later object replaces the earlier ones (cm)."""
    density = np.zeros_like(x)

    def paint(value, inside):
        density[inside] = value

    def ellipse(x0, y0, a, b):
        return ((x - x0) / a) ** 2 + ((y - y0) / b) ** 2 <= 1

    def rectangle(x0, y0, width, height):
        return (abs(x - x0) <= width / 2) & (abs(y - y0) <= height / 2)

    paint(1.0, ellipse(0, 0, 20, 10))
    paint(0.26, ellipse(-10.5, 0, 7.5, 5.5) | ellipse(10.5, 0, 7.5, 5.5))
    paint(1.25, rectangle(0, 9, 2.5, 0.8))
    paint(0.98, rectangle(0, 9, 2.0, 0.5))
    paint(1.05, ellipse(0, 4, 3.5, 3.5))
    paint(1.05, ellipse(-2.5, -2.5, 1, 1))
    paint_vertebra(paint, ellipse, rectangle, (x, y, math.sqrt(1.3725)))
    for radius, value in ((0.5, 1.41), (0.4, 0.98)):
        for level in (-6, -3, 0, 3, 6):
            paint(value, ribs(np.abs(x), y, level, radius))
    return density


def paint_vertebra(paint, ellipse, rectangle, coordinates):
    """Paint the vertebra at (0, −5)."""
    x, y, root = coordinates
    paint(1.92, ellipse(0, -5, 1.75, 1.75) | rectangle(0, -6.4, 2 * root, 0.2))
    paint(1.18, ellipse(0, -5, 1.5, 1.5))
    for side in (-1, 1):
        lower = 2 * side * (x - 4 * side) + 32 * (y + 7.45) > 0
        upper = 0.95 * side * (x - 4 * side) + (4 - root) * (y + 7.45) < 0
        paint(1.92, rectangle(side * 2, -6.975, 4, 0.95) & upper & lower)
    arch = (-2 * (x - 0.4) + 4 * (y + 7.45) > 0) & (2 * (x + 0.4) + 4 * (y + 7.45) > 0)
    paint(1.92, rectangle(0, -7.35, 1.6, 0.3) & arch)
    paint(1.92, rectangle(0, -8.25, 0.8, 1.6))
    paint(1.92, ellipse(0, -9.05, 0.4, 0.4) & (y < -9.05))


# one rib on the right at z = 0 as published: centres and directions of the upper cylinders, and the
# planes n · p / |n| = d between them; the lower ones mirror them
CENTERS = np.array(
    [
        [5.716814, 8.559509, -5.230811],
        [10.874027, 7.281153, -4.449593],
        [14.966814, 5.290067, -3.232819],
        [17.594546, 2.781153, -1.699593],
        [18.5, 0.0, 0.0],
    ]
)
AXES = np.array(
    [
        [17.594546, -2.781153, 1.699593],
        [14.966814, -5.290067, 3.232819],
        [10.874027, -7.281153, 4.449593],
        [5.716814, -8.559509, 5.230811],
        [0.0, -9.0, 5.5],
    ]
)
NORMALS = np.array(
    [
        [1.983271, -0.155425, 0.094982],
        [1.907146, -0.481971, 0.294538],
        [1.710571, -0.853311, 0.521468],
        [1.281833, -1.268109, 0.774956],
        [0.495137, -1.594626, 0.974494],
    ]
)
DISTANCES = np.array([1.953178, 5.451355, 7.622861, 7.228981, 3.123195])


def ribs(x, y, level, radius):
    """Return which points (x, y, 0) lie in one of the nine cylinders of a rib."""
    centers = np.concatenate([CENTERS, CENTERS[-2::-1] * [1, -1, -1]])
    axes = np.concatenate([AXES, AXES[-2::-1] * [-1, 1, 1]])
    normals = np.concatenate([NORMALS, NORMALS[::-1] * [-1, 1, 1]])
    distances = np.concatenate([DISTANCES, -DISTANCES[::-1]])
    points = np.stack([x, y, 0 * x - level], axis=-1)
    depth = points @ (normals / np.linalg.norm(normals, axis=1)[:, None]).T - distances
    inside = np.zeros(x.shape, dtype=bool)
    for index, (center, axis) in enumerate(zip(centers, axes, strict=True)):
        away = points - center
        square = (away**2).sum(axis=1) - (away @ axis) ** 2 / (axis @ axis)
        inside |= (square <= radius**2) & (depth[:, index] > 0) & (depth[:, index + 1] < 0)
    return inside


@pytest.mark.parametrize(
    ("middle", "half"),
    [
        ((0.0, 0.0), (21.0, 11.0)),
        ((0.0, -7.0), (4.5, 2.8)),
        ((0.0, 9.0), (1.5, 0.6)),
        ((15.5, 4.9), (2.0, 1.5)),
        ((-15.5, -4.9), (2.0, 1.5)),
        ((18.5, 0.0), (1.0, 1.5)),
    ],
    ids=["whole", "vertebra", "sternum", "upper rib", "lower rib", "middle rib"],
)
def test_thorax_is_the_published_one(middle, half):
    points = np.array(middle) + RANDOM * half
    expected = paint_thorax(points[:, 0], points[:, 1])
    # the table is in cm with y up
    values = forbild_thorax().values(points * [10.0, -10.0]) / WATER
    assert values == pytest.approx(expected, abs=1e-12)
    assert len(np.unique(expected)) >= 3


def test_thorax_is_upright():
    image = forbild_thorax(water=1.0).raster((100, 200), 2.0)
    assert image[50 - 45, 100] == pytest.approx(0.98)  # the marrow of the sternum on top
    assert image[50 + 25, 100] == pytest.approx(1.18)  # the vertebra below
    assert image[50 + 12, 100 - 12] == pytest.approx(1.05)  # the aorta left of it


@pytest.mark.parametrize("angle", [0.0, math.pi / 2])
def test_rays_along_shared_edges_of_the_vertebra_count_once(angle):
    thorax = forbild_thorax()
    offsets = np.array([0.0]) if angle == 0 else np.array([63.0, 65.0, 74.5, 90.5])
    normal = np.array([math.cos(angle), math.sin(angle)])
    direction = np.array([-math.sin(angle), math.cos(angle)])
    on, low, high = (
        thorax.line_integrals((offsets + shift)[:, None] * normal, direction)
        for shift in (0.0, -1e-7, 1e-7)
    )
    assert (on >= np.minimum(low, high) - 1e-7).all()
    assert (on <= np.maximum(low, high) + 1e-7).all()
