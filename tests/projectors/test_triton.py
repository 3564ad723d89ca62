"""The CUDA engine against the plain one: on a card if there is one, else in Triton's interpreter.

The registry gives it no tensor of the CPU, so the class is made directly.
"""

from __future__ import annotations

import importlib
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ctinr.geometry import (
    ConeBeam,
    Detector,
    FanBeam,
    Grid,
    ParallelBeam,
    VectorBeam,
    equal_angles,
)
from ctinr.projectors import BACKENDS
from ctinr.projectors.backends.torch_joseph import TorchJoseph
from ctinr.projectors.backends.torch_volume import TorchVolume
from ctinr.projectors.stack import Stack
from tests.catalogue import SCANS
from tests.requires import requires
from tests.vectors import hill, inner, noise

pytestmark = requires("triton")
ROOT = Path(__file__).parents[2]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BACKEND = next(backend for backend in BACKENDS if backend.name == "triton")
RELATIVE = 5e-7

ANGLES = [*equal_angles(2), 0.3, -2.0]
DETECTOR, GRID = Detector(43, 0.73, 1.7), Grid((11, 21), (1.2, 0.9), (-3.0, 2.0))
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
        ConeBeam([0.3, 2.2], Detector((15, 16), 0.06), 9.0, 1.0, curved=True),
        Grid((2, 3, 2), 0.4),
    ),
    "cone near": (
        ConeBeam([0.3, 2.0, 4.4], Detector((7, 9), (0.8, 0.7)), 6.0, 2.5, curved=True),
        Grid((4, 5, 5)),
    ),
    "cone end": (
        ConeBeam([0.3, 2.0], Detector((12, 14), 0.7, (2.0, -3.0)), 5000.0, 2500.0),
        Grid((4, 5, 5), 1.0, (2.0, 3.0, -2.0)),
    ),
    "tilted": (
        VectorBeam.of(ConeBeam([0.3, 2.0], Detector((9, 8), 1.1), 15.0, 9.0)).turned_detector(
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
    "fine": (FanBeam([0.0, 2.2], Detector(150, 0.02), 9.0, 1.0, curved=True), Grid((4, 6))),
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


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", MORE)
def test_other_scans_are_the_same(name, batch):
    agree(MORE[name], batch)


@pytest.mark.parametrize("name", ["parallel", "fan flat", "fan curved", "cone near", "tilted"])
def test_blocks_that_are_not_full_are_the_same(name, monkeypatch):
    """Several blocks of rays and of cells along both axes, by no multiple."""
    for target in (BACKEND.target, BACKEND.volumes):
        module = importlib.import_module(target.partition(":")[0])
        monkeypatch.setattr(module, "BLOCK", 16)
    agree(MORE[name], 2)


def test_volumes_are_taken_in_tables_of_some_views(monkeypatch):
    module = importlib.import_module(BACKEND.volumes.partition(":")[0])
    monkeypatch.setattr(module, "RAYS", 2 * 20)
    agree(SCANS["helix"], 1)
    agree(SCANS["cone"], 5)


def test_more_images_than_a_program_takes_are_the_same():
    agree(SCANS["fan-wide"], 9)


@pytest.mark.parametrize("name", [*MORE, "off-centre", "anisotropic", "fan-anisotropic"])
def test_the_pair_is_matched(name):
    geometry, grid = {**SCANS, **MORE}[name]
    fast, _ = pair((geometry, grid))
    x, y = (hill((1, *shape), torch.float32) for shape in (grid.shape, geometry.shape))
    forward = inner(on_device(fast.forward, x), y)
    assert forward > 0
    assert abs(forward - inner(x, on_device(fast.transposed, y))) < 1e-6 * forward


@pytest.mark.parametrize(
    "name",
    ["fan-wide-curved", "any-angle", "fan-beside", "on-the-edge", "cone-curved", "vectors-oblique"],
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


@pytest.mark.parametrize("name", ["fan-anisotropic", "cone"])
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
import sys
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from ctinr.projectors.backends import triton_loops, triton_rays

real, whole, slow = (dict.fromkeys(names.split(), kind) for kind, names in (
    ("*fp32", "pictures sinogram lines numbers lengths volume matrices scales"),
    ("*i32", "spans runs guides"), ("constexpr", "BLOCK IMAGES VOLUMES CURVED")))
known = real | whole | slow | {"crossings": "*i64", "slack": "fp32", "reach": "fp32"}
for kernel, curved in ((triton_loops.project, 0), (triton_loops.backproject, 0),
    (triton_rays.project, 0), (triton_rays.backproject, False), (triton_rays.backproject, True)):
    names = kernel.arg_names
    signature = {name: known.get(name, "i32") for name in names}
    constants = {"BLOCK": 128, "IMAGES": 4, "VOLUMES": 4, "CURVED": curved}
    source = ASTSource(kernel, signature, {k: v for k, v in constants.items() if k in names})
    code = compile(source, target=GPUTarget("cuda", 80, 32)).asm["ptx"]
    print(code.count(".entry"), "atom" in code, "f64" in code)
"""


def test_kernels_compile_for_a_card_without_one(tmp_path):
    """The interpreter takes more than the compiler does. Neither atomics nor float64 are used."""
    compiling = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", COMPILE],
        env=compiling,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.splitlines() == ["1 False False"] * 5, ran.stderr[-2000:]


def test_it_is_for_cuda_in_single_precision_and_comes_before_the_plain_one():
    scan = SCANS["square"]
    assert BACKEND.obstacle(*scan, "cuda", torch.float32) is None
    assert BACKEND.obstacle(*scan, "cpu", torch.float32) == "It runs on cuda, not on cpu."
    assert "not torch.float64" in BACKEND.obstacle(*scan, "cuda", torch.float64)
    on_cuda = [b.name for b in BACKENDS if not b.devices or "cuda" in b.devices]
    assert on_cuda == ["triton", "torch"]
    assert BACKEND.adjoint_gap == 0
