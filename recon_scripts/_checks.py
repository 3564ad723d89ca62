"""Measure whether an engine is right, each figure beside the bound that it must keep.

The judges share nothing with the engines: exact line integrals of phantoms, and the laws of linear
operators. Nothing here is printed, and no function changes anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ctinr import checks
from ctinr.geometry import Beam, ConeBeam, Grid, VectorBeam
from ctinr.operators import LinearOperator
from ctinr.projectors import Backend, Projector, registry
from ctinr.recon.fbp import fbp
from ctinr.recon.fdk import fdk
from recon_scripts._findings import Finding
from recon_scripts._problems import (
    PROBLEMS,
    RADIUS,
    TURNS,
    VALUE,
    distances,
    enough,
    even_object,
    positions,
    problem,
    smooth_object,
)

GEOMETRIES, SMOKE = tuple(PROBLEMS), ("parallel", "fan-flat", "cone-flat")
DTYPES = (torch.float32, torch.float64)
LEAST, MOST = 32, 1024
# Rounding: what sums over hundreds of cells leave of single and double precision.
LINEAR = {torch.float32: 2e-6, torch.float64: 1e-13}
ADJOINT = {torch.float32: 1e-6, torch.float64: 1e-12}
# White noise is the hardest: positions in single precision differ by millionths of a cell. With
# bins as large as cells, as they are here, the distance settles near 8e-6 on large grids.
AGREEMENT = {torch.float32: 1e-5, torch.float64: 1e-12}
# On 96 cells, and the power of the cell with which it changes: of a second-order method, and of
# another model, whose error is larger and falls less.
EXACT, EXACT_OTHER, ORDER = (1e-3, 2.0), (5e-3, 1.5), 0.3
# A smooth picture shows no more than this part of what white noise shows of drifting positions.
DRIFT_SMOOTH = 0.01
# In the middle of the object, and around it; FDK is exact on the plane of a circle only.
GAIN, BIAS = {"FBP": 2e-3, "FDK": 5e-3}, {"FBP": 3e-3, "FDK": 1e-2}
# The laws hold view by view, so a few will do; FBP needs about as many as there are bins.
# Those of a volume have many more rays.
FEW_VIEWS, FEWER_VIEWS = 24, 10
# What an engine that is there and yet fails may raise: a GPU without memory, a compiler that stops.
FAILURES = (ArithmeticError, AttributeError, ImportError, LookupError, OSError)
FAILURES += (RuntimeError, TypeError, ValueError)


class Place(NamedTuple):
    """Where something is computed: on which device, in which dtype."""

    device: str
    dtype: torch.dtype

    def noise(self, operator: LinearOperator, seed: int) -> Tensor:
        """Return normal numbers that the operator takes, the same ones everywhere."""
        generator = torch.Generator().manual_seed(seed)
        numbers = torch.randn(tuple(operator.domain.shape), generator=generator)
        return numbers.to(self.device, self.dtype)


def listed(names: str, argument: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a list with commas between them, or all that are known for "all"."""
    asked = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if asked == ("all",):
        return tuple(known)
    unknown = [name for name in asked if name not in known]
    rule = f"be all, or list some of {', '.join(known)}, with commas between them"
    checks.require(bool(asked) and not unknown, argument, rule, repr((unknown or [names])[0]))
    return asked


def sized(size: int) -> int:
    """Return the size if figures can be judged on it by the bounds given here."""
    rule = f"lie between {LEAST} and {MOST} cells"
    checks.require(LEAST <= size <= MOST, "size", rule, size)
    return size


def engine_names() -> list[str]:
    """Return the names of all engines, in order of preference."""
    return [row.name for row in registry.BACKENDS]


class Plan(NamedTuple):
    """What is to be measured, and a sentence for each engine and geometry that is not."""

    jobs: list[Callable[[], Finding]]
    unchecked: list[str]


def plan(engines: Sequence[str], geometries: Sequence[str], size: int) -> Plan:
    """Return all measurements of engines on the devices where they can run, and of FBP there.

    Raises
    ------
    BackendUnavailable
        If no engine that is asked for can run, with the obstacles of all.
    """
    devices = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    jobs: list[Callable[[], Finding]] = []
    obstacles: dict[str, None] = {}
    places: dict[tuple[Place, str], None] = {}
    for name, device, geometry in product(engines, devices, geometries):
        backend = registry.backend_named(name)
        found = {
            dtype: backend.obstacle(*problem(geometry, LEAST, 1), device, dtype) for dtype in DTYPES
        }
        usable = [dtype for dtype, obstacle in found.items() if obstacle is None]
        for dtype in usable:
            places[Place(device, dtype), geometry] = None
            cells = enough(geometry, size)
            jobs += measurements(backend, Place(device, dtype), geometry, cells)
        if not usable:
            obstacles[f"{name} on {device} with {geometry}. {found[DTYPES[0]]}"] = None
    if not jobs:
        table = "\n".join(f"  {obstacle}" for obstacle in obstacles)
        raise checks.BackendUnavailable(f"No engine that is asked for can run:\n{table}")
    for place, geometry in places:
        jobs += inverse_measurements(place, geometry, enough(geometry, size))
    return Plan(jobs, list(obstacles))


