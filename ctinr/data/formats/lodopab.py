"""LoDoPaB-CT, the benchmark of simulated low-dose scans of human chests.

A file holds 128 samples. Both pictures and observations were divided by the largest attenuation;
lengths are metres; pictures are (x, y). All of that ends in this file.

Leuschner, Schmidt, Baguer, Maass 2021, LoDoPaB-CT, a benchmark dataset for low-dose computed
tomography reconstruction, doi:10.1038/s41597-021-00893-z; the data are doi:10.5281/zenodo.3384092.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import numpy as np
import torch

from ctinr import checks
from ctinr.data.files import naming
from ctinr.data.hdf5_access import dataset, numbers, opened
from ctinr.data.scan import Scan
from ctinr.geometry import Detector, Grid, ParallelBeam

DATA = "data"
NAME = re.compile(r"observation_(train|validation|test|challenge)_\d{3}\.hdf5")
NUM_VIEWS, NUM_BINS, NUM_CELLS = 1000, 513, 362
# The attenuation that 1 stands for, 3071 HU, in 1/m.
LARGEST = 81.35858
# The picture's side and its diagonal, which the detector spans, in mm.
SIDE = 260.0
DETECTOR = SIDE * math.sqrt(2)
PHOTONS, FLOOR = 4096, 0.1


def read_lodopab(path: str | os.PathLike[str], *, slice: int | None = None) -> Scan:
    """Read one sample of an observation file, and its truth from the file beside it.

    The truth is in the file of the same name with `ground_truth` in place of `observation`; it is
    None where that file is missing, as for the challenge. `num_views` of `read_scan` gives the
    sparse subsets of the benchmark: every (1000 / N)-th view from the first one on.

    Parameters
    ----------
    path : path
        A file `observation_…_000.hdf5`.
    slice : int, optional
        Number of the sample in the file, counted from 0; the first one if not given.

    Returns
    -------
    Scan
        Line integrals without unit, attenuations in 1/mm. Its metadata has `data_range`, that of
        the truth of this sample, and `full_range`, that of the data set ("-FR" in its paper).

    Raises
    ------
    FileNotFoundError, PermissionError, BlockingIOError, OSError
        If a file cannot be opened or is damaged.
    ValueError
        If the arrays have other shapes than the data set's, or there is no such sample.
    """
    path = Path(path)
    sample = 0 if slice is None else checks.count(slice, "slice", least=0)
    observation = _sample(path, sample, (NUM_VIEWS, NUM_BINS))
    picture_path = picture_beside(path)
    picture = (
        _sample(picture_path, sample, (NUM_CELLS, NUM_CELLS)) if picture_path.exists() else None
    )
    about = {
        "title": f"LoDoPaB-CT {path.stem.removeprefix('observation_')}, sample {sample}",
        "source": path.name,
        "slice": sample,
        "photons": float(PHOTONS),
        "floor": FLOOR,
        "full_range": LARGEST / 1000,
        "simulated": True,
    }
    truth = None
    if picture is not None:
        truth = torch.as_tensor(np.ascontiguousarray(picture.T) * (LARGEST / 1000)).float()
        about["data_range"] = float(truth.max() - truth.min())
    with naming(path, {"sinogram": f"a usable field /{DATA}"}):
        return Scan(
            sinogram=torch.as_tensor(observation * LARGEST).float(),
            geometry=lodopab_geometry(),
            grid=lodopab_grid(),
            truth=truth,
            metadata=about,
        )


def is_lodopab(path: Path) -> bool:
    """Tell whether a file has the name, the field and the shape of an observation file."""
    if NAME.fullmatch(path.name) is None:
        return False
    with opened(path) as file:
        return DATA in file and dataset(file, DATA).shape[1:] == (NUM_VIEWS, NUM_BINS)


def lodopab_geometry() -> ParallelBeam:
    """Return the rays of all observations."""
    # Cell-centred: the first angle is half a step.
    angles = (np.arange(NUM_VIEWS) + 0.5) * (math.pi / NUM_VIEWS)
    return ParallelBeam(angles, Detector(NUM_BINS, DETECTOR / NUM_BINS))


def lodopab_grid() -> Grid:
    """Return the cells of all pictures."""
    return Grid((NUM_CELLS, NUM_CELLS), SIDE / NUM_CELLS)


def picture_beside(path: Path) -> Path:
    """Return where the pictures of a file of observations are, if they are there."""
    return path.with_name(path.name.replace("observation", "ground_truth", 1))


def _sample(path: Path, sample: int, shape: tuple[int, int]) -> np.ndarray:
    """Return one sample of a file; the others stay on the disk."""
    with opened(path) as file:
        field = dataset(file, DATA)
        rule = f"name a file whose field /{DATA} has the shape (sample, {shape[0]}, {shape[1]})"
        given = f"'{path}' with the shape {field.shape}"
        checks.require(field.ndim == 3 and field.shape[1:] == shape, "path", rule, given)
        rule = f"be less than {len(field)}, the number of samples in '{path}'"
        checks.require(sample < len(field), "slice", rule, sample, "Samples are counted from 0.")
        return numbers(field, sample)
