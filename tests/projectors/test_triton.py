"""The CUDA engine against the plain one: on a card if there is one, else in Triton's interpreter.

The registry gives it no tensor of the CPU, so the class is made directly.
"""

from __future__ import annotations

import dataclasses
import importlib
import math

import pytest
import torch
from torch import Tensor

from ctinr.checks import BackendUnavailable
from ctinr.geometry import (
    ConeBeam,
    Detector,
    FanBeam,
    Grid,
    ParallelBeam,
    VectorBeam,
    equal_angles,
)
from ctinr.projectors import BACKENDS, Projector, registry
from ctinr.projectors.backends.torch_joseph import TorchJoseph
from ctinr.projectors.backends.torch_volume import TorchVolume
from ctinr.projectors.registry import HALF_PRECISION
from ctinr.projectors.stack import Stack
from ctinr.recon.cgls import cgls
from tests.catalogue import SCANS
from tests.compiled import printed_while_compiling
from tests.requires import requires
from tests.single import keeps_the_laws
from tests.vectors import hill, inner, noise

pytestmark = requires("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BACKEND = next(backend for backend in BACKENDS if backend.name == "triton")
RELATIVE = 5e-7

ANGLES = [*equal_angles(2), 0.3, -2.0]
DETECTOR, GRID = Detector(29, 0.73, 1.7), Grid((7, 13), (1.2, 0.9), (-3.0, 2.0))
MORE = {
    "parallel": (ParallelBeam(ANGLES, DETECTOR), GRID),
    "fan flat": (FanBeam(ANGLES, DETECTOR, 25.0, 7.0), GRID),
    "fan curved": (FanBeam(ANGLES, DETECTOR, 25.0, 7.0, curved=True), GRID),
    # Numbers of the table that float32 could not tell apart.
    "far source": (FanBeam([0.3, 1.9], Detector(25, 0.9), 1e7, 10.0), Grid((13, 11))),
    # One ray passes, and the middle of its view is so far away that its bin is looked up roughly.
    "far off": (
        ParallelBeam([0.1], Detector(301, 1e4, 0.3)),
        Grid((9, 8), 1.0, (1400000.3 * math.sin(0.1), 1400000.3 * math.cos(0.1))),
    ),
    # Where on the detector a cell is seen is looked up in float32: many bins a cell, a cone whose
    # source is close, and a detector of which only the end sees the volume.
    "cone fine": (
        ConeBeam([0.3], Detector((9, 11), 0.09), 9.0, 1.0, curved=True),
        Grid((2, 3, 2), 0.4),
    ),
    "cone near": (
        ConeBeam([0.3, 2.0], Detector((4, 5), (1.4, 1.2)), 6.0, 2.5, curved=True),
        Grid((3, 5, 5)),
    ),
    "cone end": (
        ConeBeam([0.3, 2.0], Detector((12, 14), 0.7, (2.0, -3.0)), 5000.0, 2500.0),
        Grid((4, 5, 5), 1.0, (2.0, 3.0, -2.0)),
    ),
    "tilted": (
        VectorBeam.of(ConeBeam([0.3, 2.0], Detector((5, 4), 1.9), 15.0, 9.0)).turned_detector(
            roll=0.5, tilt=0.6, skew=-0.5
        ),
        Grid((4, 5, 3)),
    ),
    # A part of the volume is behind the source in one view.
    "cone inside": (
        ConeBeam([0.0, 3.1], Detector((7, 9), 1.5), 6.0, 3.0),
        Grid((3, 4, 9), 1.0, (0.0, -9.0, 0.0)),
    ),
    # Tens of bins a cell, and more rays than a block of the real size.
    "fine": (FanBeam([0.0, 2.2], Detector(70, 0.04), 9.0, 1.0, curved=True), Grid((4, 6))),
}


def pair(scan):
    """The engine and the plain one; for volumes in a parallel beam as stacks."""
    volumes = len(scan[1].shape) == 3
    if volumes and not isinstance(scan[0], ParallelBeam):
        return BACKEND.load(volumes=True)(*scan), TorchVolume(*scan)
    engines = BACKEND.load(), TorchJoseph
    if volumes:
        return tuple(Stack(engine, *scan) for engine in engines)
    return tuple(engine(*scan) for engine in engines)


def on_device(apply, x: Tensor) -> Tensor:
    y = apply(x.to(DEVICE))
    assert (y.device.type, y.dtype) == (DEVICE, x.dtype)
    return y.cpu()


def differ(given: Tensor, wanted: Tensor) -> float:
    return float((given.double() - wanted).norm() / wanted.norm().clamp(min=1e-300))


def agree(scan, batch: int) -> None:
    """Both directions, every image by itself: an error in one must not drown in the others."""
    (fast, plain), (geometry, grid) = pair(scan), scan
    for way, shape in (("forward", grid.shape), ("transposed", geometry.shape)):
        x = noise(batch, *shape)
        given = on_device(getattr(fast, way), x.float())
        wanted = getattr(plain, way)(x.float().double())
        assert given.shape == wanted.shape
        assert max(map(differ, given, wanted)) <= RELATIVE


@pytest.mark.parametrize("name", SCANS)
def test_every_scan_of_the_catalogue_is_the_same(name):
    agree(SCANS[name], 3)


@pytest.mark.parametrize("name", MORE)
def test_other_scans_are_the_same(name):
    agree(MORE[name], 3)


@pytest.mark.parametrize("batch", [1, 8, 9])
def test_any_number_of_images_is_the_same(batch):
    agree(SCANS["fan-wide"], batch)


def test_a_bin_at_the_edge_of_a_cell_is_found():
    """Far from cell 0 float32 rounds where bins are looked up, by more than these are inside."""
    inside, size = 2.4e-5, 3001
    detector, grid = (
        Detector(21, 1 / 3, -1 / 3 - inside),
        Grid((1, size), 1.0, (0.0, 5 - size // 2)),
    )
    scan = ParallelBeam([0.0, math.pi], detector), grid
    agree(scan, 1)
    fast, plain = pair(scan)
    y = noise(1, *scan[0].shape)
    fast._slack = 0.0
    lost = on_device(fast.transposed, y.float())
    assert differ(lost, plain.transposed(y)) > 10 * RELATIVE


@pytest.mark.parametrize("curved", [False, True], ids=["flat", "curved"])
def test_a_source_a_hair_beside_a_line_is_the_same(curved):
    """Within the rows of the grid, beside it, nearer to one of them than float32 can tell."""
    for side in (-1e-9, 1e-9):
        grid = Grid((7, 5), 1.0, (-5.0 + side, 3.3))
        for bins in (1, 11):
            geometry = FanBeam([0.0], Detector(bins, 1.0, 6.0), 5.0, 4.0, curved=curved)
            assert Projector(geometry, grid, "torch")(torch.ones(7, 5)).any()
            agree((geometry, grid), 1)


@pytest.fixture
def anywhere(monkeypatch):
    """The engine's row, were it for any device: so the projector takes it, in the interpreter."""
    row = dataclasses.replace(BACKEND, devices=())
    table = tuple(row if backend is BACKEND else backend for backend in BACKENDS)
    monkeypatch.setattr(registry, "BACKENDS", table)


@pytest.mark.slow
def test_laws(anywhere):
    keeps_the_laws(Projector(*SCANS["fan-one-bin"], "triton"))


@pytest.mark.parametrize("dtype", HALF_PRECISION, ids=str)
@pytest.mark.parametrize("name", ["fan flat", "one-bin", "tall"])
def test_half_precision_is_rounded_once(anywhere, name, dtype):
    """Sums in half precision would be off by several roundings, and say so in the worst bin."""
    scan = {**SCANS, **MORE}[name]
    A, plain = Projector(*scan, "triton"), Projector(*scan, "torch")
    for B, exact in ((A, plain), (A.T, plain.T)):
        x = noise(3, *B.domain.shape).to(DEVICE, dtype)
        y = B(x)
        assert (y.dtype, y.device.type) == (dtype, DEVICE)
        wanted = exact(x.cpu().double())
        off = (y.cpu().double() - wanted).abs()
        half = torch.finfo(dtype).eps / 2
        assert (off <= half * wanted.abs() + 1e-6 * wanted.abs().max()).all()


@pytest.mark.parametrize("dtype", HALF_PRECISION, ids=str)
def test_volumes_in_half_precision_are_rounded_twice(anywhere, dtype):
    """As slices and as rows; of positive numbers, so that nothing cancels."""
    A, plain = (Projector(*SCANS["stack-between"], name) for name in ("triton", "torch"))
    for B, exact in ((A, plain), (A.T, plain.T)):
        x = hill((1, *B.domain.shape), torch.float32).to(DEVICE, dtype)
        wanted = exact(x.cpu().double())
        off = (B(x).cpu().double() - wanted).abs()
        assert (off <= 1.01 * torch.finfo(dtype).eps * wanted + 1e-6 * wanted.max()).all()


@pytest.mark.parametrize("dtype", HALF_PRECISION, ids=str)
def test_half_precision_is_refused_by_the_others_and_by_what_is_made_of_it(anywhere, dtype):
    scan = SCANS["fan"]
    x = torch.ones(scan[1].shape, dtype=dtype)
    for name in ("numba", "torch", "astra"):
        with pytest.raises(BackendUnavailable, match=rf"{name}: .*, not {dtype}\.|{name}: The mod"):
            Projector(*scan, name)(x)
    A = Projector(*scan, "triton")
    with pytest.raises(TypeError, match=r"`x` must be torch\.float32 or torch\.float64; got"):
        A.gram(x)
    with pytest.raises(TypeError, match=r"`y` must be torch\.float32 or torch\.float64; got"):
        cgls(A, A(x), iterations=1)


@pytest.mark.parametrize("name", ["parallel", "fan curved", "cone near"])
def test_blocks_that_are_not_full_are_the_same(name, monkeypatch):
    """Several blocks of rays and of cells along both axes, by no multiple."""
    for target in (BACKEND.target, BACKEND.volumes):
        module = importlib.import_module(target.partition(":")[0])
        monkeypatch.setattr(module, "BLOCK", 16)
    agree(MORE[name], 2)


def test_volumes_are_taken_in_tables_of_some_views(monkeypatch):
    module = importlib.import_module(BACKEND.volumes.partition(":")[0])
    monkeypatch.setattr(module, "RAYS", 2 * 20)
    agree(SCANS["helix"], 5)


@pytest.mark.parametrize(
    "name", ["parallel", "fan curved", "cone near", "tilted", "fan-anisotropic"]
)
def test_the_pair_is_matched(name):
    geometry, grid = {**SCANS, **MORE}[name]
    fast, _ = pair((geometry, grid))
    x, y = (hill((1, *shape), torch.float32) for shape in (grid.shape, geometry.shape))
    forward = inner(on_device(fast.forward, x), y)
    assert forward > 0
    assert abs(forward - inner(x, on_device(fast.transposed, y))) < 1e-6 * forward


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["fan-straight", "any-angle", "fan-beside", "on-the-edge", "cone-straight"]
)
def test_one_matrix_is_the_transpose_of_the_other(name):
    geometry, grid = SCANS[name]
    fast, _ = pair((geometry, grid))
    cells, rays = (torch.eye(math.prod(shape)) for shape in (grid.shape, geometry.shape))
    forward = on_device(fast.forward, cells.unflatten(1, grid.shape)).flatten(1)
    back = on_device(fast.transposed, rays.unflatten(1, geometry.shape)).flatten(1)
    # One weight and one length an entry: only the order of their product with 1 differs.
    assert float((forward.T - back).abs().max()) <= 2e-7 * float(forward.abs().max())
    assert torch.equal(forward.T != 0, back != 0)


def test_rays_that_miss_see_nothing_and_give_nothing():
    fast, _ = pair(SCANS["beside"])
    assert not on_device(fast.forward, torch.ones(1, 4, 4)).any()
    assert not on_device(fast.transposed, torch.ones(1, 2, 3)).any()


@pytest.mark.parametrize("name", ["fan-anisotropic", "cone-one-bin"])
def test_layouts_make_no_difference_and_inputs_are_left_alone(name):
    geometry, grid = SCANS[name]
    fast, _ = pair((geometry, grid))
    for apply, shape in ((fast.forward, grid.shape), (fast.transposed, geometry.shape)):
        x = noise(3, *shape, dtype=torch.float32)
        y, before = on_device(apply, x), x.clone()
        for same in (x.mT.contiguous().mT, x.movedim(0, -1).contiguous().movedim(-1, 0)):
            assert on_device(apply, same).equal(y)
        assert on_device(apply, x[1].expand(2, *shape)).equal(y[[1, 1]])
        assert x.equal(before)


def test_what_is_not_a_number_shows():
    geometry, grid = SCANS["fan"]
    fast, plain = pair((geometry, grid))
    for way, shape in (("forward", grid.shape), ("transposed", geometry.shape)):
        seen = getattr(plain, way)(torch.ones(1, *shape, dtype=torch.float64)) > 1e-9
        given = on_device(getattr(fast, way), torch.full((1, *shape), torch.nan))
        assert given[seen].isnan().all()


COMPILE = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from ctinr.projectors.backends import triton_loops, triton_rays

known = {"crossings": "*i64", "lengths": "*fp32", "numbers": "*fp32", "slack": "fp32",
         "spans": "*i32", "runs": "*i32", "guides": "*i32", "reach": "fp32",
         "matrices": "*fp32", "scales": "*fp32"}
kernels = (
    (triton_loops.project, "pictures", "sinogram", 0),
    (triton_loops.backproject, "sinogram", "lines", 0),
    (triton_rays.project, "volume", "sinogram", 0),
    (triton_rays.backproject, "sinogram", "volume", False),
    (triton_rays.backproject, "sinogram", "volume", True),
)
# Whole numbers that are 1 become constants when a kernel is called.
for storage, whole in (("*fp32", "i32"), ("*fp16", "i32"), ("*bf16", "constexpr")):
    for kernel, given, sums, curved in kernels:
        kinds = known | {given: storage, sums: "*fp32"}
        signature = {name: kinds.get(name, whole) for name in kernel.arg_names}
        fixed = {name: 1 for name, kind in signature.items() if kind == "constexpr"}
        shapes = {"BLOCK": 128, "IMAGES": 4, "VOLUMES": 4, "CURVED": curved}
        shapes = {name: value for name, value in shapes.items() if name in kernel.arg_names}
        signature |= dict.fromkeys(shapes, "constexpr")
        source = ASTSource(kernel, signature, fixed | shapes)
        code = compile(source, target=GPUTarget("cuda", 80, 32)).asm["ptx"]
        print(code.count(".entry"), "atom" in code, "f64" in code)
"""


@pytest.mark.slow
def test_kernels_compile_for_a_card_without_one(tmp_path):
    """The interpreter takes more than the compiler does. Neither atomics nor float64 are used."""
    lines, errors = printed_while_compiling(COMPILE, tmp_path)
    assert lines == ["1 False False"] * 15, errors


def test_it_is_for_cuda_in_single_precision_and_comes_before_the_plain_one():
    scan = SCANS["square"]
    assert BACKEND.obstacle(*scan, "cuda", torch.float32) is None
    assert BACKEND.obstacle(*scan, "cpu", torch.float32) == "It runs on cuda, not on cpu."
    assert "not torch.float64" in BACKEND.obstacle(*scan, "cuda", torch.float64)
    on_cuda = [b.name for b in BACKENDS if not b.devices or "cuda" in b.devices]
    assert on_cuda == ["triton", "torch", "astra_cuda", "torch_radon"]
    assert BACKEND.adjoint_gap == 0
