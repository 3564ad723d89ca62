"""The promises of every phantom: image and line integrals belong to the same object."""

import math

import numpy as np
import pytest

from phantoms import Box, Bump, Ellipse, HalfPlane, Phantom, Solid, bump, by_name, catalogue, disk

CUT = Phantom(
    (
        Solid(1.0, Ellipse.of((10.0, -5.0), (40.0, 22.0), 0.4), (HalfPlane.facing(0.9, 12.0),)),
        Solid(-0.4, Box.of((0.0, 3.0), (9.0, 14.0), -0.7), (HalfPlane.facing(-2.0, 4.0),)),
    )
)
SMOOTH = Phantom((Bump(0.7, Ellipse.of((-8.0, 6.0), (30.0, 12.0), 1.1)),))
ALL = {name: by_name(name, 1) for name in catalogue} | {"cut": CUT, "smooth": SMOOTH}
EVERY = pytest.mark.parametrize("phantom", ALL.values(), ids=ALL.keys())


def parallel(angles, offsets):
    """Return points and directions (angles, offsets, 2) of the rays of a parallel beam."""
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    points = np.stack([offsets * cosine, offsets * sine], axis=-1)
    return points, np.stack([-sine, cosine], axis=-1)


@EVERY
def test_line_integrals_are_sums_of_values(phantom):
    samples, reach = 40_000, phantom.radius * 1.01
    generator = np.random.default_rng(5)
    angles = generator.uniform(0, math.pi, 14)
    points, directions = parallel(angles, generator.uniform(-0.8, 0.8, 1) * phantom.radius)
    step = 2 * reach / samples
    along = (np.arange(samples) + 0.5) * step - reach
    values = phantom.values(points[..., None, :] + along[:, None] * directions[..., None, :])
    # at each edge a sum is wrong by at most half a step times the jump, with either sign
    jumps = np.abs(np.diff(values, axis=-1)).sum(axis=-1)
    brute = values.sum(axis=-1) * step
    exact = phantom.line_integrals(points, directions)
    assert exact.max() > 0
    assert (np.abs(exact - brute) <= jumps * step / 2 + 1e-12).all()


@EVERY
def test_every_projection_has_the_mass_of_the_image(phantom):
    cells = 200
    spacing = 2.02 * phantom.radius / cells
    # turned, so that no straight edge runs along the samples; that leaves the mass as it is
    image = phantom.rotated(0.3).raster((cells, cells), spacing, supersampling=4)
    mass = image.sum() * spacing**2
    offsets, pitch = np.linspace(-1.01, 1.01, 4001, retstep=True)
    angles = np.array([0.05, 0.6, 1.3, 2.2, 3.0])
    sums = phantom.line_integrals(*parallel(angles, offsets * phantom.radius)).sum(axis=-1)
    masses = sums * pitch * phantom.radius
    # a chord starts like a square root: the sum over rays is right to about pitch^1.5
    assert masses == pytest.approx(np.full(5, masses.mean()), rel=2e-4)
    assert masses.mean() == pytest.approx(mass, rel=5e-4)


@EVERY
def test_nothing_reaches_beyond_the_radius(phantom):
    angles = np.linspace(0, math.pi, 50)
    outside = phantom.radius * np.array([-3.0, -1.0000001, 1.0000001, 3.0])
    assert not phantom.line_integrals(*parallel(angles, outside)).any()
    turn = np.linspace(0, 2 * math.pi, 1000)
    circle = phantom.radius * 1.0000001 * np.stack([np.cos(turn), np.sin(turn)], -1)
    assert not phantom.values(circle).any()


