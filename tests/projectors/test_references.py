"""The projectors against what is known without them: the formula, symmetries, exact integrals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam
from ctinr.projectors import Projector
from phantoms import Phantom, bump, disk
from tests.catalogue import EXACT_ENGINES, PARALLEL

EVERY_ENGINE = pytest.mark.parametrize("engine", EXACT_ENGINES)
# Steep, shallow, along an axis, along the diagonal, mirrored and beyond a half turn.
ANGLES = [0.0, 0.35, math.pi / 4, 1.2, math.pi / 2, 2.6, -0.8, 4.0]


def image(phantom: Phantom, grid: Grid) -> torch.Tensor:
    return torch.as_tensor(phantom.raster(grid.shape, grid.spacing, grid.center, supersampling=4))


def positions(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every cell, mm."""
    y, x = np.meshgrid(grid.cell_centers(0), grid.cell_centers(1), indexing="ij")
    return x, y


def across(grid: Grid, angles: list[float]) -> np.ndarray:
    """The detector coordinate of every cell in every view: (angle, y, x)."""
    x, y = positions(grid)
    turn = np.array(angles)[:, None, None]
    return x * np.cos(turn) + y * np.sin(turn)


# ------------------------------------------------------------------ Joseph's model, in full


def joseph(values: np.ndarray, grid: Grid, angle: float, u: float) -> float:
    """Walk along one ray, line of cells by line of cells, interpolating in each."""
    cosine, sine = math.cos(angle), math.sin(angle)
    (along, high), (place, wide) = [(grid.cell_centers(k), grid.spacing[k]) for k in (0, 1)]
    if abs(cosine) / high < abs(sine) / wide:
        values, (cosine, sine) = values.T, (sine, cosine)
        (along, high), (place, wide) = (place, wide), (along, high)
    # one empty cell at either end: the interpolation falls to zero within a cell
    place = np.concatenate([[place[0] - wide], place, [place[-1] + wide]])
    padded = np.pad(values, ((0, 0), (1, 1)))
    crossings = (u - sine * along) / cosine
    sums = [np.interp(at, place, line) for at, line in zip(crossings, padded, strict=True)]
    return float(np.sum(sums) * high / abs(cosine))


@EVERY_ENGINE
@pytest.mark.parametrize("name", PARALLEL)
def test_each_value_is_that_of_josephs_model(engine, name):
    geometry, grid = PARALLEL[name]
    values = np.random.default_rng(0).normal(size=grid.shape)
    given = Projector(geometry, grid, engine)(torch.as_tensor(values)).numpy()
    bins = geometry.detector.bin_centers()
    wanted = [[joseph(values, grid, angle, u) for u in bins] for angle in geometry.angles]
    assert given == pytest.approx(np.array(wanted), rel=1e-11, abs=1e-12)


# ------------------------------------------------------------------ where things land


@EVERY_ENGINE
@pytest.mark.parametrize("cell", [(0, 0), (3, 11), (7, 2), (8, 11)])
def test_a_point_lands_where_the_formula_says(engine, cell):
    """A bin is 1/24 of a cell here: half a bin beside, or half a cell, would show."""
    grid = Grid((9, 12), (1.3, 0.8), (2.0, -5.0))
    pitch = 0.8 / 24
    geometry = ParallelBeam(ANGLES, Detector(801, pitch, 1.0))
    point = torch.zeros(grid.shape, dtype=torch.float64)
    point[cell] = 3.0
    sinogram = Projector(geometry, grid, engine)(point).numpy()
    masses = sinogram.sum(axis=1)
    centroids = sinogram @ geometry.detector.bin_centers() / masses
    assert centroids == pytest.approx(across(grid, ANGLES)[:, *cell], abs=pitch / 25)
    # every view sees all of it: value times area
    assert masses * pitch == pytest.approx(3.0 * grid.cell_measure, rel=2e-3)


