"""Objects with texture: what methods that expect flat regions find hard."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from phantoms import checks
from phantoms.phantom import Phantom
from phantoms.published import WATER
from phantoms.shapes import Array, Box, Ellipse, Pair
from phantoms.swarm import Swarm, ellipses
from phantoms.terms import Bump, Solid, Term

# Lengths below are parts of the radius of the whole, values parts of its value.

# Organs: centre, semi-axes, turn, value that is added, and the number and height of the grains.
_Organ = tuple[Pair, Pair, float, float, int, float]
_ORGANS: tuple[_Organ, ...] = (
    ((-0.38, -0.08), (0.44, 0.36), 0.3, 0.06, 900, 0.06),
    ((0.52, -0.16), (0.26, 0.2), -0.5, 0.05, 300, 0.06),
    ((-0.32, 0.42), (0.15, 0.11), 0.6, 0.03, 150, 0.1),
    ((0.36, 0.4), (0.15, 0.11), -0.6, 0.03, 150, 0.1),
    ((0.14, -0.42), (0.22, 0.14), 0.1, -0.35, 120, 0.12),
)
# Places tried for each piece of a packing; where all are taken it is left out.
_TRIES = 20


def tissue(seed: int = 0, *, radius: float = 100.0, value: float = WATER) -> Phantom:
    """Return the slice of a body whose organs have the grain of tissue.

    Fat around muscle, five organs and a vertebra. Each organ is filled with smooth grains of
    either sign, many of a hundredth of the radius and few of six, so that their sum looks like
    noise that belongs to the object.

    Parameters
    ----------
    seed : int
        The same seed gives the same phantom.
    radius : float
        The mm of an origin-centred circle that holds it.
    value : float
        The attenuation of muscle in 1/mm.
    """
    generator = _generator(seed)
    terms: list[Term] = [
        Solid(0.9, Ellipse.of((0.0, 0.0), (1.0, 0.78))),
        Solid(0.1, Ellipse.of((0.0, 0.0), (0.93, 0.71))),
        Solid(0.6, Ellipse.of((0.0, 0.52), (0.14, 0.11))),
        Solid(-0.4, Ellipse.of((0.0, 0.52), (0.11, 0.08))),
    ]
    for center, semi_axes, turn, added, num, height in _ORGANS:
        organ = Ellipse.of(center, semi_axes, turn)
        sizes = _falling(generator, num, (0.012, 0.06))
        heights = height * generator.choice((-1.0, 1.0), num)
        terms.append(Solid(added, organ))
        terms.append(_grains(generator, organ, sizes, heights))
    return _made(terms, radius, value)


def gradients(seed: int = 0, *, radius: float = 100.0, value: float = WATER) -> Phantom:
    """Return a body that is shaded all over, with sharp edges between the shades.

    Broad hills and hollows lie in a disk, and on them small domes whose value falls from the
    middle to a kink at the border, so that hardly a cell has the value of its neighbour.

    Parameters are those of `tissue`; `value` is about that of the body.
    """
    generator = _generator(seed)
    body = Ellipse.of((0.0, 0.0), (1.0, 0.9))
    terms: list[Term] = [Solid(0.55, body), Bump(0.35, body, 1)]
    sizes = generator.uniform(0.25, 0.5, 14)
    heights = 0.25 * np.resize((1.0, -1.0), 14) * generator.uniform(0.4, 1.0, 14)
    terms.append(_grains(generator, body, sizes, heights))
    domes = _disks(*_packed(generator, body, generator.uniform(0.05, 0.17, 18)))
    steps = generator.uniform(-0.15, 0.3, len(domes))
    terms.append(Swarm(1.0, _floats(steps), domes))
    terms.append(Swarm(1.0, _floats(generator.uniform(0.1, 0.3, len(domes))), domes, 1))
    return _made(terms, radius, value)


def trabeculae(seed: int = 0, *, radius: float = 100.0, value: float = WATER) -> Phantom:
    """Return the end of a long bone: a shell, marrow, and a lattice of fine rods.

    The rods follow two families of curves that cross, as in the head of a femur; they are a
    hundredth to a fiftieth of the radius thick, and denser where they cross.

    Parameters are those of `tissue`; `value` is that of the marrow.
    """
    generator = _generator(seed)
    marrow, shell = Ellipse.of((0.0, 0.0), (0.93, 0.85)), Ellipse.of((0.0, 0.0), (1.0, 0.92))
    centers, _ = _packed(generator, marrow, np.full(800, 0.024))
    num = len(centers)
    along = np.arctan2(centers[:, 1] - 1.6, centers[:, 0]) + generator.normal(0, 0.2, num)
    lengths, widths = generator.uniform(0.05, 0.08, num), generator.uniform(0.006, 0.011, num)
    rods = _turned(centers, lengths, widths, along + np.arange(num) % 2 * math.pi / 2)
    terms = [Solid(1.6, shell), Solid(-0.6, marrow), Swarm(0.6, (1.0,) * num, rods)]
    return _made(terms, radius, value)


def rock(seed: int = 0, *, radius: float = 100.0, value: float = WATER) -> Phantom:
    """Return a core of porous rock: empty pores of many sizes and some dense grains.

    No two of them overlap. There are pores of a hundredth of the radius and of ten times that,
    most of them small.

    Parameters are those of `tissue`; `value` is that of the rock.
    """
    generator = _generator(seed)
    core = Ellipse.of((0.0, 0.0), (1.0, 1.0))
    centers, sizes = _packed(generator, core, _falling(generator, 900, (0.012, 0.1)))
    num = len(sizes)
    dense = generator.uniform(size=num) < 0.12
    widths = sizes * generator.uniform(0.5, 1.0, num)
    pieces = _turned(centers, sizes, widths, generator.uniform(0, math.pi, num))
    heights = np.where(dense, 0.6, -1.0)
    return _made([Solid(1.0, core), Swarm(1.0, _floats(heights), pieces)], radius, value)


def weave(seed: int = 0, *, radius: float = 100.0, value: float = WATER) -> Phantom:
    """Return a coupon of woven composite: bundles of fibres cut across, threads that wind around.

    Fibres are round, a hundredth of the radius thick, and lie nearly on a lattice: a texture
    that repeats itself, of which few views see some directions well and others not at all.

    Parameters are those of `tissue`; `value` is that of a fibre.
    """
    generator = _generator(seed)
    fibres: list[Ellipse] = []
    threads: list[Ellipse] = []
    for row, height in enumerate(np.linspace(-0.4, 0.4, 5)):
        for column in range(7):
            bundle = Ellipse.of((0.24 * (column - 3), float(height)), (0.085, 0.045))
            fibres += _bundle(generator, bundle, pitch=0.023)
        threads += _thread(float(height), phase=math.pi * (row % 2))
    resin = Solid(0.45, Box.of((0.0, 0.0), (0.85, 0.52)))
    terms = [
        resin,
        Swarm(0.55, (1.0,) * len(fibres), tuple(fibres)),
        Swarm(0.55, (1.0,) * len(threads), tuple(threads)),
    ]
    return _made(terms, radius, value)


def _bundle(
    generator: np.random.Generator, bundle: Ellipse, *, pitch: float
) -> tuple[Ellipse, ...]:
    """Return fibres cut across, on a jittered triangular lattice inside an ellipse."""
    rows, columns = np.mgrid[-6:7, -9:10]
    lattice = np.stack([columns + 0.5 * (rows % 2), rows * math.sqrt(0.75)], axis=-1) * pitch
    lattice += generator.uniform(-0.1, 0.1, lattice.shape) * pitch
    centers = bundle.center + lattice.reshape(-1, 2)
    centers = centers[bundle.contains(centers)]
    return _disks(centers, np.full(len(centers), 0.4 * pitch))


def _thread(height: float, *, phase: float) -> tuple[Ellipse, ...]:
    """Return the pieces of three strands that wind over one bundle and under the next."""
    half, reach, wave = 0.028, 0.08, math.pi / 0.24
    begins = (-0.8 + half, -0.8 + 2 * half, -0.8 + half)
    strands = [np.arange(begin, 0.8, 2.1 * half) for begin in begins]
    x = np.concatenate(strands)
    beside = np.repeat((-0.017, 0.0, 0.017), [len(strand) for strand in strands])
    y = height + beside + reach * np.cos(wave * x + phase)
    rise = -reach * wave * np.sin(wave * x + phase)
    lengths, widths = half * np.hypot(1, rise), np.full(len(x), 0.006)
    return _turned(np.stack([x, y], axis=1), lengths, widths, np.arctan(rise))


def _generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(checks.count(seed, "seed", least=0))


def _made(terms: Sequence[Term], radius: float, value: float) -> Phantom:
    """Return the phantom in mm and 1/mm."""
    phantom = Phantom(tuple(terms)).scaled(checks.positive(radius, "radius"))
    return phantom.weighted(checks.positive(value, "value"))


def _falling(generator: np.random.Generator, num: int, ends: Pair) -> Array:
    """Return sizes between two ends, many small and few large: as many in every octave's area."""
    least, most = ends
    return least / np.sqrt(1 - generator.uniform(size=num) * (1 - (least / most) ** 2))


