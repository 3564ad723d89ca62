"""The projectors in three dimensions against what is known without them."""

from __future__ import annotations

import math
import tracemalloc

import numba
import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from ctinr.geometry import (
    Beam,
    ConeBeam,
    Detector,
    FanBeam,
    Grid,
    ParallelBeam,
    VectorBeam,
    equal_angles,
)
from ctinr.projectors import Projector
from ctinr.projectors.backends import numba_volume, torch_volume
from phantoms import Ellipsoid, VolumePhantom
from tests.catalogue import CONES, EXACT_ENGINES, STACKS, VECTORS
from tests.vectors import noise

EVERY_ENGINE = pytest.mark.parametrize("engine", EXACT_ENGINES)
VOLUMES = {name: scan for name, scan in {**CONES, **VECTORS}.items() if len(scan[1].shape) == 3}
ANGLES = [0.0, 0.35, math.pi / 4, 1.2, math.pi / 2, 2.6, -0.8, 4.0]


def positions(grid: Grid) -> np.ndarray:
    """x, y and z of every cell, mm: (z, y, x, 3)."""
    axes = [grid.cell_centers(axis) for axis in range(3)]
    return np.stack(np.meshgrid(*axes, indexing="ij")[::-1], axis=-1)


def matrix(geometry: Beam, grid: Grid, engine: str) -> np.ndarray:
    A = Projector(geometry, grid, engine).as_matrix().numpy()
    return A.reshape(*geometry.shape, *grid.shape)


# ------------------------------------------------------------------ Joseph's model, in full


def joseph(values: np.ndarray, grid: Grid, ray, turn: np.ndarray) -> float:
    """Walk along one ray, plane of cells by plane of cells, interpolating in each."""
    way = (ray.directions + turn)[::-1] / grid.spacing
    first = np.array([grid.cell_centers(axis)[0] for axis in range(3)])
    start = (ray.points[::-1] - first) / grid.spacing
    axis = int(np.abs(way).argmax())
    t = (np.arange(grid.shape[axis]) - start[axis]) / way[axis]
    places = start[:, None] + t * way[:, None]
    places[axis] = np.round(places[axis])
    padded = np.pad(values, 1)
    taken = map_coordinates(padded, places + 1, order=1, mode="constant")
    # Beyond the padding nothing is left, and nothing comes from behind the source.
    within = ((places > -1) & (places < np.array(grid.shape)[:, None])).all(axis=0)
    length = np.linalg.norm(way * grid.spacing) / abs(way[axis])
    ahead = t > 0 if ray.begins is not None else True
    return float(taken[within & ahead].sum() * length)


@EVERY_ENGINE
@pytest.mark.parametrize("name", VOLUMES)
def test_each_value_is_that_of_josephs_model(engine, name):
    geometry, grid = VOLUMES[name]
    values = np.random.default_rng(0).normal(size=grid.shape)
    given = Projector(geometry, grid, engine)(torch.as_tensor(values)).numpy()
    rays = geometry.rays()
    # Where two axes are driven alike either may be chosen; rounding decides.
    turns = np.vstack([np.zeros(3), *(1e-12 * np.array([np.eye(3), -np.eye(3)]))])
    for index in np.ndindex(geometry.shape):
        wanted = [joseph(values, grid, rays[index], turn) for turn in turns]
        assert min(abs(given[index] - value) for value in wanted) < 1e-9, index


def test_rays_are_driven_along_every_axis_somewhere():
    geometry, grid = CONES["cone-wide"]
    steps = np.abs(geometry.rays().directions[..., ::-1]) / grid.spacing
    assert set(steps[0].reshape(-1, 3).argmax(axis=1)) == {0, 1, 2}


@EVERY_ENGINE
@pytest.mark.parametrize("curved", [False, True], ids=["flat", "curved"])
def test_the_plane_of_a_circle_is_a_fan(engine, curved):
    row = Detector((1, 15), (1.0, 1.3), (0.0, 0.4))
    cone = ConeBeam(ANGLES, row, 20.0, 9.0, curved=curved)
    fan = FanBeam(ANGLES, row.line, 20.0, 9.0, curved=curved)
    wanted = matrix(fan, Grid((8, 9), (1.2, 0.9)), engine)
    given = matrix(cone, Grid((1, 8, 9), (1.0, 1.2, 0.9)), engine)
    np.testing.assert_allclose(given[:, 0, :, 0], wanted, atol=1e-12)


