"""ASTRA's CUDA projectors as an engine: judged with ASTRA itself where it needs no card.

ASTRA makes its projectors and geometries without a card, and tells where a point is seen. What
runs on a card is done by stand-ins, or, in the plane, by its projectors of the CPU; and by itself
where there is a card.
"""

from __future__ import annotations

import copy
import dataclasses
import gc
import math
import sys
from functools import partial

import numpy as np
import pytest
import torch

from ctinr.checks import BackendUnavailable
from ctinr.geometry import Beam, ConeBeam, Detector, FanBeam, Grid, VectorBeam, equal_angles
from ctinr.projectors import BACKENDS, Projector, registry
from ctinr.projectors.backends.astra_cuda import AstraCuda
from ctinr.projectors.backends.astra_views import views_in_cells
from tests import laws
from tests.catalogue import CONES, FANS, PARALLEL, SCANS, STACKS, VECTORS
from tests.requires import requires
from tests.single import INEXACT, Single
from tests.vectors import hill, inner, length, noise

ENTRY = next(backend for backend in BACKENDS if backend.name == "astra_cuda")
UNMATCHED = INEXACT | {laws.has_its_adjoint_in_single_precision}
FLAT = [name for name, (beam, _) in SCANS.items() if not getattr(beam, "curved", False)]
SPATIAL = [name for name in FLAT if name in {**STACKS, **CONES, **VECTORS}]
SPATIAL = [name for name in SPATIAL if len(SCANS[name][1].shape) == 3]
# Rays of one view are all driven along one axis of its own in space, and near a diagonal of a fan
# along either: there values are those of another way to interpolate.
TEXTURE, ANOTHER_WAY = 4e-3, 0.15


@pytest.fixture
def calls(monkeypatch):
    """Put stand-ins in the place of the kernels, let the engine run on the CPU, list the calls."""
    import astra

    from tests.projectors.astra_twins import direct

    made: list[str] = []
    for kernels in (astra.projector, astra.projector3d):
        forward, back = direct(kernels, made)
        monkeypatch.setattr(kernels, "direct_FP", forward)
        monkeypatch.setattr(kernels, "direct_BP", back)
    monkeypatch.setattr(astra, "use_cuda", lambda: True)
    anywhere = dataclasses.replace(ENTRY, devices=())
    engines = tuple(anywhere if b is ENTRY else b for b in BACKENDS)
    monkeypatch.setattr(registry, "BACKENDS", engines)
    return made


def scan_of(beam: str) -> tuple[Beam, Grid]:
    """A scan of bins about as wide as cells, which are no cubes, off centre."""
    angles = np.add(equal_angles(6, span=2 * math.pi), 0.1)
    if beam == "fan":
        return FanBeam(angles, Detector(35, 0.9, 1.1), 24.0, 6.0), Grid((19, 22), (0.8, 0.7), 1.2)
    if beam == "slanted":
        steps, ways = (np.stack([np.cos(a), np.sin(a)], -1) for a in (angles, angles + 1.0))
        line = Detector(45, 1.0, 1.1)
        plane = Grid((19, 22), (0.8, 0.7), 1.2)
        return VectorBeam(ways, 0 * ways, steps, None, line, parallel=True), plane
    area = Detector((21, 27), (1.1, 1.0), (-0.4, 0.7))
    cone = ConeBeam(angles - 3.0, area, 26.0, 6.0, helical_pitch=2.0 * (beam == "helix"))
    grid = Grid((11, 14, 13), (0.9, 0.8, 1.0), (-0.5, 0.7, 1.1))
    if beam in ("cone", "helix"):
        return cone, grid
    turned = VectorBeam.of(cone).turned_detector(roll=0.2, tilt=0.3, skew=-0.2)
    if beam == "vectors":
        return turned, grid
    ways = np.asarray(turned.centers) - np.asarray(turned.origins)
    axes = turned.u_axes, turned.v_axes
    return VectorBeam(ways, turned.centers, *axes, turned.detector, parallel=True), grid


BEAMS = ("slanted", "fan", "cone", "helix", "vectors", "oblique")
EVERY_BEAM = pytest.mark.parametrize("beam", BEAMS)


def points_of(geometry: Beam, grid: Grid, ahead: float) -> np.ndarray:
    """A point on every ray, in cells from the middle of the grid, (x, y, z)."""
    rays = geometry.rays()
    points = rays.points + ahead * rays.directions
    return (points - np.asarray(grid.center)[::-1]) / np.asarray(grid.spacing)[::-1]


