"""A beamline's file in the Scientific Data Exchange format, and how to change it."""

from __future__ import annotations

import h5py
import numpy as np

from tests.data.ellipses import half_turn, projections

VIEWS, ROWS, BINS, CENTER, LIGHT, DARK = 40, 3, 128, 60.3, 2e4, 100.0
PIXEL = "measurement/instrument/detection_system/objective/resolution"
ANGLES = half_turn(VIEWS)
# Each row is denser than the one before.
EXACT = np.stack(
    [(1 + row) * projections(ANGLES, BINS, CENTER, scale=0.5) for row in range(ROWS)], axis=1
)


def write(path) -> None:
    """Write counts of three rows without noise, flat and dark frames, and degrees."""
    gain = np.random.default_rng(0).uniform(0.8, 1.2, (ROWS, BINS)) * LIGHT
    with h5py.File(path, "w") as file:
        file["exchange/data"] = (gain * np.exp(-EXACT) + DARK).astype(np.float32)
        file["exchange/data_white"] = np.tile(gain + DARK, (6, 1, 1)).astype(np.float32)
        file["exchange/data_dark"] = np.full((4, ROWS, BINS), DARK, dtype=np.float32)
        file["exchange/theta"] = np.rad2deg(ANGLES)
        file["exchange/theta"].attrs["units"] = "degrees"
        file["exchange/title"] = "A tooth"


def change(path, name, values=None, **attributes):
    with h5py.File(path, "r+") as file:
        kept = dict(file[name].attrs) if name in file else {}
        if name in file:
            del file[name]
        if values is not None:
            file[name] = values
            file[name].attrs.update({**kept, **attributes})


def content(path, name):
    with h5py.File(path) as file:
        return file[name][...]