@EVERY_ENGINE
@pytest.mark.parametrize("name", STACKS)
def test_rays_of_a_stack_are_those_of_its_slices(engine, name):
    """The same scan by the engines of slices and, given as vectors, by those of volumes."""
    geometry, grid = STACKS[name]
    wanted = matrix(geometry, grid, engine)
    given = matrix(VectorBeam.of(geometry), grid, engine)
    # As vectors, rays beside the outermost slices fade in the same way.
    np.testing.assert_allclose(given, wanted, atol=1e-12)


# ------------------------------------------------------------------ where things land


@EVERY_ENGINE
@pytest.mark.parametrize("curved", [False, True], ids=["flat", "curved"])
@pytest.mark.parametrize("cell", [(0, 0, 0), (4, 3, 8), (2, 6, 1)])
def test_a_point_lands_where_the_formula_says(engine, curved, cell):
    """A bin is a tenth of a cell: half a bin beside, or half a cell, would show."""
    grid = Grid((5, 7, 9), (1.1, 1.3, 0.8), (0.6, 2.0, -5.0))
    detector = Detector((161, 361), 0.12, (0.5, 1.0))
    cone = ConeBeam(ANGLES, detector, 400.0, 200.0, curved=curved, helical_pitch=1.5)
    point = torch.zeros(grid.shape, dtype=torch.float64)
    point[cell] = 3.0
    sinogram = Projector(cone, grid, engine)(point).numpy()
    x, y, z = positions(grid)[cell]
    angles = np.array(ANGLES)
    across, along = x * np.cos(angles) + y * np.sin(angles), y * np.cos(angles) - x * np.sin(angles)
    distance = np.hypot(across, 400 + along) if curved else 400 + along
    u = 600 * np.arctan2(across, 400 + along) if curved else 600 * across / distance
    v = 600 * (z - 1.5 * angles / (2 * math.pi)) / distance
    masses = sinogram.sum(axis=(1, 2))
    for wanted, axis in ((u, 2), (v, 1)):
        marginal = sinogram.sum(axis=3 - axis)
        seen = marginal @ detector.bin_centers(axis - 1) / masses
        # A shadow is not quite symmetric about the middle of its cell.
        assert seen == pytest.approx(wanted, abs=0.012)


@EVERY_ENGINE
@pytest.mark.parametrize("name", ["cone", "cone-curved", "helix", "vectors"])
def test_the_weights_of_a_ray_lie_around_the_ray(engine, name):
    """Linear interpolation is exact on planes: the weights' centroid is on the ray, to the bit."""
    geometry = VOLUMES[name][0]
    grid = Grid((11, 12, 13), (0.45, 0.5, 0.4), (0.2, -0.3, 0.1))
    weights, rays = matrix(geometry, grid, engine), geometry.rays()
    apart = positions(grid) - rays.points[..., None, None, None, :]
    way = rays.directions[..., None, None, None, :]
    beside = apart - (apart * way).sum(-1, keepdims=True) * way
    off = np.linalg.norm(beside, axis=-1)
    assert not weights[off > math.sqrt(2) * max(grid.spacing)].any()
    # Rays that leave through the faces that drive them lose no weight at the sides.
    whole = (weights[..., [0, -1], :, :] == 0).all(axis=(-3, -2, -1))
    whole &= (weights[..., [0, -1]] == 0).all(axis=(-3, -2, -1))
    centroids = (weights[..., None] * beside).sum(axis=(-4, -3, -2))
    assert whole.any()
    assert np.abs(centroids[whole]).max() < 1e-11


# ------------------------------------------------------------------ exact line integrals

SHAPE = {"center": (3.0, -4.0, 2.0), "semi_axes": (14.0, 9.0, 11.0), "angle": 0.6, "tilt": 0.4}
GAUSSIAN = Ellipsoid(0.7, (3.0, -4.0, 2.0), (6.0, 4.0, 5.0), 0.6, 0.4, power=None)
OBJECTS = {
    "bump": VolumePhantom((Ellipsoid(0.7, **SHAPE, power=3),)),
    "gaussian": VolumePhantom((GAUSSIAN,)),
}
AREA = Detector((9, 13), (6.1, 5.3), (1.3, -0.8))
CIRCLE = ConeBeam(ANGLES, AREA, 70.0, 40.0)
SCANNERS = {
    "flat": CIRCLE,
    "curved": ConeBeam(ANGLES, AREA, 70.0, 40.0, curved=True),
    "helix": ConeBeam(ANGLES, AREA, 70.0, 40.0, helical_pitch=5.0),
    "curved-helix": ConeBeam(ANGLES, AREA, 70.0, 40.0, curved=True, helical_pitch=-7.0),
    "tilted": VectorBeam.of(CIRCLE).turned_detector(roll=0.2, tilt=0.3, skew=-0.2),
    "oblique": VectorBeam(
        [[0.2, 0.9, 0.7], [0.3, -0.2, 1.0]],
        np.zeros((2, 3)),
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]],
        AREA,
        parallel=True,
    ),
}
GRIDS = {
    "even": Grid((26, 26, 26), 2.0, (2.0, -4.0, 3.0)),
    "uneven": Grid((35, 18, 26), (1.5, 3.0, 2.0), (1.6, -3.7, 2.9)),
}


