"""Tiny stacks of slices on disk, and what their volumes hold."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import torch

from ctinr.data import Scan, write_scan
from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.projectors import Projector

VIEWS, SIDE, BINS = 12, 16, 20


def objects(number: int) -> torch.Tensor:
    """Return slices that differ: a square that walks and grows, 1/mm."""
    images = torch.zeros(number, SIDE, SIDE)
    for place in range(number):
        size = 3 + place % 5
        images[place, 4 : 4 + size, 2 + place % 7 : 2 + place % 7 + size] = 0.01 * (1 + place % 3)
    return images


def scan_of_rows(number: int, *, noise: float = 0.01) -> Scan:
    """Return a scan of a parallel beam whose detector has so many rows, one a slice."""
    geometry = ParallelBeam(equal_angles(VIEWS), Detector((number, BINS), (2.0, 1.0), (3.0, 0.0)))
    grid = Grid((number, SIDE, SIDE), (2.0, 1.0, 1.0), (3.0, 0.0, 0.0))
    sinogram = Projector(geometry, grid)(objects(number))
    random = torch.randn(sinogram.shape, generator=torch.Generator().manual_seed(0))
    return Scan(sinogram + noise * random, geometry, grid, metadata={"title": "squares"})


def write(path: Path, number: int = 20, **options) -> Path:
    """Write such a scan and return where it is."""
    write_scan(path, scan_of_rows(number, **options))
    return path


def spoil(path: Path, row: int, value: float = np.nan) -> None:
    """Put a value into every view of a row, as a broken detector would."""
    with h5py.File(path, "r+") as file:
        values = file["sinogram"][...]
        values[:, row] = value
        file["sinogram"][...] = values


def cells(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        return file["volume"][...]
