"""Kill a run again and again, at random moments, until it is through.

    python -m tests.batch.killed SCAN.h5 VOLUME.h5 --method tv --kills 20 --seed 0

One process loads the program and forks each run, so that a kill costs no new start. Before it has
computed anything itself, a fork of it is as good as a new process. With `--points` runs are killed
at moments that a timer hardly meets: half way through a record, a folder or a rename.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from pathlib import Path

import h5py

from ctinr.batch import Job, Method, open_stack, reconstruct_stack
from ctinr.batch import reconstruct as reconstruct_module
from ctinr.batch.journal import Journal
from ctinr.batch.unfinished import Unfinished

METHODS = {"fbp": Method("fbp", window="hann"), "tv": Method("tv", weight=0.002)}


class Fuse:
    """Kills the process at the n-th moment that somebody passes."""

    def __init__(self, length: int) -> None:
        self.left = length

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def lay(fuse: Fuse) -> None:
    """Let the moments of a run pass the fuse."""
    write, keep, finish, remove = (
        Journal._write,
        Unfinished.keep,
        Unfinished.finish,
        Unfinished.remove,
    )

    def half_written(self, values):
        view = memoryview(values)
        write(self, view[: len(view) // 2])
        fuse()
        write(self, view[len(view) // 2 :])
        fuse()

    def around(call):
        def passed(*arguments, **keywords):
            fuse()
            call(*arguments, **keywords)
            fuse()

        return passed

    def images(journal):
        for image in read_images(journal):
            fuse()
            yield image

    read_images = reconstruct_module._images
    Journal._write = half_written
    Unfinished.keep, Unfinished.finish, Unfinished.remove = map(around, (keep, finish, remove))
    reconstruct_module._images = images


def run(options: argparse.Namespace, fuse: int) -> None:
    """Do the job in this process."""
    if fuse:
        lay(Fuse(fuse))
    job = Job(METHODS[options.method], compression=options.compression)
    reconstruct_stack(open_stack(options.scan), options.out, job, overwrite=options.overwrite)


def forked(options: argparse.Namespace, *, fuse: int = 0, after: float | None = None) -> int:
    """Do it in a fork, which is killed after so many seconds; return its code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run(options, fuse)
            code = 0
        finally:
            os._exit(code)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def check_file(out: Path, before: bytes | None) -> None:
    """Raise if there is a file of the volume's name that is neither the older one nor whole."""
    if out.exists() and (before is None or out.read_bytes() != before):
        with h5py.File(out) as file:
            file["volume"][...]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--method", choices=METHODS, default="fbp")
    parser.add_argument("--compression", default="none")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--points", type=int, default=0, help="kill within the first so many")
    parser.add_argument("--seconds", type=float, default=0.5, help="kill within so many seconds")
    parser.add_argument("--overwrite", action="store_true")
    options = parser.parse_args()
    before = options.out.read_bytes() if options.out.exists() else None
    moments, killed = random.Random(options.seed), 0
    for _ in range(options.kills):
        if options.points:
            code = forked(options, fuse=moments.randint(1, options.points))
        else:
            code = forked(options, after=moments.uniform(0, options.seconds))
        if code not in (0, -signal.SIGKILL):
            return 1
        killed += code != 0
        check_file(options.out, before)
    code = forked(options)
    check_file(options.out, before)
    sys.stdout.write(f"killed {killed}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
