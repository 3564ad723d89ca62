"""Scans in many files as a data set for training, read one at a time.

Files are looked at once, for how many scans they hold and where their rays are. Each process opens
them as it comes to need them, so that a data set can be handed to workers that are forked or
spawned, and only the one scan that is asked for is read.
"""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from ctinr import checks
from ctinr.data.files import naming
from ctinr.data.hdf5_access import dataset, naming_the_file, numbers, open_file
from ctinr.data.scan import evenly_spread
from ctinr.data.scan_places import Place, ScanFile, scan_file
from ctinr.data.scan_sets import scan_set_files
from ctinr.data.simulation import Noise, simulate

if TYPE_CHECKING:
    import h5py

# Files that a process holds open at once.
MOST_OPEN = 64
Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class ScanDataset(Dataset[dict[str, Tensor]]):
    """Scans in many files that have their rays and their grid in common.

    An item is a dictionary of `sinogram` (angle, u) or (angle, v, u), float32 without unit,
    `truth` (y, x) or (z, y, x), float32 in 1/mm, where it is known, and `index`, its place in the
    data set. Items have an order, that of the files and in a file that of its scans, and do not
    depend on who reads them: the noise of an item follows from the seed and its place.

    Parameters
    ----------
    paths : path or sequence of paths
        Files that `write_scans` or `write_scan` wrote, or observations of LoDoPaB-CT; or a folder
        of such, whose HDF5 files are taken in the order of their names.
    num_views : int, optional
        Keep so many views, evenly spread, as `Scan.with_views` does.
    noise : Noise, optional
        Let a detector count what the files hold, which should be free of noise then.

    Raises
    ------
    FileNotFoundError, PermissionError, BlockingIOError, OSError
        If a file cannot be opened or is damaged; also as items are read.
    ValueError
        If a file is of another kind, or does not have the rays and the grid of the first one.
    """

    def __init__(
        self, paths: Paths, *, num_views: int | None = None, noise: Noise | None = None
    ) -> None:
        files = tuple(scan_file(path) for path in _listed(paths))
        for file in files[1:]:
            _check_alike(file, files[0])
        self._files = files
        self._ends = np.cumsum([file.count for file in files])
        self._noise = noise
        self._views: Sequence[int] | None = None
        self.geometry = files[0].geometry
        self.grid = files[0].grid
        self.has_truth = files[0].truth is not None
        if num_views is not None:
            self._views = evenly_spread(num_views, self.geometry.num_views)
            self.geometry = self.geometry[self._views]
        self._open = _OpenFiles()

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __repr__(self) -> str:
        files = f"{len(self)} scans in {len(self._files)} files"
        return f"ScanDataset({files}, {self.geometry.num_views} views, {self.grid!r})"

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return an item; negative places count from the end."""
        place = checks.count(index, "index", least=-len(self))
        if place >= len(self):
            rule = f"be less than {len(self)}, the number of scans"
            raise IndexError(checks.message("index", rule, index))
        place %= len(self)
        number = int(np.searchsorted(self._ends, place, side="right"))
        file = self._files[number]
        within = place - int(self._ends[number]) + file.count
        sinogram = self._read(file.observation, within)
        if self._views is not None:
            sinogram = sinogram[list(self._views)]
        if self._noise is not None:
            own = replace(self._noise, seed=_seed(self._noise.seed, place))
            sinogram = simulate(sinogram, own)[0]
        item = {"sinogram": sinogram, "index": torch.tensor(place)}
        return item if file.truth is None else item | {"truth": self._read(file.truth, within)}

    def _read(self, place: Place, number: int) -> Float[Tensor, "..."]:
        with self._open.reading(place.path) as file:
            field = dataset(file, place.field)
            good = not place.stacked or number < (field.shape or (0,))[0]
            rule = "name a file that stays as it was when the data set was made"
            given = f"'{place.path}', whose field {field.name} now has the shape {field.shape}"
            checks.require(good, "path", rule, given)
            found = numbers(field, number if place.stacked else ())
        with naming(place.path, {"values": f"a usable field /{place.field}"}):
            rule = f"have the shape {place.shape}"
            checks.require(found.shape == place.shape, "values", rule, found)
            checks.finite_values(found, "values")
        found = (found.T if place.transposed else found) * place.factor
        return torch.as_tensor(np.ascontiguousarray(found, dtype=np.float32))


class _OpenFiles:
    """The files that this process has open; another process, forked or spawned, opens its own."""

    def __init__(self) -> None:
        self._files: OrderedDict[Path, h5py.File] = OrderedDict()
        self._owner = os.getpid()
        self._of_others: list[Any] = []

    def __reduce__(self) -> tuple[type[_OpenFiles], tuple[()]]:
        return _OpenFiles, ()

    @contextlib.contextmanager
    def reading(self, path: Path) -> Iterator[h5py.File]:
        """Give a file, which stays open; errors of the block name it."""
        if os.getpid() != self._owner:
            # They are kept, not closed: the books of the library are those of the parent.
            self._of_others.append(self._files)
            self._files, self._owner = OrderedDict(), os.getpid()
        if path not in self._files:
            while len(self._files) >= MOST_OPEN:
                self._files.popitem(last=False)[1].close()
            self._files[path] = open_file(path)
        self._files.move_to_end(path)
        with naming_the_file(path):
            yield self._files[path]


def _listed(paths: Paths) -> tuple[Path, ...]:
    """Return the files that are meant; of LoDoPaB-CT the pictures go with the observations."""
    if isinstance(paths, str | os.PathLike):
        one = Path(paths)
        files = scan_set_files(one) if not one.is_file() else (one,)
        return tuple(file for file in files if not file.name.startswith("ground_truth_"))
    listed = tuple(Path(path) for path in paths)
    checks.require(len(listed) > 0, "paths", "name at least one file", "none")
    return listed


def _check_alike(file: ScanFile, first: ScanFile) -> None:
    """Raise unless a file has the rays and the grid of the first one."""
    alike = {
        "rays": file.geometry == first.geometry,
        "grid": file.grid == first.grid,
        "truth, or none,": (file.truth is None) == (first.truth is None),
    }
    different = [what for what, same in alike.items() if not same]
    rule = f"name files that have the {' and '.join(different)} of '{first.path}'"
    checks.require(not different, "paths", rule, f"'{file.path}'")


def _seed(seed: int, place: int) -> int:
    """Return the seed of an item's noise: none is that of another item or of another data set."""
    return int(np.random.SeedSequence((seed, place)).generate_state(1, np.uint64)[0] >> 1)