@pytest.mark.parametrize("name", FLAT)
def test_vectors_are_the_rays(name):
    """By ASTRA's definition a bin is so many steps from the middle as from that of the counts."""
    geometry, grid = SCANS[name]
    views, axes = views_in_cells(geometry, grid), len(grid.shape)
    start, middle, *steps = np.moveaxis(views.vectors.reshape(-1, axes + 1, axes), 1, 0)
    counts = geometry.shape[:0:-1]
    away = np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in counts[::-1]], indexing="ij")[::-1]
    spread = (slice(None), *[None] * (axes - 1))
    bins = middle[spread] + sum(
        part[..., None] * step[spread] for part, step in zip(away, steps, strict=True)
    )
    ways = np.broadcast_to(start[spread], bins.shape) if views.parallel else bins - start[spread]
    upright = (1, -1) if axes == 2 else (1, 1, 1)
    for ahead in (3.0, 11.0):
        away_from = points_of(geometry, grid, ahead) * upright - bins
        # Parallel or through the source, our points lie on their lines to rounding.
        along = (away_from * ways).sum(-1, keepdims=True) / (ways * ways).sum(-1, keepdims=True)
        assert np.abs(away_from - along * ways).max() < 1e-11
    directions = geometry.rays().directions / np.asarray(grid.spacing)[::-1] * upright
    assert ((directions * ways).sum(-1) > 0).all()
    assert views.lengths == pytest.approx(1 / np.linalg.norm(directions, axis=-1), rel=1e-12)


@requires("astra")
@pytest.mark.parametrize("name", SPATIAL)
def test_astra_sees_a_point_of_a_ray_in_its_bin(name):
    import astra
    from astra.experimental import projectPoint

    geometry, grid = SCANS[name]
    views = views_in_cells(geometry, grid)
    kind = "parallel3d_vec" if views.parallel else "cone_vec"
    rays = astra.create_proj_geom(kind, *geometry.shape[1:], views.vectors)
    num_views, num_rows, num_bins = geometry.shape
    assert astra.geom_size(rays) == (num_rows, num_views, num_bins)
    points = points_of(geometry, grid, 3.0)
    for view, row, column in np.ndindex(*geometry.shape):
        seen = projectPoint(rays, *points[view, row, column].tolist(), view)
        assert seen == pytest.approx((column, row), abs=1e-9)


@requires("astra")
@pytest.mark.parametrize("name", [*PARALLEL, *FANS, *CONES, *VECTORS])
def test_matrices_are_those_of_the_reference(name, calls):
    """A bin beside, an axis exchanged or turned round, would show at tens of percent."""
    geometry, grid = SCANS[name]
    if getattr(geometry, "curved", False):
        obstacle = registry.backend_named("astra_cuda").obstacle(*SCANS[name], "cpu", torch.float32)
        assert obstacle == "It handles flat detectors, not curved ones."
        return
    given, exact = (Projector(geometry, grid, engine) for engine in ("astra_cuda", "torch"))
    wanted = exact.as_matrix()
    off = (given.as_matrix(dtype=torch.float32) - wanted).norm()
    straight = views_in_cells(geometry, grid).parallel
    assert off <= (TEXTURE if straight else ANOTHER_WAY) * wanted.norm()
    assert set(calls) == {"FP"}


@requires("astra")
@EVERY_BEAM
def test_the_backprojection_is_the_transpose_for_what_is_smooth(beam, calls):
    """Without the obliqueness, or with a wrong density of rays, it would be off by percents."""
    geometry, grid = scan_of(beam)
    A, exact = Projector(geometry, grid, "astra_cuda"), Projector(geometry, grid, "torch")
    x = hill(grid.shape, torch.float32).square()
    y = exact(x)
    assert length(A(x) - y) <= 0.02 * length(y)
    for view in (None, 0, 1, 4):
        one = y.clone()
        if view is not None:
            one[:view], one[view + 1 :] = 0, 0
        assert inner(x, A.T(one)) == pytest.approx(inner(y, one), rel=0.01)
    assert set(calls) == {"FP", "BP"}


