"""One row of a detector's frames, of whatever file, and the scan that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ctinr import checks
from ctinr.data.preprocessing.center import find_center
from ctinr.data.preprocessing.flats import drifting_flat_field
from ctinr.data.preprocessing.transmission import flat_field, minus_log, open_beam
from ctinr.data.scan import Scan
from ctinr.geometry import Detector, Grid, ParallelBeam


@dataclass(frozen=True, eq=False)
class Counts:
    """One row of the frames of a scan, counts.

    Parameters
    ----------
    data : array, shape (angle, u)
        With the beam and the object.
    white : array, shape (frame, u), optional
        With the beam and without the object; without them `data` are transmissions.
    dark : array, shape (frame, u), optional
        Without the beam.
    after : array, shape (frame, u), optional
        As `white`, taken after the scan, where those of `white` were taken before it.
    times : array, shape (angle,), optional
        When each view was taken, 0 with `white` and 1 with `after`.
    """

    data: np.ndarray
    white: np.ndarray | None = None
    dark: np.ndarray | None = None
    after: np.ndarray | None = None
    times: np.ndarray | None = None


def parallel_scan(
    counts: Counts,
    angles: np.ndarray,
    *,
    pitch: float,
    center: float | None,
    notes: list[str],
    about: Mapping[str, Any],
) -> Scan:
    """Return the scan of one row that a parallel beam measured.

    Parameters
    ----------
    counts : Counts
        The row.
    angles : array, shape (angle,)
        Radians.
    pitch : float
        Size of a bin in the object, mm.
    center : float or None
        Bin on which the axis of rotation falls; None to have it found.
    notes : list of str
        What had to be assumed; what this function assumes is added.
    about : mapping
        Further metadata, such as `title` and `source`.

    Raises
    ------
    ValueError
        If the counts cannot be turned into line integrals, or the axis is not found.
    """
    bins = counts.data.shape[1]
    beam = ParallelBeam(angles, Detector(bins, pitch))
    sinogram, found = line_integrals(counts, notes)
    axis = find_center(sinogram, angles) if center is None else checks.finite(center, "center")
    metadata = {
        **about,
        "center": axis,
        "center_from": "the data" if center is None else "the caller",
        **found,
        "warnings": tuple(notes),
    }
    return Scan(
        sinogram=torch.as_tensor(sinogram, dtype=torch.float32),
        geometry=ParallelBeam(beam.angles, Detector(bins, pitch, ((bins - 1) / 2 - axis) * pitch)),
        grid=Grid((bins, bins), pitch),
        metadata=metadata,
    )


def line_integrals(counts: Counts, notes: list[str]) -> tuple[np.ndarray, dict[str, Any]]:
    """Return −log of the transmission, and which bins and how many values were replaced.

    Parameters
    ----------
    counts : Counts
        The row.
    notes : list of str
        What is assumed and replaced is added to it.
    """
    transmission, dead, floor = _transmission(counts, notes)
    sinogram, floored = minus_log(transmission, floor=floor)
    bins = tuple(np.flatnonzero(dead).tolist())
    if bins:
        notes.append(f"{len(bins)} dead bins were filled in from their neighbours: {bins}.")
    if floored:
        notes.append(f"{floored} values without light were replaced before the logarithm.")
    return sinogram, {"dead_bins": bins, "floored_values": floored}


def _transmission(counts: Counts, notes: list[str]) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Return the transmission, which bins are dead, and the least that can be told from none."""
    data, white, dark = counts.data, counts.white, counts.dark
    if white is None:
        notes.append("There is no flat field: the values were taken as transmissions.")
        return _as_transmission(data), np.zeros(data.shape[1], dtype=bool), None
    if dark is None:
        notes.append("There is no dark frame: the detector was taken to be silent.")
    if counts.after is None:
        transmission, dead = flat_field(data, white, dark)
    else:
        transmission, dead = drifting_flat_field(
            data, white, counts.after, dark=dark, times=_listed(counts.times)
        )
    light = float(np.median(open_beam(white, dark)[0]))
    # Half a count is the least that a counter can tell from none.
    return transmission, dead, 0.5 / light if light > 100 else None


def _listed(times: np.ndarray | None) -> list[float] | None:
    return None if times is None else times.tolist()


def _as_transmission(data: np.ndarray) -> np.ndarray:
    checks.finite_values(data, "frames")
    rule = "be transmissions where there is no flat field"
    given = f"values from {data.min():.4g} to {data.max():.4g} without a flat field"
    looks = bool(data.max() <= 2 and np.median(data) > 0)
    checks.require(looks, "frames", rule, given, "Add the frames with the beam alone.")
    return data
