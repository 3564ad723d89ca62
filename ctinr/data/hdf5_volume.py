"""A reconstructed volume as HDF5: one slice a chunk, so that slices are read one by one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ctinr import checks
from ctinr.data.hdf5 import PER_MILLIMETRE, check_schema
from ctinr.data.hdf5_access import (
    dataset,
    opened,
    put,
    take,
    text_attribute,
    values,
)
from ctinr.data.hdf5_geometry import NO_UNIT, assembled_grid, put_lengths, take_lengths
from ctinr.data.hdf5_metadata import put_metadata, take_metadata
from ctinr.data.hdf5_stream import streamed
from ctinr.geometry import Grid

FORMAT, VERSION = "ctinr-volume", 1
COMPRESSIONS = ("none", "gzip", "lzf")


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume on disk: what is known about it, and its slices when they are asked for.

    Parameters
    ----------
    path : Path
        Its file.
    grid : Grid
        Where its cells lie, (z, y, x), mm.
    slices : tuple of int
        Which slice of the stack each of its slices was made of.
    metadata : mapping
        Plain values, see docs/formats.md.
    """

    path: Path
    grid: Grid
    slices: tuple[int, ...]
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, places: int | slice) -> Tensor:
        """Read some slices: (y, x) of a number, (z, y, x) of a slice; float32, 1/mm.

        Slices that could not be reconstructed are NaN. The file is open only while they are read.
        """
        if not isinstance(places, slice):
            inside = -len(self) <= places < len(self)
            if not inside:
                rule = f"be one of the {len(self)} slices, counted from 0"
                raise IndexError(checks.message("places", rule, places))
            places = int(places) % len(self)
        with opened(self.path) as file:
            return torch.from_numpy(np.asarray(values(dataset(file, "volume"), places)))

    @property
    def failed(self) -> Mapping[int, str]:
        """Slices of the stack that could not be reconstructed, and why."""
        known = self.metadata.get("failed_slices", ()), self.metadata.get("failed_reasons", ())
        return dict(zip(*known, strict=True))


def is_volume(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is a volume of this project."""
    import h5py

    if not (Path(path).is_file() and h5py.is_hdf5(path)):
        return False
    with opened(path) as file:
        return text_attribute(file, "format") == FORMAT


def read_volume(path: str | os.PathLike[str]) -> Volume:
    """Return a volume of which no slice has been read yet.

    Raises
    ------
    FileNotFoundError, PermissionError, BlockingIOError, OSError
        If the file cannot be opened or is damaged.
    ValueError
        If it is another kind of file, from a newer version of this program, or fields are
        missing or do not fit one another.
    """
    with opened(path) as file:
        check_schema(file, FORMAT, VERSION)
        lengths = take_lengths(file, "grid", ("spacing", "center"))
        slices = tuple(take(file, "slices", NO_UNIT).tolist())
        metadata = take_metadata(file)
        shape = dataset(file, "volume").shape
    grid = assembled_grid(path, lengths)
    rule = f"name a file whose field /volume has the shape {grid.shape} of its grid"
    checks.require(shape == grid.shape, "path", rule, f"'{path}' with the shape {shape}")
    rule = f"name a file whose field /slices has {shape[0]} numbers"
    checks.require(len(slices) == shape[0], "path", rule, f"'{path}' with {len(slices)}")
    return Volume(Path(path), grid, slices, MappingProxyType(metadata))


def write_volume(
    volume: Volume, images: Iterable[np.ndarray], *, compression: str = "none"
) -> None:
    """Write a volume to its path, slice by slice; an older file there is replaced as it begins.

    Parameters
    ----------
    volume : Volume
        Where it shall be, and what is known about it.
    images : iterable of arrays, shape (y, x)
        As many as `slices`, 1/mm; one is in memory at a time.
    compression : str
        "none", "gzip" or "lzf".

    Raises
    ------
    OSError
        If the file cannot be written, or the disk is full. Part of a file is left there.
    ValueError
        If the compression is unknown.
    """
    checks.one_of(compression, "compression", COMPRESSIONS)
    packed = {} if compression == "none" else {"compression": compression, "shuffle": True}
    shape = volume.grid.shape
    with streamed(volume.path, libver=("v108", "v108")) as (file, sink):
        file.attrs.update({"format": np.bytes_(FORMAT), "version": VERSION})
        put_lengths(file, "grid", volume.grid, ("spacing", "center"))
        put(file, "slices", np.asarray(volume.slices), units=NO_UNIT, axes="z")
        put_metadata(file, volume.metadata)
        cells = file.create_dataset(
            "volume", shape, "f4", chunks=(1, *shape[1:]), fletcher32=True, **packed
        )
        cells.attrs.update({"units": np.bytes_(PER_MILLIMETRE), "axes": np.bytes_("z y x")})
        for place, image in enumerate(images):
            cells[place] = image
            sink.check()
