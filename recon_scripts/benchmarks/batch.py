"""Time stacks of slices: how fast they are read, FBP beside ASTRA's, and TV by two workers.

Read: the reader of stacks beside a bare loop of h5py over the chunks of the same file, each from
the disk, in turns. FBP: slices of the shape of LoDoPaB-CT (1000 x 513 to 362 x 362) from file to
file, beside ASTRA's FBP on the CPU, slice by slice in memory. TV: one worker and two, of one
thread or two.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ctinr.batch import Cluster, Job, Method, open_stack, reconstruct_stack
from ctinr.batch.blocks import rows_of
from ctinr.batch.budget import WAITING, flow_within
from ctinr.batch.cluster import usable_cores
from ctinr.batch.pipeline import ReadAhead
from ctinr.batch.stack import Stack
from ctinr.data.hdf5_access import dataset
from ctinr.projectors.backends.numba_threads import use_threads
from ctinr.report.memory import measured_cost, peak_resident
from recon_scripts.benchmarks._stacks import forget, lodopab_file, rows_file
from recon_scripts.benchmarks._timing import options_of, publish, take_turns

BUDGET = 2 * 10**9
PARTS = ("read", "fbp", "tv")
# Who computes TV; the first two are what the others are compared with.
WORKERS = {
    "1 worker, 1 thread": Cluster(1, threads=1),
    "1 worker, 2 threads": Cluster(1, threads=2),
    "2 workers, 1 thread each": Cluster(2, threads=1),
    "this process, 2 threads": None,
}
Row = dict[str, Any]


def read_rates(path: Path, rounds: int) -> list[Row]:
    """Return bytes a second of the reader of stacks and of a bare loop, and their memory."""
    stack = open_stack(path)
    calls = {
        "reader of stacks": lambda: read_stack(stack),
        "h5py, chunk by chunk": lambda: bare(path),
    }
    size, peaks = path.stat().st_size, {name: memory_of(call) for name, call in calls.items()}

    def cold(call: Callable[[], None]) -> Callable[[], None]:
        def forgotten() -> None:
            forget(path)
            call()

        return forgotten

    seconds = take_turns({name: cold(call) for name, call in calls.items()}, rounds=rounds)
    return [
        {
            "what": name,
            "file GB": size / 1e9,
            "s": seconds[name],
            "GB a s": size / 1e9 / seconds[name],
            "memory besides MB": peaks[name] / 1e6,
        }
        for name in calls
    ]


def read_stack(stack: Stack) -> None:
    """Go through all slices, ready to be computed, and let each go."""
    flow = flow_within(BUDGET, stack, "fbp", side_by_side=8)
    with ReadAhead(rows_of(stack, flow.blocks(0, len(stack)), flow), WAITING) as ahead:
        for _ in ahead:
            pass


def bare(path: Path) -> None:
    """Read every chunk of the file, and let it go."""
    with h5py.File(path) as file:
        field = dataset(file, "sinogram")
        for chunk in field.iter_chunks():
            field[chunk]


def memory_of(call: Callable[[], None]) -> int:
    """Return what memory a call needs beyond what there was."""
    with measured_cost() as cost:
        before = peak_resident() or 0
        call()
    return (cost.peak_memory or 0) - before


def fbp_beside_astra(path: Path, folder: Path, *, most: int) -> list[Row]:
    """Return seconds a slice from file to file, and of ASTRA's FBP of the first slices."""
    stack = open_stack(path)
    cpu, begun = time.process_time(), time.perf_counter()
    with measured_cost() as cost:
        before = peak_resident() or 0
        job = Job(Method("fbp", window="ram-lak"), memory_budget=BUDGET)
        reconstruct_stack(stack, folder / "fbp.h5", job)
    wall = time.perf_counter() - begun
    ours = wall / len(stack)
    row = {
        "what": "FBP, ctinr, file to file",
        "slices": len(stack),
        "s a slice": ours,
        "times ASTRA": "",
        "cores busy %": 100 * (time.process_time() - cpu) / wall / usable_cores(),
        "memory besides MB": ((cost.peak_memory or 0) - before) / 1e6,
    }
    if importlib.util.find_spec("astra") is None:
        return [row]
    theirs = astra_seconds(stack, most)
    row["times ASTRA"] = theirs / ours
    beside = dict.fromkeys(row, "") | {"what": "FBP, ASTRA, in memory", "s a slice": theirs}
    return [row, beside | {"slices": min(most, len(stack)), "times ASTRA": 1.0}]


