"""All frames of an NXtomo file, as they are, and such a file of the frames of any other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ctinr.data.formats.acquisition import Acquisition, gathered, new_file
from ctinr.data.formats.nxtomo import DEFINITION, LENGTH, entry_of, fields_of, keys_of
from ctinr.data.formats.quantities import angle_units, text_of
from ctinr.data.hdf5_access import numbers, text_attribute

if TYPE_CHECKING:
    import h5py


def nxtomo_acquisition(file: h5py.File, entry: str | None = None) -> Acquisition:
    """Return the frames of an open file, invalid ones included, to be read while it is open.

    Raises
    ------
    ValueError
        If a field is missing or does not fit the others.
    """
    fields = fields_of(entry_of(file, entry))
    data, pixel = fields.data, fields.pixel
    return Acquisition(
        keys=keys_of(fields),
        angles=np.asarray(fields.angles[()]).ravel(),
        angle_units=angle_units(fields.angles),
        read=lambda chosen: gathered([(data, 0, int(each)) for each in chosen], data.dtype),
        shape=data.shape[1:],
        dtype=data.dtype,
        pixel=None
        if pixel is None
        else (float(numbers(pixel).ravel()[0]), text_attribute(pixel, "units") or LENGTH),
        title=text_of(fields.entry, ("title", "sample/name")) or "",
    )


def write_nxtomo(
    path: str | os.PathLike[str], acquisition: Acquisition, *, overwrite: bool = False
) -> None:
    """Write frames as an NXtomo file, a few at a time.

    Parameters
    ----------
    path : path
        Where the file shall be, usually `*.nxs`.
    acquisition : Acquisition
        The frames; values, types and units stay what they are.
    overwrite : bool
        Whether an older file may be replaced.

    Raises
    ------
    FileExistsError
        If there is a file and `overwrite` is false.
    FileNotFoundError, PermissionError, OSError
        If the folder does not exist, cannot be written to, or is full.
    """
    with new_file(path, acquisition, overwrite=overwrite) as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry"})
        _write_entry(_group(file, "entry", "NXentry"), acquisition)


def _write_entry(entry: h5py.Group, acquisition: Acquisition) -> None:
    entry.attrs["default"] = "data"
    entry["definition"] = DEFINITION
    entry["title"] = acquisition.title
    instrument = _group(entry, "instrument", "NXinstrument")
    detector = _group(instrument, "detector", "NXdetector")
    detector["image_key"] = acquisition.keys.astype(np.uint8)
    shape = (len(acquisition), *acquisition.shape)
    frames = detector.create_dataset("data", shape=shape, dtype=acquisition.dtype)
    for place, block in acquisition.blocks(np.arange(len(acquisition))):
        frames[place] = block
    if acquisition.pixel is not None:
        size, units = acquisition.pixel
        detector["x_pixel_size"] = size
        detector["x_pixel_size"].attrs["units"] = units
    sample = _group(entry, "sample", "NXsample")
    sample["name"] = acquisition.title
    sample["rotation_angle"] = acquisition.angles
    sample["rotation_angle"].attrs["units"] = acquisition.angle_units
    # The definition asks for a view of the data; links hold nothing twice.
    data = _group(entry, "data", "NXdata")
    data.attrs["signal"] = "data"
    data["data"], data["image_key"] = frames, detector["image_key"]
    data["rotation_angle"] = sample["rotation_angle"]


def _group(parent: h5py.Group, name: str, kind: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    return group
