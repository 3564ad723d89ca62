"""A stack of slices on disk: one geometry for all, read a few at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ctinr import checks
from ctinr.batch.rows import FORMATS, Row
from ctinr.data.hdf5_ahead import Ahead
from ctinr.geometry import Grid, PlanarBeam


@dataclass(frozen=True)
class Identity:
    """What tells a file from another one, and from itself after somebody wrote to it.

    Parameters
    ----------
    name : str
        Its name.
    size : int
        Bytes; of several files, of all.
    changed : int
        When it was last written to, ns; of several files, the sum.
    shape : tuple of int
        Of all values that the slices are made of.
    """

    name: str
    size: int
    changed: int
    shape: tuple[int, ...]

    @classmethod
    def of(cls, path: Path, files: Iterable[Path], shape: tuple[int, ...]) -> Identity:
        """Return what a file, or the folder of these files, is now."""
        found = [os.stat(each) for each in files]
        size, changed = sum(each.st_size for each in found), sum(each.st_mtime_ns for each in found)
        return cls(path.name, size, changed, tuple(shape))


@dataclass(frozen=True, eq=False)
class Stack:
    """The slices of a file; nothing of them is in memory.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        Which of `FORMATS` it is.
    geometry : ParallelBeam or FanBeam
        The rays of every slice, of the chosen views.
    grid : Grid
        The cells of all slices, (z, y, x), mm.
    identity : Identity
        The file when it was opened first.
    views : tuple of int, optional
        Which views of the file are used; all if None.
    stored_bytes : int
        What one slice takes when it is read, all views.
    along_chunk : int
        How many slices lie side by side in the file, such as in one chunk of it, so that it is
        best to read so many at once.
    options : mapping
        Those of the reader that say what the values are; see `RowFormat`.
    metadata : mapping
        Plain values for the volume's file, such as `title`, `source` and `center`.
    """

    path: Path
    kind: str
    geometry: PlanarBeam
    grid: Grid
    identity: Identity
    views: tuple[int, ...] | None = None
    stored_bytes: int = 0
    along_chunk: int = 1
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __reduce__(self) -> tuple[Any, ...]:
        """Be sent to other processes: a mapping that nobody can change cannot be pickled."""
        plain = {"metadata": dict(self.metadata), "options": dict(self.options)}
        return _again, ({**vars(self), **plain},)

    def __len__(self) -> int:
        return self.grid.shape[0]

    def read(self, first: int, last: int) -> Iterator[Tensor | str]:
        """Yield the slices from `first` up to `last`: line integrals (angle, u), float32.

        They are read at once, and made line integrals one by one. A slice that cannot be is a
        sentence that says why.

        Raises
        ------
        OSError
            If the file is damaged, or was changed since the stack was opened.
        """
        with contextlib.closing(self.stored(first, last)) as rows:
            yield from map(self.integrals, rows)

    def stored(
        self, first: int, last: int, *, together: int | None = None
    ) -> Generator[Row, None, None]:
        """Yield what the file has of these slices, for `integrals`; raise what `read` raises.

        Not all are read at once but, if it is given, those from one multiple of `together` to the
        next.
        """
        step, form = together or last, FORMATS[self.kind]
        edges = [first, *range(first - first % step + step, last, step), last]
        with form.opened(self.path, self.options) as file:
            field = form.layout(file).field if len(edges) > 2 else None
            ahead = None if field is None else Ahead(*field)
            for begin, end in pairwise(edges):
                if ahead is not None:
                    ahead.expect(end, min(end + step, last))
                for number, row in enumerate(form.rows(file, begin, end), begin):
                    if number == begin:
                        self.check_unchanged()
                    yield row

    def integrals(self, row: Row) -> Tensor | str:
        """Return what the file has of a slice as line integrals (angle, u), float32.

        Where there can be none, the reason is returned.
        """
        try:
            values = FORMATS[self.kind].integrals(row)
            chosen = values if self.views is None else values[list(self.views)]
            with np.errstate(over="ignore", invalid="ignore"):
                made = np.ascontiguousarray(chosen, dtype=np.float32)
            checks.finite_values(made, "sinogram")
            rule = f"have the shape {self.geometry.shape} of the geometry"
            checks.require(made.shape == self.geometry.shape, "sinogram", rule, made)
        except ValueError as error:
            return str(error)
        return torch.from_numpy(made)

    def check_unchanged(self) -> None:
        """Raise unless the file is what it was when the stack was opened."""
        files = FORMATS[self.kind].files(self.path)
        if Identity.of(self.path, files, self.identity.shape) != self.identity:
            rule = "stay as it is while it is reconstructed"
            given = f"'{self.path}', which was written to meanwhile"
            remedy = "Start anew once nothing writes to it, with --overwrite."
            raise OSError(checks.message("scan", rule, given, remedy))


def _again(values: dict[str, Any]) -> Stack:
    frozen = {name: MappingProxyType(values[name]) for name in ("metadata", "options")}
    return replace(Stack(**values), **frozen)
