"""The ASTRA toolbox as an engine: it keeps our conventions, or says why it cannot be used."""

from __future__ import annotations

import copy
import gc
import math

import numpy as np
import pytest
import torch

from ctinr.checks import BackendUnavailable
from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, VectorBeam
from ctinr.projectors import BACKENDS, Projector
from phantoms import bump
from tests.catalogue import CONES, FANS, PARALLEL, STACKS, VECTORS
from tests.requires import requires
from tests.single import keeps_the_laws
from tests.vectors import hill, inner, length, noise

ASTRA = next(backend for backend in BACKENDS if backend.name == "astra")
FLAT = [name for name, (fan, _) in FANS.items() if not fan.curved and name != "fan-beside"]
PLANE = {name: scan for name, scan in VECTORS.items() if len(scan[1].shape) == 2}
SCANS = {**PARALLEL, **{name: FANS[name] for name in FLAT}, **PLANE}
# In no order, beyond a half turn.
ANGLES = [1.2, 0.35, -0.8, 4.0, 2.6]
DETECTOR, GRID = Detector(141, 0.63, 1.7), Grid((57, 75), (0.8, 0.8), (-3.0, 2.0))
BEAMS = {"parallel": ParallelBeam(ANGLES, DETECTOR), "fan": FanBeam(ANGLES, DETECTOR, 75.0, 20.0)}
EVERY_BEAM = pytest.mark.parametrize("beam", BEAMS)


def chords(geometry: FanBeam | VectorBeam, grid: Grid) -> np.ndarray:
    """The length of every ray in every cell, mm: (angle, u, y, x)."""
    rays = geometry.rays()
    y, x = np.meshgrid(grid.cell_centers(0), grid.cell_centers(1), indexing="ij")
    points, ways = (part[:, :, None, None] for part in (rays.points, rays.directions))
    ends = [
        (np.stack([x, y], -1) + side * np.array(grid.spacing)[::-1] / 2 - points) / ways
        for side in (-1, 1)
    ]
    return np.clip(np.maximum(*ends).min(-1) - np.minimum(*ends).max(-1), 0, None)


@requires("astra")
@pytest.mark.parametrize("name", [*PARALLEL, "vectors-plane-parallel"])
def test_parallel_rays_are_josephs_model(name):
    given, wanted = (Projector(*SCANS[name], engine) for engine in ("astra", "torch"))
    for A, B in ((given, wanted), (given.T, wanted.T)):
        exact = B.as_matrix()
        assert (A.as_matrix(dtype=torch.float32) - exact).abs().max() <= 3e-6 * max(
            1e-9, float(exact.abs().max())
        )


@requires("astra")
@pytest.mark.parametrize("cells", [(9, 12), (8, 7)])
@pytest.mark.parametrize("spacing", [(0.8, 0.8), (1.3, 0.8)])
def test_a_weight_of_a_fan_is_the_length_in_the_cell(cells, spacing):
    grid = Grid(cells, spacing, (2.0, -3.0))
    geometry = FanBeam(ANGLES, Detector(15, 1.3, 1.7), 30.0, 12.0)
    A = Projector(geometry, grid, "astra")
    exact = chords(geometry, grid).reshape(np.prod(geometry.shape), -1)
    assert np.abs(A.as_matrix(dtype=torch.float32).numpy() - exact).max() < 3e-5
    assert np.abs(A.T.as_matrix(dtype=torch.float32).numpy() - exact.T).max() < 3e-5


@requires("astra")
def test_vectors_weigh_the_length_in_the_cell():
    geometry, grid = PLANE["vectors-backwards"]
    A = Projector(geometry, grid, "astra")
    exact = chords(geometry, grid).reshape(np.prod(geometry.shape), -1)
    assert np.abs(A.as_matrix(dtype=torch.float32).numpy() - exact).max() < 3e-5


