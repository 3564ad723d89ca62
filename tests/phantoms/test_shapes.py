"""Where lines meet shapes, against formulas and against counting points."""

import math

import numpy as np
import pytest

from phantoms import Box, Ellipse, HalfPlane, Phantom, Solid


def along(angle, offset):
    """Return a point and the direction of the parallel ray of this angle and coordinate."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([offset * cosine, offset * sine]), np.array([-sine, cosine])


def chord(solid, angle, offset):
    """Return the line integral of one solid along one parallel ray."""
    return float(Phantom((solid,)).line_integrals(*along(angle, offset)))


@pytest.mark.parametrize("offset", [-29.9, -7.0, 0.0, 12.5, 29.999])
@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 2, 2.9])
def test_chord_of_a_disk(angle, offset):
    disk = Solid(2.0, Ellipse.of((0.0, 0.0), (30.0, 30.0)))
    expected = 4 * math.sqrt(30**2 - offset**2)
    assert chord(disk, angle, offset) == pytest.approx(expected, abs=1e-10)


def test_chord_of_a_turned_ellipse_off_centre():
    center, (long, short), turn = (11.0, -4.0), (40.0, 9.0), 0.7
    solid = Solid(1.0, Ellipse.of(center, (long, short), turn))
    for angle, distance in [(0.2, 3.0), (1.1, -8.0), (2.5, 7.0)]:
        # the classical formula: 2 a b sqrt(w² − s²) / w² with the half width w of the shadow
        square = (long * math.cos(angle - turn)) ** 2 + (short * math.sin(angle - turn)) ** 2
        expected = 2 * long * short * math.sqrt(square - distance**2) / square
        offset = center[0] * math.cos(angle) + center[1] * math.sin(angle) + distance
        assert chord(solid, angle, offset) == pytest.approx(expected, rel=1e-12)


def test_chords_of_a_box():
    box = Solid(1.0, Box.of((5.0, -2.0), (10.0, 4.0)))
    assert chord(box, 0.0, 5.0) == pytest.approx(8.0, rel=1e-14)
    assert chord(box, math.pi / 2, -2.0) == pytest.approx(20.0, rel=1e-14)
    middle = (5.0 - 2.0) * math.cos(math.pi / 4)
    assert chord(box, math.pi / 4, middle) == pytest.approx(8.0 * math.sqrt(2), rel=1e-12)
    # across a corner at 45° the chord is twice the distance from the corner
    corner = (15.0 + 2.0) * math.cos(math.pi / 4)
    assert chord(box, math.pi / 4, corner - 1.5) == pytest.approx(3.0, rel=1e-12)


@pytest.mark.parametrize(
    "shape", [Ellipse.of((3.0, 1.0), (10.0, 4.0)), Box.of((3.0, 1.0), (10.0, 4.0))]
)
def test_rays_parallel_to_the_sides_beside_and_inside(shape):
    solid = Solid(1.0, shape)
    for angle, start, half in [(0.0, 3.0, 10.0), (math.pi / 2, 1.0, 4.0)]:
        for beyond in (1e-6, 1.0, 1e6):
            assert chord(solid, angle, start + half + beyond) == 0
            assert chord(solid, angle, start - half - beyond) == 0
        assert chord(solid, angle, start + half * 0.999) > 0


def test_grazing_a_disk_gives_nothing():
    disk = Solid(1.0, Ellipse.of((0.0, 0.0), (8.0, 8.0)))
    assert chord(disk, 0.0, 8.0) == 0
    assert chord(disk, math.pi / 2, -8.0) == 0
    assert chord(disk, 1.0, 8.0 + 1e-9) == 0


def test_a_cut_keeps_one_side():
    cut = HalfPlane.facing(0.0, 2.0)  # x ≤ 2
    half = Solid(1.0, Ellipse.of((0.0, 0.0), (10.0, 10.0)), (cut,))
    assert chord(half, math.pi / 2, 0.0) == pytest.approx(12.0, rel=1e-14)
    assert chord(half, 0.0, 1.9) == pytest.approx(2 * math.sqrt(100 - 1.9**2), rel=1e-12)
    assert chord(half, 0.0, 2.1) == 0
    inside = Phantom((half,)).values([[1.9, 0.0], [2.0, 0.0], [2.1, 0.0], [-9.9, 0.0]])
    assert inside.tolist() == [1, 1, 0, 1]


def test_two_cuts_that_leave_nothing():
    cuts = (HalfPlane.facing(0.0, -3.0), HalfPlane.facing(math.pi, -3.0))  # x ≤ −3 and x ≥ 3
    nothing = Solid(1.0, Ellipse.of((0.0, 0.0), (10.0, 10.0)), cuts)
    for angle in np.linspace(0, math.pi, 7):
        assert chord(nothing, angle, 0.5) == 0
    assert len(nothing.outline()) == 0
    assert nothing.radius == 0
    assert not Phantom((nothing,)).raster((8, 8), 3.0).any()


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2])
def test_a_half_plane_and_its_complement_count_everything_once(angle):
    disk = Ellipse.of((1.0, 2.0), (10.0, 7.0), 0.3)
    line = HalfPlane.facing(angle, 1.5, (0.5, -0.25))
    whole = Phantom((Solid(1.0, disk),))
    parts = Phantom((Solid(1.0, disk, (line,)), Solid(1.0, disk, (line.complement(),))))
    step = np.array([-math.sin(angle), math.cos(angle)])
    points = np.array(line.center) + np.linspace(-5, 5, 11)[:, None] * step
    assert parts.values(points) == pytest.approx(whole.values(points), abs=0)
    # along the common line itself, across it, and at a small angle to it
    for direction in (step, step[::-1], step + np.array([1e-9, 1e-12])):
        both = parts.line_integrals(points, direction)
        assert both == pytest.approx(whole.line_integrals(points, direction), rel=1e-12)


@pytest.mark.parametrize("kind", [Ellipse, Box])
def test_outline_contains_the_shape_and_hugs_it(kind):
    shape = kind.of((4.0, -3.0), (12.0, 2.0), 0.5)
    generator = np.random.default_rng(0)
    points = generator.uniform(-20, 20, (20000, 2))
    points = points[shape.contains(points)]
    outline = shape.outline()
    assert (points.max(axis=0) <= outline.max(axis=0)).all()
    assert (points.min(axis=0) >= outline.min(axis=0)).all()
    assert (shape.level(outline) >= -1e-12).all()
    assert (shape.level(outline) < 1e-4).all()


def test_area_of_an_ellipse():
    assert Ellipse.of((1.0, 1.0), (3.0, 2.0), 0.4).area == pytest.approx(6 * math.pi, rel=1e-14)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: Ellipse.of((0.0, 0.0), (3.0, 0.0)),
            r"`semi_axes` must be above zero; got \(3.0, 0.0\)",
        ),
        (lambda: Box.of((0.0, 0.0), (-1.0, 2.0)), r"`half_sides` must be above zero; got \(-1.0"),
        (lambda: Ellipse.of((0.0,), (1.0, 1.0)), r"`center` must be a pair \(x, y\) of finite"),
        (lambda: Box.of((0.0, math.nan), (1.0, 1.0)), r"`center` must be a pair \(x, y\)"),
        (
            lambda: Ellipse.of((0.0, 0.0), (1.0, 1.0), math.inf),
            "`angle` must be finite; got inf",
        ),
        (lambda: HalfPlane.facing(0.0, math.inf), "`offset` must be finite; got inf"),
    ],
)
def test_bad_shapes(make, text):
    with pytest.raises(ValueError, match=text):
        make()
