"""Detectors: where the bins that measure the rays lie, in mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.geometry.grid import per_axis


@dataclass(frozen=True)
class Detector:
    """A flat detector of equally spaced bins.

    The centre of bin k of an axis with n bins lies at ``(k - (n - 1) / 2) * pitch + offset``,
    measured from the projection of the axis of rotation. A scan whose axis of rotation falls on
    bin c (counted from 0, fractions allowed) has ``offset = ((n - 1) / 2 - c) * pitch``.

    Parameters
    ----------
    shape : int or tuple of int
        Number of bins: `(u,)` for a line of bins, `(v, u)` for an area detector.
    pitch : float or tuple of float
        Distance between neighbouring bins, mm.
    offset : float or tuple of float
        Position of the middle of the detector, mm.

    Raises
    ------
    TypeError
        If a size is not a whole number or a number not a real one.
    ValueError
        If a size is not positive, a number not finite or the lengths differ.
    """

    shape: tuple[int, ...]
    pitch: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)

    def __init__(
        self,
        shape: int | Sequence[int],
        pitch: float | Sequence[float] = 1.0,
        offset: float | Sequence[float] = 0.0,
    ) -> None:
        given = tuple(shape) if isinstance(shape, Sequence) else (shape,)
        sizes = tuple(checks.count(size, "shape") for size in given)
        checks.require(len(sizes) in (1, 2), "shape", "have 1 or 2 axes", sizes)
        pitches = per_axis(pitch, "pitch", len(sizes))
        for value in pitches:
            checks.positive(value, "pitch")
        object.__setattr__(self, "shape", sizes)
        object.__setattr__(self, "pitch", pitches)
        object.__setattr__(self, "offset", per_axis(offset, "offset", len(sizes)))

    @property
    def extent(self) -> tuple[float, ...]:
        """Length of every side from edge to edge, mm."""
        return tuple(n * step for n, step in zip(self.shape, self.pitch, strict=True))

    @property
    def line(self) -> Detector:
        """The bins of one row: the last axis."""
        return Detector(self.shape[-1:], self.pitch[-1:], self.offset[-1:])

    def bin_centers(self, axis: int = -1) -> np.ndarray:
        """Return the positions of the bin centres along one axis, mm, float64."""
        n = self.shape[axis]
        return (np.arange(n) - (n - 1) / 2) * self.pitch[axis] + self.offset[axis]

    def edges(self, axis: int = -1) -> np.ndarray:
        """Return the positions of both edges along one axis, mm, float64."""
        half = self.extent[axis] / 2
        return self.offset[axis] + np.array([-half, half])

    def coarsen(self, factor: int) -> Detector:
        """Return a detector whose bins are `factor` old ones wide and begin at the same edge.

        Sides that `factor` does not divide are rounded up, past the far edge.
        """
        factor = checks.count(factor, "factor")
        shape = tuple(-(-n // factor) for n in self.shape)
        pitch = tuple(step * factor for step in self.pitch)
        grown = [n * new - extent for n, new, extent in zip(shape, pitch, self.extent, strict=True)]
        offset = tuple(at + more / 2 for at, more in zip(self.offset, grown, strict=True))
        return Detector(shape, pitch, offset)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `from_dict` takes."""
        return {
            "shape": list(self.shape),
            "pitch": list(self.pitch),
            "offset": list(self.offset),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Detector:
        """Return the detector that `to_dict` described."""
        return cls(tuple(values["shape"]), tuple(values["pitch"]), tuple(values["offset"]))
