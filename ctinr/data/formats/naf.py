"""The pickles of NAF and SAX-NeRF: cone-beam projections with the volume that they were made of.

Lengths are in mm, but the integrals were taken over metres, so volumes are in 1/m. `nDetector`,
`dDetector` and `offDetector` are (u, v), `nVoxel`, `dVoxel` and `offOrigin` (x, y, z).

Zha, Zhang, Li 2022, NAF: neural attenuation fields for sparse-view CBCT reconstruction,
doi:10.1007/978-3-031-16446-0_42; Cai et al. 2024, Structure-aware sparse-view X-ray 3D
reconstruction, doi:10.1109/CVPR52733.2024.01062.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ctinr import checks
from ctinr.data.files import naming, readable
from ctinr.data.formats.cones import Scanner, array_in, cone_scan, numbers_in
from ctinr.data.formats.pickles import plain_pickle
from ctinr.data.scan import Scan

PARTS = ("train", "val")
PER_METRE = 1e-3
SUFFIXES = (".pickle", ".pkl")
# How pickles of the protocols 2 to 5 begin.
BEGINNINGS = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))


def read_naf(path: str | os.PathLike[str], *, part: str = "train") -> Scan:
    """Read a pickle of NAF or SAX-NeRF, of which nothing is executed.

    Parameters
    ----------
    path : path
        The file.
    part : str
        "train" or "val": which projections.

    Raises
    ------
    FileNotFoundError, PermissionError, OSError
        If the file cannot be opened or is damaged.
    ValueError
        If it is not plain (`plain_pickle`), a field is missing or does not fit the others, or the
        beam is parallel.
    """
    path = Path(path)
    checks.one_of(part, "part", PARTS)
    content = plain_pickle(path)
    good = isinstance(content, Mapping) and isinstance(content.get(part), Mapping)
    checks.require(good, "path", f"name a pickle with projections {part!r}", f"'{path}' without")
    mode = str(content.get("mode", "cone"))
    checks.require(mode == "cone", "path", "name a scan by a cone beam", f"'{path}' by {mode!r}")
    angles, projections = (
        array_in(_field(content[part], name, path), f"{part} {name} of numbers", path=path)
        for name in ("angles", "projections")
    )
    image = content.get("image")
    volume = (
        None if image is None else array_in(image, "an image of numbers", path=path) * PER_METRE
    )
    names = {"angles": f"usable {part} angles", "projections": f"usable {part} projections"}
    names |= {"sinogram": names["projections"], "truth": "a usable image"}
    with naming(path, names | {"volume": "a usable image", "shape": "usable sizes"}):
        return cone_scan(
            _scanner(content, path),
            angles,
            projections,
            volume=volume,
            about={"title": f"{path.stem}, {part}", "source": path.name},
        )


def is_naf(path: Path) -> bool:
    """Tell whether a file is a pickle, by its name or its first bytes; nothing of it is loaded."""
    if path.suffix.lower() in SUFFIXES:
        return True
    with readable(path), path.open("rb") as file:
        return file.read(2) in BEGINNINGS


def _scanner(content: Mapping[str, Any], path: Path) -> Scanner:
    source, whole = (numbers_in(content, name, 1, path=path)[0] for name in ("DSO", "DSD"))
    rule = "name a file whose DSD is more than DSO, and that more than 0"
    checks.require(0 < source < whole, "path", rule, f"'{path}' with {whole:g} and {source:g}")
    bins, cells = (
        numbers_in(content, "nDetector", 2, path=path),
        numbers_in(content, "nVoxel", 3, path=path),
    )
    zero = {"offDetector": (0.0, 0.0), "offOrigin": (0.0, 0.0, 0.0)}
    where = {name: content.get(name, none) for name, none in zero.items()}
    return Scanner(
        source_distance=source,
        whole_distance=whole,
        bins=(int(bins[0]), int(bins[1])),
        pitch=numbers_in(content, "dDetector", 2, path=path),
        offset=numbers_in(where, "offDetector", 2, path=path),
        cells=(int(cells[0]), int(cells[1]), int(cells[2])),
        spacing=numbers_in(content, "dVoxel", 3, path=path),
        center=numbers_in(where, "offOrigin", 3, path=path),
    )


def _field(content: Mapping[str, Any], name: str, path: Path) -> Any:
    checks.require(name in content, "path", f"name a pickle with {name}", f"'{path}' without")
    return content[name]
