"""Integrals along rays: against polynomials, exact objects, the projector, and in a fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, Rays, equal_angles
from ctinr.networks import BWReLU
from ctinr.operators import Observation
from ctinr.projectors import Projector, RayIntegral
from phantoms import Phantom, bump

ANGLES = [0.0, 0.35, math.pi / 4, 1.2, math.pi / 2, 2.6, -0.8, 4.0]
GRID = Grid((20, 14), (1.5, 3.0), (-5.0, 7.0))  # 30 mm high, 42 mm wide
PARALLEL = ParallelBeam(ANGLES, Detector(23, 2.3, 1.1))
FAN = FanBeam(ANGLES, Detector(23, 3.3, 1.1), 60.0, 40.0)
EITHER_BEAM = pytest.mark.parametrize("geometry", [PARALLEL, FAN], ids=["parallel", "fan"])
INSIDE = bump((13, 9), center=(7, -5), angle=-0.4)
CUT = bump((60, 45), center=(9, -2), angle=0.5)  # larger than the box: a polynomial in it


def field(phantom: Phantom, grid: Grid):
    """The phantom as a function of coordinates, as a network is one."""

    def values(points: Tensor) -> Tensor:
        place = points.numpy() * max(grid.extent) / 2 + np.asarray(grid.center)
        return torch.as_tensor(phantom.values(place[..., ::-1]))

    return values


def integrals(rays: Rays, grid: Grid, phantom: Phantom, **options) -> np.ndarray:
    A = RayIntegral(rays, grid, **options)
    return A.line_integrals(field(phantom, grid), dtype=torch.float64).numpy()


def line(point: tuple[float, ...], direction: tuple[float, ...]) -> Rays:
    unit = np.array([direction], dtype=float)
    return Rays(np.array([point], dtype=float), unit / np.linalg.norm(unit))


# ------------------------------------------------------------------ the piece in the box


BOX = Grid((4, 6), (1.0, 0.5), (10.0, -20.0))  # x from -21.5 to -18.5, y from 8 to 12


@pytest.mark.parametrize(
    "point, direction, length",
    [
        ((-20, 0), (0, 1), 4.0),
        ((0, 9.3), (-1, 0), 3.0),
        ((0, 9.3), (-math.sin(math.pi / 2), math.cos(math.pi / 2)), 3.0),
        ((-20, 10), (3, 4), 5.0),  # the diagonal
        ((-21.5, 8), (1, 1), 3 * math.sqrt(2)),
        ((-18.5, 0), (0, 1), 4.0),  # along edges
        ((-21.5, 30), (math.cos(math.pi / 2), -1), 4.0),
        ((0, 12), (1, math.sin(math.pi)), 3.0),
        ((-18.5 + 1e-6, 0), (0, 1), 0.0),
        ((0, 12.5), (1, 0), 0.0),
        ((0, 0), (1, 1), 0.0),
        ((-21.5, 8), (1, -1), 0.0),  # touches a corner
    ],
)
def test_the_piece_of_a_ray_in_the_box_is_exact(point, direction, length):
    A = RayIntegral(line(point, direction), BOX, num_points=3)
    assert A.lengths.tolist() == pytest.approx([length], rel=1e-13, abs=0)
    assert A(torch.ones(1, 3, dtype=torch.float64)).tolist() == pytest.approx([length], abs=0)
    assert bool(A.points().abs().amax() <= 1)


def test_points_lie_on_their_ray_evenly_in_the_coordinates_of_the_grid():
    rays = line((-20, 0), (0, 1))
    points = RayIntegral(rays, BOX, num_points=4).points(dtype=torch.float64)
    assert points.equal(BOX[:, 2:3].coordinates(dtype=torch.float64)[:, 0][None])
    tilted = RayIntegral(PARALLEL.rays(), GRID, rule="gauss", num_points=6)
    place = tilted.points(dtype=torch.float64).numpy() * 21 + np.array(GRID.center)
    turn, u = np.array(ANGLES)[:, None, None], PARALLEL.detector.bin_centers()[:, None]
    across = place[..., 1] * np.cos(turn) + place[..., 0] * np.sin(turn)
    hit = tilted.lengths.numpy() > 0
    assert 50 < hit.sum() < hit.size
    assert (across - u)[hit] == pytest.approx(0, abs=1e-12)
    assert (np.abs(place[hit] - GRID.center) <= np.array(GRID.extent) / 2).all()


def test_there_are_two_points_a_cell_unless_told():
    A = RayIntegral(PARALLEL.rays(), GRID)
    assert A.domain.shape == (*PARALLEL.shape, math.ceil(2 * math.hypot(30, 42) / 1.5))
    assert A.range.shape == PARALLEL.shape
    assert "rays of shape (8, 23)" in repr(A)


def test_what_is_behind_the_source_is_not_seen():
    away = FanBeam([0.0, math.pi], Detector(1), 30.0, 10.0)
    grid = Grid((4, 4), 1.0, (-40.0, 0.0))  # behind the first source, before the second
    assert RayIntegral(away.rays(), grid).lengths.ravel().tolist() == pytest.approx([0, 4])
    grid = Grid((4, 4), 1.0, (-20.0, 0.0))
    assert RayIntegral(away.rays(), grid).lengths.ravel().tolist() == pytest.approx([4, 4])


# ------------------------------------------------------------------ exact integrals


@EITHER_BEAM
def test_gauss_is_exact_on_polynomials_and_not_one_point_earlier(geometry):
    """The bump is a polynomial of degree 6 along a ray: four points integrate degree 7."""
    rays = geometry.rays()
    many = integrals(rays, GRID, CUT, num_points=40_000)
    four, three = (integrals(rays, GRID, CUT, num_points=n, rule="gauss") for n in (4, 3))
    assert four == pytest.approx(many, rel=1e-7)
    assert np.abs(three - many).max() > 1e-5 * many.max()
    assert four == pytest.approx(integrals(rays, GRID, CUT, num_points=9, rule="gauss"), rel=1e-12)


@EITHER_BEAM
def test_uniform_points_are_of_second_order(geometry):
    rays = geometry.rays()
    exact = integrals(rays, GRID, CUT, num_points=4, rule="gauss")
    errors = [
        np.linalg.norm(integrals(rays, GRID, CUT, num_points=n) - exact) for n in (8, 16, 32, 64)
    ]
    rates = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert ((rates > 1.9) & (rates < 2.1)).all(), rates


@EITHER_BEAM
@pytest.mark.parametrize("rule", ["uniform", "gauss"])
def test_the_integrals_of_an_object_are_met(geometry, rule):
    rays = geometry.rays()
    exact = INSIDE.line_integrals(rays.points, rays.directions)
    given = integrals(rays, GRID, INSIDE, rule=rule)
    assert given == pytest.approx(exact, abs=1e-5 * exact.max())
    assert (given[exact == 0] == 0).all()
    assert (exact == 0).any()


def test_a_gaussian_is_integrated_in_three_axes():
    random = np.random.default_rng(0)
    directions = random.normal(size=(5, 3, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    rays = Rays(random.normal((1.0, -2.0, 3.0), size=(5, 3, 3)), directions)
    grid = Grid((40, 30, 50), (0.8, 1.0, 0.7), (3.0, -2.0, 1.0))  # (z, y, x)
    widths = np.array([1.5, 0.8, 1.2])  # x, y, z
    scaled, steps = (rays.points - [1.0, -2.0, 3.0]) / widths, directions / widths
    squares = (steps**2).sum(-1)
    closest = (scaled**2).sum(-1) - (scaled * steps).sum(-1) ** 2 / squares
    exact = np.sqrt(2 * math.pi / squares) * np.exp(-closest / 2)

    def gaussian(points: Tensor) -> Tensor:
        place = points.flip(-1) * 17.5 / torch.as_tensor(widths)
        return (-place.square().sum(-1) / 2).exp()

    given = RayIntegral(rays, grid).line_integrals(gaussian, dtype=torch.float64).numpy()
    assert given == pytest.approx(exact, rel=1e-8)


@EITHER_BEAM
def test_the_projector_approaches_the_integrals_as_cells_get_smaller(geometry):
    wanted = integrals(geometry.rays(), GRID, INSIDE, num_points=400)
    errors = []
    for factor in (1, 2, 4, 8):
        fine = GRID.refine(factor)
        raster = INSIDE.raster(fine.shape, fine.spacing, fine.center, supersampling=4)
        sinogram = Projector(geometry, fine)(torch.as_tensor(raster)).numpy()
        errors.append(np.linalg.norm(sinogram - wanted))
    rates = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert ((rates > 1.85) & (rates < 2.3)).all(), rates


# ------------------------------------------------------------------ chance


def test_stratified_points_are_exact_on_average_and_one_in_each_piece():
    rays = PARALLEL.rays(views=[1, 3, 5], bins=np.s_[6:18:2])
    exact = integrals(rays, GRID, CUT, num_points=4, rule="gauss")
    A = RayIntegral(rays, GRID, num_points=4, rule="stratified")
    random = torch.Generator().manual_seed(5)
    options = {"dtype": torch.float64, "generator": random}
    draws = np.stack([A.line_integrals(field(CUT, GRID), **options) for _ in range(2000)])
    beside = (draws.mean(axis=0) - exact) / (draws.std(axis=0) / math.sqrt(2000) + 1e-15)
    assert np.abs(beside).max() < 4
    # the middles alone are further off than that: chance is what mends them
    middles = integrals(rays, GRID, CUT, num_points=4)
    assert (np.abs(middles - exact) > 8 * draws.std(axis=0) / math.sqrt(2000)).any()
    steps = A.points(**options) - RayIntegral(rays, GRID, num_points=4).points(dtype=torch.float64)
    half = A.lengths[..., None] / 8 / 21
    assert bool((steps.norm(dim=-1) <= half + 1e-12).all())
    assert float((steps.norm(dim=-1) / half.clamp(min=1e-9)).amax()) > 0.9


def test_stratified_points_follow_the_seed():
    A = RayIntegral(PARALLEL.rays(), GRID, num_points=5, rule="stratified")
    first, same = (A.points(generator=torch.Generator().manual_seed(3)) for _ in range(2))
    random = torch.Generator().manual_seed(3)
    again, other = (A.points(generator=random) for _ in range(2))
    assert first.equal(same)
    assert first.equal(again)
    assert not first.equal(other)


# ------------------------------------------------------------------ networks


def network(seed: int = 0) -> torch.nn.Module:
    return BWReLU(width=32, depth=2).build(2, generator=torch.Generator().manual_seed(seed))


def test_gradients_reach_every_weight_of_a_network():
    A, model = RayIntegral(PARALLEL.rays(views=[1, 4]), GRID, num_points=9), network()
    A.line_integrals(model).square().sum().backward()
    slopes = [parameter.grad for parameter in model.parameters()]
    assert all(slope is not None and bool(slope.any()) for slope in slopes)
    data = torch.zeros(A.range.shape)
    loss = Observation(A, data).loss(model(A.points())[..., 0])
    assert loss.item() == pytest.approx(A.line_integrals(model).square().mean().item(), rel=1e-5)


@pytest.mark.slow
def test_a_fit_to_batches_of_rays_explains_rays_that_it_did_not_see():
    geometry = ParallelBeam(equal_angles(24), Detector(25, 1.6))
    grid, rays = Grid((20, 20), 2.0), geometry.rays()
    hill = bump((15, 11), 0.05, center=(2, -3), angle=0.4)
    exact = torch.as_tensor(hill.line_integrals(rays.points, rays.directions)).float()
    unseen = RayIntegral(rays[1::2], grid, num_points=40)
    model, random = network(), torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    def attenuation(points: Tensor) -> Tensor:
        return model(points) / 20  # a network of order 1, over some 20 mm

    def error() -> float:
        with torch.no_grad():
            left = unseen.line_integrals(attenuation) - exact[1::2]
        return float(left.norm() / exact[1::2].norm())

    before = error()
    for _ in range(150):
        views = 2 * torch.randint(12, (96,), generator=random)
        bins = torch.randint(25, (96,), generator=random)
        A = RayIntegral(rays[views, bins], grid, num_points=20, rule="stratified")
        left = A.line_integrals(attenuation, generator=random) - exact[views, bins]
        optimizer.zero_grad()
        left.square().mean().backward()
        optimizer.step()
    assert before > 1
    assert error() < 0.25  # nothing at all would be off by 1


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    "arguments, options, error, message",
    [
        ((PARALLEL, GRID), {}, TypeError, r"^`rays` must be Rays; got ParallelBeam.*rays\(\) has"),
        ((PARALLEL.rays(), (4, 4)), {}, TypeError, r"^`grid` must be a Grid; got \(4, 4\)"),
        ((PARALLEL.rays(), Grid((3, 3, 3))), {}, ValueError, r"^`rays` must have 3 axes; got"),
        ((PARALLEL.rays(), GRID), {"rule": "simpson"}, ValueError, r"^`rule` must be one of 'uni"),
        ((PARALLEL.rays(), GRID), {"num_points": 0}, ValueError, r"^`num_points` must be at lea"),
        ((PARALLEL.rays(), GRID), {"num_points": 2.0}, TypeError, r"^`num_points` must be a whole"),
    ],
)
def test_what_cannot_be_integrated_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        RayIntegral(*arguments, **options)


def test_a_generator_or_a_field_that_does_not_fit_is_refused():
    drawn = RayIntegral(PARALLEL.rays(), GRID, num_points=3, rule="stratified")
    with pytest.raises(ValueError, match=r"^`generator` must be given .*; got None for 'strat"):
        drawn.points()
    fixed = RayIntegral(PARALLEL.rays(), GRID, num_points=3)
    with pytest.raises(
        ValueError, match=r"^`generator` must be given .* no other; got .*'uniform'"
    ):
        fixed.points(generator=torch.Generator())
    with pytest.raises(ValueError, match=r"^`field` must give values of shape \(8, 23, 3\) or"):
        fixed.line_integrals(lambda points: points)
