"""Which files are stacks of slices, and what is common to all slices of one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ctinr import checks
from ctinr.batch.rows import FORMATS, Layout
from ctinr.batch.stack import Identity, Stack
from ctinr.data.hdf5 import FORMAT, VERSION, check_schema
from ctinr.data.hdf5_access import opened
from ctinr.data.hdf5_geometry import assembled_geometry, assembled_grid, take_geometry, take_lengths
from ctinr.data.readers import (
    EXCHANGE,
    LODOPAB,
    NXTOMO,
    OWN,
    SCANS,
    STACK,
    Reader,
    check_options,
    read_scan,
    reader_for,
)
from ctinr.data.scan import Scan, evenly_spread
from ctinr.geometry import FanBeam, Grid, ParallelBeam

KINDS: Mapping[str, Reader] = MappingProxyType(
    {
        "ctinr": OWN,
        "exchange": EXCHANGE,
        "nxtomo": NXTOMO,
        "lodopab": LODOPAB,
        "scans": SCANS,
        "views": STACK,
    }
)
# Options of readers that say what values are, and not where rays are.
OF_VALUES = ("values", "entry")
# Kinds whose slices are samples, not neighbours.
UNRELATED = ("lodopab", "scans")
SAMPLES = "The slices are samples that have nothing to do with one another; z only counts them."


def open_stack(
    path: str | os.PathLike[str],
    *,
    num_views: int | None = None,
    coarsen: int = 1,
    **options: Any,
) -> Stack:
    """Return the slices of a file of many: nothing but its description is read.

    Scans of ctinr in a parallel beam with rows (or of one slice, by a fan too), files of many
    ctinr scans, Scientific Data Exchange, NXtomo, LoDoPaB-CT, and arrays of views (a folder of
    TIFFs, a TIFF of many pages, npy, npz) are such files. Every row of the detector becomes one
    slice, at the height of the row; y and x are as `read_scan` proposes.

    Parameters
    ----------
    path : path
        The file, or the folder.
    num_views : int, optional
        Use so many views, evenly spread.
    coarsen : int
        Make the cells so many times larger along y and x.
    **options
        As for `read_scan`, such as `pitch`, `center`, `angles`, `values`; but for `slice`. Where
        no `center` is given, the axis of rotation is found in one slice, the middle one if it can
        be reconstructed, and is the same for all.

    Raises
    ------
    FileNotFoundError, PermissionError, BlockingIOError, OSError
        If the file cannot be opened or is damaged.
    TypeError
        If an option is unknown.
    ValueError
        If it is no stack of slices, an option does not apply to it, or no slice can be read.
    """
    # Whole, so that it means the same in other processes.
    path = Path(path).absolute()
    given = {name: value for name, value in options.items() if value is not None}
    rule, remedy = "be left out for all slices", "A Job has some of them."
    checks.require("slice" not in given, "slice", rule, given.get("slice"), remedy)
    reader = reader_for(path, given)
    kind = next((kind for kind, known in KINDS.items() if known == reader), None)
    if kind is None:
        rule = f"name a file of slices: {'; '.join(known.name for known in KINDS.values())}"
        remedy = f"{reader.single} Name a folder with --out.".strip()
        raise ValueError(checks.message("scan", rule, f"'{path}', a {reader.name}", remedy))
    check_options(reader, path, given)
    described = _own(path) if kind == "ctinr" else _foreign(path, kind, given)
    return _coarsened(_with_views(described, num_views), coarsen)


def _own(path: Path) -> Stack:
    with opened(path) as file:
        check_schema(file, FORMAT, VERSION)
        lengths = take_lengths(file, "grid", ("spacing", "center"))
        geometry = assembled_geometry(path, take_geometry(file))
        storage = _storage(FORMATS["ctinr"].layout(file), path, "ctinr")
    cells = assembled_grid(path, lengths)
    single = isinstance(geometry, FanBeam | ParallelBeam) and len(geometry.shape) == 2
    rows = isinstance(geometry, ParallelBeam) and len(geometry.shape) == 3
    rule = "be of slices: a parallel beam, or one slice by a fan"
    remedy = "Rows of a cone beam are no slices: name a folder with --out, and fdk or tv."
    given_kind = f"'{path}', a {type(geometry).__name__} of shape {geometry.shape}"
    checks.require(single or rows, "scan", rule, given_kind, remedy)
    plane = cells.slice
    grid = Grid((1, *plane.shape), (plane.spacing[0], *plane.spacing), (0.0, *plane.center))
    if isinstance(geometry, ParallelBeam) and rows:
        detector = geometry.detector
        shape = (detector.shape[0], *plane.shape)
        spacing, middle = (detector.pitch[0], *plane.spacing), (detector.offset[0], *plane.center)
        grid, geometry = Grid(shape, spacing, middle), geometry.slice
    about = {"source": path.name, "center_from": "the file"}
    return Stack(path, "ctinr", geometry, grid, metadata=about, **storage)  # type: ignore[arg-type]


def _foreign(path: Path, kind: str, given: Mapping[str, Any]) -> Stack:
    form, options = FORMATS[kind], {name: given[name] for name in OF_VALUES if name in given}
    with form.opened(path, options) as file:
        layout = form.layout(file)
        storage = _storage(layout, path, kind)
    scan = _first_readable(path, layout.number, given)
    beam: Any = scan.geometry
    rule, remedy = "be of slices", "A volume is reconstructed as a whole: name a folder with --out."
    given_kind = f"'{path}', a {type(beam).__name__} of shape {beam.shape}"
    checks.require(len(beam.shape) == 2, "scan", rule, given_kind, remedy)
    plane = scan.grid
    height = plane.spacing[0] if kind in UNRELATED else beam.detector.pitch[0]
    grid = Grid((layout.number, *plane.shape), (height, *plane.spacing), (0.0, *plane.center))
    warnings = (*scan.warnings(), SAMPLES) if kind in UNRELATED else scan.warnings()
    kept = {key: scan.metadata[key] for key in ("source", "center") if key in scan.metadata}
    origin = scan.metadata.get("center_from", "the format")
    if origin == "the data":
        origin = f"slice {scan.metadata['slice']}"
    about = {**kept, "center_from": origin, "warnings": warnings}
    frozen = MappingProxyType(options)
    return Stack(path, kind, beam, grid, options=frozen, metadata=about, **storage)


def _first_readable(path: Path, number: int, given: Mapping[str, Any]) -> Scan:
    """Return the middle slice, or the next one from there that can be read."""
    outward = sorted(range(number), key=lambda place: (abs(place - number // 2), place))
    for trial, place in enumerate(outward):
        try:
            return read_scan(path, slice=place, **given)
        except ValueError:
            # Far from the middle the reason is the file's, not a slice's.
            if trial == min(number, 8) - 1:
                raise
    raise ValueError(checks.message("scan", "hold slices", f"'{path}' without one"))


def _storage(layout: Layout, path: Path, kind: str) -> dict[str, Any]:
    return {
        "identity": Identity.of(path, FORMATS[kind].files(path), layout.shape),
        "stored_bytes": layout.stored_bytes,
        "along_chunk": layout.side_by_side,
    }


def _with_views(stack: Stack, num_views: int | None) -> Stack:
    if num_views is None:
        return stack
    views = evenly_spread(num_views, stack.geometry.num_views, argument="views")
    return replace(stack, geometry=stack.geometry[list(views)], views=views)


def _coarsened(stack: Stack, factor: int) -> Stack:
    plane, grid = stack.grid.slice, stack.grid
    divides = all(side % checks.count(factor, "coarsen") == 0 for side in plane.shape)
    rule = f"divide both sides of a slice, {plane.shape}"
    checks.require(divides, "coarsen", rule, factor)
    coarse = plane.coarsen(factor)
    shape, spacing = (grid.shape[0], *coarse.shape), (grid.spacing[0], *coarse.spacing)
    return replace(stack, grid=Grid(shape, spacing, grid.center))
