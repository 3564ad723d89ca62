"""All frames of a Scientific Data Exchange file, as they are, and such a file of any frames.

The format keeps projections, white and dark frames apart and does not say when each was taken.
So a file that is written here has two fields more: `theta_white` and `theta_dark`, the angles of
these frames, and `image_key`, what each frame was in the order in which they were taken.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ctinr import checks
from ctinr.data.formats.acquisition import DARK as DARK_KEY
from ctinr.data.formats.acquisition import FLAT, PROJECTION, Acquisition, gathered, new_file
from ctinr.data.formats.exchange import (
    DARK,
    DATA,
    PIXEL,
    THETA,
    TITLES,
    WHITE,
    angles_of,
    axes_of,
    beam_frames,
    frames_of,
)
from ctinr.data.formats.quantities import angle_units, text_of
from ctinr.data.hdf5_access import dataset, numbers, text_attribute

if TYPE_CHECKING:
    import h5py

KEYS = "exchange/image_key"
PARTS = {
    PROJECTION: (DATA, THETA),
    FLAT: (WHITE, f"{THETA}_white"),
    DARK_KEY: (DARK, f"{THETA}_dark"),
}
AXES = {PROJECTION: "theta:y:x", FLAT: "theta_white:y:x", DARK_KEY: "theta_dark:y:x"}


def exchange_acquisition(file: h5py.File) -> Acquisition:
    """Return the frames of an open file, to be read while it is open.

    The order is that of the field `image_key`; without it dark frames come first, then white ones,
    then the projections. White and dark frames without an angle of their own get that of the
    first projection.

    Raises
    ------
    ValueError
        If a field is missing or does not fit the others.
    """
    data = frames_of(file)
    places, rows = axes_of(data)
    angles_of(file, data.shape[places])  # in the unit that they claim
    fields = {PROJECTION: data, FLAT: beam_frames(file, WHITE), DARK_KEY: beam_frames(file, DARK)}
    held = {key: field for key, field in fields.items() if field is not None}
    counts = {key: field.shape[places] if field.ndim == 3 else 1 for key, field in held.items()}
    keys = _keys(file, counts)
    dtype = np.result_type(*(field.dtype for field in held.values()))
    order = np.zeros(len(keys), dtype=int)
    theta = np.asarray(dataset(file, THETA)[()]).ravel()
    angles = np.full(len(keys), theta[0], dtype=theta.dtype)
    for key, count in counts.items():
        order[keys == key] = np.arange(count)
        name = PARTS[key][1]
        if name in file and dataset(file, name).size == count:
            angles[keys == key] = np.asarray(dataset(file, name)[()]).ravel()
    return Acquisition(
        keys=keys,
        angles=angles,
        angle_units=angle_units(dataset(file, THETA)),
        read=lambda chosen: gathered(
            [(held[int(keys[each])], places, int(order[each])) for each in chosen], dtype
        ),
        shape=(data.shape[rows], data.shape[2]),
        dtype=dtype,
        pixel=_pixel(file),
        title=text_of(file, TITLES) or "",
    )


def write_exchange(
    path: str | os.PathLike[str], acquisition: Acquisition, *, overwrite: bool = False
) -> None:
    """Write frames as a Scientific Data Exchange file, a few at a time.

    Parameters
    ----------
    path : path
        Where the file shall be, usually `*.h5`.
    acquisition : Acquisition
        The frames; values, types and units stay what they are. Invalid ones have no place in the
        format and are left out.
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
        file["implements"] = "exchange:measurement"
        file[TITLES[0]] = file[TITLES[1]] = acquisition.title
        for key in PARTS:
            _write_part(file, acquisition, key)
        file[KEYS] = acquisition.keys[np.isin(acquisition.keys, list(PARTS))].astype(np.uint8)
        if acquisition.pixel is not None:
            size, units = acquisition.pixel
            file[PIXEL] = size
            file[PIXEL].attrs["units"] = units


def _write_part(file: h5py.File, acquisition: Acquisition, key: int) -> None:
    chosen = np.flatnonzero(acquisition.keys == key)
    if not len(chosen):
        return
    (name, angles), shape = PARTS[key], (len(chosen), *acquisition.shape)
    frames = file.create_dataset(name, shape=shape, dtype=acquisition.dtype)
    for place, block in acquisition.blocks(chosen):
        frames[place] = block
    frames.attrs.update({"axes": AXES[key], "units": "counts"})
    file[angles] = acquisition.angles[chosen]
    file[angles].attrs["units"] = acquisition.angle_units


def _keys(file: h5py.File, counts: dict[int, int]) -> np.ndarray:
    if KEYS not in file:
        return np.repeat([DARK_KEY, FLAT, PROJECTION], [counts.get(key, 0) for key in (2, 1, 0)])
    keys = numbers(dataset(file, KEYS)).ravel().astype(int)
    rule = f"name a file whose field /{KEYS} has one key for each frame"
    given = f"'{file.filename}' with {keys.size} keys"
    fits = all(int((keys == key).sum()) == counts.get(key, 0) for key in PARTS)
    checks.require(fits and keys.size == sum(counts.values()), "path", rule, given)
    return keys


def _pixel(file: h5py.File) -> tuple[float, str] | None:
    if PIXEL not in file:
        return None
    field = dataset(file, PIXEL)
    return float(numbers(field).ravel()[0]), text_attribute(field, "units") or "um"
