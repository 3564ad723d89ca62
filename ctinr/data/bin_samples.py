"""Several rays a bin: it counts the photons of its whole area, so intensities are averaged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ctinr.geometry import Beam, Detector

# Which views, and which rows of a detector that has rows.
Part = tuple[slice, ...]


def finer_bins(geometry: Beam, factor: int) -> Beam:
    """Return the geometry with every bin split into `factor` along each axis of the detector."""
    old = geometry.detector
    shape, pitch = (n * factor for n in old.shape), (step / factor for step in old.pitch)
    return replace(geometry, detector=Detector(tuple(shape), tuple(pitch), old.offset))


def mean_over_bins(
    line_integrals: Float[Tensor, "angle *finer"], samples: int, num_axes: int
) -> Float[Tensor, "angle *bins"]:
    """Return −log of the mean intensity of the rays of each bin.

    Parameters
    ----------
    line_integrals : Tensor, shape (angle, u · samples) or (angle, v · samples, u · samples)
        One value a ray.
    samples, num_axes : int
        Rays a bin along each axis of the detector, and how many axes that has.
    """
    split, axes = line_integrals, tuple(range(-num_axes, 0))
    for axis in range(1, num_axes + 1):
        # The axes of bins come before those of the rays in them.
        split = split.unflatten(axis, (-1, samples)).movedim(axis + 1, -1)
    return num_axes * math.log(samples) - torch.logsumexp(-split, dim=axes)


def parts(geometry: Beam, samples: int, *, most: int) -> Iterator[tuple[Part, Beam]]:
    """Yield a scan part by part, with its bins split.

    Parameters
    ----------
    geometry : Beam
        The scan.
    samples : int
        Rays a bin along each axis of the detector.
    most : int
        Rays of a part, unless one row of bins has more.

    Yields
    ------
    part : tuple of slice
        The views, and the rows if there are any.
    Beam
        Their rays.
    """
    *rows, bins = geometry.detector.shape
    in_row = bins * samples ** (1 + len(rows))
    num_rows = rows[0] if rows else 1
    some_rows = max(1, min(num_rows, most // in_row))
    some_views = max(1, most // (in_row * num_rows))
    for view in range(0, geometry.num_views, some_views):
        for row in range(0, num_rows, some_rows):
            part = (slice(view, view + some_views), slice(row, row + some_rows))[: 1 + len(rows)]
            own = replace(geometry[part[0]], detector=_of_rows(geometry.detector, *part[1:]))
            yield part, finer_bins(own, samples)


def _of_rows(detector: Detector, rows: slice | None = None) -> Detector:
    """Return the detector of some rows."""
    if rows is None:
        return detector
    kept = detector.bin_centers(0)[rows]
    offset = (float(kept[0] + kept[-1]) / 2, detector.offset[1])
    return Detector((len(kept), detector.shape[1]), detector.pitch, offset)
