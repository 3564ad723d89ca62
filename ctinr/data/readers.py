"""Read a scan from a file of any known kind."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ctinr import checks
from ctinr.data.files import existing, readable
from ctinr.data.formats.detect2d import is_detect2d, read_detect2d
from ctinr.data.formats.dicom_ct_pd import is_dicom_ct_pd, read_dicom_ct_pd
from ctinr.data.formats.exchange import DATA, read_exchange
from ctinr.data.formats.fips import is_fips, read_fips
from ctinr.data.formats.helsinki import is_helsinki, read_helsinki
from ctinr.data.formats.lodopab import is_lodopab, read_lodopab
from ctinr.data.formats.measured import KnownRays
from ctinr.data.formats.naf import is_naf, read_naf
from ctinr.data.formats.nxtomo import entries_of, read_nxtomo
from ctinr.data.formats.r2gaussian import is_r2gaussian, read_r2gaussian
from ctinr.data.formats.stack_files import is_stack, is_tiff
from ctinr.data.formats.stacks import read_stack
from ctinr.data.hdf5 import FORMAT, read_hdf5_scan
from ctinr.data.hdf5_access import opened, text_attribute
from ctinr.data.images import SUFFIXES, scan_from_image
from ctinr.data.scan import Scan
from ctinr.data.scan_sets import FORMAT as SET_FORMAT
from ctinr.data.scan_sets import read_scan_of_set
from ctinr.data.simulation import Project

SIGNATURE = b"\x89HDF\r\n\x1a\n"
RAYS = tuple(field.name for field in fields(KnownRays))
HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".nxs")


@dataclass(frozen=True)
class Reader:
    """One kind of file: its name, how it is recognised, and what reads it.

    A reader that simulates has the parameters `project` and `num_views`; one that must be told
    where the rays are has the parameter `rays`. With `folders` it reads folders too. `single` says
    why slices cannot be reconstructed one after the other, where they cannot.
    """

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[..., Scan]
    folders: bool = False
    single: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """The keywords that `read_scan` takes for it: those of `read`, and the fields of rays."""
        parameters = tuple(inspect.signature(self.read).parameters)[1:]
        plain = tuple(name for name in parameters if name != "rays")
        return plain + (RAYS if "rays" in parameters else ())

    def scan(self, path: Path, given: Mapping[str, Any]) -> Scan:
        """Return what `read` makes of a file and of options."""
        known = {name: value for name, value in given.items() if name in RAYS}
        if "rays" not in inspect.signature(self.read).parameters:
            return self.read(path, **given)
        plain = {name: value for name, value in given.items() if name not in RAYS}
        return self.read(path, rays=KnownRays(**known), **plain)


def read_scan(
    path: str | os.PathLike[str],
    *,
    num_views: int | None = None,
    project: Project | None = None,
    **options: Any,
) -> Scan:
    """Return the scan that a file holds, or a simulated scan of the picture that it holds.

    Parameters
    ----------
    path : path
        A file of this project (`write_scan`), one of the formats that `READERS` lists, or a
        picture (`scan_from_image`). The content decides, not the name.
    num_views : int, optional
        Keep so many of the measured views (`Scan.with_views`), or simulate so many of a picture,
        which needs it.
    project : callable, optional
        Makes the operator of a geometry and a grid, such as `ctinr.projectors.Projector`; needed
        for pictures.
    **options
        Further arguments of the function that reads this kind of file, such as `slice`, `pitch`,
        `center` or `protocol`, `noise`, `peak`. Those that are None count as not given.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError, BlockingIOError, OSError
        If the file cannot be opened or is damaged.
    TypeError
        If an option is unknown.
    ValueError
        If the kind of file is unknown, an option does not apply to it, or its content is not a
        valid scan. Messages name the file, and the field where there is one.
    """
    path = Path(path)
    given = {name: value for name, value in options.items() if value is not None}
    reader = reader_for(path, given)
    check_options(reader, path, given)
    if "project" not in reader.options:
        scan = reader.scan(path, given)
        return scan if num_views is None else scan.with_views(num_views)
    if project is None:
        rule = "be given to scan a picture"
        remedy = "Pass project=ctinr.projectors.Projector."
        raise TypeError(checks.message("project", rule, f"none for '{path}'", remedy))
    if num_views is None:
        remedy = "Pass the number of views to simulate."
        rule = "be given to scan a picture"
        raise TypeError(checks.message("num_views", rule, f"none for '{path}'", remedy))
    return reader.read(path, project=project, num_views=num_views, **given)


def reader_of(path: str | os.PathLike[str]) -> Reader:
    """Return the reader that recognises a file.

    Raises
    ------
    ValueError
        If none does; the message says what was looked for.
    """
    path = Path(path)
    if path.is_dir():
        return _reader_of_folder(path)
    path = existing(path)
    for reader in READERS:
        if reader.recognises(path):
            return reader
    kinds = "; ".join(reader.name for reader in READERS)
    if _is_hdf5(path):
        rule = "name a file of a known kind"
        wanted = f"neither the attribute `format` = {FORMAT!r} nor the field /{DATA} nor an NXtomo"
        remedy = f"Known are: {kinds}."
        raise ValueError(checks.message("path", rule, f"'{path}', which has {wanted}", remedy))
    if path.suffix.lower() in HDF5_SUFFIXES:
        given = f"'{path}', which does not begin as one"
        remedy = "It is empty, damaged or of another kind; copy it anew from where it came from."
        raise OSError(checks.message("path", "name a whole HDF5 file", given, remedy))
    raise ValueError(checks.message("path", f"name one of: {kinds}", f"'{path}'"))


def reader_for(path: str | os.PathLike[str], given: Mapping[str, Any]) -> Reader:
    """Return the reader of a file where options are given: a TIFF with angles is a sinogram.

    Raises
    ------
    ValueError
        As `reader_of` does.
    """
    reader = reader_of(path)
    with_angles = any(given.get(name) is not None for name in ("angles", "span"))
    return STACK if reader == PICTURE and with_angles and is_tiff(Path(path)) else reader


def _reader_of_folder(path: Path) -> Reader:
    for reader in READERS:
        if reader.folders and reader.recognises(path):
            return reader
    kinds = "; ".join(reader.name for reader in READERS if reader.folders)
    given = f"the folder '{path}'"
    remedy = f"Of folders, known are: {kinds}."
    raise IsADirectoryError(checks.message("path", "name a file", given, remedy))


def check_options(reader: Reader, path: Path, given: Mapping[str, Any]) -> None:
    """Raise unless all options that are given are known, and are those of the reader.

    Raises
    ------
    TypeError, ValueError
        If one is unknown, or does not apply to this kind of file.
    """
    known = sorted({name for each in READERS for name in each.options} - {"project", "num_views"})
    for name, value in given.items():
        if name not in known:
            raise TypeError(checks.message(name, f"be one of {', '.join(known)}", value))
        rule = f"be left out for a {reader.name}"
        checks.require(name in reader.options, name, rule, f"{value!r} for '{path}'")


def _is_hdf5(path: Path) -> bool:
    """Look for the signature where it may be: at 0, or behind a user block of 512 · 2ⁿ bytes."""
    size = len(SIGNATURE)
    with readable(path), path.open("rb") as file:
        head = file.read(2048 + size)
    return any(head[at : at + size] == SIGNATURE for at in (0, 512, 1024, 2048))


def _has_format(path: Path) -> str | None:
    if not _is_hdf5(path):
        return None
    with opened(path) as file:
        return text_attribute(file, "format")


def _is_own(path: Path) -> bool:
    return _has_format(path) == FORMAT


def _is_set(path: Path) -> bool:
    return _has_format(path) == SET_FORMAT


def _is_exchange(path: Path) -> bool:
    if not _is_hdf5(path):
        return False
    with opened(path) as file:
        return DATA in file


def _is_nxtomo(path: Path) -> bool:
    if not _is_hdf5(path):
        return False
    with opened(path) as file:
        return any(True for _ in entries_of(file))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


OWN = Reader("ctinr scan (HDF5)", _is_own, read_hdf5_scan)
EXCHANGE = Reader("Scientific Data Exchange file (HDF5)", _is_exchange, read_exchange)
NXTOMO = Reader("NXtomo file (NeXus)", _is_nxtomo, read_nxtomo)
SCANS = Reader("ctinr scans, many in a file (HDF5)", _is_set, read_scan_of_set)
LODOPAB = Reader("LoDoPaB-CT observations (HDF5)", is_lodopab, read_lodopab)
STACK = Reader("stack of views (TIFF, npy, npz)", is_stack, read_stack, folders=True)
PICTURE = Reader(
    "picture",
    _is_picture,
    scan_from_image,
    single="It is one picture; a TIFF is a sinogram where its angles are given.",
)
ONE_SLICE = "It is one slice."
CONE = "Rows of a cone beam are no slices; fdk and tv make a volume of them as a whole."
# In the order in which they are asked.
READERS: tuple[Reader, ...] = (
    OWN,
    SCANS,
    EXCHANGE,
    NXTOMO,
    LODOPAB,
    Reader(
        "Helsinki Tomography Challenge scan (mat)", is_helsinki, read_helsinki, single=ONE_SLICE
    ),
    Reader("FIPS sinogram (mat)", is_fips, read_fips, single=ONE_SLICE),
    Reader("2DeteCT slice (folder)", is_detect2d, read_detect2d, True, ONE_SLICE),
    Reader("NAF or SAX-NeRF cone beam (pickle)", is_naf, read_naf, single=CONE),
    Reader("R²-Gaussian cone beam (folder)", is_r2gaussian, read_r2gaussian, True, CONE),
    Reader("DICOM-CT-PD (folder)", is_dicom_ct_pd, read_dicom_ct_pd, True, CONE),
    STACK,
    PICTURE,
)