@EVERY_ENGINE
def test_the_weights_of_a_ray_lie_around_the_ray(engine):
    """Linear interpolation is exact on planes: the weights' centroid is on the ray, to the bit.

    The rays here run from the first line of cells to the last one without leaving by the sides.
    """
    grid = Grid((14, 16), (0.9, 1.1), (0.4, -0.7))
    angles = [0.0, 0.3, -0.4, math.pi / 2, math.pi / 2 + 0.3, 2.9, 3.4, -1.3]
    geometry = ParallelBeam(angles, Detector(6, 0.45, -0.5))
    weights = Projector(geometry, grid, engine).as_matrix().numpy().reshape(*geometry.shape, -1)
    beside = across(grid, angles).reshape(len(angles), 1, -1)
    beside = beside - geometry.detector.bin_centers()[None, :, None]
    assert (weights * beside).sum(axis=-1) == pytest.approx(0, abs=1e-11)
    # they reach one cell to either side at most, and add up to the way through the grid
    assert not weights[np.abs(beside) > max(grid.spacing)].any()
    cosine, sine = np.abs(np.cos(angles)), np.abs(np.sin(angles))
    steep = cosine / 0.9 >= sine / 1.1
    ways = np.where(steep, 14 * 0.9, 16 * 1.1) / np.where(steep, cosine, sine)
    assert weights.sum(axis=-1) == pytest.approx(np.broadcast_to(ways[:, None], geometry.shape))


@EVERY_ENGINE
@pytest.mark.parametrize("shift", [(0.5, 0.0), (0.0, -0.3), (0.137, 0.41)])
def test_a_part_of_a_cell_is_seen(engine, shift):
    """A phantom moved by less than a cell moves in every view by what the formula says."""
    grid, geometry = Grid((40, 44)), ParallelBeam(ANGLES, Detector(160, 0.4, -0.3))
    A = Projector(geometry, grid, engine)
    hill = bump((15.0, 9.0), center=(-1.0, 2.0), angle=0.5)
    centroids = []
    for phantom in (hill, hill.shifted(shift)):
        sinogram = A(image(phantom, grid)).numpy()
        centroids.append(sinogram @ geometry.detector.bin_centers() / sinogram.sum(axis=1))
    moved = shift[0] * np.cos(ANGLES) + shift[1] * np.sin(ANGLES)
    assert centroids[1] - centroids[0] == pytest.approx(moved, abs=2e-4)


@EVERY_ENGINE
def test_every_view_has_the_mass_of_the_disk(engine):
    grid = Grid((60, 52), (0.5, 0.6), (1.0, -2.0))
    geometry = ParallelBeam(ANGLES, Detector(110, 0.37, -1.1))
    round_one = disk(11.0, 0.02, center=(-1.0, 2.0))
    sinogram = Projector(geometry, grid, engine)(image(round_one, grid)).numpy()
    mass = 0.02 * math.pi * 11.0**2
    assert sinogram.sum(axis=1) * 0.37 == pytest.approx(np.full(len(ANGLES), mass), rel=2e-3)
    # the ray through its middle is its diameter
    middle = across(Grid((1, 1), 1.0, (2.0, -1.0)), ANGLES).ravel()
    central = [
        np.interp(u, geometry.detector.bin_centers(), view)
        for u, view in zip(middle, sinogram, strict=True)
    ]
    assert np.array(central) == pytest.approx(np.full(len(ANGLES), 0.02 * 22), rel=1e-2)


# ------------------------------------------------------------------ symmetries, exact


def matrix(angles: list[float], detector: Detector, grid: Grid, engine: str) -> np.ndarray:
    A = Projector(ParallelBeam(angles, detector), grid, engine)
    return A.as_matrix().numpy().reshape(*A.range.shape, *grid.shape)


@EVERY_ENGINE
def test_symmetries_of_the_plane_hold(engine):
    grid, detector = Grid((5, 6), (1.3, 0.8), (0.6, -0.4)), Detector(9, 0.7)
    angles = [0.2, 0.9, 1.4, 2.2, 3.0]
    here = pytest.approx(matrix(angles, detector, grid, engine), abs=1e-12)
    # half a turn further the same rays are seen from behind
    assert matrix([a + math.pi for a in angles], detector, grid, engine)[:, ::-1] == here
    # x and y change places
    swapped = Grid((6, 5), (0.8, 1.3), (-0.4, 0.6))
    turned = matrix([math.pi / 2 - a for a in angles], detector, swapped, engine)
    assert turned.swapaxes(2, 3) == here
    # up and down change places
    mirrored = Grid((5, 6), (1.3, 0.8), (-0.6, -0.4))
    assert matrix([-a for a in angles], detector, mirrored, engine)[:, :, ::-1] == here
    # a larger picture of the same scan
    large = Grid((5, 6), (2.6, 1.6), (1.2, -0.8))
    assert matrix(angles, Detector(9, 1.4), large, engine) / 2 == here