@EVERY
def test_transformations_carry_values_and_integrals_along(phantom):
    generator = np.random.default_rng(2)
    points = generator.uniform(-1, 1, (400, 2)) * phantom.radius
    directions = generator.normal(size=(400, 2))
    turn = np.array([[math.cos(0.7), -math.sin(0.7)], [math.sin(0.7), math.cos(0.7)]])
    mirror = np.diag([1.0, -1.0])
    moved = [
        (phantom.rotated(0.7), points @ turn.T, directions @ turn.T, 1.0),
        (phantom.shifted((7.0, -3.0)), points + np.array([7.0, -3.0]), directions, 1.0),
        (phantom.scaled(2.5), points * 2.5, directions, 2.5),
        (phantom.mirrored(), points @ mirror, directions @ mirror, 1.0),
    ]
    for image, there, towards, length in moved:
        expected = phantom.line_integrals(points, directions) * length
        scale = np.abs(expected).max()
        assert image.line_integrals(there, towards) == pytest.approx(expected, abs=1e-9 * scale)
        # random points lie on no edge, so rounding moves none of them across one
        assert image.values(there) == pytest.approx(phantom.values(points), abs=1e-12)
    assert phantom.weighted(-3.0).values(points) == pytest.approx(-3.0 * phantom.values(points))


def test_rotation_moves_the_angle_of_a_projection():
    phantom, offsets = ALL["cut"], np.linspace(-50, 50, 41)
    before = phantom.line_integrals(*parallel(np.array([0.4]), offsets))
    after = phantom.rotated(0.25).line_integrals(*parallel(np.array([0.65]), offsets))
    assert after == pytest.approx(before, abs=1e-10)


def test_neither_point_nor_sense_nor_length_of_the_direction_matters():
    points, directions = parallel(np.linspace(0, 3, 7), np.linspace(-40, 40, 9))
    expected = CUT.line_integrals(points, directions)
    assert CUT.line_integrals(points + 800.0 * directions, -3.0 * directions) == pytest.approx(
        expected, abs=1e-10
    )


def test_integrals_of_a_bump_by_quadrature():
    for power in (1, 2, 3, 4):
        phantom = bump((30.0, 12.0), 0.7, center=(-8.0, 6.0), angle=1.1, power=power)
        nodes, weights = np.polynomial.legendre.leggauss(40)
        points, directions = parallel(np.array([0.2, 1.9]), np.array([-6.0, 1.0]))
        shape = phantom.terms[0].shape
        entry, exit_ = shape.crossing(points, np.broadcast_to(directions, points.shape))
        middle, half = (exit_ + entry) / 2, (exit_ - entry) / 2
        along = middle[..., None] + half[..., None] * nodes
        values = phantom.values(points[..., None, :] + along[..., None] * directions[..., None, :])
        expected = (values * weights).sum(axis=-1) * half
        assert phantom.line_integrals(points, directions) == pytest.approx(expected, rel=1e-12)


def test_shapes_of_results_follow_broadcasting():
    points = np.zeros((4, 1, 2))
    directions = np.ones((5, 2))
    assert CUT.line_integrals(points, directions).shape == (4, 5)
    assert CUT.line_integrals([0.0, 0.0], [1.0, 0.0]).shape == ()
    assert CUT.values(np.zeros((2, 3, 2))).shape == (2, 3)
    assert CUT.values(np.zeros((0, 2))).shape == (0,)
    assert CUT.values(np.zeros((2, 2), dtype=np.float32)).dtype == np.float64


def test_many_rays_equal_few_rays():
    # more than one block of rays and of points
    offsets = np.linspace(-60, 60, 70_001)
    points, directions = parallel(np.array([0.3]), offsets)
    chosen = [0, 30_000, 65_535, 65_536, 70_000]
    one_by_one = CUT.line_integrals(points[:, chosen], directions)
    assert (CUT.line_integrals(points, directions)[:, chosen] == one_by_one).all()
    assert (CUT.values(points)[:, chosen] == CUT.values(points[:, chosen])).all()


def test_a_sum_of_phantoms():
    both = CUT + SMOOTH
    points = np.random.default_rng(0).uniform(-40, 40, (50, 2))
    assert both.values(points) == pytest.approx(CUT.values(points) + SMOOTH.values(points))
    assert both.radius == max(CUT.radius, SMOOTH.radius)