def errors(geometry, grid, phantom, engine, factors, supersampling) -> np.ndarray:
    rays, found = geometry.rays(), []
    exact = phantom.line_integrals(rays.points, rays.directions)
    for factor in factors:
        fine = grid.refine(factor)
        samples = supersampling // factor
        picture = phantom.raster(fine.shape, fine.spacing, fine.center, supersampling=samples)
        sinogram = Projector(geometry, fine, engine)(torch.as_tensor(picture)).numpy()
        found.append(np.sqrt(np.mean((sinogram - exact) ** 2)) / exact.max())
    return np.array(found)


@pytest.mark.parametrize("name", SCANNERS)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("phantom", OBJECTS)
def test_a_smooth_object_is_met_with_second_order(name, grid, phantom):
    found = errors(SCANNERS[name], GRIDS[grid], OBJECTS[phantom], "numba", (1, 2), 4)
    assert found[0] < 0.03
    assert 1.8 < np.log2(found[0] / found[1]) < 2.3


@pytest.mark.parametrize("name", ["flat", "curved-helix", "tilted"])
def test_the_reference_has_the_same_order(name):
    found = errors(SCANNERS[name], GRIDS["even"], OBJECTS["gaussian"], "torch", (1, 2), 4)
    assert 1.8 < np.log2(found[0] / found[1]) < 2.3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flat", "helix", "tilted"])
def test_an_edge_leaves_the_first_order(name):
    """Where rays touch an ellipsoid their integral grows as the root of the depth.

    Within a cell of there the error is as the root of a cell, on a part of the detector that is as
    narrow as a cell: its mean square is that of one cell.
    """
    solid = VolumePhantom((Ellipsoid(0.7, **SHAPE),))
    found = errors(SCANNERS[name], GRIDS["even"], solid, "numba", (1, 2), 8)
    assert found[0] < 0.03
    assert 0.8 < np.log2(found[0] / found[1]) < 1.2


# ------------------------------------------------------------------ the edges of what is possible


@EVERY_ENGINE
def test_what_is_behind_the_source_is_not_seen(engine):
    behind = Grid((3, 4, 5), 1.0, (0.0, -40.0, 0.0))
    weights = matrix(ConeBeam([0.0, math.pi], Detector((5, 7), 2.0), 20.0, 10.0), behind, engine)
    assert not weights[0].any()
    assert weights[1].any()


@pytest.mark.slow
@EVERY_ENGINE
def test_rays_that_miss_are_zero(engine):
    aside = Grid((3, 4, 5), 1.0, (30.0, 0.0, 0.0))
    A = Projector(ConeBeam(ANGLES, Detector((3, 7)), 20.0, 10.0), aside, engine)
    assert torch.equal(A(torch.ones(aside.shape)), torch.zeros(A.range.shape))
    assert torch.equal(A.T(torch.ones(A.range.shape)), torch.zeros(aside.shape))


@EVERY_ENGINE
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_value_that_is_not_finite_shows_on_its_rays_and_not_far_from_them(engine, bad, dtype):
    grid = Grid((7, 8, 9))
    cone = ConeBeam(ANGLES, Detector((9, 15)), 20.0, 5.0)
    A, rays = Projector(cone, grid, engine), cone.rays()
    weights = matrix(cone, grid, engine)
    apart = positions(grid)[3, 5, 2] - rays.points
    beside = np.linalg.norm(np.cross(apart, rays.directions), axis=-1)

    picture = torch.ones(grid.shape, dtype=dtype)
    picture[3, 5, 2] = bad
    given = A(picture)
    assert not given[torch.as_tensor(weights[..., 3, 5, 2] > 1e-6)].isfinite().any()
    assert given[torch.as_tensor(beside > 3)].isfinite().all()

    sinogram = torch.ones(cone.shape, dtype=dtype)
    sinogram[1, 4, 7] = bad
    given = A.T(sinogram)
    assert not given[torch.as_tensor(weights[1, 4, 7] > 1e-6)].isfinite().any()
    assert given.isfinite().float().mean() > 0.7