def astra_seconds(stack: Stack, most: int) -> float:
    """Return the seconds that ASTRA's FBP on the CPU takes for a slice, data in memory."""
    import astra

    rows = [np.asarray(row) for row in stack.read(0, min(most, len(stack)))]
    side, spacing = stack.grid.shape[-1], stack.grid.spacing[-1]
    angles, detector = np.asarray(stack.geometry.angles), stack.geometry.detector
    cells = astra.create_vol_geom(side, side)
    rays = astra.create_proj_geom("parallel", detector.pitch[0] / spacing, len(rows[0][0]), angles)
    config: Any = astra.astra_dict("FBP")
    config["ProjectorId"] = astra.create_projector("linear", rays, cells)
    config["ProjectionDataId"] = astra.data2d.create("-sino", rays)
    config["ReconstructionDataId"] = astra.data2d.create("-vol", cells)
    config["FilterType"] = "ram-lak"
    algorithm = astra.algorithm.create(config)
    begun = time.perf_counter()
    for row in rows:
        astra.data2d.store(config["ProjectionDataId"], row)
        astra.algorithm.run(algorithm)
        astra.data2d.get(config["ReconstructionDataId"])
    seconds = (time.perf_counter() - begun) / len(rows)
    astra.algorithm.delete(algorithm)
    astra.data2d.clear()
    astra.projector.clear()
    return seconds


def tv_by_workers(path: Path, folder: Path, *, views: int, most: int | None) -> list[Row]:
    """Return the seconds of TV by one worker and by two, their start and end included.

    Two workers of one thread each are what `--workers 2` means on two cores; beside them are one
    of one thread, one of two, and this process with two. On a machine that does other work too,
    the seconds of the processors tell more. `most` leaves the later ones out.
    """
    stack, rows = open_stack(path, num_views=views), []
    use_threads(2)
    for name, cluster in islice(WORKERS.items(), most):
        out, before = folder / f"tv{len(rows)}.h5", processor_seconds()
        job = Job(Method("tv", weight=1e-2), cluster=cluster)
        seconds = reconstruct_stack(stack, out, job).seconds
        spent = processor_seconds() - before
        rows.append({"who": name, "slices": len(stack), "s": seconds, "s of processors": spent})
    alone = rows[0]["s"], rows[1]["s"]
    return [
        {**row, "times 1 thread": alone[0] / row["s"], "times 2 threads": alone[1] / row["s"]}
        for row in rows
    ]


def processor_seconds() -> float:
    """Return what this process has computed, and those that it started and that have ended."""
    return sum(os.times()[:4])


def parsed() -> argparse.Namespace:
    """Return the options of the command line; a smoke run is tiny."""
    parser = options_of(__doc__ or "")
    parser.add_argument("--parts", default=",".join(PARTS), help="with commas between them")
    parser.add_argument("--gigabytes", type=float, default=4.0, help="size of the file to read")
    parser.add_argument("--slices", type=int, default=500, help="of FBP")
    parser.add_argument("--tv-slices", type=int, default=32)
    parser.add_argument("--views", type=int, default=100, help="of TV")
    parser.add_argument("--rounds", type=int, default=3, help="of reading")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    if not set(options.parts) <= set(PARTS):
        parser.error(f"--parts must be some of {', '.join(PARTS)}")
    if options.smoke:
        options.gigabytes, options.slices, options.tv_slices = 0.02, 2, 2
        options.views, options.rounds = 4, 1
    return options


def main() -> None:
    """Make the files, time what is done with them, and publish the figures."""
    options = parsed()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "read" in options.parts:
            path = rows_file(folder / "rows.h5", num_bytes=int(options.gigabytes * 1e9))
            publish("Batch read: median", read_rates(path, options.rounds), options.out)
            path.unlink()
        if "fbp" in options.parts:
            path = lodopab_file(folder, options.slices)
            publish("Batch FBP: one run", fbp_beside_astra(path, folder, most=20), options.out)
        if "tv" in options.parts:
            path = lodopab_file(folder, options.tv_slices)
            rows = tv_by_workers(
                path, folder, views=options.views, most=2 if options.smoke else None
            )
            publish("Batch TV: one run", rows, options.out)


if __name__ == "__main__":
    main()
