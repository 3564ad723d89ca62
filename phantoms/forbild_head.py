"""The FORBILD head in its two-dimensional, additive form."""

from __future__ import annotations

import math
from collections.abc import Iterator

from phantoms import checks
from phantoms.phantom import Phantom
from phantoms.published import WATER, from_table
from phantoms.shapes import Ellipse, HalfPlane, Pair
from phantoms.terms import Solid

_BONE, _BRAIN = 1.8, 1.05
_EAR_X = 8.8874  # where the bone around the ear meets the brain

# A row: what it is; centre x, y; semi-axes; rotation in degrees; density that is added; cuts.
# A cut (distance, degrees) keeps what lies less than the distance from the ellipse's centre in that
# direction. Lengths in cm, y up, densities relative to water.
_Row = tuple[str, Pair, Pair, float, float, tuple[Pair, ...]]
_ROWS: tuple[_Row, ...] = (
    ("left eye", (-4.7, 4.3), (1.79989, 1.79989), 0, 0.010, ()),
    ("right eye", (4.7, 4.3), (1.79989, 1.79989), 0, 0.010, ()),
    ("denser sphere", (-1.08, -9), (0.4, 0.4), 0, 0.0025, ()),
    ("less dense sphere", (1.08, -9), (0.4, 0.4), 0, -0.0025, ()),
    ("skull", (0, 0), (9.6, 12), 0, _BONE, ()),
    ("frontal sinus", (0, 8.4), (1.8, 3.0), 0, -_BRAIN, ()),
    ("bone", (1.9, 5.4), (0.41633, 1.17425), -31.07698, _BONE - _BRAIN, ()),
    ("bone", (-1.9, 5.4), (0.41633, 1.17425), 31.07698, _BONE - _BRAIN, ()),
    ("bone", (-4.3, 6.8), (1.8, 0.24), -30, _BONE - _BRAIN, ()),
    ("bone", (4.3, 6.8), (1.8, 0.24), 30, _BONE - _BRAIN, ()),
    ("ventricle", (0, -3.6), (1.8, 3.6), 0, -0.005, ()),
    ("haematoma", (6.39395, -6.39395), (1.2, 0.42), 58.1, 0.005, ()),
    (
        "bone",
        (0, 3.6),
        (2, 2),
        0,
        _BONE - _BRAIN,
        ((1.2, 0), (1.2, 180), (0.27884, 90), (0.27884, 270)),
    ),
    (
        "bone in the sinus",
        (0, 9.6),
        (1.8, 3.0),
        0,
        _BONE,
        ((0.60687, 90), (0.60687, 270), (0.2, 0), (0.2, 180)),
    ),
    (
        "occipital bone",
        (0, 0),
        (9.0, 11.4),
        0,
        _BONE - _BRAIN,
        ((-2.605, 15), (-2.605, 165), (-10.71177, 90)),
    ),
    (
        "occipital bone",
        (0, -14.294530834372887),
        (0.443194085308632, 3.892760834372886),
        0,
        _BONE - _BRAIN,
        ((-14.294530834372887 + 10.71177, 270),),
    ),
)


def forbild_head(
    *, ear: bool = True, resolution_pattern: bool = False, water: float = WATER
) -> Phantom:
    """Return the FORBILD head: 192 mm × 240 mm, low contrast in the brain inside a thick skull.

    The table is the additive one of Yu et al., converted from cm to mm; densities relative to
    water (brain 1.05, bone 1.8) are multiplied by the attenuation of water.

    Parameters
    ----------
    ear : bool
        Whether the right inner ear is there: bone with 53 air cells of 3 mm.
    resolution_pattern : bool
        Whether the "left ear" is there: 80 disks of bone of 0.25 mm to 0.36 mm.
    water : float
        The attenuation of water in 1/mm.

    Raises
    ------
    TypeError, ValueError
        If `water` is not above zero.

    References
    ----------
    Z. Yu, F. Noo, F. Dennerlein, A. Wunderlich, G. Lauritsch, J. Hornegger, Simulation tools for
    two-dimensional experiments in x-ray computed tomography using the FORBILD head phantom,
    Phys. Med. Biol. 57 (2012) N237, doi:10.1088/0031-9155/57/13/N237.
    """
    terms = [*map(_solid, _ROWS), _brain(ear)]
    if ear:
        terms += _ear()
    if resolution_pattern:
        terms += _resolution_pattern()
    return from_table(terms, unit_length=10.0, unit_value=checks.positive(water, "water"))


def _solid(row: _Row) -> Solid:
    """Return the term of a row of the table."""
    _, center, semi_axes, degrees, density, cuts = row
    return Solid(
        density,
        Ellipse.of(center, semi_axes, math.radians(degrees)),
        tuple(HalfPlane.facing(math.radians(turn), distance, center) for distance, turn in cuts),
    )


def _brain(ear: bool) -> Solid:
    """Return the brain in the skull, which ends at the ear if there is one."""
    cuts = (HalfPlane.facing(0.0, _EAR_X),) if ear else ()
    return Solid(_BRAIN - _BONE, Ellipse.of((0.0, 0.0), (9.0, 11.4)), cuts)


def _ear() -> Iterator[Solid]:
    """Yield the bone of the ear and its air cells, seven rows of a triangular lattice."""
    cut = HalfPlane.facing(0.0, _EAR_X)
    yield Solid(_BONE - _BRAIN, Ellipse.of((9.1, 0.0), (4.2, 1.8)), (cut,))
    for row, cells in ((0, 9), (1, 8), (2, 8), (3, 6)):
        for side in (-1, 1) if row else (1,):
            for cell in range(cells):
                center = (8.8 - 0.4 * cell - 0.2 * (row % 2), side * row * 0.2 * math.sqrt(3))
                yield Solid(-_BONE, Ellipse.of(center, (0.15, 0.15)))


def _resolution_pattern() -> Iterator[Solid]:
    """Yield four groups of columns of five disks, the gap as wide as the disk."""
    for group in range(4):
        for column, diameter in enumerate((0.0357, 0.0312, 0.0278, 0.0250)):
            for disk in range(5):
                center = (-7.0 + 0.08 * column, -1.0 + 0.48 * group + 2 * diameter * disk)
                yield Solid(_BONE - _BRAIN, Ellipse.of(center, (diameter / 2, diameter / 2)))
