"""Folders of R²-Gaussian: `meta_data.json`, and projections and a volume as npy files.

The scanner's lengths are in a unit of the scene, in which the volume often spans [−1, 1]³; line
integrals are over the same unit. `nDetector`, `sDetector` and `offDetector` are (v, u), `nVoxel`,
`sVoxel` and `offOrigin` (x, y, z); sizes are those of the whole.

Zha et al. 2024, R²-Gaussian: rectifying radiative Gaussian splatting for tomographic
reconstruction, doi:10.48550/arXiv.2405.20693.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.data.files import existing, naming, readable
from ctinr.data.formats.cones import Scanner, array_in, cone_scan, numbers_in
from ctinr.data.formats.stack_files import damage
from ctinr.data.scan import Scan

META, VOLUME = "meta_data.json", "vol"
PARTS = ("train", "test")
UNKNOWN_UNIT = "The file does not say how long its unit of length is: it was taken to be 1 mm."


def read_r2gaussian(
    path: str | os.PathLike[str], *, part: str = "train", unit: float | None = None
) -> Scan:
    """Read a folder of R²-Gaussian.

    Parameters
    ----------
    path : path
        The folder.
    part : str
        "train" or "test": which projections.
    unit : float, optional
        Millimetres that the scene's unit of length stands for; 1, with a warning, if not given.

    Raises
    ------
    FileNotFoundError, PermissionError, OSError
        If a file is missing or damaged.
    ValueError
        If an entry of the description is missing or does not fit the others, or points outside of
        the folder.
    """
    path = Path(path)
    checks.one_of(part, "part", PARTS)
    notes = () if unit is not None else (UNKNOWN_UNIT,)
    unit = 1.0 if unit is None else checks.positive(unit, "unit")
    meta = _described(path / META)
    entries = meta.get(f"proj_{part}")
    rule = f"name a file with a list proj_{part}"
    good = isinstance(entries, list) and bool(entries) and all(_is_entry(each) for each in entries)
    checks.require(good, "path", rule, f"'{path / META}' without")
    angles = np.array([float(each["angle"]) for each in entries or ()])
    views = np.stack([_array(path, each["file_path"]) for each in entries or ()])
    volume = _array(path, str(meta[VOLUME])) / unit if VOLUME in meta else None
    names = {"angles": f"usable angles in {META}", "projections": "usable projections"}
    names |= {"sinogram": names["projections"], "truth": "a usable volume"}
    with naming(path, names | {"volume": "a usable volume", "shape": "usable sizes"}):
        scanner = _scanner(meta, path / META, unit)
        about: dict[str, Any] = {"title": f"{path.name}, {part}", "source": path.name}
        about |= {"warnings": notes} if notes else {}
        return cone_scan(scanner, angles, views, volume=volume, about=about)


def is_r2gaussian(path: Path) -> bool:
    """Tell whether a folder has the description of one."""
    with readable(path):
        return path.is_dir() and (path / META).is_file()


def _described(path: Path) -> Mapping[str, Any]:
    existing(path)
    with damage(path):
        meta = json.loads(path.read_text(encoding="utf-8"))
    good = isinstance(meta, Mapping) and isinstance(meta.get("scanner"), Mapping)
    checks.require(good, "path", "name a file with the entry scanner", f"'{path}' without")
    mode = str(meta["scanner"].get("mode", "cone"))
    checks.require(mode == "cone", "path", "name a scan by a cone beam", f"'{path}' by {mode!r}")
    return meta


def _scanner(meta: Mapping[str, Any], path: Path, unit: float) -> Scanner:
    scanner = meta["scanner"]
    source, whole = (unit * numbers_in(scanner, name, 1, path=path)[0] for name in ("DSO", "DSD"))
    rule = "name a file whose DSD is more than DSO, and that more than 0"
    checks.require(0 < source < whole, "path", rule, f"'{path}' with {whole:g} and {source:g}")
    zero = {"offDetector": (0.0, 0.0), "offOrigin": (0.0, 0.0, 0.0)}
    where = {name: scanner.get(name, none) for name, none in zero.items()}
    rows, columns = (int(each) for each in numbers_in(scanner, "nDetector", 2, path=path))
    height, width = (unit * each for each in numbers_in(scanner, "sDetector", 2, path=path))
    v, u = (unit * each for each in numbers_in(where, "offDetector", 2, path=path))
    nx, ny, nz = (int(each) for each in numbers_in(scanner, "nVoxel", 3, path=path))
    x, y, z = (unit * each for each in numbers_in(scanner, "sVoxel", 3, path=path))
    cx, cy, cz = (unit * each for each in numbers_in(where, "offOrigin", 3, path=path))
    return Scanner(
        source_distance=source,
        whole_distance=whole,
        bins=(columns, rows),
        pitch=(width / columns, height / rows),
        offset=(u, v),
        cells=(nx, ny, nz),
        spacing=(x / nx, y / ny, z / nz),
        center=(cx, cy, cz),
    )


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, Mapping)
        and isinstance(entry.get("file_path"), str)
        and isinstance(entry.get("angle"), int | float)
    )


def _array(folder: Path, name: str) -> np.ndarray:
    place = (folder / name).resolve()
    rule = "name a folder whose description points into it"
    inside = place.is_relative_to(folder.resolve())
    checks.require(inside, "path", rule, f"'{folder}' with {name!r}")
    existing(place)
    with readable(place), damage(place):
        return array_in(np.load(place, allow_pickle=False), "an array of numbers", path=place)
