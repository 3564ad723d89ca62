"""A stack of slices on disk becomes a volume on disk, in pieces that survive the process."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.batch.blocks import Done, in_turn
from ctinr.batch.budget import WAITING
from ctinr.batch.choosing import decided
from ctinr.batch.job import Job, Summary, Work
from ctinr.batch.journal import Journal
from ctinr.batch.pipeline import WriteBehind
from ctinr.batch.solvers import FLOAT
from ctinr.batch.stack import Stack
from ctinr.batch.unfinished import Unfinished, claimed
from ctinr.data.formats.acquisition import check_room
from ctinr.data.hdf5_volume import Volume, is_volume, read_volume, write_volume
from ctinr.report.record import plain, versions

# Told how many slices are done, and of how many.
Report = Callable[[int, int], None]


def reconstruct_stack(
    stack: Stack,
    out: str | os.PathLike[str],
    job: Job | None = None,
    *,
    overwrite: bool = False,
    report: Report = lambda done, total: None,
) -> Summary:
    """Reconstruct the slices of a stack and write them as a volume.

    Slices are read, computed and written at the same time, within `job.memory_budget`. What is
    done is kept in the folder `out` + ".partial": if the process ends, however it does, the same
    call goes on from there, to the same bits. The volume gets its name when it is complete.

    Parameters
    ----------
    stack : Stack
        Where the slices are; see `open_stack`.
    out : path
        Where the volume shall be, `*.h5`.
    job : Job, optional
        What is to be done; FBP of all slices, its filter chosen on five of them, if None.
    overwrite : bool
        Replace an older file once the volume is complete, and drop an unfinished run of another
        job or input. One of the same job and input is gone on with.
    report : callable
        Is told how many slices are done and how many there are to be, from another thread.

    Returns
    -------
    Summary
        Also of a job that was ended by an interrupt from the keyboard, which says so. Where the
        volume of this very job is there already, nothing is done.

    Raises
    ------
    FileExistsError, BlockingIOError
        If there is another file, an unfinished run of another job, or one that is at work.
    FileNotFoundError, PermissionError, OSError
        If the folder does not exist or cannot be written to, the disk is full, or the file of the
        stack is damaged or was changed meanwhile. What is done is kept.
    ValueError
        If the slices do not exist or the memory does not suffice for one of them.
    ImportError
        If other processes are asked for and Dask is not installed.
    """
    begun = time.perf_counter()
    work, out = Work.of(stack, job or Job()), Path(out)
    with claimed(out) as unfinished:
        finished = _finished(out, unfinished, work.settings, overwrite=overwrite)
        if finished is not None:
            unfinished.remove()
            number, seconds = len(finished), time.perf_counter() - begun
            return Summary(out, number, number, number, seconds, finished.failed)
        unfinished.begin(work.settings, overwrite=overwrite)
        with contextlib.closing(Journal(unfinished.journal, stack.grid.shape[1:])) as journal:
            earlier, interrupted = journal.num_slices, False
            try:
                _compute(work, unfinished, journal, report=report)
                _assemble(work, unfinished, journal)
            except KeyboardInterrupt:
                interrupted = True
            failed, done = journal.failed, journal.num_slices
        numbers = unfinished.told.get("numbers", {})
        if not interrupted:
            unfinished.remove()
    seconds, total = time.perf_counter() - begun, len(work.slices)
    return Summary(out, total, earlier, done, seconds, failed, interrupted, numbers)


def _finished(
    out: Path, unfinished: Unfinished, settings: Mapping[str, Any], *, overwrite: bool
) -> Volume | None:
    """Return the volume of these settings if it is there; raise if there is another file.

    With `overwrite` it is made anew, unless it is the one of an unfinished run, which ended just
    before it could remove its folder.
    """
    if not out.exists():
        return None
    # What cannot be read is some other file.
    with contextlib.suppress(OSError, ValueError):
        found = read_volume(out) if is_volume(out) else None
        same = found is not None and found.metadata.get("settings") == _text(settings)
        if same and not (overwrite and not unfinished.told):
            return found
    rule, remedy = "not exist yet", "Choose another name, or replace it with --overwrite."
    if not overwrite:
        raise FileExistsError(checks.message("out", rule, f"'{out}'", remedy))
    return None


def _numbers(work: Work, unfinished: Unfinished) -> dict[str, Any]:
    """Return the numbers of the method, chosen once in all runs of a job."""
    if "numbers" not in unfinished.told:
        method, together = work.job.method, work.flow.block
        numbers, choice = decided(method, work.A, work.stack, slices=work.slices, together=together)
        unfinished.keep(numbers=plain(numbers), choice=plain(choice))
    return unfinished.told["numbers"]


def _compute(work: Work, unfinished: Unfinished, journal: Journal, *, report: Report) -> None:
    """Compute and keep the blocks that are not there yet."""
    total = len(work.slices)
    missing = [block for block in work.blocks if block[0] not in journal.blocks]
    # Once in the journal, and once in the volume.
    check_room(unfinished.volume, _image_bytes(work) * (2 * total - journal.num_slices))
    numbers = _numbers(work, unfinished)
    if not missing:
        return
    task, cluster = work.task(numbers), work.job.cluster
    report(journal.num_slices, total)

    def keep(done: Done) -> None:
        journal.append(*done)
        report(journal.num_slices, total)

    made = in_turn(task, missing, work.flow) if cluster is None else cluster.blocks(task, missing)
    with WriteBehind(keep, WAITING) as writer, contextlib.closing(made):
        for done in made:
            writer.put(done)


def _assemble(work: Work, unfinished: Unfinished, journal: Journal) -> None:
    """Put the volume together from the journal and give it its place."""
    work.stack.check_unchanged()
    failed = journal.failed
    about = {
        **work.stack.metadata,
        "method": work.job.method.name,
        "parameters": json.dumps(unfinished.told["numbers"]),
        "choice": json.dumps(unfinished.told["choice"]),
        "settings": _text(work.settings),
        "versions": json.dumps(versions()),
        "failed_slices": tuple(failed),
        "failed_reasons": tuple(failed.values()),
    }
    grid = work.stack.grid[work.slices.start : work.slices.stop]
    volume = Volume(unfinished.volume, grid, tuple(work.slices), about)
    write_volume(volume, _images(journal), compression=work.job.compression)
    unfinished.finish()


def _images(journal: Journal) -> Iterator[np.ndarray]:
    for first in journal.blocks:
        yield from journal.images(first)


def _image_bytes(work: Work) -> int:
    return FLOAT * int(np.prod(work.stack.grid.shape[1:]))


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
