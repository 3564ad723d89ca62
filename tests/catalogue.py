"""Every operator of the package, in every shape that has tripped a library up, each one tiny.

A new operator is entered here and nowhere else: the laws are tried on all that the catalogue holds.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from ctinr.geometry import (
    Beam,
    ConeBeam,
    Detector,
    FanBeam,
    Grid,
    ParallelBeam,
    Rays,
    VectorBeam,
    equal_angles,
)
from ctinr.operators import (
    BlockAverage,
    Gradient,
    Identity,
    LinearOperator,
    RampFilter,
    Select,
    Space,
    Weights,
)
from ctinr.projectors import BACKENDS, Projector, RayIntegral

# The engines that handle every scan and dtype; those of ASTRA and torch-radon do not, and have
# their own tests.
EXACT_ENGINES = tuple(b.name for b in BACKENDS if torch.float64 in b.dtypes)

QUARTER = math.pi / 4

PARALLEL: dict[str, tuple[ParallelBeam, Grid]] = {
    "square": (ParallelBeam(equal_angles(5), Detector(9)), Grid((6, 6))),
    "wide": (ParallelBeam(equal_angles(4), Detector(9)), Grid((3, 7))),
    "tall": (ParallelBeam(equal_angles(3), Detector(8)), Grid((7, 4))),
    "anisotropic": (ParallelBeam(equal_angles(5), Detector(8)), Grid((4, 5), (1.7, 0.6))),
    "off-centre": (ParallelBeam(equal_angles(4), Detector(10)), Grid((5, 4), 1.0, (1.3, -2.1))),
    "shifted-detector": (ParallelBeam(equal_angles(4), Detector(7, 1.0, 1.3)), Grid((5, 6))),
    "fine-pitch": (ParallelBeam(equal_angles(3), Detector(19, 0.3)), Grid((5, 4))),
    "coarse-pitch": (ParallelBeam(equal_angles(4), Detector(4, 2.6)), Grid((6, 5))),
    "one-view": (ParallelBeam([0.4], Detector(8)), Grid((5, 5))),
    "one-bin": (ParallelBeam(equal_angles(4), Detector(1)), Grid((5, 5))),
    "one-cell": (ParallelBeam(equal_angles(4), Detector(3, 0.7)), Grid((1, 1))),
    "any-angle": (ParallelBeam([-0.6, 3.5, 7.0, -9.0], Detector(8)), Grid((5, 6))),
    "straight": (ParallelBeam([k * QUARTER for k in range(5)], Detector(8)), Grid((5, 6))),
    # A crossing that is exactly at the edge of the interpolation, but for its rounding.
    "on-the-edge": (ParallelBeam([math.pi], Detector(12, 0.7)), Grid((5, 6), (1.0, 0.3))),
    "truncated": (ParallelBeam(equal_angles(4), Detector(3)), Grid((6, 7))),
    "beside": (ParallelBeam([0.1, 0.2], Detector(3, 1.0, 50.0)), Grid((4, 4))),
}

TURN = equal_angles(5, span=2 * math.pi)

FANS: dict[str, tuple[FanBeam, Grid]] = {
    "fan": (FanBeam(TURN, Detector(11, 1.4), 12.0, 7.0), Grid((6, 6))),
    "fan-curved": (FanBeam(TURN, Detector(11, 1.4), 12.0, 7.0, curved=True), Grid((5, 7))),
    # The fan is so wide that one view has rays driven along y, along x, and along y again.
    "fan-wide": (FanBeam([0.7, 2.4, -1.6], Detector(19, 2.1), 4.6, 3.0), Grid((5, 6))),
    "fan-wide-curved": (
        FanBeam([0.7, 2.4, 4.0], Detector(19, 1.1), 4.6, 3.0, curved=True),
        Grid((6, 5)),
    ),
    "fan-anisotropic": (
        FanBeam(TURN, Detector(9, 1.3, -1.7), 11.0, 0.0),
        Grid((4, 6), (1.7, 0.6), (0.4, -0.9)),
    ),
    "fan-fine": (FanBeam([0.3, 2.0], Detector(37, 0.4, 2.0), 9.0, 4.0, curved=True), Grid((5, 4))),
    "fan-coarse": (FanBeam(TURN, Detector(4, 3.9), 8.0, 2.0), Grid((6, 5))),
    "fan-straight": (FanBeam([k * QUARTER for k in range(5)], Detector(7), 9.0, 3.0), Grid((5, 5))),
    "fan-one-bin": (FanBeam([0.4, 1.1], Detector(1), 9.0, 3.0), Grid((5, 4))),
    # Sources beside the grid, between two of its lines; behind one of them lies half of it.
    "fan-beside": (
        FanBeam([0.1, 1.6, 3.2], Detector(15, 1.5), 5.0, 4.0),
        Grid((3, 7), 1.0, (1.0, -5.5)),
    ),
}

STACKS: dict[str, tuple[ParallelBeam, Grid]] = {
    "stack": (ParallelBeam(equal_angles(4), Detector((3, 7))), Grid((3, 5, 6))),
    "stack-between": (
        ParallelBeam([0.3, -1.2, 4.0], Detector((5, 6), (0.7, 1.1), (0.4, -0.6))),
        Grid((4, 3, 5), (1.3, 1.0, 0.8), (-0.5, 0.2, 0.7)),
    ),
    "stack-beside": (ParallelBeam([0.5], Detector((2, 4), 1.0, (9.0, 0.0))), Grid((2, 3, 3))),
    "stack-one-row": (ParallelBeam([0.5, 2.0], Detector((1, 6))), Grid((2, 4, 3))),
    "stack-one-slice": (ParallelBeam([0.5, 2.0], Detector((3, 6))), Grid((1, 4, 3))),
}

AREA = Detector((4, 5), (1.0, 1.2), (0.3, -0.2))

CONES: dict[str, tuple[ConeBeam, Grid]] = {
    "cone": (ConeBeam(TURN, AREA, 12.0, 7.0), Grid((3, 4, 5))),
    "cone-curved": (ConeBeam([0.3, 2.0], AREA, 12.0, 7.0, curved=True), Grid((3, 5, 4))),
    "helix": (ConeBeam([-4.0, 0.3, 7.5], AREA, 12.0, 7.0, helical_pitch=2.5), Grid((5, 4, 4))),
    "cone-anisotropic": (
        ConeBeam([0.3, 2.0, 4.1], AREA, 11.0, 0.0),
        Grid((4, 3, 5), (0.7, 1.3, 0.8), (0.4, -0.9, 0.6)),
    ),
    # Rays driven along each of the three axes in one view: thin slices, and a wide cone.
    "cone-wide": (
        ConeBeam([0.7, 2.4], Detector((7, 6), (2.9, 3.2)), 6.0, 3.0, curved=True),
        Grid((6, 4, 5), (0.3, 0.8, 1.1)),
    ),
    "cone-straight": (
        ConeBeam([k * QUARTER for k in range(3)], Detector((3, 3)), 9.0, 3.0),
        Grid((3, 3, 3)),
    ),
    "cone-one-bin": (ConeBeam([0.4, 1.1], Detector((1, 1)), 9.0, 3.0), Grid((1, 4, 1))),
    # A source beside the grid, between two of its planes.
    "cone-beside": (
        ConeBeam([0.1, 1.6], Detector((3, 9), 1.5), 5.0, 4.0),
        Grid((2, 3, 5), 1.0, (0.5, 1.0, -4.5)),
    ),
}

VECTORS: dict[str, tuple[VectorBeam, Grid]] = {
    "vectors": (
        VectorBeam.of(CONES["helix"][0]).turned_detector(roll=0.3, tilt=-0.2, skew=[0.1, 0.2, 0.3]),
        CONES["helix"][1],
    ),
    "vectors-parallel": (
        VectorBeam.of(ParallelBeam([0.2, 1.3], AREA)).turned_detector(tilt=0.4),
        Grid((3, 4, 3), (0.8, 1.0, 1.2)),
    ),
    # The beam of laminography: parallel, and not at right angles to the axis of rotation.
    "vectors-oblique": (
        VectorBeam(
            [[0.3, 0.8, 0.5], [-0.7, 0.2, 0.9]],
            [[0.0, 0.0, 0.0], [0.1, 0.4, -0.3]],
            [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0]],
            [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]],
            AREA,
            parallel=True,
        ),
        Grid((4, 3, 4)),
    ),
    "vectors-plane": (VectorBeam.of(FANS["fan-anisotropic"][0]), FANS["fan-anisotropic"][1]),
    # Detectors that count backwards, and one that is askew.
    "vectors-backwards": (
        VectorBeam(
            [[9.0, 1.0], [0.0, -8.0], [1.0, 7.0]],
            [[-4.0, 0.0], [1.0, 6.0], [0.0, -6.0]],
            [[0.0, 1.0], [-0.8, 0.6], [1.0, 0.0]],
            None,
            Detector(9, 1.3, 0.4),
        ),
        Grid((5, 4), (0.9, 1.2)),
    ),
    "vectors-plane-parallel": (
        VectorBeam(
            [[0.3, 2.0], [-1.0, 0.1]],
            [[0.5, 9.0], [3.0, -1.0]],
            [[-1.0, 0.0], [0.6, 0.8]],
            None,
            Detector(9, 0.9),
            parallel=True,
        ),
        Grid((5, 4)),
    ),
}

SCANS: dict[str, tuple[Beam, Grid]] = {**PARALLEL, **FANS, **STACKS, **CONES, **VECTORS}

IMAGE = Grid((5, 4), (0.8, 1.7))
SINOGRAM = ParallelBeam(equal_angles(3), Detector(7, 0.8))


def checkerboard(shape: tuple[int, ...]) -> torch.Tensor:
    """True at every other value."""
    return torch.as_tensor(np.indices(shape).sum(axis=0) % 2 == 0)


def projectors() -> dict[str, LinearOperator]:
    return {
        f"projector-{engine}-{name}": Projector(geometry, grid, engine)
        for engine in EXACT_ENGINES
        for name, (geometry, grid) in SCANS.items()
    }


def ray_integrals() -> dict[str, LinearOperator]:
    grid = Grid((4, 5), (1.7, 0.6), (0.4, -0.9))
    across = Rays(np.array([[0.3, 0.1, -0.2], [0.0, 0.9, 0.1]]), np.eye(3)[1:])
    rays = SCANS["fan-anisotropic"][0].rays()
    return {
        "ray-integral-uniform": RayIntegral(rays, grid),
        "ray-integral-stratified": RayIntegral(rays[::2], grid, num_points=3, rule="stratified"),
        "ray-integral-gauss": RayIntegral(rays[[0, 2], [4, 5]], grid, num_points=4, rule="gauss"),
        "ray-integral-one-ray": RayIntegral(rays[0, 4], grid, num_points=5),
        "ray-integral-one-point": RayIntegral(rays[1:3], grid, num_points=1),
        "ray-integral-3d": RayIntegral(across, Grid((2, 3, 4)), num_points=4, rule="gauss"),
    }


def ramps() -> dict[str, LinearOperator]:
    pitch = SINOGRAM.detector.pitch[0]
    cases = {
        "ram-lak": {},
        "shepp-logan": {"window": "shepp-logan"},
        "cosine": {"window": "cosine", "cutoff": 0.6},
        "hamming": {"window": "hamming", "cutoff": 0.9},
        "hann": {"window": "hann"},
        "callable": {"window": lambda fraction: np.exp(-(fraction**2))},
        "half": {"exponent": 0.5, "normalised": True},
        "second": {"exponent": 2.0, "window": "hann"},
        "none": {"exponent": 0.0},
    }
    filters = {f"ramp-{name}": RampFilter(SINOGRAM, pitch, **case) for name, case in cases.items()}
    return filters | {
        "ramp-one-bin": RampFilter(Space((3, 1)), 0.5),
        "ramp-line": RampFilter(Space((12,)), 2.0, window="hann"),
    }


def simple() -> dict[str, LinearOperator]:
    random = torch.Generator().manual_seed(3)
    weights = torch.rand(IMAGE.shape, generator=random, dtype=torch.float64) - 0.3
    return {
        "identity": Identity(IMAGE),
        "identity-line": Identity(Space((3,))),
        "identity-scalar": Identity(Space(())),
        "select": Select(IMAGE, checkerboard(IMAGE.shape)),
        "select-one": Select(Space((4,)), torch.tensor([False, False, True, False])),
        "weights": Weights(IMAGE, weights),
        "weights-row": Weights(IMAGE, torch.tensor([1.0, 0.0, -2.0, 0.5])),
        "block-average": BlockAverage(Grid((6, 4), (0.5, 2.0)), 2),
        "block-average-one": BlockAverage(IMAGE, 1),
        "block-average-3d": BlockAverage(Grid((3, 6, 3)), 3),
        "gradient": Gradient(IMAGE),
        "gradient-line": Gradient(Grid((6,), 0.3)),
        "gradient-3d": Gradient(Grid((2, 3, 4), (0.5, 1.0, 2.0))),
        "gradient-one-row": Gradient(Grid((1, 5))),
    }


def algebra() -> dict[str, LinearOperator]:
    geometry, grid = SCANS["off-centre"]
    by_numba, by_torch = (Projector(geometry, grid, engine) for engine in ("numba", "torch"))
    ramp = RampFilter(geometry, geometry.detector.pitch[0])
    rays = Select(geometry, checkerboard(geometry.shape))
    return {
        "adjoint": by_numba.T,
        "adjoint-select": rays.T,
        "product": ramp @ by_numba,
        "product-long": rays @ (ramp @ by_torch) @ BlockAverage(grid.refine(2), 2),
        "gram": Gradient(IMAGE).gram,
        "normal": by_numba.T @ ramp @ by_numba,
        "sum": by_numba + by_torch,
        "difference": Identity(IMAGE) - 0.2 * Gradient(IMAGE).gram,
        "scaled": -2.5 * by_torch,
        "scaled-to-nothing": 0.0 * Identity(IMAGE),
    }


OPERATORS: dict[str, LinearOperator] = {
    **simple(),
    **ramps(),
    **projectors(),
    **ray_integrals(),
    **algebra(),
}
