"""From any file that can be read to a file of another format."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.data.files import existing
from ctinr.data.formats.acquisition import INVALID, Acquisition, acquisition_of_scan
from ctinr.data.formats.exchange_frames import exchange_acquisition, write_exchange
from ctinr.data.formats.nxtomo_frames import nxtomo_acquisition, write_nxtomo
from ctinr.data.hdf5 import write_scan
from ctinr.data.hdf5_access import opened
from ctinr.data.readers import EXCHANGE, NXTOMO, read_scan, reader_for
from ctinr.data.scan import Scan

# Formats that can be written; those of frames, and what writes them.
OWN = "ctinr"
WRITERS: dict[str, Callable[..., None]] = {"exchange": write_exchange, "nxtomo": write_nxtomo}
FORMATS = (OWN, *WRITERS)


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    to: str = OWN,
    overwrite: bool = False,
    **options: Any,
) -> tuple[str, ...]:
    """Write what a file holds as another file.

    Between the formats of frames, Scientific Data Exchange and NXtomo, all frames are copied as
    they are, a few at a time: values, types, angles and units stay the same. To the format of this
    project, one row becomes line integrals as `read_scan` makes them. Where the source has no
    frames, they are transmissions, with a flat field of 1 and a dark one of 0.

    Parameters
    ----------
    source, target : path
        From where, and where to.
    to : str
        "ctinr", "exchange" or "nxtomo".
    overwrite : bool
        Whether an older file may be replaced.
    **options
        Further arguments of `read_scan`, such as `slice` and `center`. Those that are None count
        as not given. Where frames are copied only `entry` has a meaning, and others are errors.

    Returns
    -------
    tuple of str
        What had to be assumed or looks wrong, and what the target does not say any more, one
        sentence each.

    Raises
    ------
    ValueError
        If the format is unknown, an option does not apply, or the target has no place for the
        beam; and what `read_scan` raises.
    FileExistsError, FileNotFoundError, PermissionError, OSError
        If the source cannot be read or the target cannot be written.
    """
    checks.one_of(to, "to", FORMATS)
    given = {name: value for name, value in options.items() if value is not None}
    kind = reader_for(source, given)
    same = os.path.exists(target) and os.path.samefile(source, target)
    checks.require(not same, "target", "be another file than the source", f"'{target}'")
    if to != OWN and kind in (EXCHANGE, NXTOMO):
        with _frames(source, given, nexus=kind == NXTOMO) as acquisition:
            WRITERS[to](target, acquisition, overwrite=overwrite)
            return _left_out(acquisition, to)
    if "project" in kind.options:
        rule, remedy = (
            "name a measured scan",
            "Simulate a scan of it first. A sinogram needs its angles.",
        )
        raise ValueError(checks.message("source", rule, f"the picture '{source}'", remedy))
    scan = read_scan(source, **given)
    if to == OWN:
        write_scan(target, scan, overwrite=overwrite)
        return scan.warnings()
    WRITERS[to](target, acquisition_of_scan(scan), overwrite=overwrite)
    return scan.warnings() + _untold(scan)


@contextlib.contextmanager
def _frames(
    source: str | os.PathLike[str], given: dict[str, Any], *, nexus: bool
) -> Iterator[Acquisition]:
    """Give the frames of a file, to be read in the block."""
    path = existing(source)
    for name, value in given.items():
        rule = "be left out where frames are copied as they are"
        remedy = "To choose a row, write a ctinr scan."
        checks.require(nexus and name == "entry", name, rule, f"{value!r} for '{path}'", remedy)
    with opened(path) as file:
        if nexus:
            yield nxtomo_acquisition(file, **given)
        else:
            yield exchange_acquisition(file)


def _left_out(acquisition: Acquisition, to: str) -> tuple[str, ...]:
    invalid = int(np.sum(acquisition.keys == INVALID))
    if to == "nxtomo" or not invalid:
        return ()
    return (f"Frames left out because they are marked as invalid: {invalid}.",)


def _untold(scan: Scan) -> tuple[str, ...]:
    """Return what a file of frames does not say of a scan."""
    detector = scan.geometry.detector
    axis = (detector.shape[-1] - 1) / 2 - detector.offset[-1] / detector.pitch[-1]
    sentences = [f"The axis of rotation, bin {axis:.6g}, is not in the file: read it with center."]
    if scan.truth is not None:
        sentences.append("The truth is not in the file.")
    return tuple(sentences)
