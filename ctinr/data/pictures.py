"""Pictures as signals: grey or in colours, scaled to values from 0 to 1."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ctinr import checks
from ctinr.data.decoding import decoded
from ctinr.data.files import existing
from ctinr.data.hdf5_access import dataset, opened, values
from ctinr.data.images import SUFFIXES

HDF5 = (".h5", ".hdf5")


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that a network can be fitted to.

    Parameters
    ----------
    values : array of shape (y, x) or (channel, y, x)
        float64, row 0 at the top, in the file's own scale; channels are red, green and blue.
    black, white : float
        What is shown black and white: the least and largest number that the file could hold, or,
        if it holds other than unsigned ones of 8 or 16 bits, that it does hold.

    Raises
    ------
    ValueError
        If there are fewer than two rows or columns, other than one or three channels, values that
        are not finite, or equal values everywhere, which cannot be scaled.
    """

    values: Float[np.ndarray, "*channel y x"]
    black: float
    white: float

    def __post_init__(self) -> None:
        shape = self.values.shape
        fits = len(shape) == 2 or (len(shape) == 3 and shape[0] == 3)
        checks.require(fits, "values", "have the axes (y, x) or (3, y, x)", self.values)
        checks.require(min(shape[-2:]) > 1, "values", "have two rows and columns", self.values)
        checks.finite_values(self.values, "values")
        given, remedy = f"{self.low:.6g} everywhere", "A constant cannot be scaled to [0, 1]."
        checks.require(self.high > self.low, "values", "not all be equal", given, remedy)

    @property
    def low(self) -> float:
        """The least value of all channels."""
        return float(self.values.min())

    @property
    def high(self) -> float:
        """The largest value of all channels."""
        return float(self.values.max())

    def scaled(self) -> Float[Tensor, "*channel y x"]:
        """Return the values scaled to [0, 1], all channels alike, float32."""
        return torch.as_tensor((self.values - self.low) / (self.high - self.low)).float()

    def restored(self, image: Float[Tensor, "*channel y x"]) -> Float[np.ndarray, "*channel y x"]:
        """Return an image that is scaled as this picture was in the picture's own scale, float32.

        Nothing is clipped; the image may be of any size.
        """
        own = image.detach().cpu().double().numpy() * (self.high - self.low) + self.low
        return own.astype(np.float32)

    def shown(self, own: Float[np.ndarray, "*channel y x"]) -> UInt8[np.ndarray, "y x *channel"]:
        """Return values in the picture's own scale as 8 bits, clipped to black and white."""
        parts = (np.asarray(own, dtype=np.float64) - self.black) / (self.white - self.black)
        eight = np.round(255 * parts.clip(0, 1)).astype(np.uint8)
        return channels_last(eight)


def channels_last(image: np.ndarray) -> np.ndarray:
    """Return a picture with its channels behind, as files have them; without channels as it is."""
    return np.moveaxis(image, 0, -1) if image.ndim == 3 else image


def read_picture(path: str | os.PathLike[str], *, field: str | None = None) -> Picture:
    """Return a picture with the channels that it has.

    Parameters
    ----------
    path : path
        A PNG, TIFF, JPEG or another picture, of 1 to 64 bits; an array (y, x) or (y, x, 3) of real
        numbers in an NPY file, or in a field of an HDF5 file.
    field : str, optional
        Name of the field of an HDF5 file; may be left out where only one can be a picture.

    Returns
    -------
    Picture
        The colours of a palette are red, green and blue. An opaque alpha channel is left out.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    OSError
        If it is damaged, or no picture.
    ValueError
        If it is of an unknown kind, holds no single picture, is partly transparent or in colours
        other than red, green and blue; or if its values are none that `Picture` takes.
    """
    kinds = (*SUFFIXES, ".npy", *HDF5)
    suffix = Path(path).suffix.lower()
    checks.require(suffix in kinds, "path", f"end in {', '.join(kinds)}", f"'{path}'")
    path = existing(path)
    rule, remedy = "be left out unless the file is HDF5", "Other files hold one picture."
    checks.require(field is None or suffix in HDF5, "field", rule, repr(field), remedy)
    if suffix in HDF5:
        stored = _field(path, field)
    else:
        stored = _array(path) if suffix == ".npy" else decoded(path, faithful=True)
    kind = stored.dtype.kind
    given = f"'{path}' with values of type {stored.dtype}"
    checks.require(kind in "biuf", "path", "name a picture of real numbers", given)
    picture = np.asarray(_channels(stored, path), dtype=np.float64)
    try:
        return Picture(picture, *_ends(stored))
    except ValueError as error:
        rule = "name a picture that can be fitted"
        raise ValueError(checks.message("path", rule, f"'{path}'", str(error))) from error


def _ends(stored: np.ndarray) -> tuple[float, float]:
    """Return black and white of values of a type."""
    if stored.dtype.kind == "b":
        return 0.0, 1.0
    if stored.dtype.kind == "u" and stored.dtype.itemsize <= 2:
        return 0.0, float(np.iinfo(stored.dtype).max)
    return (float(stored.min()), float(stored.max())) if stored.size else (0.0, 1.0)


def _channels(stored: np.ndarray, path: Path) -> np.ndarray:
    """Return stored values (y, x) or (y, x, channel) as (y, x) or (3, y, x)."""
    rule = "name one picture, (y, x), or (y, x, channel) with at most four channels"
    given = f"'{path}' with values of shape {stored.shape}"
    fits = stored.ndim == 2 or (stored.ndim == 3 and stored.shape[-1] in (1, 2, 3, 4))
    checks.require(fits, "path", rule, given)
    if stored.ndim == 2:
        return stored
    if stored.shape[-1] in (2, 4):
        opaque = np.iinfo(stored.dtype).max if stored.dtype.kind in "iu" else 1
        part = float((stored[..., -1] != opaque).mean())
        given = f"'{path}', of which {100 * part:.3g} % is not"
        remedy = "Put it on a background of your choice first."
        checks.require(part == 0, "path", "name a picture that is opaque", given, remedy)
        stored = stored[..., :-1]
    return stored[..., 0] if stored.shape[-1] == 1 else np.moveaxis(stored, -1, 0)


def _array(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        given, remedy = f"'{path}' ({error})", "It is truncated, damaged or of another kind."
        raise OSError(checks.message("path", "name a whole NPY file", given, remedy)) from error


def _field(path: Path, field: str | None) -> np.ndarray:
    """Return the values of a field of an HDF5 file, or of the only one that can be a picture."""
    import h5py

    with opened(path) as file:
        if field is None:
            found: list[str] = []

            def look(name: str, item: object) -> None:
                if isinstance(item, h5py.Dataset) and item.ndim in (2, 3):
                    found.append(name)

            file.visititems(look)
            given = f"'{path}' with {', '.join(found) or 'no field of two or three axes'}"
            remedy = "Name the field, on the command line with --field."
            checks.require(len(found) == 1, "path", "hold one picture", given, remedy)
            field = found[0]
        return np.asarray(values(dataset(file, field)))