def measurements(
    backend: Backend, place: Place, geometry: str, size: int
) -> Iterator[Callable[[], Finding]]:
    """Yield what is to be measured of an engine; each call returns one finding."""
    head = (backend.name, place.device, _name(place.dtype), geometry)
    views = FEW_VIEWS if len(problem(geometry, LEAST, 1)[1].shape) == 2 else FEWER_VIEWS
    A = Projector(*problem(geometry, size, views), backend.name)
    yield partial(_finding, head, "linear", LINEAR[place.dtype], partial(linearity, A, place))
    gap = backend.adjoint_gap + ADJOINT[place.dtype]
    yield partial(_finding, head, "adjoint", gap, partial(adjoint_gap, A, place))
    same = not isinstance(A.geometry, backend.other_model)
    cells = A.domain.shape[-1]
    drift = backend.deviation * (cells / 256) ** 2
    if same and (backend.name, *place) != ("torch", "cpu", torch.float64):
        bound = AGREEMENT[place.dtype] + drift
        yield partial(_finding, head, "agreement", bound, partial(disagreement, A, place))
    at_96, order = EXACT if same else EXACT_OTHER
    bound, rounding = at_96 * (96 / cells) ** order, DRIFT_SMOOTH * drift
    yield partial(_finding, head, "exact", bound + rounding, partial(error, A, place))
    # Of another model errors scatter on coarse grids; on fine ones rounding can outweigh them.
    if same and rounding < bound / 4:
        coarse = Projector(*problem(geometry, size // 2, views), backend.name)
        yield partial(
            _finding, head, "order", ORDER, lambda: _ratio(error(A, place), error(coarse, place))
        )


def inverse_measurements(place: Place, geometry: str, size: int) -> Iterator[Callable[[], Finding]]:
    """Yield what is to be measured of FBP or FDK, in which no engine takes part."""
    views = max(90, 15 * size // 8)
    beam, grid = problem(geometry, size, TURNS * views if geometry == "helix" else views)
    if isinstance(beam, VectorBeam):
        return
    name = "FDK" if isinstance(beam, ConeBeam) else "FBP"
    head = (name, place.device, _name(place.dtype), geometry)
    once = cache(partial(inside_and_outside, beam, grid, place))
    yield partial(_finding, head, "gain", GAIN[name], lambda: abs(once()[0]))
    yield partial(_finding, head, "bias", BIAS[name], lambda: abs(once()[1]))


def linearity(A: LinearOperator, place: Place) -> float:
    """Return by how much A of a sum differs from the sum, relative, the worse of A and A.T."""
    found = []
    for B in (A, A.T):
        first, second = place.noise(B, 1), place.noise(B, 2)
        images = B(first), B(second)
        difference = B(2.5 * first - 0.75 * second) - (2.5 * images[0] - 0.75 * images[1])
        nothing = B(torch.zeros_like(first))
        size = _length(images[0]) + _length(images[1])
        found.append(_ratio(_length(difference) + _length(nothing), size))
    return float(np.max(found))


def adjoint_gap(A: LinearOperator, place: Place) -> float:
    """Return |⟨A x, y⟩ − ⟨x, A.T y⟩| / ‖A x‖‖y‖, the worse of noise and of positive vectors.

    Noise is nearly at right angles to noise, and shows a wrong factor less than what is positive.
    """
    found = []
    for positive in (False, True):
        x, y = place.noise(A, 3), place.noise(A.T, 4)
        x, y = (x.abs(), y.abs()) if positive else (x, y)
        image, back = A(x), A.T(y)
        gap = abs(_inner(image, y) - _inner(x, back))
        found.append(_ratio(gap, _length(image) * _length(y)))
    return float(np.max(found))


def disagreement(A: Projector, place: Place) -> float:
    """Return the distance to the engine torch in double precision, the worse of A and A.T."""
    reference = Projector(A.geometry, A.domain, "torch")
    found = []
    for B, exact in ((A, reference), (A.T, reference.T)):
        x = place.noise(B, 5)
        wanted = exact(x.cpu().double())
        found.append(_ratio(_length(B(x).cpu().double() - wanted), _length(wanted)))
    return float(np.max(found))


def error(A: Projector, place: Place) -> float:
    """Return the relative distance to the exact line integrals of a smooth bump."""
    bump, rays = smooth_object(A.domain), A.geometry.rays()
    image = torch.as_tensor(bump.values(positions(A.domain)))
    wanted = torch.as_tensor(bump.line_integrals(rays.points, rays.directions))
    given = A(image.to(place.device, place.dtype)).cpu().double()
    return _ratio(_length(given - wanted), _length(wanted))


def inside_and_outside(beam: Beam, grid: Grid, place: Place) -> tuple[float, float]:
    """Return the mean of the analytic inverse in an object, less the truth, and around it.

    Both are relative to the truth.
    """
    thing, rays = even_object(grid), beam.rays()
    y = torch.as_tensor(thing.line_integrals(rays.points, rays.directions))
    inverse = fdk if isinstance(beam, ConeBeam) else fbp
    found = inverse(Projector(beam, grid), y.to(place.device, place.dtype))
    image, away = found.image.cpu().double(), torch.as_tensor(distances(grid))
    around = (away > RADIUS + 5) & (away < RADIUS + 12)
    inside, outside = (float(image[part].mean()) for part in (away < RADIUS / 3, around))
    return inside / VALUE - 1, outside / VALUE


def _finding(
    head: tuple[str, str, str, str], what: str, bound: float, measure: Callable[[], float]
) -> Finding:
    """Return the finding of one measurement; NaN is within no bound."""
    try:
        value = measure()
    except FAILURES as failure:
        why = " ".join(str(failure).split()) or type(failure).__name__
        return Finding(*head, what, math.nan, bound, False, why)
    return Finding(*head, what, value, bound, value <= bound)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _ratio(part: float, whole: float) -> float:
    """Return the quotient; NaN, which fails and which np.max keeps, if there is nothing at all."""
    return part / whole if whole else math.nan


def _inner(x: Tensor, y: Tensor) -> float:
    return float(torch.sum(x.double() * y.double()))


def _length(x: Tensor) -> float:
    return float(x.double().norm())
