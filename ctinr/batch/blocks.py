"""Slices that are computed together: in this process, or in one that knows only what it is told."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ctinr.batch.budget import WAITING, Flow
from ctinr.batch.journal import Block
from ctinr.batch.pipeline import ReadAhead
from ctinr.batch.solvers import Solver
from ctinr.batch.stack import Stack
from ctinr.geometry import Grid, PlanarBeam
from ctinr.operators.spectra import alike_on_any_threads
from ctinr.projectors import Projector

Done = tuple[Block, np.ndarray]
# What one slice may fail with without taking the others with it.
FAILURES = (ValueError, ArithmeticError)


@dataclass(frozen=True, eq=False)
class BlockTask:
    """All that is needed to reconstruct any block of a stack.

    Parameters
    ----------
    stack : Stack
        Where the slices are.
    solver : Solver
        The method and its numbers.
    engine : str
        Of the projector.
    """

    stack: Stack
    solver: Solver
    engine: str

    @property
    def projector(self) -> Projector:
        """The projector of one slice, made once in a process."""
        return _projector(self.stack.geometry, self.stack.grid.slice, self.engine)

    def read(self, first: int, last: int) -> Done:
        """Read a block and return its slices, (slice, y, x), float32."""
        return self.solve(first, list(self.stack.read(first, last)))

    def solve(self, first: int, rows: Sequence[Tensor | str]) -> Done:
        """Return the slices of a block; those that fail are NaN, and the block says why."""
        failed = {first + place: row for place, row in enumerate(rows) if isinstance(row, str)}
        good = [(place, row) for place, row in enumerate(rows) if isinstance(row, Tensor)]
        images = np.full((len(rows), *self.stack.grid.shape[1:]), np.nan, dtype=np.float32)
        for place, image in self._images(good):
            if isinstance(image, Tensor) and not bool(image.isfinite().all()):
                image = "The reconstruction has values that are NaN or infinite."
            if isinstance(image, str):
                failed[first + place] = image
            else:
                images[place] = image.numpy()
        ordered = {number: failed[number] for number in sorted(failed)}
        return Block(first, first + len(rows), ordered), images

    def _images(self, good: list[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor | str]]:
        """Yield an image or a reason for each; if they fail together, they are tried one by one."""
        if not good:
            return
        places = [place for place, _ in good]
        try:
            with alike_on_any_threads():
                made = self.solver(self.projector, torch.stack([row for _, row in good]))
        except FAILURES as error:
            if len(good) == 1:
                yield places[0], str(error)
                return
            for one in good:
                yield from self._images([one])
            return
        yield from zip(places, made, strict=True)


def in_turn(
    task: BlockTask, blocks: Sequence[tuple[int, int]], flow: Flow
) -> Generator[Done, None, None]:
    """Yield the blocks, read ahead by a thread and computed in this one."""
    with ReadAhead(rows_of(task.stack, blocks, flow), WAITING) as ahead:
        for first, rows in ahead:
            yield task.solve(first, rows)


def rows_of(
    stack: Stack, blocks: Sequence[tuple[int, int]], flow: Flow
) -> Iterator[tuple[int, list[Tensor | str]]]:
    """Yield the first slice and the rows of every block; neighbours are read together."""
    for band in _bands(blocks, flow.band):
        reading = stack.read(band[0][0], band[-1][1])
        for first, last in band:
            yield first, [next(reading) for _ in range(last - first)]
        reading.close()  # type: ignore[attr-defined]


def _bands(blocks: Sequence[tuple[int, int]], most: int) -> Iterator[list[tuple[int, int]]]:
    band: list[tuple[int, int]] = []
    for block in blocks:
        if band and (block[0] != band[-1][1] or block[1] - band[0][0] > most):
            yield band
            band = []
        band.append(block)
    if band:
        yield band


@lru_cache(maxsize=2)
def _projector(geometry: PlanarBeam, grid: Grid, engine: str) -> Projector:
    return Projector(geometry, grid, backend=engine)
