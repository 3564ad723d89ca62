"""Fans as the ASTRA toolbox means them, with the picture as it shows it: y up, row 0 at the top.

Its source is at (sin θ, −cos θ) times the distance and its u axis (cos θ, sin θ), as here; but row
0 of its pictures lies at the largest y. Seen in our pictures, where y grows with the row, that
scan is a mirrored one: the source at (sin θ, cos θ), the u axis (cos θ, −sin θ). These are the
source and the reversed axis of our angle π − θ.
"""

from __future__ import annotations

import numpy as np


def as_astra_shows(sinogram: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sinogram and the angles whose reconstruction has the rows of ASTRA's picture.

    Parameters
    ----------
    sinogram : array, shape (angle, u)
        Of a fan beam, in ASTRA's order.
    angles : array, shape (angle,)
        ASTRA's angles, radians.

    Returns
    -------
    sinogram, angles : arrays of the same shapes
        In our convention. The offset of the detector changes its sign with the order of the bins.
    """
    return sinogram[:, ::-1], np.pi - angles
