"""Sounds of the commands: one that is made and not recorded, its measure, and the files."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from ctinr import checks
from ctinr.data import Sound, read_sound
from ctinr.data.sounds import write_sound
from ctinr.networks import BWReLU, Family, Finer, Siren
from recon_scripts._signals import Fit

CHIRPS, TONES, LOUDEST = 3, 5, 0.9
# What suits a BW-ReLU network of the default size, found on the sound that is made here.
SAMPLES_A_SCALE, LARGEST_SCALE = 64, 60.0
# Of the first sines of SIREN and FINER: the most is what SIREN's paper takes for sounds.
OMEGA_A_SAMPLE, LARGEST_OMEGA = 0.5, 3000.0
PAPER_RATE = 5e-3


def synthetic_sound(*, seconds: float = 1.0, rate: int = 8000, seed: int = 0) -> Sound:
    """Return chirps that swell and fade and tones that decay, at places drawn by the seed.

    Their frequencies lie between a hundredth and a fifth of the rate, so that no sample is left
    without neighbours that tell of it.
    """
    from scipy.signal import chirp

    time = np.arange(round(checks.positive(seconds, "seconds") * rate)) / rate
    generator = np.random.default_rng(checks.count(seed, "seed", least=0))
    values = np.zeros_like(time)
    for _ in range(CHIRPS):
        first, last = generator.uniform(0.01, 0.2, 2) * rate
        middle, length = (
            generator.uniform(0.2, 0.8) * seconds,
            generator.uniform(0.1, 0.2) * seconds,
        )
        envelope = np.exp(-0.5 * ((time - middle) / length) ** 2)
        values += envelope * chirp(time, first, seconds, last)
    for _ in range(TONES):
        begin, decay = seconds * generator.uniform((0.0, 0.03), (0.8, 0.15))
        since = np.maximum(time - begin, 0)
        tone = np.sin(2 * np.pi * generator.uniform(0.01, 0.2) * rate * since)
        values += np.exp(-since / decay) * tone
    return Sound(LOUDEST * values / np.abs(values).max(), rate)


def load_sound(path: Path | None, *, smoke: bool, seconds: float) -> Sound:
    """Return the sound of a file, or without one in a smoke run one that is made."""
    if path is not None:
        return read_sound(path)
    checks.require(smoke, "sound", "be given", "nothing", "Name a WAV file.")
    return synthetic_sound(seconds=seconds)


def snr(estimate: Tensor, data: Tensor) -> float:
    """Return the signal-to-noise ratio, the energy of the data over that of what is left, dB."""
    left = float((estimate - data).double().square().sum())
    return math.inf if left == 0 else 10 * math.log10(float(data.double().square().sum()) / left)


def scale_of(samples: int) -> float:
    """Return the scale of a BW-ReLU network for so many samples; see docs/signals.md."""
    return min(max(1.0, samples / SAMPLES_A_SCALE), LARGEST_SCALE)


def suited(family: Family, samples: int) -> Family:
    """Return a family whose first sines reach the pitches of so many samples, if it has any."""
    if not isinstance(family, Siren | Finer):
        return family
    return replace(family, omega_first=max(1.0, min(samples * OMEGA_A_SAMPLE, LARGEST_OMEGA)))


def rate_of(family: Family) -> float:
    """Return a learning rate of Adam that suits a family and a sound; BW-ReLU's is the paper's."""
    return PAPER_RATE if isinstance(family, BWReLU) else family.rate


def write_fit(folder: Path, sound: Sound, fit: Fit) -> None:
    """Write the estimate as a sound of the same rate and loudness, and the figure."""
    from ctinr.report.signals import sound_figure
    from ctinr.report.style import png

    own = sound.restored(fit.result.image)
    write_sound(folder / "estimate.wav", own, sound.rate)
    data, estimate = (np.atleast_2d(values)[0] for values in (sound.values, own))
    figure = sound_figure(data, estimate, fit.result.losses, rate=sound.rate)
    (folder / "figure.png").write_bytes(png(figure))
