"""A scan and a run as terms and values, units included, for the page and for the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from ctinr.data import Scan
from ctinr.geometry import FanBeam
from ctinr.report import wording
from ctinr.report.choices import spelled
from ctinr.report.row import UNIT

METADATA_TITLES: Mapping[str, str] = {
    "source": "Source",
    "protocol": "Protocol",
    "photons": "Photons a ray",
    "slice": "Slice",
    "noise": "Noise",
}


def title(scan: Scan) -> str:
    """Return the name of a scan."""
    return str(scan.metadata.get("title") or scan.metadata.get("source") or "A scan")


def summary(scan: Scan) -> str:
    """Return the scan in one line: views, bins, image."""
    views, bins = scan.geometry.shape
    rows, columns = scan.grid.shape
    return (
        f"{beam(scan)}, {wording.counted(views, 'view')} of {bins:,} bins, "
        f"reconstructed on {rows} × {columns} cells."
    )


def beam(scan: Scan) -> str:
    """Return the kind of beam, in words."""
    if not isinstance(scan.geometry, FanBeam):
        return "Parallel beam"
    return f"Fan beam with a {'curved' if scan.geometry.curved else 'flat'} detector"


def scan_facts(scan: Scan) -> list[tuple[str, str]]:
    """Return what is known about a scan as terms and values, units included."""
    views, bins = scan.geometry.shape
    degrees = np.rad2deg(np.asarray(scan.geometry.angles))
    detector, (height, width) = scan.geometry.detector, scan.grid.extent
    cell = " × ".join(f"{wording.number(step, 4)}" for step in scan.grid.spacing)
    span = f"{wording.number(degrees.min(), 4)}° to {wording.number(degrees.max(), 4)}°"
    facts = [
        ("Views", f"{views:,} from {span}"),
        ("Detector", f"{bins:,} bins of {wording.number(detector.pitch[0], 4)} mm"),
        ("Axis of rotation", axis_of_rotation(scan)),
        *_distances(scan),
        ("Image", f"{scan.grid.shape[0]} × {scan.grid.shape[1]} cells of {cell} mm"),
        ("Field", f"{wording.number(height, 4)} × {wording.number(width, 4)} mm"),
        ("Values", f"attenuation in {UNIT}; line integrals have no unit"),
        ("Truth", "known" if scan.truth is not None else "not known"),
    ]
    known = [(key, scan.metadata[key]) for key in METADATA_TITLES if key in scan.metadata]
    return facts + [(METADATA_TITLES[key], spelled(value)) for key, value in known]


def _distances(scan: Scan) -> list[tuple[str, str]]:
    geometry = scan.geometry
    if not isinstance(geometry, FanBeam):
        return []
    source, behind = (
        wording.number(length, 4)
        for length in (geometry.source_distance, geometry.detector_distance)
    )
    magnification = wording.number(geometry.magnification, 4)
    return [
        ("Beam", beam(scan)),
        ("Distances", f"source to axis {source} mm, axis to detector {behind} mm"),
        ("Magnification", f"{magnification}, on the axis of rotation"),
    ]


def axis_of_rotation(scan: Scan) -> str:
    """Return the bin on which the axis of rotation falls, and how it is known."""
    detector, origin = scan.geometry.detector, scan.metadata.get("center_from")
    place = (detector.shape[0] - 1) / 2 - detector.offset[0] / detector.pitch[0]
    known = {"the data": ", found from the data", "the caller": ", as given"}
    return f"bin {place:.2f}, counted from 0{known.get(str(origin), '')}"


def run_facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the run record as terms and values."""
    versions = record.get("versions", {})
    facts = {
        "Command": shlex.join(record.get("command", ())),
        "Engine": _engine(record),
        "Precision": record.get("precision", ""),
        "Seed": record.get("seed", ""),
        "Withheld": _withheld_views(record.get("withheld_views", ())),
        "Started": record.get("started", ""),
        "Machine": record.get("machine", ""),
        "Threads": record.get("threads", ""),
        "Python": record.get("python", ""),
        "Packages": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    return [(term, str(value)) for term, value in facts.items() if str(value)]


def _engine(record: Mapping[str, Any]) -> str:
    chosen = " (chosen automatically)" if record.get("engine_asked") == "auto" else ""
    return f"{record.get('engine', '')}{chosen}"


def _withheld_views(views: Any) -> str:
    if not views:
        return ""
    return f"{wording.counted(len(views), 'view')}: {', '.join(str(view) for view in views)}"