@EVERY_ENGINE
@pytest.mark.parametrize("angle", ANGLES)
def test_moving_the_grid_is_moving_the_detector(engine, angle):
    here = matrix([angle], Detector(9, 0.7, 0.3), Grid((5, 6), 1.0, (0.2, -0.4)), engine)
    moved = Grid((5, 6), 1.0, (0.2 + 1.37 * math.sin(angle), -0.4 + 1.37 * math.cos(angle)))
    there = matrix([angle], Detector(9, 0.7, 0.3 + 1.37), moved, engine)
    assert there == pytest.approx(here, abs=1e-12)


# ------------------------------------------------------------------ exact line integrals


SCENES: dict[str, tuple[Phantom, Grid, Detector]] = {
    "centred": (bump((18, 18)), Grid((20, 20), 2.0), Detector(17, 2.3)),
    "rotated": (bump((18, 11), angle=0.6), Grid((20, 20), 2.0), Detector(17, 2.3)),
    "off-centre": (
        bump((14, 10), center=(7, -5), angle=-0.4),
        Grid((16, 20), 2.0, (-5.0, 7.0)),
        Detector(31, 1.7),
    ),
    "anisotropic": (bump((18, 13), angle=1.0), Grid((26, 14), (1.5, 3.0)), Detector(17, 2.3)),
    "shifted-detector": (bump((18, 11), angle=0.6), Grid((20, 20), 2.0), Detector(15, 2.3, 4.1)),
}


@pytest.mark.parametrize("name", SCENES)
def test_a_smooth_object_is_met_with_second_order(name):
    phantom, grid, detector = SCENES[name]
    geometry = ParallelBeam(ANGLES, detector)
    rays = geometry.rays()
    exact = phantom.line_integrals(rays.points, rays.directions)
    errors = {engine: [] for engine in EXACT_ENGINES}
    for factor in (1, 2, 4, 8):
        fine = grid.refine(factor)
        picture = image(phantom, fine)
        for engine, found in errors.items():
            sinogram = Projector(geometry, fine, engine)(picture).numpy()
            found.append(float(np.sqrt(np.mean((sinogram - exact) ** 2))))
    for engine, found in errors.items():
        rates = np.log2(np.array(found[:-1]) / np.array(found[1:]))
        assert found[0] < 0.02 * exact.max(), engine
        assert ((rates > 1.8) & (rates < 2.3)).all(), f"{engine}: {rates}"


# ------------------------------------------------------------------ what is not a number


@EVERY_ENGINE
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_value_that_is_not_finite_shows_on_its_rays_and_not_far_from_them(engine, bad, dtype):
    grid, geometry = Grid((13, 14)), ParallelBeam(ANGLES, Detector(19))
    A = Projector(geometry, grid, engine)
    weights = A.as_matrix().reshape(*geometry.shape, *grid.shape)
    distance = across(grid, ANGLES)[:, None] - geometry.detector.bin_centers()[:, None, None]
    far = torch.as_tensor(np.abs(distance) > 4)

    picture = torch.ones(grid.shape, dtype=dtype)
    picture[3, 6] = bad
    assert not A(picture)[weights[:, :, 3, 6] > 1e-6].isfinite().any()
    assert A(picture)[far[:, :, 3, 6]].isfinite().all()

    sinogram = torch.ones(geometry.shape, dtype=dtype)
    sinogram[1, 7] = bad
    assert not A.T(sinogram)[weights[1, 7] > 1e-6].isfinite().any()
    assert A.T(sinogram)[far[1, 7]].isfinite().all()


def test_the_compiler_is_promised_nothing_about_what_is_not_finite():
    """It may use such a promise or not, from one version to the next; the test above sees one."""
    from ctinr.projectors.backends import numba_loops

    assert set(numba_loops.FAST) <= {"contract", "nsz", "arcp"}
