"""A scan of values and of what is known about their rays, for files that hold little more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ctinr import checks
from ctinr.data.preprocessing.center import find_center
from ctinr.data.scan import Scan
from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, PlanarBeam, equal_angles


@dataclass(frozen=True)
class KnownRays:
    """What is known about the rays of a scan, None where it is not.

    Parameters
    ----------
    angles : sequence of float, optional
        Angle of every view, radians.
    span : float, optional
        Equal angles over so much without the end point, radians; in place of `angles`.
    pitch : float, optional
        Size of a bin, mm; in a fan measured on the detector.
    center : float, optional
        Bin on which the axis of rotation falls, counted from 0.
    source_distance, detector_distance : float, optional
        Of a fan: from the source to the axis of rotation, and from there to the detector, mm.
    """

    angles: Sequence[float] | None = None
    span: float | None = None
    pitch: float | None = None
    center: float | None = None
    source_distance: float | None = None
    detector_distance: float | None = None

    def over(self, other: KnownRays) -> KnownRays:
        """Return what is known here, and what the other knows besides."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        if "angles" in given or "span" in given:
            other = replace(other, angles=None, span=None)
        return replace(other, **given)

    def theta(self, num_views: int) -> np.ndarray:
        """Return the angle of every view, radians.

        Raises
        ------
        ValueError
            If it is not known, or there are more or fewer angles than views.
        """
        if self.angles is None:
            remedy = (
                "They are not guessed. Pass angles=…, or span=math.pi for a half turn, or lay "
                "them beside the file as NAME_angles.txt."
            )
            known = self.span is not None
            rule = f"be given for the {num_views} views"
            checks.require(known, "angles", rule, "none, and none beside the file", remedy)
            return np.asarray(equal_angles(num_views, span=float(self.span or 0)))
        checks.require(self.span is None, "span", "be left out where angles are given", self.span)
        theta = np.asarray(self.angles, dtype=np.float64)
        rule = f"have one angle for each of the {num_views} views"
        checks.require(theta.shape == (num_views,), "angles", rule, theta)
        return theta


def scan_of_rays(
    sinogram: np.ndarray, rays: KnownRays, *, notes: list[str], about: Mapping[str, Any]
) -> Scan:
    """Return the scan of line integrals, parallel or by a fan as the distances say.

    Parameters
    ----------
    sinogram : array, shape (angle, u)
        Line integrals, without unit.
    rays : KnownRays
        What is known about them. Without a pitch a bin is 1 mm. Without a center, that of a
        parallel beam is found, and that of a fan is the middle of the detector; each is noted.
    notes : list of str
        What has to be assumed is added to it.
    about : mapping
        Further metadata.

    Raises
    ------
    ValueError
        If angles are missing or do not fit, or one distance is given and the other is not.
    """
    num_views, bins = sinogram.shape
    theta = rays.theta(num_views)
    if rays.pitch is None:
        notes.append("The size of a bin is not known: 1 bin was taken to be 1 mm.")
    pitch = 1.0 if rays.pitch is None else checks.positive(rays.pitch, "pitch")
    beam = _beam(theta, Detector(bins, pitch), rays)
    axis, origin = _axis(sinogram, theta, rays, notes)
    detector = Detector(bins, pitch, ((bins - 1) / 2 - axis) * pitch)
    spacing = pitch / getattr(beam, "magnification", 1.0)
    known = {"center": axis, "center_from": origin, "warnings": tuple(notes)}
    return Scan(
        sinogram=torch.as_tensor(np.ascontiguousarray(sinogram), dtype=torch.float32),
        geometry=replace(beam, detector=detector),
        grid=Grid((bins, bins), spacing),
        metadata={**known, **about},
    )


def _beam(theta: np.ndarray, detector: Detector, rays: KnownRays) -> PlanarBeam:
    distances = {
        name: getattr(rays, name)
        for name in ("source_distance", "detector_distance")
        if getattr(rays, name) is not None
    }
    if not distances:
        return ParallelBeam(theta, detector)
    for name in ("source_distance", "detector_distance"):
        rule = "be given together with the other distance of a fan"
        checks.require(name in distances, name, rule, "none", "0 is a detector at the axis.")
    return FanBeam(theta, detector, **distances)


def _axis(
    sinogram: np.ndarray, theta: np.ndarray, rays: KnownRays, notes: list[str]
) -> tuple[float, str]:
    """Return the bin of the axis of rotation, and who said so."""
    if rays.center is not None:
        return checks.finite(rays.center, "center"), "the caller"
    if rays.source_distance is None:
        return find_center(sinogram, theta), "the data"
    middle = (sinogram.shape[1] - 1) / 2
    notes.append("The axis of rotation was taken to fall on the middle of the detector.")
    return middle, "the middle"