def test_a_source_inside_the_volume_is_refused():
    rule = r"got 4 sources in it, the first of view 0 at x = 0 mm, y = -6 mm, z = 0 mm\. Make"
    cone = ConeBeam(equal_angles(4, span=2 * math.pi), Detector((3, 5)), 6.0, 3.0)
    with pytest.raises(ValueError, match=rule):
        Projector(cone, Grid((3, 14, 14)))
    # Above it there may be one.
    Projector(cone, Grid((3, 14, 14), 1.0, (9.0, 0.0, 0.0)))
    with pytest.raises(ValueError, match=r"^`grid` must have three axes, for an area of bins; got"):
        Projector(cone, Grid((4, 4)))


def test_the_result_does_not_depend_on_threads_or_on_how_much_is_done_at_once(monkeypatch):
    geometry, grid = SCANNERS["curved-helix"], GRIDS["uneven"]
    for engine, module, limits in (
        ("numba", numba_volume, {"COLUMNS": 13}),
        ("torch", torch_volume, {"RAYS": 200, "CROSSINGS": 1000}),
    ):
        A = Projector(geometry, grid, engine)
        x, y = noise(*grid.shape, dtype=torch.float32), noise(*geometry.shape, dtype=torch.float32)
        wanted = A(x), A.T(y)
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
        try:
            again = A(x), A.T(y)
        finally:
            numba.set_num_threads(1)
        assert all(map(torch.equal, wanted, again))
        for name, value in limits.items():
            monkeypatch.setattr(module, name, value)
        for given, value in zip((A(x), A.T(y)), wanted, strict=True):
            torch.testing.assert_close(
                given, value, rtol=1e-5, atol=1e-5 * float(value.abs().max())
            )


@pytest.mark.parametrize("shape", [(70, 66, 68)])
@pytest.mark.parametrize("name", ["flat", "curved-helix", "tilted", "oblique"])
def test_engines_agree_on_more_cells_than_a_thread_owns(shape, name):
    grid = Grid(shape, (0.7, 0.8, 0.75), (2.0, -4.0, 3.0))
    fast, plain = (Projector(SCANNERS[name], grid, which) for which in ("numba", "torch"))
    for dtype, relative in ((torch.float32, 2e-6), (torch.float64, 1e-13)):
        for A, B in ((fast, plain), (fast.T, plain.T)):
            # Eight side by side, four filled up to eight or one by one, and one.
            x = noise(13, *A.domain.shape, dtype=dtype)
            given, wanted = A(x), B(x[[0, 8, 12]])
            for n, item in enumerate((0, 8, 12)):
                assert (given[item] - wanted[n]).norm() <= relative * wanted[n].norm()
            alone = A(x[3])
            assert (given[3] - alone).norm() <= relative * alone.norm()


def test_memory_is_what_goes_in_and_out():
    geometry = ConeBeam(equal_angles(80, span=2 * math.pi), Detector((96, 64), 1.6), 200.0, 100.0)
    A = Projector(geometry, Grid((64, 64, 64)), "numba")
    x = torch.zeros(A.domain.shape)
    A.T(A(x))
    tracemalloc.start()
    A.T(A(x))
    extra = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # What numpy holds besides the tensors: frames of a few views.
    assert extra < 0.1 * 4 * (math.prod(A.domain.shape) + math.prod(A.range.shape))


def test_a_million_views_are_taken_a_few_at_a_time():
    helix = ConeBeam(
        np.linspace(-300, 300, 1_000_000), Detector((1, 1)), 9.0, 3.0, helical_pitch=1e-3
    )
    A = Projector(helix, Grid((1, 2, 2)), "numba")
    tracemalloc.start()
    y = A(torch.ones(A.domain.shape))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert y.shape == (1_000_000, 1, 1) and float(y.min()) > 1.9


def test_an_area_of_a_parallel_beam_may_be_given_as_vectors():
    beam = ParallelBeam(ANGLES, AREA)
    found = errors(VectorBeam.of(beam), GRIDS["even"], OBJECTS["bump"], "numba", (1, 2), 4)
    same = errors(beam, GRIDS["even"], OBJECTS["bump"], "numba", (1, 2), 4)
    np.testing.assert_allclose(found, same, rtol=1e-9)
