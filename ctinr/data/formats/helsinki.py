"""Fan-beam scans of the University of Helsinki as MATLAB structures: HTC 2022 and its kin.

`CtDataFull`, `CtDataLimited` or `CtData` has `sinogram`, line integrals (angle, u), and
`parameters` with angles in degrees and lengths in `distanceUnit`, mm. The angles and the order of
bins are those of ASTRA's fan, with which the challenge reconstructs; the picture here has the rows
of its pictures, so that its segmentations can be compared cell by cell.

Meaney, Silva de Moura, Siltanen 2022, Helsinki Tomography Challenge 2022 open tomographic dataset,
doi:10.5281/zenodo.6984868.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.data.files import naming
from ctinr.data.formats.matlab import SUFFIX, variable, variable_names
from ctinr.data.formats.measured import KnownRays, scan_of_rays
from ctinr.data.formats.quantities import MILLIMETRES, looks_like_radians
from ctinr.data.formats.upright import as_astra_shows
from ctinr.data.scan import Scan

STRUCTURES = ("CtDataFull", "CtDataLimited", "CtData")
SOURCE, WHOLE, PIXEL = "distanceSourceOrigin", "distanceSourceDetector", "pixelSizePost"


def read_helsinki(path: str | os.PathLike[str], *, center: float | None = None) -> Scan:
    """Read a file of the Helsinki Tomography Challenge 2022.

    Parameters
    ----------
    path : path
        A mat file of version 5 or 7.3.
    center : float, optional
        Bin on which the axis of rotation falls, counted from 0 in the file's order; the middle
        if not given, as the data are published with the axis corrected.

    Raises
    ------
    FileNotFoundError, PermissionError, OSError
        If the file cannot be opened or is damaged.
    ValueError
        If a field is missing, does not fit the others or is in another unit.
    """
    path = Path(path)
    name = _structure(variable_names(path)) or STRUCTURES[0]
    content = variable(path, name)
    parameters = _member(path, name, content, "parameters")
    where = f"{name}.parameters"
    sinogram = np.asarray(_member(path, name, content, "sinogram"), dtype=np.float64)
    degrees = np.asarray(_member(path, where, parameters, "angles"), dtype=np.float64).ravel()
    rule = f"name a file whose field {where}.angles is in degrees"
    given = f"'{path}' with angles up to {np.abs(degrees).max():.4g}, which look like radians"
    checks.require(not looks_like_radians(degrees), "path", rule, given)
    source, whole, pixel = (
        _length(path, where, parameters, field) for field in (SOURCE, WHOLE, PIXEL)
    )
    rule = f"name a file whose {where}.{WHOLE} is at least {SOURCE}"
    checks.require(whole >= source, "path", rule, f"'{path}' with {whole:g} and {source:g} mm")
    bins = sinogram.shape[-1]
    middle = (bins - 1) / 2 if center is None else bins - 1 - checks.finite(center, "center")
    contents = {"sinogram": f"a usable field {name}.sinogram"}
    contents["angles"] = f"angles for every view in {where}"
    with naming(path, contents):
        checks.require(sinogram.ndim == 2, "sinogram", "have the axes (angle, u)", sinogram)
        seen, theta = as_astra_shows(sinogram, np.deg2rad(degrees))
        rays = KnownRays(theta.tolist(), None, pixel, middle, source, whole - source)
        origin = "the file" if center is None else "the caller"
        about = {"title": path.stem, "source": path.name, "center_from": origin}
        return scan_of_rays(seen, rays, notes=[], about=about)


def is_helsinki(path: Path) -> bool:
    """Tell whether a file is a mat file with one of the structures."""
    return path.suffix.lower() == SUFFIX and _structure(variable_names(path)) is not None


def _structure(names: tuple[str, ...]) -> str | None:
    return next((name for name in STRUCTURES if name in names), None)


def _member(path: Path, where: str, content: Any, name: str) -> Any:
    rule = f"name a file with the field {where}.{name}"
    found = isinstance(content, Mapping) and name in content
    checks.require(found, "path", rule, f"'{path}' without it")
    return content[name]


def _length(path: Path, where: str, parameters: Mapping[str, Any], name: str) -> float:
    """Return a length of the parameters in mm."""
    value = np.asarray(_member(path, where, parameters, name), dtype=np.float64)
    units = str(parameters.get("distanceUnit", "mm")).strip()
    rule = f"name a file whose field {where}.{name} is a positive length"
    good = value.size == 1 and bool(np.isfinite(value).all()) and value.item() > 0
    given = f"'{path}' with {value.ravel()[:3]} {units}"
    checks.require(good and units in MILLIMETRES, "path", rule, given)
    return float(value.item()) * MILLIMETRES[units]
