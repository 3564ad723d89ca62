"""Blocks of slices computed by other processes, here or elsewhere, through Dask.

Workers read the file of the stack themselves and send back images; this process alone writes. A
worker that dies takes nothing with it: what it had not sent back is computed by another one.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ctinr import checks
from ctinr.batch.blocks import BlockTask, Done

INSTALL = "Install it with: pip install 'ctinr[cluster]'"
# Blocks that each thread of a worker has been given: one that it computes, and the next one.
GIVEN = 2
# How often a block is tried again that raised an error, such as of a network drive.
RETRIES = 2
# How long a scheduler and its first worker may take to answer, seconds.
PATIENCE = 30
# Engines take turns: one computes with all threads of its worker while others read.
_TURN = threading.Lock()


@dataclass(frozen=True)
class Cluster:
    """Which processes compute.

    Parameters
    ----------
    workers : int, optional
        So many on this machine, which share its cores.
    scheduler : str, optional
        The address of a Dask scheduler that runs already, such as "tcp://host:8786"; its workers
        must see the file under the same path.
    threads : int, optional
        Of the engines of each worker on this machine; its share of the cores if None.

    Raises
    ------
    ValueError
        Unless one of the first two is given, or with threads for workers of a scheduler.
    """

    workers: int | None = None
    scheduler: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        both = self.workers is not None and self.scheduler is not None
        rule = "be left out where a scheduler is given"
        checks.require(not both, "workers", rule, self.workers, "It has workers of its own.")
        if self.scheduler is None:
            checks.count(0 if self.workers is None else self.workers, "workers")
        if self.threads is not None:
            rule, remedy = "be left out where a scheduler is given", "Say it to its workers."
            checks.require(self.scheduler is None, "threads", rule, self.threads, remedy)
            checks.count(self.threads, "threads")

    @property
    def engine_threads(self) -> int | None:
        """Threads of each worker on this machine; None where workers decide it themselves."""
        if self.workers is None:
            return None
        return self.threads or max(1, usable_cores() // self.workers)

    def check_installed(self) -> None:
        """Raise an ImportError that says how to install Dask, unless it is there."""
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            named = "workers" if self.scheduler is None else "scheduler"
            rule, value = "be left out where Dask is not installed", getattr(self, named)
            raise ImportError(checks.message(named, rule, value, INSTALL)) from error

    def blocks(
        self, task: BlockTask, blocks: Sequence[tuple[int, int]]
    ) -> Generator[Done, None, None]:
        """Yield the blocks as they are done.

        Raises
        ------
        OSError
            If the scheduler or its workers do not answer, or blocks cannot be read.
        """
        with self._client() as client:
            from distributed import as_completed

            waiting = iter(blocks)
            slots = GIVEN * max(1, sum(client.nthreads().values()))
            running = as_completed()
            for _, block in zip(range(slots), waiting, strict=False):
                running.add(_given(client, task, block, self.engine_threads))
            for future in running:
                yield _made(future)
                future.release()
                block = next(waiting, None)
                if block is not None:
                    running.add(_given(client, task, block, self.engine_threads))

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        from distributed import Client, LocalCluster

        if self.scheduler is not None:
            with _reached(self.scheduler, Client) as client:
                yield client
            return
        with (
            LocalCluster(
                n_workers=self.workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,  # type: ignore[arg-type]
                memory_limit=0,
                preload=["ctinr.batch.worker"],
            ) as local,
            Client(local) as client,
        ):
            yield client


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def _reached(address: str, client_type: Any) -> Iterator[Any]:
    try:
        client = client_type(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        rule, remedy = "name a Dask scheduler that answers", "Start it with: dask scheduler"
        given = f"{address!r} ({error})"
        raise OSError(checks.message("scheduler", rule, given, remedy)) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            rule, remedy = "have workers", f"Start them with: dask worker {address}"
            raise OSError(
                checks.message("scheduler", rule, f"{address!r} without one", remedy)
            ) from error
        yield client


def _made(future: Any) -> Done:
    """Return what a worker sent back."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        return future.result()
    except (KilledWorker, FutureCancelledError) as error:
        rule = "have a scheduler and workers that stay until a block is done"
        remedy = "Do they have enough memory? The same command goes on."
        raise OSError(checks.message("scheduler", rule, str(error)[:200], remedy)) from error


def _given(client: Any, task: BlockTask, block: tuple[int, int], threads: int | None) -> Any:
    # Not pure, so that it never is the task of another run on the same scheduler.
    return client.submit(computed, task, *block, threads=threads, pure=False, retries=RETRIES)


def computed(task: BlockTask, first: int, last: int, *, threads: int | None) -> Done:
    """Return a block, read and computed in a worker.

    Parameters
    ----------
    task : BlockTask
        What is to be done.
    first, last : int
        The slices from `first` up to `last`.
    threads : int, optional
        Of the engines; as many as the worker has if None.
    """
    from distributed import get_worker

    from ctinr.projectors.backends.numba_threads import use_threads
    from ctinr.recon.allocation import keep_freed_memory

    # Dask lets its workers return memory at once, and a method takes it again at every step.
    keep_freed_memory()
    rows = list(task.stack.read(first, last))
    with _TURN:
        use_threads(get_worker().state.nthreads if threads is None else threads)
        return task.solve(first, rows)
