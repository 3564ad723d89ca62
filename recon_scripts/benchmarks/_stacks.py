"""Stacks of slices of any size, made on the spot."""

from __future__ import annotations

import math
import os
from pathlib import Path

import h5py
import numpy as np
import torch

import phantoms
from ctinr.data.formats.lodopab import DATA, LARGEST, NUM_BINS, NUM_CELLS, NUM_VIEWS, SIDE
from ctinr.data.hdf5_geometry import NO_UNIT, put_geometry, put_lengths
from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.projectors import Projector

FLOAT = 4


def rows_file(path: Path, *, num_bytes: int, views: int = NUM_VIEWS, bins: int = NUM_BINS) -> Path:
    """Write a ctinr scan of a parallel beam with so many bytes of rows, and return its path."""
    rows = max(8, num_bytes // (FLOAT * views * bins))
    geometry = ParallelBeam(equal_angles(views), Detector((rows, bins)))
    noise = np.random.default_rng(0).random((views, 1, bins), dtype=np.float32)
    with h5py.File(path, "w", libver=("v108", "v108")) as file:
        file.attrs.update({"format": np.bytes_("ctinr-scan"), "version": 2})
        put_geometry(file, geometry)
        put_lengths(file, "grid", Grid((rows, bins, bins)), ("spacing", "center"))
        shape = (views, rows, bins)
        field = file.create_dataset("sinogram", shape, "f4", chunks=True, fletcher32=True)
        field.attrs["units"] = np.bytes_(NO_UNIT)
        step = 4 * (field.chunks or shape)[1]
        for first in range(0, rows, step):
            part = noise * np.arange(1, min(step, rows - first) + 1, dtype=np.float32)[:, None]
            field[:, first : first + step] = part
    return path


def lodopab_file(folder: Path, number: int) -> Path:
    """Write so many slices of the shape of LoDoPaB-CT, of one object at many scales."""
    angles = (np.arange(NUM_VIEWS) + 0.5) * (math.pi / NUM_VIEWS)
    rays = ParallelBeam(angles, Detector(NUM_BINS, SIDE * math.sqrt(2) / NUM_BINS))
    grid = Grid((NUM_CELLS, NUM_CELLS), SIDE / NUM_CELLS)
    thorax = phantoms.by_name("forbild-thorax", 0)
    spacing = 2 * thorax.radius / NUM_CELLS
    picture = torch.as_tensor(thorax.raster((NUM_CELLS, NUM_CELLS), spacing)).float()
    one = Projector(rays, grid)(picture * (0.02 / float(picture.max()))).numpy() / LARGEST
    random = np.random.default_rng(0)
    path = folder / "observation_test_000.hdf5"
    with h5py.File(path, "w") as file:
        field = file.create_dataset(DATA, (number, NUM_VIEWS, NUM_BINS), "f4")
        for place in range(number):
            noise = random.standard_normal(one.shape, dtype=np.float32) * (1e-3 / LARGEST)
            field[place] = one * (0.5 + place / number) + noise
    return path


def forget(path: Path) -> None:
    """Ask the system to drop a file from its cache, so that it is read from the disk again."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
