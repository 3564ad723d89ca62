"""Sounds as signals: the samples of a WAV file, scaled to values from −1 to 1."""

from __future__ import annotations

import os
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ctinr import checks
from ctinr.data.files import existing, readable

# What reading a damaged file may end in.
DAMAGE = (ValueError, EOFError, OSError, struct.error, IndexError, UnboundLocalError)


@dataclass(frozen=True, eq=False)
class Sound:
    """A sound that a network can be fitted to.

    Parameters
    ----------
    values : array of shape (sample,) or (channel, sample)
        float64; ±1 is the loudest that a file of whole numbers can hold.
    rate : int
        Samples a second.

    Raises
    ------
    ValueError
        If there are fewer than two samples, values that are not finite, or silence, which cannot
        be scaled.
    """

    values: Float[np.ndarray, "*channel sample"]
    rate: int

    def __post_init__(self) -> None:
        checks.count(self.rate, "rate")
        fits = self.values.ndim in (1, 2) and self.values.shape[-1] > 1
        checks.require(
            fits, "values", "be two samples or more, of one or more channels", self.values
        )
        checks.finite_values(self.values, "values")
        remedy = "Silence cannot be scaled to [-1, 1]."
        checks.require(self.peak > 0, "values", "not all be zero", "silence", remedy)

    @property
    def peak(self) -> float:
        """The largest absolute value of all channels."""
        return float(np.abs(self.values).max())

    @property
    def seconds(self) -> float:
        """How long it is, s."""
        return self.values.shape[-1] / self.rate

    def scaled(self) -> Float[Tensor, "*channel sample"]:
        """Return the values divided by the peak, float32."""
        return torch.as_tensor(self.values / self.peak).float()

    def restored(
        self, scaled: Float[Tensor, "*channel sample"]
    ) -> Float[np.ndarray, "*channel sample"]:
        """Return values that are scaled as this sound was in its own scale; nothing is clipped."""
        return scaled.detach().cpu().double().numpy() * self.peak


def read_sound(path: str | os.PathLike[str]) -> Sound:
    """Return the sound of a WAV file: 8, 16, 24 or 32 bits, or floating point; all its channels.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Sound
        Whole numbers are divided by the largest that the format can hold, 2¹⁵ for 16 bits.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    OSError
        If it is truncated, damaged or of another kind.
    ValueError
        If its name does not end in .wav, or its values are none that `Sound` takes.
    """
    remedy = "Convert it first."
    checks.require(Path(path).suffix.lower() == ".wav", "path", "end in .wav", f"'{path}'", remedy)
    path = existing(path)
    rate, stored = _decoded(path)
    try:
        return Sound(np.ascontiguousarray(_full_scale(stored).T), rate)
    except ValueError as error:
        rule = "name a sound that can be fitted"
        raise ValueError(checks.message("path", rule, f"'{path}'", str(error))) from error


def write_sound(
    path: str | os.PathLike[str], values: Float[np.ndarray, "*channel sample"], rate: int
) -> None:
    """Write samples, `rate` a second, as a WAV file of 32-bit floats, which clips nothing."""
    from scipy.io import wavfile

    wavfile.write(path, rate, np.ascontiguousarray(values.T, dtype=np.float32))


def _decoded(path: Path) -> tuple[int, np.ndarray]:
    """Return the rate and the samples (sample,) or (sample, channel) as they are stored."""
    from scipy.io import wavfile

    try:
        with readable(path), warnings.catch_warnings():
            # A file that ends too early is damaged; one with more than sound in it is not.
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            warnings.filterwarnings("error", ".*EOF", wavfile.WavFileWarning)
            rate, stored = wavfile.read(path)
    except PermissionError:
        raise
    except (*DAMAGE, wavfile.WavFileWarning) as error:
        given, remedy = f"'{path}' ({error})", "It is truncated, damaged or of another kind."
        raise OSError(checks.message("path", "name a whole WAV file", given, remedy)) from error
    return int(rate), np.asarray(stored)


def _full_scale(stored: np.ndarray) -> np.ndarray:
    """Return samples as float64 of which ±1 is full scale; 8 bits are unsigned, about 128."""
    if stored.dtype.kind == "u":
        return (stored.astype(np.float64) - 128) / 128
    if stored.dtype.kind == "i":
        # Of 24 bits scipy makes 32, shifted up.
        return stored.astype(np.float64) / -float(np.iinfo(stored.dtype).min)
    return stored.astype(np.float64)
