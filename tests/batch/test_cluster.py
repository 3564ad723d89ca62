"""Blocks computed by other processes: the same bits, and a worker that dies takes nothing along."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ctinr.batch import Cluster, Job, Method, open_stack, reconstruct_stack
from ctinr.batch.cluster import _made
from tests.batch.stacks import cells, write

ROOT = Path(__file__).parent.parent.parent
TV = Method("tv", weight=0.002)
OPTIONS = ("--no-nanny", "--no-dashboard", "--nthreads", "1")
# Those of Dask when a worker is gone are what this is about.
QUIET = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "a.h5", 16)


def whole(path, out):
    reconstruct_stack(open_stack(path), out, Job(TV))
    return cells(out).tobytes()


@QUIET
@pytest.mark.slow
def test_workers_on_this_machine_give_the_same_bits(path, tmp_path):
    told = []
    job = Job(TV, cluster=Cluster(workers=2))
    out = tmp_path / "v.h5"
    summary = reconstruct_stack(open_stack(path), out, job, report=lambda *done: told.append(done))
    assert summary.done == 16 and told[0] == (0, 16) and told[-1] == (16, 16)
    assert cells(out).tobytes() == whole(path, tmp_path / "w.h5")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def processes():
    """Give a function that starts a Dask process; all are ended with the block."""
    running = []

    def start(*arguments):
        command = [sys.executable, "-m", "dask", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        running.append(subprocess.Popen(command, cwd=ROOT, env=environment, **silent))
        return running[-1]

    try:
        yield start
    finally:
        for process in running:
            process.kill()
            process.wait()


@QUIET
@pytest.mark.slow
def test_a_worker_that_is_killed_takes_nothing_along(path, tmp_path):
    port, out = free_port(), tmp_path / "v.h5"
    address = f"tcp://127.0.0.1:{port}"
    with processes() as start:
        start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        workers = [start("worker", address, *OPTIONS) for _ in range(2)]
        wait_for(address, 2)
        victim = []

        def report(done, total):
            if done >= 4 and not victim:
                victim.append(workers[0])
                workers[0].kill()

        job = Job(TV, cluster=Cluster(scheduler=address))
        summary = reconstruct_stack(open_stack(path), out, job, report=report)
    assert victim and summary.done == 16 and not summary.failed
    assert cells(out).tobytes() == whole(path, tmp_path / "w.h5")


def wait_for(address, number):
    from distributed import Client

    end = time.monotonic() + 60
    while True:
        try:
            with Client(address, timeout=5) as client:
                return client.wait_for_workers(number, timeout=60)
        except OSError:
            if time.monotonic() > end:
                raise


@QUIET
def test_a_scheduler_that_does_not_answer_is_named(path, tmp_path, monkeypatch):
    monkeypatch.setattr("ctinr.batch.cluster.PATIENCE", 0.5)
    job = Job(TV, cluster=Cluster(scheduler=f"tcp://127.0.0.1:{free_port()}"))
    message = r"`scheduler` must name a Dask scheduler that answers; got 'tcp://.* dask scheduler"
    with pytest.raises(OSError, match=message):
        reconstruct_stack(open_stack(path), tmp_path / "v.h5", job)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ctinr")]


def test_without_dask_the_error_says_how_to_install_it(path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    message = r"`workers` must be left out where Dask is not installed; got 2\. .*ctinr\[cluster\]"
    with pytest.raises(ImportError, match=message):
        reconstruct_stack(open_stack(path), tmp_path / "v.h5", Job(TV, cluster=Cluster(workers=2)))


class Lost:
    """What Dask gives for a block whose workers died again and again."""

    def result(self):
        from distributed import KilledWorker

        raise KilledWorker("slices", SimpleNamespace(address="tcp://10.0.0.1:1"), 3)


def test_workers_that_die_again_and_again_are_an_error_of_the_house():
    with pytest.raises(OSError, match="`scheduler` must have a scheduler and workers that stay"):
        _made(Lost())


def test_which_processes_is_said_once():
    with pytest.raises(ValueError, match="`workers` must be at least 1"):
        Cluster(workers=0)
    with pytest.raises(ValueError, match="`workers` must be at least 1"):
        Cluster()
    with pytest.raises(ValueError, match="`workers` must be left out where a scheduler is given"):
        Cluster(workers=2, scheduler="tcp://a:1")
    with pytest.raises(ValueError, match="`threads` must be left out where a scheduler is given"):
        Cluster(scheduler="tcp://a:1", threads=2)
    with pytest.raises(ValueError, match="`threads` must be at least 1"):
        Cluster(workers=2, threads=0)
    assert Cluster(scheduler="tcp://a:1").engine_threads is None
    assert Cluster(workers=10**6).engine_threads == 1
    assert Cluster(workers=2, threads=3).engine_threads == 3


@pytest.mark.slow
def test_a_worker_that_is_done_with_leaves_at_once():
    code = (
        "from types import SimpleNamespace as Dask\n"
        "from ctinr.batch.worker import dask_setup\n"
        "class Slow:\n"
        "    def __del__(self): print('taken apart')\n"
        "slow = Slow()\n"
        "dask_setup(Dask())\n"
        "print('done', end='')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert ran.stdout == b"done"
