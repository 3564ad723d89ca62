"""Fewer bins: binning and cropping of a scan, with the geometry following."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from ctinr import checks
from ctinr.data.scan import Scan
from ctinr.geometry import Detector


def binned(scan: Scan, factor: int) -> Scan:
    """Return the scan of a detector whose bins are `factor` old ones wide.

    Intensities are averaged and not line integrals, as a wider bin would have done: where the
    object has an edge, the two differ. The grid and the truth stay what they are.

    Parameters
    ----------
    scan : Scan
        Of bins that `factor` divides.
    factor : int
        How many bins along u become one.

    Raises
    ------
    ValueError
        If `factor` does not divide the number of bins.
    """
    factor, old = checks.count(factor, "factor"), scan.geometry.detector
    bins = old.shape[-1]
    remedy = "Crop the scan to a multiple of it first."
    checks.require(bins % factor == 0, "factor", f"divide the {bins} bins", factor, remedy)
    parts = scan.sinogram.unflatten(-1, (bins // factor, factor))
    sinogram = math.log(factor) - torch.logsumexp(-parts, dim=-1)
    shape, pitch = (*old.shape[:-1], bins // factor), (*old.pitch[:-1], old.pitch[-1] * factor)
    metadata = _moved(scan, lambda bin: (bin - (factor - 1) / 2) / factor)
    detector = Detector(shape, pitch, old.offset)
    geometry = replace(scan.geometry, detector=detector)
    return replace(scan, sinogram=sinogram, geometry=geometry, metadata=metadata)


def cropped(scan: Scan, first: int, stop: int) -> Scan:
    """Return the scan of the bins from `first` up to and without `stop`, counted from 0.

    Rays stay where they are: the offset of the detector follows. An object that reaches beyond
    the bins that are kept is truncated; `Scan.warnings` says so.

    Parameters
    ----------
    scan : Scan
        Of any beam.
    first, stop : int
        Bins along u.

    Raises
    ------
    ValueError
        If no bin is left or there are fewer.
    """
    old = scan.geometry.detector
    bins = old.shape[-1]
    first = checks.count(first, "first", least=0)
    stop = checks.count(stop, "stop")
    checks.require(stop <= bins, "stop", f"be at most {bins}, the number of bins", stop)
    checks.require(first < stop, "first", f"be less than {stop}, where the bins stop", first)
    middle = float(old.bin_centers()[first:stop].mean())
    shape, offset = (*old.shape[:-1], stop - first), (*old.offset[:-1], middle)
    geometry = replace(scan.geometry, detector=Detector(shape, old.pitch, offset))
    metadata = _moved(scan, lambda bin: bin - first)
    return replace(
        scan, sinogram=scan.sinogram[..., first:stop], geometry=geometry, metadata=metadata
    )


def _moved(scan: Scan, place: Any) -> dict[str, Any]:
    """Return the metadata with the axis of rotation counted in the new bins."""
    metadata = dict(scan.metadata)
    if "center" in metadata:
        metadata["center"] = float(place(metadata["center"]))
    # They were filled in; which of the new bins hold some of them is no longer told apart.
    metadata.pop("dead_bins", None)
    return metadata
