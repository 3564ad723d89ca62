"""The engines of the cone beam's backprojection: they agree, and what each refuses."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace

import numba
import numpy as np
import pytest
import torch

from ctinr.checks import BackendUnavailable
from ctinr.geometry import ConeBeam, Detector, Grid, equal_angles
from ctinr.projectors import Projector
from ctinr.recon.fdk import backproject_cone, fdk

FULL = equal_angles(45, span=2 * math.pi)
SHORT = equal_angles(33, span=math.pi + 0.56)
LONG = tuple((np.arange(-112, 112) * 2 * math.pi / 45).tolist())
WIDE, LOW = Detector((60, 80), (2.0, 1.6)), Detector((20, 80), (2.0, 1.6), (3.1, 0.0))
GRID, UNEVEN = Grid((40, 48, 48), 1.2), Grid((17, 33, 50), (2.7, 1.7, 0.96), (3.0, -4.0, 5.0))
FAR, SCALED = (150.0, 100.0), (150.0, 0.0)
GEOMETRIES = {
    "full": (ConeBeam(FULL, WIDE, *FAR), GRID),
    "uneven": (ConeBeam(FULL, WIDE, *FAR), UNEVEN),
    "offset": (ConeBeam(FULL, Detector((60, 60), (2.0, 1.6), (0.7, 20.0)), *FAR), GRID),
    "short": (ConeBeam(SHORT, WIDE, *FAR), GRID),
    "scaled": (ConeBeam(FULL, Detector((60, 80), (1.2, 0.96)), *SCALED), GRID),
    "low": (ConeBeam(FULL, LOW, *FAR), GRID),
    "narrow": (ConeBeam(FULL, Detector((40, 23), 2.0), *FAR), UNEVEN),
    "one row": (ConeBeam(FULL, Detector((1, 80), 1.6), *FAR), Grid((1, 40, 44), 1.2)),
    "one bin": (ConeBeam(FULL, Detector((30, 1), 5.0), *FAR), Grid((20, 9, 1), 2.0)),
    "source inside": (ConeBeam(FULL, WIDE, 25.0, 20.0), GRID),
    "helix": (ConeBeam(LONG, WIDE, *FAR, helical_pitch=25.0), UNEVEN),
    "helix down": (ConeBeam(LONG, WIDE, *FAR, helical_pitch=-40.0), GRID),
    "helix in no order": (ConeBeam(LONG[::2] + LONG[1::2], WIDE, *FAR, helical_pitch=25.0), GRID),
    # On the axis of rotation cells have their shadows on the very edge of the detector.
    "edge": (ConeBeam(FULL, Detector((40, 60), (1.5, 2.0)), *FAR), Grid((31, 9, 9), 1.2)),
}


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3)).to(dtype)


@pytest.mark.parametrize("curved", [False, True], ids=["flat", "curved"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_compiled_engine_computes_what_its_twin_does(name, curved):
    geometry, grid = GEOMETRIES[name]
    geometry = replace(geometry, curved=curved)
    single = noise(*geometry.shape)
    wanted = backproject_cone(single.double(), geometry, grid, kernel="torch")
    largest = wanted.abs().max()
    double = backproject_cone(single.double(), geometry, grid, kernel="numba")
    assert largest > 0 and double.dtype == torch.float64
    assert (double - wanted).abs().max() < 1e-12 * largest
    # The same numbers: so the bound is on what the arithmetic in single precision does.
    given = backproject_cone(single, geometry, grid, kernel="numba")
    assert given.dtype == torch.float32 and given.is_contiguous()
    assert (given - wanted).abs().max() < 2e-6 * largest
    # Which cells are seen does not depend on the engine or the precision.
    assert torch.equal(given == 0, wanted == 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batches_of_any_shape_and_strides(dtype):
    geometry, grid = ConeBeam(FULL[::3], Detector((9, 20), 4.0), *FAR), Grid((7, 19, 18), 3.0)
    views = noise(2, 3, *geometry.shape[::-1], dtype=dtype).transpose(-1, -3)
    kept = views.clone()
    given = backproject_cone(views, geometry, grid)
    assert given.shape == (2, 3, *grid.shape) and torch.equal(views, kept)
    for one in np.ndindex(2, 3):
        assert torch.equal(given[one], backproject_cone(views[one].contiguous(), geometry, grid))
    assert backproject_cone(views[:0], geometry, grid).shape == (0, 3, *grid.shape)


def test_the_same_bits_for_any_number_of_threads():
    most = numba.config.NUMBA_NUM_THREADS
    for name in ("uneven", "helix"):
        geometry, grid = GEOMETRIES[name]
        views, before = noise(*geometry.shape), numba.get_num_threads()
        try:
            results = []
            for threads in (1, most, most):
                numba.set_num_threads(threads)
                results.append(backproject_cone(views, geometry, grid, kernel="numba"))
        finally:
            numba.set_num_threads(before)
        assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


def test_a_cell_seen_over_exactly_half_of_the_turn_is_kept():
    """Two views from either side, and only the farther source sees the cells above."""
    cone = ConeBeam((0.0, math.pi), Detector((2, 40), (10.0, 4.0)), *FAR)
    grid = Grid((4, 2, 1), (4.0, 40.0, 1.0))
    views = torch.ones(cone.shape)
    for kernel in ("numba", "torch"):
        for dtype in (torch.float32, torch.float64):
            volume = backproject_cone(views.to(dtype), cone, grid, kernel=kernel)
            assert (volume != 0).all(dim=2).all(dim=1).tolist() == [True] * 4
            # One view of two: twice its value, (150 / 170)² of it, over half a turn.
            wanted = 2 * math.pi * (150 / 170) ** 2
            assert volume[0].numpy() == pytest.approx(wanted, rel=1e-5)


def test_the_result_says_which_engine_it_was():
    geometry, grid = ConeBeam(FULL, Detector((9, 20), 4.0), *FAR), Grid((3, 9, 8), 3.0)
    A, y = Projector(geometry, grid), noise(*geometry.shape)
    assert fdk(A, y).record == {"kernel": "numba"}
    assert fdk(A, y, kernel="torch").record == {"kernel": "torch"}
    with pytest.raises(ValueError, match=r"^`kernel` must be one of"):
        fdk(A, y, kernel="fast")


def test_what_the_compiled_engine_cannot_do_falls_to_its_twin_or_is_refused(monkeypatch):
    geometry, grid = ConeBeam(FULL, Detector((9, 20), 4.0), *FAR), Grid((3, 9, 8), 3.0)
    views = noise(*geometry.shape).requires_grad_()
    backproject_cone(views, geometry, grid).sum().backward()
    assert views.grad is not None and views.grad.any()
    with pytest.raises(BackendUnavailable, match=r"numba: has no gradient.*\n  torch: can run"):
        backproject_cone(views, geometry, grid, kernel="numba")
    with torch.no_grad():
        assert backproject_cone(views, geometry, grid, kernel="numba").any()
    with pytest.raises(BackendUnavailable, match=r"computes in torch\.float32, torch\.float64"):
        backproject_cone(views.detach().bfloat16(), geometry, grid, kernel="numba")
    with pytest.raises(BackendUnavailable, match=r"runs on cpu, not on meta"):
        backproject_cone(views.detach().to("meta"), geometry, grid, kernel="numba")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    A = Projector(geometry, grid, "torch")
    assert fdk(A, views.detach()).record == {"kernel": "torch"}
    with pytest.raises(BackendUnavailable, match=r"numba: needs numba: pip install numba"):
        fdk(A, views.detach(), kernel="numba")
