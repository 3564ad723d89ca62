"""A scan and a run as terms and values, units included, for the page and for the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ctinr.data import Scan
from ctinr.geometry import Beam, ConeBeam, FanBeam, Grid, ParallelBeam, VectorBeam
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
    bins, cells = _by(scan.geometry.detector.shape), _by(scan.grid.shape)
    return (
        f"{beam(scan)}, {wording.counted(scan.num_views, 'view')} of {bins} bins, "
        f"reconstructed on {cells} cells."
    )


def beam(scan: Scan) -> str:
    """Return the kind of beam, in words."""
    geometry = scan.geometry
    if isinstance(geometry, ParallelBeam):
        return "Parallel beam"
    if isinstance(geometry, VectorBeam):
        return f"{'Parallel' if geometry.parallel else 'Diverging'} views given as vectors"
    kind = "Fan" if isinstance(geometry, FanBeam) else "Cone"
    kind = f"{kind} beam with a {'curved' if geometry.curved else 'flat'} detector"
    return f"{kind} on a helix" if _helical_pitch(geometry) else kind


def scan_facts(scan: Scan) -> list[tuple[str, str]]:
    """Return what is known about a scan as terms and values, units included."""
    detector, volume = scan.geometry.detector, len(scan.grid.shape) == 3
    facts = [
        ("Views", _views(scan)),
        ("Detector", f"{_by(detector.shape)} bins of {_sizes(detector.pitch)} mm"),
        *_axis(scan),
        *_distances(scan),
        ("Volume" if volume else "Image", _cells(scan.grid)),
        ("Field", f"{' × '.join(wording.number(side, 4) for side in scan.grid.extent)} mm"),
        ("Field of view", field_of_view(scan)),
        ("Values", f"attenuation in {UNIT}; line integrals have no unit"),
        ("Truth", "known" if scan.truth is not None else "not known"),
    ]
    known = [(key, scan.metadata[key]) for key in METADATA_TITLES if key in scan.metadata]
    return facts + [(METADATA_TITLES[key], _known(key, value)) for key, value in known]


def field_of_view(scan: Scan) -> str:
    """Return what every view sees of the place around the axis of rotation."""
    geometry = scan.geometry
    if isinstance(geometry, VectorBeam):
        which = "all" if geometry.covers(scan.grid) else "not all"
        return f"{which} corners of the grid in every view"
    seen = f"radius {wording.number(geometry.field_of_view, 4)} mm around the axis"
    if len(geometry.shape) == 2:
        return seen
    edges = geometry.detector.edges(0) / getattr(geometry, "magnification", 1.0)
    ends = " to ".join(wording.number(edge, 4) for edge in edges)
    about = " about the height of the source" if _helical_pitch(geometry) else ""
    return f"{seen}; on it z from {ends} mm{about}"


def _by(shape: Sequence[int]) -> str:
    return " × ".join(f"{size:,}" for size in shape)


def _sizes(steps: Sequence[float]) -> str:
    """Return sizes along each axis; one number if they are all the same."""
    return " × ".join(dict.fromkeys(wording.number(step, 4) for step in steps))


def _cells(grid: Grid) -> str:
    return f"{_by(grid.shape)} cells of {' × '.join(wording.number(s, 4) for s in grid.spacing)} mm"


def _views(scan: Scan) -> str:
    if isinstance(scan.geometry, VectorBeam):
        return f"{scan.num_views:,} given as vectors"
    degrees = np.rad2deg(np.asarray(scan.geometry.angles))
    span = f"{wording.number(degrees.min(), 4)}° to {wording.number(degrees.max(), 4)}°"
    return f"{scan.num_views:,} from {span}"


def _known(key: str, value: Any) -> str:
    """Return a value of the metadata; of many numbers of photons their range."""
    if key == "photons" and isinstance(value, tuple) and len(value) > 1:
        return f"{spelled(min(value))} to {spelled(max(value))}, one number a view"
    return spelled(value)


def _helical_pitch(geometry: Beam) -> float:
    return geometry.helical_pitch if isinstance(geometry, ConeBeam) else 0.0


def _distances(scan: Scan) -> list[tuple[str, str]]:
    geometry = scan.geometry
    if isinstance(geometry, VectorBeam):
        return [("Beam", beam(scan))]
    if isinstance(geometry, ParallelBeam):
        return []
    source, behind = (
        wording.number(length, 4)
        for length in (geometry.source_distance, geometry.detector_distance)
    )
    magnification = wording.number(geometry.magnification, 4)
    facts = [
        ("Beam", beam(scan)),
        ("Distances", f"source to axis {source} mm, axis to detector {behind} mm"),
        ("Magnification", f"{magnification}, on the axis of rotation"),
    ]
    if pitch := _helical_pitch(geometry):
        heights = geometry.heights()
        ends = " to ".join(wording.number(z, 4) for z in (heights.min(), heights.max()))
        facts.append(("Helix", f"{wording.number(pitch, 4)} mm a turn, source at z from {ends} mm"))
    return facts


def _axis(scan: Scan) -> list[tuple[str, str]]:
    if isinstance(scan.geometry, VectorBeam):
        return []
    return [("Axis of rotation", axis_of_rotation(scan))]


def axis_of_rotation(scan: Scan) -> str:
    """Return the bin on which the axis of rotation falls, and how it is known."""
    detector, origin = scan.geometry.detector, scan.metadata.get("center_from")
    place = (detector.shape[-1] - 1) / 2 - detector.offset[-1] / detector.pitch[-1]
    known = {"the data": ", found from the data", "the caller": ", as given"}
    bins = "bin" if len(detector.shape) == 1 else "column"
    return f"{bins} {place:.2f}, counted from 0{known.get(str(origin), '')}"


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
