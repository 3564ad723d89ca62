"""The slice z = 0 of the FORBILD thorax.

In the published, three-dimensional definition a later object replaces what lies below it. In this
slice every object lies wholly inside one other, or shares no more than an edge with it, once the
vertebra is taken apart; so each becomes a term with the difference of the two densities.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from phantoms import checks
from phantoms.phantom import Phantom
from phantoms.published import WATER, from_table
from phantoms.shapes import Array, Box, Ellipse, HalfPlane
from phantoms.terms import Solid

# densities relative to water
_SOFT, _LUNG, _HEART, _AORTA = 1.0, 0.26, 1.05, 1.05
_STERNUM, _RIB, _MARROW = 1.25, 1.41, 0.98
_CORTICAL, _SPONGY = 1.92, 1.18

_UP, _DOWN, _RIGHT = math.pi / 2, -math.pi / 2, 0.0


def forbild_thorax(*, water: float = WATER) -> Phantom:
    """Return the FORBILD thorax at z = 0: 400 mm × 200 mm, with lungs, heart, spine and ribs.

    All of the published definition that meets the plane z = 0 is there, with the published sizes
    and densities: body, lungs, heart, descending aorta, sternum, one vertebra and the sections of
    the three pairs of ribs (at −3, 0 and 3 cm) that reach the plane. Arms, shoulders, the rest of
    the aorta and the other ribs lie above or below it. Nothing is simplified. Lengths are
    converted from cm to mm; densities relative to water (lung 0.26, cortical bone 1.92) are
    multiplied by the attenuation of water.

    Parameters
    ----------
    water : float
        The attenuation of water in 1/mm.

    Raises
    ------
    TypeError, ValueError
        If `water` is not above zero.

    References
    ----------
    K. Sourbelle, Thorax phantom, in: Phantom group of FORBILD, Institute of Medical Physics,
    University of Erlangen, http://www.imp.uni-erlangen.de/phantoms/thorax/thorax.htm.
    """
    terms = [*_soft_tissue(), *_sternum(), *_vertebra(-5.0), *_ribs()]
    return from_table(terms, unit_length=10.0, unit_value=checks.positive(water, "water"))


def _soft_tissue() -> Iterator[Solid]:
    """Yield the body with the lungs, the heart and the descending aorta."""
    yield Solid(_SOFT, Ellipse.of((0.0, 0.0), (20.0, 10.0)))
    yield Solid(_LUNG - _SOFT, Ellipse.of((-10.5, 0.0), (7.5, 5.5)))
    yield Solid(_LUNG - _SOFT, Ellipse.of((10.5, 0.0), (7.5, 5.5)))
    yield Solid(_HEART - _SOFT, Ellipse.of((0.0, 4.0), (3.5, 3.5)))
    yield Solid(_AORTA - _SOFT, Ellipse.of((-2.5, -2.5), (1.0, 1.0)))


def _sternum() -> Iterator[Solid]:
    """Yield the breastbone and the marrow in it."""
    yield Solid(_STERNUM - _SOFT, Box.of((0.0, 9.0), (1.25, 0.4)))
    yield Solid(_MARROW - _STERNUM, Box.of((0.0, 9.0), (1.0, 0.25)))


def _vertebra(y: float) -> Iterator[Solid]:
    """Yield the vertebra centred at (0, y) as parts of cortical bone that only share edges.

    The published parts overlap: a disk with a flat back wall, a spongy core, two boxes cut to
    wedges (the transverse processes), a third box cut to the arch that joins them from behind,
    and the spinous process with its round end. Here each keeps what the ones before it left.
    """
    bone = _CORTICAL - _SOFT
    wall, back = HalfPlane.facing(_DOWN, 1.3 - y), HalfPlane.facing(_DOWN, 1.5 - y)
    left = HalfPlane.facing(_RIGHT, 0.0)
    tip = HalfPlane.facing(_UP, -4.05, (0.0, y))
    yield Solid(bone, Ellipse.of((0.0, y), (1.75, 1.75)), (wall,))
    width = math.sqrt(1.75**2 - 1.3**2)  # the wall is the chord of the disk
    yield Solid(bone, Box.of((0.0, y - 1.4), (width, 1.0)), (wall.complement(), back))
    yield Solid(_SPONGY - _CORTICAL, Ellipse.of((0.0, y), (1.5, 1.5)))
    roofs = []
    for side, half in ((-1, left), (1, left.complement())):
        upper = _below((side * 4.0, y - 2.45), (side * width, y - 1.5))
        floor = _below((side * 4.0, y - 2.45), (0.0, y - 2.2))
        cuts = (back.complement(), half, upper, floor.complement())
        yield Solid(bone, Box.of((0.0, y - 2.0), (4.5, 1.0)), cuts)
        roofs.append(floor)
    flanks = tuple(_below((side * 0.4, y - 2.45), (0.0, y - 2.65)).complement() for side in (-1, 1))
    spine = HalfPlane.facing(_UP, -2.45, (0.0, y))
    arch = Box.of((0.0, y - 2.35), (0.8, 0.5))
    yield Solid(bone, arch, (*roofs, *flanks, spine.complement()))
    yield Solid(bone, Box.of((0.0, y - 3.0), (0.4, 1.5)), (spine, tip.complement()))
    yield Solid(bone, Ellipse.of((0.0, y - 4.05), (0.4, 0.4)), (tip,))


def _below(start: tuple[float, float], end: tuple[float, float]) -> HalfPlane:
    """Return the half plane below the line through two points (y up)."""
    slope = (end[1] - start[1]) / (end[0] - start[0])
    return HalfPlane.facing(math.atan(slope) + _UP, 0.0, start)


def _ribs() -> Iterator[Solid]:
    """Yield the sections of the ribs that the plane z = 0 meets, bone and then marrow.

    A rib is nine cylinders on each side of the body. Their centres lie on a tilted ellipse, at
    multiples of 18° of its parameter; each has the direction of the tangent there and ends in
    the planes that halve the angles with its neighbours.
    """
    for level in (-6.0, -3.0, 0.0, 3.0, 6.0):
        for parameter in np.deg2rad(np.arange(-72, 73, 18)):
            for radius, density in ((0.5, _RIB - _SOFT), (0.4, _MARROW - _RIB)):
                section = _rib_section(float(parameter), level, radius)
                right = Solid(density, *section)
                if len(right.outline()) > 0:
                    yield right
                    yield right.mapped(np.diag([-1.0, 1.0]), np.zeros(2))


def _rib_section(
    parameter: float, level: float, radius: float
) -> tuple[Ellipse, tuple[HalfPlane, HalfPlane]]:
    """Return where z = 0 cuts an endless cylinder of the rib, and the two ends of the cylinder."""
    step = math.pi / 10
    lift = np.array([0.0, 0.0, level])
    axis, center = _tangent(parameter), _rib_center(parameter) + lift
    meeting = center - center[2] / axis[2] * axis
    section = Ellipse.of(
        (float(meeting[0]), float(meeting[1])),
        (radius / abs(float(axis[2])), radius),
        math.atan2(axis[1], axis[0]),
    )
    ends = []
    for side in (-1, 1):
        normal = side * (axis + _tangent(parameter + side * step))
        # two tangents of an ellipse meet outside it, above the middle of their parameters
        corner = _rib_center(parameter + side * step / 2) / math.cos(step / 2) + lift
        offset = float(normal @ corner) / math.hypot(normal[0], normal[1])
        ends.append(HalfPlane.facing(math.atan2(normal[1], normal[0]), offset))
    return section, (ends[0], ends[1])


def _rib_center(parameter: float) -> Array:
    """Return a point (x, y, z) of the tilted ellipse, in cm."""
    sine, cosine = math.sin(parameter), math.cos(parameter)
    return np.array([18.5 * cosine, 9.0 * sine, -5.5 * sine])


def _tangent(parameter: float) -> Array:
    """Return the unit tangent (x, y, z) of the tilted ellipse towards larger parameters."""
    sine, cosine = math.sin(parameter), math.cos(parameter)
    vector = np.array([-18.5 * sine, 9.0 * cosine, -5.5 * cosine])
    return vector / np.linalg.norm(vector)
