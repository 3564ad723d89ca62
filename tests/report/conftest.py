"""Small comparisons: three methods of known quality on a tiny scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ctinr.data import Scan
from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.recon.run import Reconstruction
from ctinr.report import Comparison, Convergence, Cost, measure, range_of_truth, run_record

WITHHELD = {"fbp": 0.08, "tv": 0.03, "inr": 0.04}
CHOICES = {
    "fbp": {
        "value": ("hann", 0.6),
        "candidates": [("hann", 0.6), ("hann", 1.0), ("ram-lak", 0.6)],
        "errors": [0.08, 0.1, 0.2],
        "rule": "least relative error on withheld views",
    },
    "tv": {
        "value": 0.01,
        "candidates": [0.001, 0.01, 0.1],
        "errors": [0.05, 0.03, 0.09],
        "rule": "least relative error on withheld views",
    },
}


def disk(shape, radius=0.7):
    y, x = (np.linspace(-1, 1, n) for n in shape)
    return torch.as_tensor(0.02 * (x**2 + y[:, None] ** 2 < radius**2), dtype=torch.float32)


@pytest.fixture
def scan():
    grid = Grid((16, 20), (2.0, 1.0))
    geometry = ParallelBeam(equal_angles(12), Detector(40))
    metadata = {"title": "A <disk>", "source": "made here", "photons": 1e5}
    return Scan(torch.zeros(12, 40), geometry, grid, disk(grid.shape), metadata)


@pytest.fixture
def compared(scan):
    """Return a function that makes a comparison: with or without truth, with or without oracle."""

    def make(*, truth=True, oracle=False, noise=(0.004, 0.0005, 0.001)):
        rows = []
        for (name, error), level in zip(WITHHELD.items(), noise, strict=True):
            rows.append(row(scan, name, level, error=error, truth=truth))
            if oracle and name != "inr":
                rows.append(replace(row(scan, name, level / 2, error=error), oracle=True))
        record = run_record(command=["ctinr", "compare", "a b.h5"], seed=3, engine="numba")
        record |= {"withheld_views": [2, 7], "seconds": 12.0, "peak_memory": 10**9}
        own = scan if truth else replace(scan, truth=None)
        data_range = range_of_truth(scan.truth) if truth else None
        return Comparison(own, tuple(rows), data_range, ("It is <cut off>.",), record, ("Flat.",))

    return make


def row(scan, name, level, *, error, truth=True):
    generator = torch.Generator().manual_seed(0)
    image = scan.truth + level * torch.randn(scan.truth.shape, generator=generator)
    iterations = 0 if name == "fbp" else 30
    found = Reconstruction(
        image,
        losses=tuple(1 / (1 + k) for k in range(iterations)),
        iterations=iterations,
        stopped_by="iterations" if iterations else "direct",
        method=name,
        parameters={"weight": 0.01, "nonnegative": True},
        record={"choice": CHOICES.get(name), "withheld_error": error},
    )
    known = {"truth": scan.truth, "data_range": range_of_truth(scan.truth)} if truth else {}
    measured = measure(name, found, cost=Cost(61.0, 3 * 10**8, True), **known)
    seconds, values = (0.1, 0.2, 0.3), (20.0, 25.0, 28.0) if truth else (3.0, 2.0, 1.0)
    curve = Convergence("psnr" if truth else "loss", seconds, values) if iterations else None
    return replace(measured, convergence=curve)
