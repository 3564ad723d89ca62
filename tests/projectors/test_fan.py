"""The projectors of a fan against what is known without them; see also test_references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, equal_angles
from ctinr.projectors import Projector
from phantoms import bump
from tests.catalogue import EXACT_ENGINES, FANS
from tests.projectors.test_references import image, joseph, positions

EVERY_ENGINE = pytest.mark.parametrize("engine", EXACT_ENGINES)
BOTH = pytest.mark.parametrize("curved", [False, True], ids=["flat", "curved"])
# Along an axis, along the diagonal, steep, shallow, beyond a half turn.
ANGLES = [0.0, 0.35, math.pi / 4, 1.2, math.pi / 2, 2.6, -0.8, 4.0]


def matrix(geometry: FanBeam | ParallelBeam, grid: Grid, engine: str) -> np.ndarray:
    A = Projector(geometry, grid, engine).as_matrix().numpy()
    return A.reshape(*geometry.shape, *grid.shape)


def as_parallel(geometry: FanBeam) -> tuple[np.ndarray, np.ndarray]:
    """The angle and the coordinate that every ray has in a parallel beam: (angle, u)."""
    rays = geometry.rays()
    angles = np.arctan2(-rays.directions[..., 0], rays.directions[..., 1])
    return angles, (rays.points * np.stack([np.cos(angles), np.sin(angles)], -1)).sum(-1)


def beside(geometry: FanBeam, grid: Grid) -> np.ndarray:
    """How far every cell lies beside every ray, mm: (angle, u, y, x)."""
    x, y = positions(grid)
    angles, u = (part[..., None, None] for part in as_parallel(geometry))
    return x * np.cos(angles) + y * np.sin(angles) - u


@EVERY_ENGINE
@pytest.mark.parametrize("name", [name for name in FANS if name != "fan-beside"])
def test_each_value_is_that_of_josephs_model(engine, name):
    geometry, grid = FANS[name]
    values = np.random.default_rng(0).normal(size=grid.shape)
    given = Projector(geometry, grid, engine)(torch.as_tensor(values)).numpy()
    for index in np.ndindex(geometry.shape):
        angle, u = (float(part[index]) for part in as_parallel(geometry))
        # On the diagonal, either axis may drive; rounding decides.
        wanted = [joseph(values, grid, angle + turn, u) for turn in (-1e-12, 1e-12)]
        assert min(abs(given[index] - value) for value in wanted) < 1e-9


@EVERY_ENGINE
@BOTH
@pytest.mark.parametrize("cell", [(0, 0), (3, 11), (8, 5)])
def test_a_point_lands_where_the_formula_says(engine, curved, cell):
    """A bin is 1/30 of a cell at the axis: half a bin beside, or half a cell, would show."""
    grid = Grid((9, 12), (1.3, 0.8), (2.0, -5.0))
    geometry = FanBeam(ANGLES, Detector(1601, 0.04, 1.0), 400.0, 200.0, curved=curved)
    point = torch.zeros(grid.shape, dtype=torch.float64)
    point[cell] = 3.0
    sinogram = Projector(geometry, grid, engine)(point).numpy()
    x, y = (part[cell] for part in positions(grid))
    angles = np.array(ANGLES)
    across, along = x * np.cos(angles) + y * np.sin(angles), y * np.cos(angles) - x * np.sin(angles)
    ratio = across / (400 + along)
    seen = 600 * (np.arctan(ratio) if curved else ratio)
    centroids = sinogram @ geometry.detector.bin_centers() / sinogram.sum(axis=1)
    # A shadow is not quite symmetric about the middle of its cell: a millimetre's square over the
    # distance, which is less than a tenth of what half a bin would be.
    assert centroids == pytest.approx(seen, abs=0.0018)


@EVERY_ENGINE
@BOTH
def test_the_weights_of_a_ray_lie_around_the_ray(engine, curved):
    """Linear interpolation is exact on planes: the weights' centroid is on the ray, to the bit."""
    grid = Grid((14, 16), (0.9, 1.1), (0.4, -0.7))
    geometry = FanBeam([0.0, 0.2, 1.6, 2.9, 4.6], Detector(7, 0.8, -0.5), 30.0, 15.0, curved=curved)
    weights, distance = matrix(geometry, grid, engine), beside(geometry, grid)
    assert (weights * distance).sum(axis=(2, 3)) == pytest.approx(0, abs=1e-11)
    assert not weights[np.abs(distance) > max(grid.spacing)].any()
    # they add up to the way through the grid
    turned = as_parallel(geometry)[0]
    cosine, sine = np.abs(np.cos(turned)), np.abs(np.sin(turned))
    steep = cosine / 0.9 >= sine / 1.1
    ways = np.where(steep, 14 * 0.9, 16 * 1.1) / np.where(steep, cosine, sine)
    assert weights.sum(axis=(2, 3)) == pytest.approx(ways)