@pytest.mark.slow
@requires("astra")
@pytest.mark.parametrize("name", ["fan", "cone"])
def test_the_pair_is_as_unmatched_as_it_says(name, calls):
    angles = equal_angles(6, span=2 * math.pi)
    geometry, grid = {
        "fan": (FanBeam(angles, Detector(19, 1.0), 12.0, 3.0), Grid((12, 12), 0.8)),
        "cone": (ConeBeam(angles, Detector((11, 11), 1.0), 16.0, 4.0), Grid((5, 6, 6), 0.8)),
    }[name]
    A = Projector(geometry, grid, "astra_cuda")
    matrix, other = A.as_matrix(dtype=torch.float32), A.T.as_matrix(dtype=torch.float32).T
    off, norm = (float(torch.linalg.matrix_norm(M, 2)) for M in (matrix - other, matrix))
    assert 0.03 * norm < off < ENTRY.adjoint_gap * norm


@pytest.mark.slow
@requires("astra")
@pytest.mark.parametrize("name", ["anisotropic", "fan-anisotropic", "stack-between", "helix"])
def test_laws(name, calls):
    A = Projector(*SCANS[name], "astra_cuda")
    for law in laws.LAWS:
        if law not in UNMATCHED:
            law(Single(A))


@requires("astra")
@pytest.mark.parametrize("name", ["anisotropic", "fan-anisotropic", "vectors-backwards"])
def test_in_the_plane_astra_takes_our_tensors(name, monkeypatch):
    """Its own kernels, those of the CPU, by the same call: linked memory, order and sign."""
    import astra

    create, on_cpu = (
        astra.create_projector,
        {"parallel_vec": "linear", "fanflat_vec": "line_fanflat"},
    )
    monkeypatch.setattr(
        astra,
        "create_projector",
        lambda kind, rays, cells: create(on_cpu[rays["type"]], rays, cells),
    )
    geometry, grid = SCANS[name]
    engine = AstraCuda(geometry, grid)
    monkeypatch.undo()
    A = Projector(geometry, grid, "astra")
    x = noise(3, *grid.shape).float()
    assert engine.forward(x).equal(A(x))
    y = noise(3, *geometry.shape, seed=1).float()
    slants = views_in_cells(geometry, grid).slants
    slants = 1.0 if name == "anisotropic" else torch.as_tensor(slants, dtype=torch.float32)
    assert torch.allclose(engine.transposed(y * slants), A.T(y), atol=1e-5)


@requires("astra")
def test_what_astra_did_not_compute_is_no_result(calls, monkeypatch):
    """As where there is no memory on the card: it prints, and returns."""
    import astra

    monkeypatch.setattr(astra.projector, "direct_FP", lambda number, volume, *, out: out)
    geometry, grid = SCANS["square"]
    engine = AstraCuda(geometry, grid)
    with pytest.raises(RuntimeError, match="ASTRA computed nothing; what it printed says why"):
        engine.forward(torch.ones(1, *grid.shape))
    assert engine.forward(torch.full((1, *grid.shape), math.nan)).isnan().all()


@requires("astra")
def test_images_and_volumes_are_taken_one_by_one(calls):
    geometry, grid = SCANS["helix"]
    engine = AstraCuda(geometry, grid)
    x = noise(3, *grid.shape).float()
    y = engine.forward(x)
    assert calls == ["FP"] * 3
    assert y.shape == (3, *geometry.shape)
    assert y.is_contiguous()
    assert y[1:2].equal(engine.forward(x[1:2]))
    assert engine.transposed(y).shape == x.shape


@requires("astra")
def test_a_projector_is_freed_once(calls, monkeypatch):
    import astra

    freed: list[int] = []
    delete = astra.projector3d.delete
    monkeypatch.setattr(astra.projector3d, "delete", lambda n: (freed.append(n), delete(n)))
    engine = AstraCuda(*SCANS["cone"])
    x = noise(1, *SCANS["cone"][1].shape).float()
    y, other = engine.forward(x), copy.deepcopy(engine)
    del engine
    gc.collect()
    assert len(freed) == 1
    assert other.forward(x).equal(y)
    del other
    gc.collect()
    assert len(set(freed)) == len(freed) == 2


def refused(geometry: Beam, grid: Grid, device="cuda", dtype=torch.float32) -> str | None:
    return ENTRY.obstacle(geometry, grid, device, dtype)