@pytest.mark.parametrize("center", [(0.0, 0.0), (30.0, -40.0)])
def test_radius_of_disks_is_exact(center):
    assert disk(20.0, center=center).radius == pytest.approx(math.hypot(*center) + 20, rel=1e-14)


def test_radius_is_that_of_the_cut_shape():
    # the half disk x ≤ 0 of radius 10 around (30, 0) reaches to its corners (30, ±10)
    cut = HalfPlane.facing(0.0, 30.0)
    half = Phantom((Solid(1.0, Ellipse.of((30.0, 0.0), (10.0, 10.0)), (cut,)),))
    assert half.radius == pytest.approx(math.hypot(30, 10), rel=5e-5)
    assert half.radius >= math.hypot(30, 10)


ZERO = np.zeros((3, 2))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: CUT.line_integrals(np.zeros((4, 3)), ZERO),
            r"`points` must end with an axis of length 2, \(x, y\); got an array of shape \(4, 3\)",
        ),
        (
            lambda: CUT.line_integrals(np.zeros((4, 2)), np.ones((3, 2))),
            r"`directions` must broadcast against `points` of shape \(4, 2\); "
            r"got an array of shape \(3, 2\)",
        ),
        (
            lambda: CUT.line_integrals(ZERO, ZERO),
            r"`directions` must not be zero; got an array of shape \(3, 2\)",
        ),
        (lambda: CUT.line_integrals(ZERO, ZERO + math.nan), "`directions` must be finite every"),
        (lambda: CUT.values(1.0), r"`points` must end with an axis of length 2"),
        (lambda: CUT.values([[math.inf, 0.0]]), "`points` must be finite everywhere"),
        (lambda: CUT.raster((3,), 1.0), r"`shape` must be a pair \(y, x\); got \(3,\)"),
        (lambda: CUT.raster((3, 0), 1.0), "`shape` must be at least 1; got 0"),
        (lambda: CUT.raster((3, 4), 0.0), r"`spacing` must be above zero; got \(0.0, 0.0\)"),
        (lambda: CUT.raster((3, 4), (1.0, -1.0)), "`spacing` must be above zero"),
        (lambda: CUT.raster((3, 4), (1.0, 1.0, 1.0)), r"`spacing` must be a pair \(y, x\)"),
        (lambda: CUT.raster((3, 4), 1.0, (0.0, math.nan)), r"`center` must be a pair \(y, x\)"),
        (lambda: CUT.raster((3, 4), 1.0, supersampling=0), "`supersampling` must be at least 1"),
        (lambda: CUT.rotated(math.nan), "`angle` must be finite; got nan"),
        (lambda: CUT.shifted((1.0,)), r"`shift` must be a pair \(x, y\) of finite numbers"),
        (lambda: CUT.scaled(0.0), "`factor` must be above zero; got 0.0"),
        (lambda: CUT.weighted(math.inf), "`factor` must be finite; got inf"),
        (lambda: CUT.mapped(np.zeros((2, 2))), "`matrix` must be invertible"),
        (lambda: CUT.mapped(np.zeros(3)), r"`matrix` must have the shape \(2, 2\)"),
        (lambda: Phantom(()), r"`terms` must be a tuple of at least one Term; got \(\)"),
        (lambda: bump(power=0), "`power` must be at least 1; got 0"),
    ],
)
def test_bad_values(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: CUT.raster((3, 2.5), 1.0), "`shape` must be a whole number; got 2.5"),
        (lambda: CUT.raster((3, 4), 1.0, supersampling=2.0), "`supersampling` must be a whole"),
        (lambda: CUT.scaled("2"), "`factor` must be one real number; got '2'"),
        (lambda: CUT.weighted(True), "`factor` must be one real number; got True"),
    ],
)
def test_bad_types(call, text):
    with pytest.raises(TypeError, match=text):
        call()
