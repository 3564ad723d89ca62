"""torch-radon as an engine: judged with stand-ins of both interfaces, and with itself on a card."""

from __future__ import annotations

import copy
import dataclasses
import math
import sys

import pytest
import torch

from ctinr.checks import BackendUnavailable
from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, equal_angles
from ctinr.projectors import BACKENDS, Projector, registry
from ctinr.projectors.backends import torch_radon
from phantoms import bump
from tests import laws
from tests.projectors import torch_radon_twins as twins
from tests.requires import requires
from tests.single import INEXACT, Single
from tests.vectors import inner, length, noise

ENTRY = next(backend for backend in BACKENDS if backend.name == "torch_radon")
# In no order, beyond a half turn.
ANGLES = [1.2, 0.35, -0.8, 4.0, 2.6, 0.0, math.pi / 2, 7.1]
DETECTOR = Detector(141, 0.63)
SQUARE, OTHER = Grid((64, 64), 0.8), Grid((57, 75), 0.8, (-3.0, 2.0))
BEAMS = {"parallel": ParallelBeam(ANGLES, DETECTOR), "fan": FanBeam(ANGLES, DETECTOR, 75.0, 20.0)}
UNMATCHED = INEXACT | {laws.has_its_adjoint_in_single_precision}
EVERY_BEAM = pytest.mark.parametrize("beam", BEAMS)
EVERY_SCAN = pytest.mark.parametrize(
    "version, grid", [(1, SQUARE), (2, SQUARE), (2, OTHER)], ids=["1", "2", "2 off centre"]
)


@pytest.fixture
def installed(monkeypatch):
    """Put a stand-in in the place of the package, and let the engine run on the CPU."""

    def put(version: int, **changes: object) -> None:
        for name, module in twins.modules(version).items():
            monkeypatch.setitem(sys.modules, name, module)
        for attribute, value in changes.items():
            monkeypatch.setattr(sys.modules["torch_radon"], attribute, value)
        anywhere = dataclasses.replace(ENTRY, devices=())
        engines = tuple(anywhere if b is ENTRY else b for b in BACKENDS)
        monkeypatch.setattr(registry, "BACKENDS", engines)

    return put


def picture(grid: Grid, center: tuple[float, float] = (4.0, -5.0)) -> torch.Tensor:
    phantom = bump((15.0, 9.0), center=center, angle=0.5)
    values = phantom.raster(grid.shape, grid.spacing, grid.center, supersampling=4)
    return torch.as_tensor(values, dtype=torch.float32)


@pytest.mark.parametrize("version", [1, 2])
def test_a_stand_in_sees_what_torch_radon_sees(version):
    """At 0 the sums of columns, at −π/2 those of rows from the top, at π/2 from the bottom."""
    angles = [0.0, -math.pi / 2, math.pi / 2, math.pi]
    given = twins.Radon(5, angles, 5) if version == 1 else twins.ParallelBeam(5, angles)
    x = torch.zeros(1, 5, 5)
    x[0, 1, 1:4] = torch.tensor([1.0, 2.0, 4.0])
    rows = torch.tensor([0.0, 7.0, 0.0, 0.0, 0.0])
    seen = given.forward(x)[0]
    wanted = [x[0].sum(0), rows, rows.flip(0), x[0].sum(0).flip(0)]
    assert torch.allclose(seen, torch.stack(wanted), rtol=0.04 if version == 1 else 0)
    y = torch.zeros(1, 4, 5)
    y[0, 2, 1] = 1.0
    assert torch.allclose(given.backward(y)[0].sum(1), torch.tensor([0.0, 0, 0, 5, 0]), atol=1e-5)


@EVERY_SCAN
@EVERY_BEAM
def test_pictures_are_those_of_the_reference(installed, version, grid, beam):
    """A picture upside down, or a view turned the other way, would show at several percent."""
    installed(version)
    given, wanted = (Projector(BEAMS[beam], grid, engine) for engine in ("torch_radon", "torch"))
    x = picture(grid)
    y = wanted(x)
    assert length(given(x) - y) <= {1: 2e-3, 2: 2e-4}[version] * length(y)
    middles = [s @ DETECTOR.bin_centers() / s.sum(-1) for s in (given(x).numpy(), y.numpy())]
    assert middles[0] == pytest.approx(middles[1], abs=5e-3)


