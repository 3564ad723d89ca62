"""A beamline's file that follows the NXtomo definition, in the layouts of two facilities."""

from __future__ import annotations

import h5py
import numpy as np

from tests.data.ellipses import half_turn, projections

VIEWS, ROWS, BINS, CENTER, LIGHT, DARK = 30, 3, 96, 45.4, 2e4, 100.0
ANGLES = half_turn(VIEWS)
EXACT = np.stack(
    [(1 + row) * projections(ANGLES, BINS, CENTER, scale=0.4) for row in range(ROWS)], axis=1
)
GAIN = np.random.default_rng(0).uniform(0.8, 1.2, (ROWS, BINS)) * LIGHT
# Two dark frames, three flat ones, the projections with an invalid frame among them, two flat ones.
KEYS = np.array([2, 2, 1, 1, 1, *[0] * 10, 3, *[0] * 20, 1, 1])
NAMES = {"plain": "entry", "diamond": "entry1/tomo_entry"}


def frames(drift: float = 0.0) -> np.ndarray:
    """Counts in the order of `KEYS`, under a beam whose light grows by `drift` over the scan."""
    flats = np.flatnonzero(KEYS == 1)
    begin, end = flats[:3].mean(), flats[3:].mean()
    light = 1 + drift * (np.arange(len(KEYS)) - begin) / (end - begin)
    # The mean of the flat frames of a block is the beam at its middle.
    light[flats[:3]], light[flats[3:]] = 1.0, 1 + drift
    values = light[:, None, None] * GAIN + DARK
    values[KEYS == 2] = DARK
    views = np.flatnonzero(KEYS == 0)
    values[views] = light[views, None, None] * GAIN * np.exp(-EXACT) + DARK
    values[KEYS == 3] = 7.0
    return values.astype(np.float32)


def angles() -> np.ndarray:
    """The angle of every frame in degrees, those of flat and dark frames included."""
    theta = np.full(len(KEYS), 361.5)
    theta[KEYS == 0] = np.rad2deg(ANGLES)
    return theta


def write(path, layout: str = "plain", *, drift: float = 0.0) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["NX_class"] = "NXroot"
        if layout == "diamond":
            # An entry of another kind beside the one that is asked for.
            other = _group(file, "entry1", "NXentry")
            _group(other, "instrument", "NXinstrument")
            entry = _group(other, "tomo_entry", "NXsubentry")
        else:
            entry = _group(file, "entry", "NXentry")
        entry["definition"] = "NXtomo"
        entry["title"] = "A tooth"
        detector = _group(_group(entry, "instrument", "NXinstrument"), "camera", "NXdetector")
        detector["data"] = frames(drift)
        detector["image_key"] = KEYS
        detector["x_pixel_size"] = 2.5e-6
        detector["x_pixel_size"].attrs["units"] = "m"
        sample = _group(entry, "sample", "NXsample")
        sample["rotation_angle"] = angles()
        sample["rotation_angle"].attrs["units"] = "deg"


def _group(parent, name, kind):
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    return group
