"""What a file holds besides the row that becomes a scan: frames, rows, samples, types, ranges.

Little is read for it: shapes and units, and of the values a few frames.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ctinr.data.formats.acquisition import DARK, FLAT, INVALID, PROJECTION, Acquisition
from ctinr.data.formats.exchange_frames import exchange_acquisition
from ctinr.data.formats.frame_files import opened_frames
from ctinr.data.formats.lodopab import DATA
from ctinr.data.formats.nxtomo import entries_of
from ctinr.data.formats.nxtomo_frames import nxtomo_acquisition
from ctinr.data.hdf5_access import dataset, opened
from ctinr.data.readers import EXCHANGE, LODOPAB, NXTOMO, SCANS, STACK, reader_of
from ctinr.data.scan_sets import num_scans

KINDS = {PROJECTION: "projections", FLAT: "flat", DARK: "dark", INVALID: "invalid"}
# So many frames of a kind are looked at for the range of their values.
LOOKED_AT = 5


def contents_of(path: Path) -> dict[str, str]:
    """Return what a file holds as terms and values, units included; nothing for a single scan.

    Raises
    ------
    ValueError, OSError
        If the kind of file is unknown, or a field is missing or damaged.
    """
    reader = reader_of(path)
    if reader == EXCHANGE:
        with opened(path) as file:
            return _frames(exchange_acquisition(file))
    if reader == NXTOMO:
        return _entries(path)
    if reader == LODOPAB:
        with opened(path) as file:
            return {"Samples": f"{len(dataset(file, DATA))}, counted from 0"}
    if reader == SCANS:
        with opened(path) as file:
            return {"Scans": f"{num_scans(file)}, counted from 0"}
    if reader == STACK:
        views, rows, columns = opened_frames(path).shape
        return {"Frames": f"{views} of {rows} × {columns}"}
    return {}


def _entries(path: Path) -> dict[str, str]:
    with opened(path) as file:
        names = [str(entry.name).strip("/") for entry in entries_of(file)]
        facts = _frames(nxtomo_acquisition(file, names[0]))
    return facts if len(names) == 1 else {"Entries": ", ".join(names), **facts}


def _frames(acquisition: Acquisition) -> dict[str, str]:
    rows, columns = acquisition.shape
    numbers = {name: int(np.sum(acquisition.keys == key)) for key, name in KINDS.items()}
    counted = [f"{number} {name}" for name, number in numbers.items() if number]
    missing = [name for name in ("flat", "dark") if not numbers[name]]
    told = f"{', '.join(counted)}" + (f"; no {' and no '.join(missing)} ones" if missing else "")
    facts = {
        "Frames": f"{told}, of {rows} × {columns}, {acquisition.dtype}",
        "Angles in the file": _angles(acquisition),
    }
    for key, name in KINDS.items():
        chosen = np.flatnonzero(acquisition.keys == key)
        if len(chosen) and key != INVALID:
            spread = np.unique(np.linspace(0, len(chosen) - 1, LOOKED_AT).astype(int))
            values = acquisition.read(chosen[spread])
            facts[f"Values, {name}"] = f"{values.min():.6g} to {values.max():.6g}"
    if acquisition.pixel is not None:
        size, units = acquisition.pixel
        facts["Bin in the file"] = f"{size:g} {units}"
    return facts


def _angles(acquisition: Acquisition) -> str:
    theta = acquisition.angles[acquisition.keys == PROJECTION]
    return f"{theta.min():.6g} to {theta.max():.6g} {acquisition.angle_units}"