@EVERY_ENGINE
@BOTH
def test_symmetries_of_the_plane_hold(engine, curved):
    grid, detector = Grid((5, 6), (1.3, 0.8), (0.6, -0.4)), Detector(9, 1.1, 0.3)
    angles = np.array([0.2, 0.9, 1.4, 2.2, 5.0])

    def seen(turned, bins, cells):
        return matrix(FanBeam(turned, bins, 14.0, 8.0, curved=curved), cells, engine)

    here = pytest.approx(seen(angles, detector, grid), abs=1e-12)
    # half a turn of all
    opposite = Grid((5, 6), (1.3, 0.8), (-0.6, 0.4))
    assert seen(angles + math.pi, detector, opposite)[:, :, ::-1, ::-1] == here
    # left and right change places, and so do the ends of the detector
    mirrored = Grid((5, 6), (1.3, 0.8), (0.6, 0.4))
    assert seen(-angles, Detector(9, 1.1, -0.3), mirrored)[:, ::-1, :, ::-1] == here
    # a quarter turn: (x, y) goes to (-y, x)
    turned = Grid((6, 5), (0.8, 1.3), (-0.4, -0.6))
    quarter = seen(angles + math.pi / 2, detector, turned)
    assert quarter.swapaxes(2, 3)[:, :, ::-1, :] == here
    # a larger picture of the same scan
    large = FanBeam(angles, Detector(9, 2.2, 0.6), 28.0, 16.0, curved=curved)
    twice = Grid((5, 6), (2.6, 1.6), (1.2, -0.8))
    assert matrix(large, twice, engine) / 2 == here


@EVERY_ENGINE
def test_a_detector_moved_along_its_rays_sees_the_same(engine):
    grid = Grid((5, 6))
    near = FanBeam(ANGLES, Detector(9, 0.7, 0.2), 14.0, 0.0)
    far = FanBeam(ANGLES, Detector(9, 1.4, 0.4), 14.0, 14.0)
    assert matrix(far, grid, engine) == pytest.approx(matrix(near, grid, engine), abs=1e-12)


@EVERY_ENGINE
@BOTH
def test_a_source_that_is_far_away_gives_the_parallel_beam(engine, curved):
    grid, detector = Grid((7, 8), (1.1, 0.9), (0.3, -0.2)), Detector(11, 0.8, 0.23)
    angles = [0.1, 0.5, 1.3, 2.5, 4.4]
    wanted = matrix(ParallelBeam(angles, detector), grid, engine)
    given = matrix(FanBeam(angles, detector, 1e7, 0.0, curved=curved), grid, engine)
    assert given == pytest.approx(wanted, abs=3e-6)


@EVERY_ENGINE
@BOTH
def test_weights_are_continuous_where_the_driving_axis_changes(engine, curved):
    grid = Grid((9, 9))
    angles = [math.pi / 4 - 1e-9, math.pi / 4 + 1e-9, 2.0]
    weights = matrix(FanBeam(angles, Detector(21, 0.9), 14.0, 8.0, curved=curved), grid, engine)
    sums = weights.sum(axis=(2, 3))
    # Either way a ray on the diagonal has the same weights, but where it leaves the grid.
    assert sums[0] == pytest.approx(sums[1], abs=1.5)
    inside = np.abs(np.subtract.outer(np.arange(9), np.arange(9))) < 2
    assert weights[0, 10][inside] == pytest.approx(weights[1, 10][inside], abs=1e-7)