@EVERY_SCAN
@EVERY_BEAM
def test_the_backprojection_is_the_transpose_for_what_is_smooth(installed, version, grid, beam):
    """Also at the edge of a fan, where the obliqueness of the rays counts for four percent."""
    installed(version)
    given, wanted = (Projector(BEAMS[beam], grid, engine) for engine in ("torch_radon", "torch"))
    for at in ((4.0, -5.0), (-15.0, 8.0), (14.0, 7.0)):
        x = picture(grid, at)
        y = wanted(x)
        assert inner(x, given.T(y)) == pytest.approx(inner(y, y), rel=2e-3)
        for view in range(len(ANGLES)):
            one = torch.zeros_like(y)
            one[view] = y[view]
            assert inner(x, given.T(one)) == pytest.approx(inner(one, one), rel=8e-3)


@pytest.mark.parametrize("version", [1, 2])
@EVERY_BEAM
def test_the_pair_is_as_unmatched_as_it_says(installed, version, beam):
    installed(version)
    angles, grid = equal_angles(12, span=2 * math.pi), Grid((16, 16), 0.8)
    beams = {
        "parallel": ParallelBeam(angles, Detector(25, 0.8)),
        "fan": FanBeam(angles, Detector(25, 1.0), 16.0, 4.0),
    }
    A = Projector(beams[beam], grid, "torch_radon")
    matrix, other = A.as_matrix(dtype=torch.float32), A.T.as_matrix(dtype=torch.float32).T
    off, norm = (float(torch.linalg.matrix_norm(M, 2)) for M in (matrix - other, matrix))
    assert 0.03 * norm < off < ENTRY.adjoint_gap * norm


@pytest.mark.parametrize(
    "version, grid",
    [(1, Grid((6, 6), 0.8)), (2, Grid((6, 6), 0.8)), (2, Grid((5, 7), 0.8, 1.1))],
)
@EVERY_BEAM
def test_laws(installed, version, grid, beam):
    installed(version)
    detector = Detector(9, 0.9)
    geometry = {
        "parallel": ParallelBeam(ANGLES[:3], detector),
        "fan": FanBeam(ANGLES[:3], detector, 9.0, 3.0),
    }[beam]
    A = Projector(geometry, grid, "torch_radon")
    for law in laws.LAWS:
        if law not in UNMATCHED:
            law(Single(A))


@pytest.mark.parametrize("version", [1, 2])
def test_a_volume_is_projected_slice_by_slice(installed, version):
    installed(version)
    geometry = ParallelBeam(ANGLES, Detector((2, 141), (0.9, 0.63)))
    grid = Grid((3, 64, 64), (1.0, 0.8, 0.8))
    given, wanted = (Projector(geometry, grid, engine) for engine in ("torch_radon", "torch"))
    x = torch.stack([k * picture(SQUARE, (4.0, 3.0 * k)) for k in (1, 2, 3)])
    assert length(given(x) - wanted(x)) <= 2e-3 * length(wanted(x))


@pytest.mark.parametrize("version", [1, 2])
def test_a_batch_is_no_larger_than_a_texture_may_be(installed, version, monkeypatch):
    installed(version)
    monkeypatch.setattr(torch_radon, "IMAGES", 2)
    engine = torch_radon.TorchRadon(BEAMS["fan"], SQUARE)
    x = noise(5, *SQUARE.shape, dtype=torch.float32)
    together = engine.forward(x)
    assert engine._radon.calls == [2, 2, 1]
    assert together[4:].equal(engine.forward(x[4:]))
    assert engine.transposed(together).shape == x.shape


def test_a_copy_is_made_anew(installed):
    installed(2)
    engine = torch_radon.TorchRadon(BEAMS["fan"], OTHER)
    other = copy.deepcopy(engine)
    x = noise(1, *OTHER.shape, dtype=torch.float32)
    assert other._radon is not engine._radon
    assert other.forward(x).equal(engine.forward(x))


@pytest.mark.parametrize("version", [1, 2])
def test_three_angles_are_three_angles_within_half_a_turn(installed, version):
    installed(version)
    engine = torch_radon.TorchRadon(ParallelBeam([9.0, -7.0, 0.5], DETECTOR), SQUARE)
    wanted = torch.tensor([9.0 - 2 * math.pi, 2 * math.pi - 7.0, 0.5])
    assert torch.allclose(engine._radon.angles, wanted)


FLAT = BEAMS["fan"]
CURVED = FanBeam(ANGLES, DETECTOR, 75.0, 20.0, curved=True)
ASIDE = ParallelBeam(ANGLES, Detector(141, 0.63, 1.7))