@requires("astra")
@pytest.mark.parametrize(
    "scan, device, dtype, obstacle",
    [
        ("cone", "cuda", torch.float32, None),
        ("vectors", "cuda", torch.float32, None),
        ("cone", "cpu", torch.float32, "It runs on cuda, not on cpu."),
        ("cone", "cuda", torch.float64, "It handles torch.float32, not torch.float64."),
        ("cone-curved", "cuda", torch.float32, "It handles flat detectors, not curved ones."),
        ("fan-curved", "cuda", torch.float32, "It handles flat detectors, not curved ones."),
    ],
)
def test_an_obstacle_is_a_sentence(scan, device, dtype, obstacle, calls):
    assert refused(*SCANS[scan], device, dtype) == obstacle


@requires("astra")
@pytest.mark.parametrize("as_vectors", [False, True])
@pytest.mark.parametrize("axes", [2, 3])
def test_what_is_behind_a_source_is_refused(axes, as_vectors, calls):
    """Behind the plane through the source along the detector, and not the one across."""
    detector = Detector(15) if axes == 2 else Detector((15, 15))
    kind = FanBeam if axes == 2 else ConeBeam
    geometry = kind([0.0, math.pi], detector, 20.0, 10.0)
    geometry = VectorBeam.of(geometry) if as_vectors else geometry
    for y, behind in ((-40.0, True), (40.0, True), (-15.0, False), (15.0, False)):
        grid = Grid((3, 5, 6)[-axes:], 1.0, (0.0, y, 0.0)[-axes:])
        sentence = "It would see what is behind the source, and a part of the grid is."
        assert refused(geometry, grid) == (sentence if behind else None)


@requires("astra")
@pytest.mark.parametrize(
    "changes, obstacle",
    [
        ({"use_cuda": False},
         "The ASTRA that is installed finds no CUDA card with a driver that it can use."),
        ({"use_cuda": False, "has_feature": False},
         "The ASTRA that is installed was built without CUDA."),
        ({"direct_FP": None},
         "It takes tensors on a card from ASTRA 2.5 on; run: pip install -U astra-toolbox."),
    ],
)  # fmt: skip
def test_what_the_installed_one_lacks_is_told(changes, obstacle, calls, monkeypatch):
    import astra

    for name, value in changes.items():
        if name == "direct_FP":
            monkeypatch.delattr(astra.projector, name)
        else:
            monkeypatch.setattr(astra, name, partial(lambda found, *_: found, value))
    assert refused(*SCANS["cone"]) == obstacle


def test_one_that_is_not_installed_or_cannot_be_imported_is_told(monkeypatch):
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "astra", None)
    obstacle = refused(*SCANS["cone"])
    assert obstacle is not None
    assert obstacle.startswith("It cannot be imported and is to be installed anew: ")
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    wanted = "The module astra is not installed; run: pip install astra-toolbox."
    assert refused(*SCANS["cone"]) == wanted


def test_it_is_never_chosen_and_not_even_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "astra", None)
    for name in ("square", "fan", "cone", "vectors"):
        geometry, grid = SCANS[name]
        assert Projector(geometry, grid).backend("cpu", torch.float32).name == "numba"
        assert Projector(geometry, grid).backend("cuda", torch.float32).name in ("triton", "torch")


@requires("astra")
def test_other_dtypes_are_refused():
    geometry, grid = SCANS["cone"]
    with pytest.raises(BackendUnavailable, match=r"astra_cuda: It runs on cuda, not on cpu"):
        Projector(geometry, grid, "astra_cuda")(noise(*grid.shape))


@requires("cuda", "astra")
@pytest.mark.parametrize("name", ["off-centre", "fan-anisotropic", "cone-anisotropic", "helix"])
def test_on_a_card_matrices_are_those_of_the_reference(name):
    geometry, grid = SCANS[name]
    given, exact = (Projector(geometry, grid, engine) for engine in ("astra_cuda", "torch"))
    wanted = exact.as_matrix()
    found = given.as_matrix(dtype=torch.float32, device="cuda").cpu()
    assert (found - wanted).norm() <= ANOTHER_WAY * wanted.norm()


@requires("cuda", "astra")
@EVERY_BEAM
def test_on_a_card_smooth_pictures_are_those_of_the_reference(beam):
    geometry, grid = scan_of(beam)
    given, exact = (Projector(geometry, grid, engine) for engine in ("astra_cuda", "torch"))
    x = torch.stack([k * hill(grid.shape, torch.float32).square() for k in (1, 2)])
    y = exact(x)
    found, back = given(x.cuda()).cpu(), given.T(y.cuda()).cpu()
    assert length(found - y) <= 0.02 * length(y)
    assert inner(x, back) == pytest.approx(inner(y, y), rel=0.01)
