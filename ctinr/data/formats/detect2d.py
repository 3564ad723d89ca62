"""2DeteCT: 5000 slices of dried fruit and nuts, and 750 more, each scanned three times by a fan.

A folder `slice00001/mode2` has `sinogram.tif`, `flat1.tif`, `flat2.tif` and `dark.tif`, counts of
16 bits. The distances are those of the scanner and in no file; the last view repeats the first;
the axis of rotation falls half a bin of the published, twice binned sinograms beside the middle up
to slice 2830. Orders, constants and that shift stay in this file.

Kiss, Coban, Batenburg, van Leeuwen, Lucka 2023, 2DeteCT, a large 2D expandable, trainable,
experimental computed tomography dataset for machine learning, doi:10.1038/s41597-023-02484-6.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import numpy as np
import torch

from ctinr import checks
from ctinr.data.files import existing, naming
from ctinr.data.formats.counts import Counts, line_integrals
from ctinr.data.formats.stack_files import damage
from ctinr.data.formats.upright import as_astra_shows
from ctinr.data.scan import Scan
from ctinr.geometry import Detector, FanBeam, Grid

SLICE, MODE = re.compile(r"slice(\d{5})"), re.compile(r"mode[123]")
NUM_BINS, PITCH = 1912, 0.0748
SOURCE, WHOLE = 431.019989, 529.000488
# Slices, first and last, whose axis of rotation is one bin off; the second are out of distribution.
SHIFTED = ((1, 2830), (5521, 5870))
# What the detector sees on the axis, and the cells of the published pictures across it.
NUM_CELLS, FIELD = 1024, NUM_BINS * PITCH * SOURCE / WHOLE
FILES = ("sinogram", "flat1", "flat2", "dark")


def read_detect2d(path: str | os.PathLike[str], *, mode: int | None = None) -> Scan:
    """Read one slice of 2DeteCT as line integrals.

    The picture has the rows of the published ones. Bins are those of the detector, without the
    binning by two of the published scripts: `binned(scan, 2)` does that.

    Parameters
    ----------
    path : path
        A folder `slice00001`, or `slice00001/mode2` in it.
    mode : int, optional
        Of a folder of a slice: 1 is the low dose, 2 the clean data, 3 the beam without a filter;
        2 if not given.

    Raises
    ------
    FileNotFoundError, PermissionError, OSError
        If a file is missing or damaged.
    ValueError
        If an array has another shape than the scanner's, or the counts cannot be turned into line
        integrals.
    """
    folder = _folder(Path(path), mode)
    number = _number(folder)
    counted = {name: _picture(folder / f"{name}.tif") for name in FILES}
    notes: list[str] = []
    with naming(folder, _contents()):
        white = np.concatenate([counted["flat1"], counted["flat2"]])
        # The last view repeats the first.
        counts = Counts(counted["sinogram"][:-1], white, counted["dark"])
        sinogram, found = line_integrals(counts, notes)
    angles = np.arange(len(sinogram)) * (2 * math.pi / len(sinogram))
    sinogram, angles = as_astra_shows(sinogram, angles)
    shifted = any(first <= number <= last for first, last in SHIFTED)
    # In the order of the file it lies at -PITCH, and the bins have been turned around.
    detector = Detector(NUM_BINS, PITCH, PITCH if shifted else 0.0)
    return Scan(
        sinogram=torch.as_tensor(np.ascontiguousarray(sinogram)).float(),
        geometry=FanBeam(angles, detector, SOURCE, WHOLE - SOURCE),
        grid=Grid((NUM_CELLS, NUM_CELLS), FIELD / NUM_CELLS),
        metadata={
            "title": f"2DeteCT slice {number}, {folder.name}",
            "source": f"{folder.parent.name}/{folder.name}",
            "slice": number,
            **found,
            "warnings": tuple(notes),
        },
    )


def is_detect2d(path: Path) -> bool:
    """Tell whether a folder is one of a slice, or of a mode in it."""
    return any(SLICE.fullmatch(each.name) for each in (path, path.parent)) and any(
        (path / name / "sinogram.tif").is_file() for name in ("", "mode1", "mode2", "mode3")
    )


def _folder(path: Path, mode: int | None) -> Path:
    if MODE.fullmatch(path.name):
        rule = "be left out for the folder of a mode"
        checks.require(mode is None, "mode", rule, f"{mode} for '{path}'")
        return path
    return path / f"mode{checks.one_of(2 if mode is None else mode, 'mode', (1, 2, 3))}"


def _number(folder: Path) -> int:
    found = SLICE.fullmatch(folder.parent.name)
    if found is None:
        rule, remedy = (
            "lie in a folder slice00001",
            "The place of the axis follows from its number.",
        )
        raise ValueError(checks.message("path", rule, f"'{folder}'", remedy))
    return int(found[1])


def _picture(path: Path) -> np.ndarray:
    """Return the counts of one file, (view, u)."""
    import tifffile

    existing(path)
    with damage(path):
        counts = np.atleast_2d(np.asarray(tifffile.imread(path), dtype=np.float64))
    least = 2 if path.stem == "sinogram" else 1
    rule = f"name a file of {least} or more rows of {NUM_BINS} bins"
    good = counts.ndim == 2 and counts.shape[1] == NUM_BINS and len(counts) >= least
    checks.require(good, "path", rule, f"'{path}' of shape {counts.shape}")
    return counts


def _contents() -> dict[str, str]:
    contents = {name: "a usable sinogram.tif" for name in ("frames", "transmission", "sinogram")}
    return contents | {"white": "a usable flat1.tif and flat2.tif", "dark": "a usable dark.tif"}
