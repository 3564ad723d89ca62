"""Every fast engine gives what the plain-torch one gives, in both directions, and repeatably."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
import torch
from torch import Tensor

from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, equal_angles
from ctinr.projectors import BACKENDS, Projector
from ctinr.projectors.backends import numba_loops, torch_joseph
from tests import laws
from tests.catalogue import EXACT_ENGINES, SCANS
from tests.requires import requires
from tests.vectors import close, hill, inner, noise

FAST = [name for name in EXACT_ENGINES if name != "torch"]
EXACT = [backend for backend in BACKENDS if backend.name in EXACT_ENGINES]
# On grids so small that no block of bins spans more than some 80 cells.
RELATIVE = {torch.float32: 5e-6, torch.float64: 1e-13}

# More bins, cells, lines and images than any block of a compiled loop holds, and not by a multiple.
ANGLES = [*equal_angles(4), 0.3, -2.0, 4.0]
DETECTOR = Detector(141, 0.63, 1.7)
GRID = Grid((67, 75), (1.2, 0.9), (-3.0, 2.0))
PLAIN = Projector(ParallelBeam(ANGLES, DETECTOR), GRID, "torch")
FLAT, CURVED = (FanBeam(ANGLES, DETECTOR, 75.0, 20.0, curved=curved) for curved in (False, True))
EVERY_BEAM = pytest.mark.parametrize(
    "plain",
    [PLAIN, Projector(FLAT, GRID, "torch"), Projector(CURVED, GRID, "torch")],
    ids=["parallel", "fan flat", "fan curved"],
)


def differ(given: Tensor, wanted: Tensor) -> float:
    return float((given - wanted).double().norm() / wanted.double().norm())


@pytest.mark.parametrize("engine", FAST)
@pytest.mark.parametrize("name", SCANS)
def test_the_matrices_are_the_same(engine, name):
    geometry, grid = SCANS[name]
    fast, plain = (Projector(geometry, grid, which) for which in (engine, "torch"))
    assert close(fast.as_matrix(), plain.as_matrix(), relative=1e-12)
    assert close(fast.T.as_matrix(), plain.T.as_matrix(), relative=1e-12)
    assert close(fast.as_matrix(dtype=torch.float32).double(), plain.as_matrix(), relative=1e-5)


def lattice_scan(seed: int) -> tuple[ParallelBeam, Grid]:
    """Numbers that put crossings on edges and corners, where a rounding picks the wrong cell."""
    random = np.random.default_rng(seed)
    steps, shifts = [0.1, 0.3, 0.7, 1.0, 1.3], [0.0, 0.05, 0.1, 0.35, -0.2]
    turns = [0.0, math.pi / 4, math.pi / 2, math.pi, 2.35, -math.pi / 2, 1.1, math.atan(0.5)]
    detector = Detector(int(random.integers(1, 24)), random.choice(steps), random.choice(shifts))
    shape = [int(size) for size in random.integers(1, 9, 2)]
    grid = Grid(shape, random.choice(steps, 2).tolist(), random.choice(shifts, 2).tolist())
    return ParallelBeam(random.choice(turns, 3), detector), grid


@pytest.mark.parametrize("engine", FAST)
def test_crossings_on_edges_are_the_same(engine):
    for seed in range(60):
        geometry, grid = lattice_scan(seed)
        fast, plain = (Projector(geometry, grid, which) for which in (engine, "torch"))
        exact = plain.as_matrix()
        scale = max(grid.spacing)
        for given in (fast.as_matrix(), fast.T.as_matrix().T, plain.T.as_matrix().T):
            assert float((given - exact).abs().max()) <= 1e-12 * scale, f"seed {seed}"


@pytest.mark.parametrize("dtype", RELATIVE, ids=str)
@pytest.mark.parametrize("batch", [0, 1, 3, 9, 17])
@pytest.mark.parametrize("engine", FAST)
@EVERY_BEAM
def test_values_are_the_same(plain, engine, batch, dtype):
    fast = Projector(plain.geometry, GRID, engine)
    for given, wanted in ((fast, plain), (fast.T, plain.T)):
        x = noise(batch, *given.domain.shape, dtype=dtype)
        y = given(x)
        assert (y.shape, y.dtype) == ((batch, *given.range.shape), dtype)
        if batch:
            assert differ(y, wanted(x)) <= RELATIVE[dtype]
            # each image by itself: an error in one of a batch must not drown in the others
            assert differ(y[-1], wanted(x[-1])) <= RELATIVE[dtype]


def large_scan(beam: str, pitch: float) -> tuple[ParallelBeam | FanBeam, Grid]:
    """Bins of so many cells each, counted on the axis of rotation, and blocks that are filled."""
    angles, grid = [0.1, 0.3, 0.9, 1.4, -2.0, 4.0], Grid((250, 263))
    if beam == "parallel":
        return ParallelBeam(angles, Detector(math.ceil(390 / pitch), pitch, 1.7)), grid
    detector = Detector(math.ceil(440 / pitch), 1.5 * pitch, 1.7)
    return FanBeam(angles, detector, 410.0, 205.0, curved=beam == "fan curved"), grid


@pytest.mark.parametrize("pitch", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("beam", ["parallel", "fan flat", "fan curved"])
def test_the_error_of_single_precision_goes_with_the_cells_under_a_block(beam, pitch):
    geometry, grid = large_scan(beam, pitch)
    fast, plain = (Projector(geometry, grid, engine) for engine in ("numba", "torch"))
    largest = {torch.float32: 6e-8 * numba_loops.BLOCK * pitch, torch.float64: 1e-13}
    for given, wanted in ((fast, plain), (fast.T, plain.T)):
        for dtype, bound in largest.items():
            x = noise(*given.domain.shape, dtype=dtype)
            assert differ(given(x), wanted(x)) <= bound


@pytest.mark.parametrize("backend", EXACT, ids=lambda backend: backend.name)
@EVERY_BEAM
def test_the_pair_is_as_matched_as_it_says(plain, backend):
    A = Projector(plain.geometry, GRID, backend.name)
    assert backend.adjoint_gap == 0
    laws.has_its_adjoint(A)
    laws.has_its_adjoint_in_single_precision(A)
    for dtype, largest in ((torch.float32, 1e-6), (torch.float64, 1e-13)):
        x, y = (hill(tuple(space.shape), dtype) for space in (A.domain, A.range))
        forward, back = inner(A(x), y), inner(x, A.T(y))
        assert abs(forward - back) < largest * abs(forward)


@pytest.mark.parametrize("engine", FAST)
def test_layouts_make_no_difference(engine):
    fast = Projector(PLAIN.geometry, GRID, engine)
    for A in (fast, fast.T):
        rows, columns = A.domain.shape
        x = noise(3, rows, columns)
        y = A(x)
        wide = noise(3, 2 * rows, columns + 5)[:, ::2, 5:].copy_(x)
        for same in (x.mT.contiguous().mT, wide, x.permute(1, 2, 0).contiguous().permute(2, 0, 1)):
            assert not same.is_contiguous()
            assert A(same).equal(y)
        assert A(x[1].expand(4, rows, columns)).equal(y[1].expand(4, *A.range.shape))


@pytest.mark.parametrize("dtype", RELATIVE, ids=str)
@pytest.mark.parametrize("batch", [1, 9])
@EVERY_BEAM
def test_the_number_of_threads_changes_no_bit(plain, batch, dtype):
    most = numba.config.NUMBA_NUM_THREADS
    if most < 2:
        pytest.skip("one processor, one thread")
    fast = Projector(plain.geometry, GRID, "numba")
    for A in (fast, fast.T):
        x = noise(batch, *A.domain.shape, dtype=dtype)
        alone = A(x)
        numba.set_num_threads(most)
        try:
            together = [A(x) for _ in range(3)]
        finally:
            numba.set_num_threads(1)
        assert all(y.equal(alone) for y in together)


def test_the_plain_engine_works_in_parts(monkeypatch):
    x, y = noise(2, *PLAIN.domain.shape), noise(2, *PLAIN.range.shape)
    whole = PLAIN(x), PLAIN.T(y)
    monkeypatch.setattr(torch_joseph, "CROSSINGS", 2 * 67 * 141)
    again = Projector(PLAIN.geometry, GRID, "torch")
    assert close(again(x), whole[0])
    assert close(again.T(y), whole[1])


@requires("cuda")
@pytest.mark.parametrize("dtype", RELATIVE, ids=str)
def test_the_plain_engine_is_the_same_on_a_gpu(dtype):
    for A in (PLAIN, PLAIN.T):
        x = noise(3, *A.domain.shape, dtype=dtype)
        y = A(x.cuda())
        assert (y.device.type, y.dtype) == ("cuda", dtype)
        assert differ(y.cpu(), A(x)) <= RELATIVE[dtype]
