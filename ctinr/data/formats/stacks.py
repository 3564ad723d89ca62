"""Arrays without a format: TIFF stacks, folders of TIFFs, and numpy's npy and npz files.

They hold values and nothing about where these were measured. Angles lie beside the file or are
passed; they are never guessed, as half a turn and a full one both give a picture.

Arrays are (angle, u) or (angle, v, u); of a stack, each page is a view.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.data.files import naming
from ctinr.data.formats.counts import Counts, line_integrals
from ctinr.data.formats.frame_files import Frames, opened_frames
from ctinr.data.formats.measured import KnownRays, scan_of_rays
from ctinr.data.formats.quantities import row_number
from ctinr.data.formats.stack_files import (
    ANGLES,
    DARK,
    TEXTS,
    TIFFS,
    WHITE,
    angles_file,
    beside,
    damage,
    pages_in,
)
from ctinr.data.scan import Scan

KINDS = ("integrals", "transmissions", "counts")
# What an npz file may hold besides its values.
KNOWN = ("angles", "pitch", "center", "source_distance", "detector_distance")


def read_stack(
    path: str | os.PathLike[str],
    *,
    slice: int | None = None,
    values: str | None = None,
    rays: KnownRays | None = None,
) -> Scan:
    """Read one row of an array of views as a scan.

    What is not passed is looked for in the file (npz) and beside it: angles in radians, one a
    line, in NAME_angles.txt, .csv or .npy, or in angles.txt in a folder of TIFFs.

    Parameters
    ----------
    path : path
        A TIFF of several pages, a folder of TIFFs of one page, an npy or an npz file. A TIFF of
        one page is a sinogram if there are angles beside it.
    slice : int, optional
        The row, counted from 0; the middle one if not given.
    values : str, optional
        "integrals" if not given; "transmissions"; or "counts", which need NAME_white and may have
        NAME_dark beside them, of the same kind of file.
    rays : KnownRays, optional
        What is known about the rays; `read_scan` takes its fields as keywords, as in
        ``read_scan(path, span=math.pi, pitch=0.1)``.

    Raises
    ------
    FileNotFoundError, PermissionError, OSError
        If the file cannot be opened or is damaged.
    ValueError
        If angles are missing or do not fit, the row does not exist, the array has another number
        of axes, or counts have no flat field.
    """
    path = Path(path)
    kind = checks.one_of("integrals" if values is None else values, "values", KINDS)
    given = KnownRays() if rays is None else rays
    rays = given.over(rays_beside(path))
    frames, notes = opened_frames(path), []
    row = row_number(slice, frames.shape[1], str(path))
    if rays.source_distance is not None:
        rule = "be left out for frames of several rows"
        remedy = "A row of a cone beam is no scan of a slice."
        given_rows = f"{rays.source_distance} for '{path}' of {frames.shape[1]} rows"
        checks.require(frames.shape[1] == 1, "source_distance", rule, given_rows, remedy)
    with naming(path, _contents(given.angles)):
        sinogram, found = _integrals(path, frames, row, kind=kind, notes=notes)
        about = {"title": f"{path.stem}, slice {row}", "source": path.name, "slice": row, **found}
        return scan_of_rays(sinogram, rays, notes=notes, about=about)


def rays_beside(path: Path) -> KnownRays:
    """Return what a file, and the files beside it, say about the rays."""
    known: dict[str, Any] = {}
    if path.suffix.lower() == ".npz":
        with damage(path), path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            known = {name: np.asarray(file[name]) for name in KNOWN if name in file.files}
    lengths = {name: float(value.item()) for name, value in known.items() if value.size == 1}
    angles = known.get("angles")
    found = beside(path, ANGLES, TEXTS)
    if angles is None and found is not None:
        angles = angles_file(found)
    return KnownRays(**{**lengths, "angles": None if angles is None else angles.ravel().tolist()})


def _integrals(
    path: Path, frames: Frames, row: int, *, kind: str, notes: list[str]
) -> tuple[np.ndarray, dict[str, Any]]:
    with damage(path):
        data = frames.row(row)
    if kind == "integrals":
        checks.finite_values(data, "sinogram")
        return data, {}
    white, dark = None, None
    if kind == "counts":
        white, dark = (None if each is None else each.row(row) for each in beams_beside(path))
    return line_integrals(Counts(data, white, dark), notes)


def beams_beside(path: Path) -> tuple[Frames, Frames | None]:
    """Return the frames with the beam alone, and those without it if there are any.

    Raises
    ------
    ValueError
        If there are none with the beam.
    """
    suffixes = TIFFS if path.is_dir() else (path.suffix,)
    white, dark = (beside(path, names, suffixes) for names in (WHITE, DARK))
    names = " or ".join(f"'{path.stem}_{name}{path.suffix}'" for name in WHITE)
    if white is None:
        rule, remedy = "have a flat field beside them", f"It is looked for as {names}."
        raise ValueError(checks.message("counts", rule, f"'{path}' without one", remedy))
    return opened_frames(white), None if dark is None else opened_frames(dark)


def files_of(path: Path) -> tuple[Path, ...]:
    """Return all files that scans of an array come from: its own, and those beside it."""
    own = tuple(pages_in(path)) if path.is_dir() else (path,)
    suffixes = TIFFS if path.is_dir() else (path.suffix,)
    found = (
        beside(path, ANGLES, TEXTS),
        beside(path, WHITE, suffixes),
        beside(path, DARK, suffixes),
    )
    return own + tuple(each for each in found if each is not None)


def _contents(angles: Any) -> dict[str, str]:
    names = ("frames", "transmission", "sinogram", "white", "dark")
    contents = {name: "usable values" for name in names}
    return contents | ({"angles": "known angles"} if angles is None else {})
