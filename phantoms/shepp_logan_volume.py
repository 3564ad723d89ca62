"""The Shepp–Logan head in three dimensions."""

from __future__ import annotations

import math

from phantoms import checks
from phantoms.published import WATER
from phantoms.volume import Ellipsoid, VolumePhantom

# centre x, y, z; semi-axes; rotation about z in degrees; y up, lengths in half sides of the cube
_ELLIPSOIDS = (
    ((0.0, 0.0, 0.0), (0.69, 0.92, 0.9), 0.0),
    ((0.0, 0.0, 0.0), (0.6624, 0.874, 0.88), 0.0),
    ((-0.22, 0.0, -0.25), (0.41, 0.16, 0.21), 108.0),
    ((0.22, 0.0, -0.25), (0.31, 0.11, 0.22), 72.0),
    ((0.0, 0.35, -0.25), (0.21, 0.25, 0.5), 0.0),
    ((0.0, 0.1, -0.25), (0.046, 0.046, 0.046), 0.0),
    ((-0.08, -0.65, -0.25), (0.046, 0.023, 0.02), 0.0),
    ((0.06, -0.65, -0.25), (0.046, 0.023, 0.02), 90.0),
    ((0.06, -0.105, 0.625), (0.056, 0.04, 0.1), 90.0),
    ((0.0, 0.1, 0.625), (0.056, 0.056, 0.1), 0.0),
)

_WEIGHTS = {
    "original": (2.0, -0.98, -0.02, -0.02, 0.02, 0.02, 0.01, 0.01, 0.02, -0.02),
    "modified": (1.0, -0.8, -0.2, -0.2, 0.2, 0.2, 0.1, 0.1, 0.2, -0.2),
}


def shepp_logan_volume(
    radius: float = 128.0, contrast: str = "original", *, unit: float = WATER
) -> VolumePhantom:
    """Return the Shepp–Logan head as ellipsoids.

    Parameters
    ----------
    radius : float
        The mm of half a side of the cube in which the head is defined; it reaches 0.92 of it.
    contrast : {"original", "modified"}
        "original": densities 0 to 2 with details of 1 % and 2 % in the brain (1.02); "modified":
        the values 0 to 1 of Yu, Ye and Wang (brain 0.2), with the details ten times as strong.
    unit : float
        The attenuation in 1/mm of the value 1; by default that of water.

    Raises
    ------
    TypeError, ValueError
        If a length or the unit is not above zero, or the contrast is unknown.

    References
    ----------
    A. C. Kak, M. Slaney, Principles of computerized tomographic imaging (1988), table 3.2,
    doi:10.1137/1.9780898719277. H. Yu, Y. Ye, G. Wang, Katsevich-type algorithms for variable
    radius spiral cone-beam CT, Proc. SPIE 5535 (2004).
    """
    radius = checks.positive(radius, "radius")
    unit = checks.positive(unit, "unit")
    names = ", ".join(repr(name) for name in _WEIGHTS)
    checks.require(contrast in _WEIGHTS, "contrast", f"be one of {names}", contrast)
    terms = []
    for weight, ((x, y, z), axes, degrees) in zip(_WEIGHTS[contrast], _ELLIPSOIDS, strict=True):
        # y up becomes y down, which turns the other way about z.
        center = (radius * x, -radius * y, radius * z)
        first, second, third = (radius * length for length in axes)
        turned = -math.radians(degrees)
        terms.append(Ellipsoid(weight * unit, center, (first, second, third), turned))
    return VolumePhantom(tuple(terms))
