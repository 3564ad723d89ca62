"""What every step that works on line integrals asks of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ctinr import checks
from ctinr.data.inspection import looks_like_intensities


def checked_integrals(sinogram: Any, *, least_views: int = 1) -> np.ndarray:
    """Return line integrals as a fresh float64 array.

    Parameters
    ----------
    sinogram : array or Tensor, shape (angle, u) or (angle, v, u)
        Line integrals, without unit.
    least_views : int
        How many views there must be.

    Raises
    ------
    ValueError
        If values are not finite, are intensities rather than line integrals, have other axes, or
        there are too few views.
    """
    if hasattr(sinogram, "detach"):
        sinogram = sinogram.detach().cpu().numpy()
    values = np.array(sinogram, dtype=np.float64)
    rule = "have the axes (angle, u) or (angle, v, u)"
    checks.require(values.ndim in (2, 3), "sinogram", rule, values)
    checks.finite_values(values, "sinogram")
    rule = f"have at least {least_views} views"
    checks.require(len(values) >= least_views, "sinogram", rule, values)
    row = values if values.ndim == 2 else values[:, values.shape[1] // 2]
    given = (
        f"values from {row.min():.4g} to {row.max():.4g} that are largest beside the object, as "
        "counts and transmissions are"
    )
    remedy = "Take −log of the transmission first."
    checks.require(
        not looks_like_intensities(row), "sinogram", "hold line integrals", given, remedy
    )
    return values