def _within(generator: np.random.Generator, region: Ellipse, sizes: Array) -> Array:
    """Return random centres (n, 2) of disks of these sizes that lie inside an ellipse."""
    matrix = np.array(region.matrix)
    distance = np.sqrt(generator.uniform(size=len(sizes)))
    distance *= 1 - sizes / np.linalg.norm(matrix, -2)
    turn = generator.uniform(0, 2 * math.pi, len(sizes))
    places = np.stack([distance * np.cos(turn), distance * np.sin(turn)], axis=1)
    return places @ matrix.T + region.center


def _grains(generator: np.random.Generator, region: Ellipse, sizes: Array, heights: Array) -> Swarm:
    """Return smooth round grains inside an ellipse; they may overlap."""
    shapes = _disks(_within(generator, region, sizes), sizes)
    return Swarm(1.0, _floats(heights), shapes, 2)


def _packed(generator: np.random.Generator, region: Ellipse, sizes: Array) -> tuple[Array, Array]:
    """Return centres and sizes of disks in an ellipse that do not overlap, large ones first."""
    centers, placed = np.empty((0, 2)), np.empty(0)
    for size in np.sort(sizes)[::-1]:
        places = _within(generator, region, np.full(_TRIES, size))
        away = places[:, None] - centers
        gaps = np.hypot(away[..., 0], away[..., 1]) - placed
        free = np.flatnonzero(gaps.min(axis=1, initial=math.inf) > 1.05 * size)
        if len(free):
            centers = np.concatenate([centers, places[free[:1]]])
            placed = np.append(placed, size)
    return centers, placed


def _disks(centers: Array, sizes: Array) -> tuple[Ellipse, ...]:
    return _turned(centers, sizes, sizes, np.zeros(len(sizes)))


def _turned(centers: Array, lengths: Array, widths: Array, turns: Array) -> tuple[Ellipse, ...]:
    """Return ellipses of these semi-axes, the first turned from +x towards +y."""
    cosines, sines = np.cos(turns), np.sin(turns)
    rows = [[cosines * lengths, -sines * widths], [sines * lengths, cosines * widths]]
    return ellipses(centers, np.moveaxis(np.array(rows), -1, 0))


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(values.tolist())
