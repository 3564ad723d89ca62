"""The Shepp–Logan head."""

from __future__ import annotations

import math

from phantoms import checks
from phantoms.phantom import Phantom
from phantoms.published import WATER, from_table
from phantoms.shapes import Ellipse
from phantoms.terms import Solid

# centre x, y; semi-axes; rotation in degrees; y up, lengths in half sides of the picture
_ELLIPSES = (
    (0.00, 0.0000, 0.6900, 0.9200, 0.0),
    (0.00, -0.0184, 0.6624, 0.8740, 0.0),
    (0.22, 0.0000, 0.1100, 0.3100, -18.0),
    (-0.22, 0.0000, 0.1600, 0.4100, 18.0),
    (0.00, 0.3500, 0.2100, 0.2500, 0.0),
    (0.00, 0.1000, 0.0460, 0.0460, 0.0),
    (0.00, -0.1000, 0.0460, 0.0460, 0.0),
    (-0.08, -0.6050, 0.0460, 0.0230, 0.0),
    (0.00, -0.6050, 0.0230, 0.0230, 0.0),
    (0.06, -0.6050, 0.0230, 0.0460, 0.0),
)

_WEIGHTS = {
    "original": (2.0, -0.98, -0.02, -0.02, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01),
    "modified": (1.0, -0.8, -0.2, -0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1),
}


def shepp_logan(
    radius: float = 128.0, contrast: str = "original", *, unit: float = WATER
) -> Phantom:
    """Return the Shepp–Logan head.

    Parameters
    ----------
    radius : float
        The mm of half a side of the square picture in which the head is defined; the head itself
        reaches 0.92 of it. The default fills a grid of 256 × 256 cells of 1 mm.
    contrast : {"original", "modified"}
        "original": the densities of 1974, with details of 1 % in the brain (values 0 to 2, brain
        1.02, as in Kak and Slaney's table); "modified": Toft's values 0 to 1 (brain 0.2), with the
        details easily seen.
    unit : float
        The attenuation in 1/mm of the value 1; by default that of water.

    Raises
    ------
    TypeError, ValueError
        If a length or the unit is not above zero, or the contrast is unknown.

    Notes
    -----
    Some programs put the ninth ellipse at y = −0.606; here it is at −0.605 as in the book.

    References
    ----------
    L. A. Shepp, B. F. Logan, The Fourier reconstruction of a head section, IEEE Trans. Nucl. Sci.
    21 (1974) 21–43, doi:10.1109/TNS.1974.6499235. A. C. Kak, M. Slaney, Principles of computerized
    tomographic imaging (1988), table 3.1, doi:10.1137/1.9780898719277. P. Toft, The Radon
    transform: theory and implementation (1996), table B.1.
    """
    radius = checks.positive(radius, "radius")
    names = ", ".join(repr(name) for name in _WEIGHTS)
    checks.require(contrast in _WEIGHTS, "contrast", f"be one of {names}", contrast)
    terms = [
        Solid(weight, Ellipse.of((x, y), (first, second), math.radians(degrees)))
        for weight, (x, y, first, second, degrees) in zip(
            _WEIGHTS[contrast], _ELLIPSES, strict=True
        )
    ]
    return from_table(terms, unit_length=radius, unit_value=checks.positive(unit, "unit"))