@pytest.mark.parametrize(
    "version, geometry, grid, dtype, obstacle",
    [
        (1, FLAT, SQUARE, torch.float32, None),
        (2, FLAT, SQUARE, torch.float32, None),
        (2, FLAT, OTHER, torch.float32, None),
        (1, FLAT, SQUARE, torch.float64, "It handles torch.float32, not torch.float64."),
        (1, CURVED, SQUARE, torch.float32, "It handles flat detectors, not curved ones."),
        (2, ASIDE, SQUARE, torch.float32,
         "It handles detectors whose middle is on the axis of rotation, not offset ones."),
        (2, FLAT, Grid((9, 9), (1.0, 0.8)), torch.float32,
         "It handles cells that are squares, not others."),
        (2, ParallelBeam([0.0] * 4097, DETECTOR), SQUARE, torch.float32,
         "It handles 4096 views at most, not 4097."),
        (2, FanBeam([0.0, math.pi], Detector(15), 20.0, 10.0), Grid((5, 6), 1.0, (-40.0, 0.0)),
         torch.float32, "It would see what is behind the source, and a part of the grid is."),
        (1, FLAT, Grid((57, 75)), torch.float32,
         "Its version 1 handles square pictures, not 57 by 75 cells."),
        (1, FLAT, Grid((9, 9), 1.0, (0.0, 0.1)), torch.float32,
         "Its version 1 handles grids that are centred, not others."),
    ],
)  # fmt: skip
def test_an_obstacle_is_a_sentence(installed, version, geometry, grid, dtype, obstacle):
    installed(version)
    assert ENTRY.obstacle(geometry, grid, "cuda", dtype) == obstacle


def test_it_runs_on_a_card(installed):
    installed(2)
    assert ENTRY.obstacle(FLAT, SQUARE, "cpu", torch.float32) == "It runs on cuda, not on cpu."
    with pytest.raises(BackendUnavailable, match=r"torch_radon: It handles torch\.float32, not"):
        Projector(FLAT, SQUARE, "torch_radon")(noise(*SQUARE.shape))


class Draft:
    """The volume of the first 2.x."""

    def __init__(self, height, width=-1, center=(0.0, 0.0), voxel_size=(1.0, 1.0)):
        pass


class Centred:
    """A volume that cannot be moved."""

    def __init__(self, voxel_size=(1.0, 1.0)):
        pass

    def set_size(self, height, width):
        pass


@pytest.mark.parametrize(
    "volume, grid, obstacle",
    [
        (Draft, SQUARE, "The one installed is a draft of version 2, of 2021, which is not "
         "supported."),
        (Centred, SQUARE, None),
        (Centred, OTHER, "The one installed handles grids that are centred, not others."),
    ],
)  # fmt: skip
def test_what_kind_of_version_2_it_is(installed, volume, grid, obstacle):
    installed(2, Volume2D=volume)
    assert ENTRY.obstacle(FLAT, grid, "cuda", torch.float32) == obstacle


def test_one_that_cannot_backproject_is_refused(installed, monkeypatch):
    installed(2)
    monkeypatch.delattr(sys.modules["torch_radon_cuda"], "backward")
    assert ENTRY.obstacle(FLAT, SQUARE, "cuda", torch.float32) == (
        "The one installed cannot backproject; the branch v2 cannot since April 2022."
    )


def test_one_that_is_built_for_another_torch_is_refused(installed, monkeypatch):
    installed(1)
    monkeypatch.setitem(sys.modules, "torch_radon_cuda", None)
    obstacle = ENTRY.obstacle(FLAT, SQUARE, "cuda", torch.float32)
    assert obstacle is not None
    assert obstacle.startswith("It cannot be imported and is to be built anew for this torch and")
    assert "torch_radon_cuda" in obstacle


def test_one_that_is_not_installed_is_refused_with_what_installs_it(monkeypatch):
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    obstacle = ENTRY.obstacle(FLAT, SQUARE, "cuda", torch.float32)
    assert obstacle is not None
    assert obstacle.startswith("The module torch_radon is not installed; run: conda install")
    assert "may not build" in obstacle


def test_it_is_never_chosen(installed):
    for version in (1, 2):
        installed(version)
        for geometry in BEAMS.values():
            assert Projector(geometry, SQUARE).backend("cuda", torch.float32).name != "torch_radon"
    assert BACKENDS[-1] is ENTRY


@requires("torch_radon")
@EVERY_BEAM
def test_on_a_card_pictures_are_those_of_the_reference(beam):
    given, wanted = (Projector(BEAMS[beam], SQUARE, engine) for engine in ("torch_radon", "torch"))
    for batch in (1, 3, 8):
        x = torch.stack([picture(SQUARE, (4.0 - k, -5.0 + k)) for k in range(batch)]).cuda()
        y = wanted(x)
        assert length(given(x) - y) <= 3e-3 * length(y)
        for item, view in zip(x, y, strict=True):
            assert inner(item, given.T(view)) == pytest.approx(inner(view, view), rel=5e-3)
    x = x.requires_grad_()
    (given(x) * y).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, given.T(y))
