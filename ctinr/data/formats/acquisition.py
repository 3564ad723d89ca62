"""Measured frames as they are, on their way from one file format to another.

Nothing is computed with them: values, types, angles and units are those of the file. Frames are
read when they are written, a few at a time, so that a scan may be larger than the memory.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctinr import checks
from ctinr.data.files import replacing
from ctinr.data.hdf5_access import values
from ctinr.data.scan import Scan
from ctinr.geometry import ParallelBeam

if TYPE_CHECKING:
    import h5py

PROJECTION, FLAT, DARK, INVALID = 0, 1, 2, 3
# How much is read at once, bytes.
BLOCK = 32 * 2**20
# What a file needs besides its frames, bytes; and for each frame an angle and a key.
OVERHEAD = 2**20


@dataclass(frozen=True, eq=False)
class Acquisition:
    """All frames of a scan in the order in which they were taken.

    Parameters
    ----------
    keys : array of int, shape (frame,)
        What each frame is: 0 projection, 1 flat, 2 dark, 3 invalid.
    angles : array, shape (frame,)
        The angle of the object in every frame, in `angle_units`.
    angle_units : str
        As in the file, "degrees" where it names none.
    read : callable
        From the numbers of some frames to these, (frame, row, column).
    shape : tuple of int
        Rows and columns of a frame.
    dtype : dtype
        What `read` returns.
    pixel : tuple of float and str, or None
        Size of a bin in the object and its unit, if the file gives it.
    title : str
        What was scanned.
    """

    keys: np.ndarray
    angles: np.ndarray
    angle_units: str
    read: Callable[[np.ndarray], np.ndarray]
    shape: tuple[int, int]
    dtype: np.dtype
    pixel: tuple[float, str] | None
    title: str

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def num_bytes(self) -> int:
        """The size of all frames."""
        return len(self) * math.prod(self.shape) * self.dtype.itemsize

    def blocks(self, chosen: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the chosen frames, a few at a time, and where among the chosen they stand."""
        frame = max(1, math.prod(self.shape) * self.dtype.itemsize)
        step = max(1, BLOCK // frame)
        for begin in range(0, len(chosen), step):
            part = chosen[begin : begin + step]
            yield slice(begin, begin + len(part)), self.read(part)


def acquisition_of_scan(scan: Scan) -> Acquisition:
    """Return a parallel scan as frames: transmissions, a flat of 1 and a dark of 0.

    Frames have the rows of the detector, or one if it is a line.

    Raises
    ------
    ValueError
        If the beam is not parallel: the formats for frames have no place for the distances.
    """
    if not isinstance(scan.geometry, ParallelBeam):
        rule, remedy = "have a parallel beam to be written as frames", "Write a ctinr scan instead."
        raise ValueError(checks.message("scan", rule, type(scan.geometry).__name__, remedy))
    transmission = np.exp(-scan.sinogram.detach().cpu().numpy())
    bins = transmission.shape[-1]
    transmission = transmission.reshape(scan.num_views, -1, bins)
    dark, flat = np.zeros_like(transmission[:1]), np.ones_like(transmission[:1])
    frames = np.concatenate([dark, flat, transmission])
    theta = np.rad2deg(np.asarray(scan.geometry.angles))
    return Acquisition(
        keys=np.array([DARK, FLAT] + [PROJECTION] * scan.num_views),
        angles=np.concatenate([theta[:1], theta[:1], theta]),
        angle_units="degrees",
        read=lambda chosen: frames[chosen],
        shape=(frames.shape[1], bins),
        dtype=frames.dtype,
        pixel=(scan.geometry.detector.pitch[-1], "mm"),
        title=str(scan.metadata.get("title", "")),
    )


def gathered(sources: list[tuple[h5py.Dataset, int, int]], dtype: np.dtype) -> np.ndarray:
    """Return frames from several fields, (frame, row, column).

    Parameters
    ----------
    sources : list of field, axis and number
        Where each frame lies: in which field, along which axis frames are counted, and which one.
    dtype : dtype
        Of what is returned; it must hold all values of the fields exactly.
    """
    blocks, begin = [], 0
    for end in range(1, len(sources) + 1):
        field, axis, first = sources[begin]
        run = (field, axis, first + end - begin)
        if end < len(sources) and sources[end] == run:
            continue
        where = [slice(None)] * 3
        where[axis] = slice(first, first + end - begin)
        block = values(field, tuple(where) if field.ndim == 3 else ())
        block = np.moveaxis(block, axis, 0) if field.ndim == 3 else block[None]
        blocks.append(np.asarray(block, dtype=dtype))
        begin = end
    return np.concatenate(blocks)


@contextlib.contextmanager
def new_file(
    path: str | os.PathLike[str], acquisition: Acquisition, *, overwrite: bool
) -> Iterator[h5py.File]:
    """Give an HDF5 file to write an acquisition to; it is at `path` once it is whole.

    Raises
    ------
    FileExistsError
        If there is a file and `overwrite` is false.
    FileNotFoundError, PermissionError, OSError
        If the folder does not exist, cannot be written to, or is full.
    """
    import h5py

    with replacing(path, overwrite=overwrite) as partial:
        check_room(Path(partial), acquisition.num_bytes)
        needed = acquisition.num_bytes + OVERHEAD + 64 * len(acquisition)
        with h5py.File(partial, "w") as file:
            _reserve(partial, needed)
            yield file
            file.flush()
            size = file.id.get_filesize()
        os.truncate(partial, size)


def _reserve(path: Path, num_bytes: int) -> None:
    """Take the room on the disk, where the system can: without it the library ends the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, num_bytes)


def check_room(path: Path, num_bytes: int) -> None:
    """Raise unless there is room for so many bytes: the HDF5 library ends the process without it.

    Raises
    ------
    OSError
        If there is not.
    """
    free = shutil.disk_usage(path.parent).free
    if free < num_bytes * 1.05 + 2**20:
        rule, remedy = "lie on a disk with room for it", "Make room, or choose another place."
        given = f"'{path}', which needs {num_bytes / 1e6:.0f} MB where {free / 1e6:.0f} are free"
        raise OSError(checks.message("path", rule, given, remedy))
