"""Slices that are computed together: in this process, or in one that knows only what it is told."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

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
    """Yield the blocks, read ahead by threads and computed in this one."""
    with ReadAhead(rows_of(task.stack, blocks, flow), WAITING) as ahead:
        for first, rows in ahead:
            yield task.solve(first, rows)


def rows_of(
    stack: Stack, blocks: Sequence[tuple[int, int]], flow: Flow
) -> Generator[tuple[int, list[Tensor | str]], None, None]:
    """Yield the first slice and the rows of every block; a thread reads what comes next."""
    with ReadAhead(_stored(stack, blocks, flow.band), 1) as ahead:
        for first, rows in ahead:
            yield first, [stack.integrals(row) for row in rows]


def _stored(
    stack: Stack, blocks: Sequence[tuple[int, int]], band: int
) -> Generator[tuple[int, list[Any]], None, None]:
    """Yield what the file has of every block; neighbouring blocks are read together."""
    for run in _runs(blocks):
        reading = stack.stored(run[0][0], run[-1][1], together=band)
        with contextlib.closing(reading) as rows:
            for first, last in run:
                yield first, [next(rows) for _ in range(last - first)]


def _runs(blocks: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yield blocks of which each begins where the one before it ends."""
    run: list[tuple[int, int]] = []
    for block in blocks:
        if run and block[0] != run[-1][1]:
            yield run
            run = []
        run.append(block)
    if run:
        yield run


@lru_cache(maxsize=2)
def _projector(geometry: PlanarBeam, grid: Grid, engine: str) -> Projector:
    return Projector(geometry, grid, backend=engine)