@requires("astra")
@EVERY_BEAM
def test_pictures_are_those_of_the_reference(beam):
    """A bin beside, or a view turned the other way, would show at several percent."""
    given, wanted = (Projector(BEAMS[beam], GRID, engine) for engine in ("astra", "torch"))
    phantom = bump((15.0, 9.0), center=(4.0, -5.0), angle=0.5)
    picture = phantom.raster(GRID.shape, GRID.spacing, GRID.center, supersampling=4)
    x = torch.as_tensor(picture, dtype=torch.float32)
    y = wanted(x)
    assert length(given(x) - y) <= {"parallel": 1e-5, "fan": 5e-3}[beam] * length(y)
    middles = [s @ DETECTOR.bin_centers() / s.sum(-1) for s in (given(x).numpy(), y.numpy())]
    assert middles[0] == pytest.approx(middles[1], abs=5e-3)


@requires("astra")
@pytest.mark.parametrize("name", SCANS)
def test_laws(name):
    keeps_the_laws(Projector(*SCANS[name], "astra"))


@requires("astra")
@EVERY_BEAM
def test_the_pair_is_as_matched_as_it_says(beam):
    A = Projector(BEAMS[beam], GRID, "astra")
    assert ASTRA.adjoint_gap == 0
    x, y = (hill(tuple(space.shape), torch.float32) for space in (A.domain, A.range))
    assert abs(inner(A(x), y) - inner(x, A.T(y))) < 1e-6 * inner(A(x), y)
    x, y = noise(*GRID.shape).float(), noise(*A.range.shape, seed=1).float()
    assert abs(inner(A(x), y) - inner(x, A.T(y))) < 1e-7 * length(A(x)) * length(y)


@requires("astra")
def test_a_projector_is_freed_once(monkeypatch):
    import astra

    freed = []
    delete = astra.projector.delete
    monkeypatch.setattr(astra.projector, "delete", lambda n: (freed.append(n), delete(n)))
    A = Projector(BEAMS["fan"], GRID, "astra")
    x = noise(*GRID.shape).float()
    y = A(x)
    other = copy.deepcopy(A)
    del A
    gc.collect()
    assert len(freed) == 1
    assert other(x).equal(y)
    del other
    gc.collect()
    assert len(set(freed)) == len(freed) == 2


@requires("astra")
@pytest.mark.parametrize(
    "geometry, grid, device, dtype, obstacle",
    [
        (BEAMS["parallel"], GRID, "cpu", torch.float32, None),
        (BEAMS["fan"], GRID, "cpu", torch.float32, None),
        (BEAMS["fan"], GRID, "cpu", torch.float64, "It handles torch.float32, not torch.float64."),
        (BEAMS["fan"], GRID, "cuda", torch.float32, "It runs on cpu, not on cuda."),
        (*PLANE["vectors-backwards"], "cpu", torch.float32, None),
        (*STACKS["stack"], "cpu", torch.float32, None),
        (
            *VECTORS["vectors"],
            "cpu",
            torch.float32,
            "It has no projector for rays through a volume; on CUDA, astra_cuda has.",
        ),
        (
            *CONES["cone"],
            "cpu",
            torch.float32,
            "It handles ParallelBeam, FanBeam, VectorBeam, not ConeBeam.",
        ),
        (*FANS["fan-curved"], "cpu", torch.float32, "It handles flat detectors, not curved ones."),
        (
            FanBeam([0.0, math.pi], Detector(15), 20.0, 10.0),
            Grid((5, 6), 1.0, (-40.0, 0.0)),
            "cpu",
            torch.float32,
            "It would see what is behind the source, and a part of the grid is.",
        ),
    ],
)
def test_an_obstacle_is_a_sentence(geometry, grid, device, dtype, obstacle):
    assert ASTRA.obstacle(geometry, grid, device, dtype) == obstacle


@requires("astra")
def test_double_precision_is_refused():
    with pytest.raises(BackendUnavailable, match=r"astra: It handles torch\.float32, not"):
        Projector(BEAMS["fan"], GRID, "astra")(noise(*GRID.shape))


def test_it_is_never_chosen():
    for geometry in BEAMS.values():
        for dtype in ASTRA.dtypes:
            assert Projector(geometry, GRID).backend("cpu", dtype) is not ASTRA
    names = [backend.name for backend in BACKENDS]
    assert names.index("torch") < names.index("astra")