@EVERY_ENGINE
def test_what_is_behind_the_source_is_not_seen(engine):
    behind = Grid((5, 6), 1.0, (-40.0, 0.0))
    geometry = FanBeam([0.0, math.pi], Detector(15), 20.0, 10.0)
    weights = matrix(geometry, behind, engine)
    assert not weights[0].any()
    assert weights[1].any()
    # beside the source, between two lines of cells: no ray turns round
    geometry, grid = FANS["fan-beside"]
    ahead = matrix(geometry, grid, engine)
    rays, (x, y) = geometry.rays(), positions(grid)
    for view, source in enumerate(geometry.sources()):
        way = rays.directions[view]
        along = np.multiply.outer(way[:, 0], x - source[0]) + np.multiply.outer(
            way[:, 1], y - source[1]
        )
        assert not ahead[view][along < -1.5].any()
    assert ahead.any()


# ------------------------------------------------------------------ exact line integrals

SCENES = {
    "centred": (bump((18, 18)), Grid((20, 20), 2.0), Detector(23, 2.5)),
    "rotated": (bump((18, 11), angle=0.6), Grid((20, 20), 2.0), Detector(23, 2.5)),
    "off-centre": (
        bump((14, 10), center=(7, -5), angle=-0.4),
        Grid((16, 20), 2.0, (-5.0, 7.0)),
        Detector(41, 1.7),
    ),
    "anisotropic": (bump((18, 13), angle=1.0), Grid((26, 14), (1.5, 3.0)), Detector(23, 2.5)),
    "shifted-detector": (bump((18, 11), angle=0.6), Grid((20, 20), 2.0), Detector(25, 2.3, 4.1)),
}


@pytest.mark.parametrize("name", SCENES)
@BOTH
def test_a_smooth_object_is_met_with_second_order(name, curved):
    phantom, grid, detector = SCENES[name]
    geometry = FanBeam(ANGLES, detector, 45.0, 20.0, curved=curved)
    rays = geometry.rays()
    exact = phantom.line_integrals(rays.points, rays.directions)
    errors = {engine: [] for engine in EXACT_ENGINES}
    for factor in (1, 2, 4):
        fine = grid.refine(factor)
        picture = image(phantom, fine)
        for engine, found in errors.items():
            sinogram = Projector(geometry, fine, engine)(picture).numpy()
            found.append(float(np.sqrt(np.mean((sinogram - exact) ** 2))))
    for engine, found in errors.items():
        rates = np.log2(np.array(found[:-1]) / np.array(found[1:]))
        assert found[0] < 0.02 * exact.max(), engine
        assert ((rates > 1.8) & (rates < 2.3)).all(), f"{engine}: {rates}"


# ------------------------------------------------------------------ bad numbers, bad scans


@EVERY_ENGINE
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_value_that_is_not_finite_shows_on_its_rays_and_not_far_from_them(engine, bad, dtype):
    grid, geometry = Grid((13, 14)), FanBeam(ANGLES, Detector(23), 20.0, 5.0)
    A = Projector(geometry, grid, engine)
    weights = A.as_matrix().reshape(*geometry.shape, *grid.shape)
    far = torch.as_tensor(np.abs(beside(geometry, grid)) > 4)

    picture = torch.ones(grid.shape, dtype=dtype)
    picture[3, 6] = bad
    assert not A(picture)[weights[:, :, 3, 6] > 1e-6].isfinite().any()
    assert A(picture)[far[:, :, 3, 6]].isfinite().all()

    sinogram = torch.ones(geometry.shape, dtype=dtype)
    sinogram[1, 7] = bad
    assert not A.T(sinogram)[weights[1, 7] > 1e-6].isfinite().any()
    assert A.T(sinogram)[far[1, 7]].isfinite().all()


def test_a_source_inside_the_grid_is_refused():
    rule = (
        r"^`geometry` must have its sources outside the grid; got 2 sources in it, the first of "
        r"view 1 at x = 6 mm, y = .* mm\. Make the source distance larger or the grid smaller; "
        r"both are in mm\.$"
    )
    geometry = FanBeam(equal_angles(4, span=2 * math.pi), Detector(5), 6.0, 3.0)
    with pytest.raises(ValueError, match=rule):
        Projector(geometry, Grid((8, 14)))
    # cells fade out within half a cell more
    with pytest.raises(ValueError, match="got 2 sources in it"):
        Projector(geometry, Grid((8, 11), (1.0, 1.0)))
    assert Projector(geometry, Grid((8, 10), (1.0, 1.0))).range == geometry
