"""A comparison: the projector, the split of the views, the jobs and the run record."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ctinr import checks
from ctinr.data import Scan
from ctinr.projectors import Projector, available_backends
from ctinr.recon.selection import split_views
from ctinr.recon.uncertainty import LEVEL, check_ensemble
from ctinr.report import Comparison, Cost, measured_cost, run_record
from recon_scripts._jobs import Job, Outcome, data_range_of, require_truth, run_all
from recon_scripts._methods import Task
from recon_scripts._options import MethodOptions
from recon_scripts._progress import Display


@dataclass(frozen=True)
class Settings:
    """What all jobs share.

    Raises
    ------
    ValueError
        If there is no engine of that name, or a number is out of its range; it is said before a
        scan is read.
    """

    options: MethodOptions
    seed: int = 0
    smoke: bool = False

    def __post_init__(self) -> None:
        checks.one_of(self.options.engine, "engine", ("auto", *available_backends()))
        checks.count(self.seed, "seed", least=0)
        if self.options.time_budget is not None:
            checks.positive(self.options.time_budget, "time_budget")
        _check_ensemble(self.options)


def _check_ensemble(options: MethodOptions) -> None:
    """Raise unless there are enough networks for an interval, and a level only where there are."""
    if options.ensemble is None:
        rule = "be left out unless an ensemble is asked for"
        checks.require(options.level is None, "level", rule, options.level, "Give --ensemble 8.")
        return
    level = LEVEL if options.level is None else options.level
    check_ensemble(options.ensemble, level, argument="ensemble")


def compare(
    scan: Scan, jobs: Sequence[Job], settings: Settings, *, display: Display, before: Cost
) -> Comparison:
    """Run the jobs and return their rows; an interrupt ends it with those there are by then.

    What went `before`, such as reading the scan, counts for the time and memory of the whole.
    """
    begun = time.perf_counter()
    require_truth(scan, oracle=any(job.oracle for job in jobs))
    if not any(job.method.name == "inr" for job in jobs):
        for name in ("ensemble", "checkpoint", "memory_budget"):
            rule, given = "be left out unless the method is inr", getattr(settings.options, name)
            checks.require(given is None, name, rule, str(given))
    remedy = "One is withheld to choose parameters, and two are the least to reconstruct from."
    checks.count(scan.num_views, "views", least=3, remedy=remedy)
    A = Projector(scan.geometry, scan.grid, backend=settings.options.engine)
    y = scan.sinogram
    engine = A.backend(y.device, y.dtype).name
    with display.stage(f"Preparing the engine {engine}"), measured_cost() as preparing:
        prepare(A, y)
    split = split_views(scan.geometry, seed=settings.seed)
    task = Task(A, y, split, settings.options, seed=settings.seed, smoke=settings.smoke)
    outcome = run_all(scan, jobs, task, display=display)
    record = record_of(
        task,
        outcome,
        engine=engine,
        seconds=before.seconds + time.perf_counter() - begun,
        costs=(before, preparing),
    )
    return Comparison(
        scan=scan,
        rows=tuple(outcome.rows),
        data_range=data_range_of(scan),
        warnings=(*outcome.troubles, *scan.warnings()),
        record=record,
        notes=tuple(scan.metadata.get("remarks", ())),
    )


def record_of(
    task: Task, outcome: Outcome, *, engine: str, seconds: float, costs: Sequence[Cost]
) -> dict[str, Any]:
    """Return the run record; `costs` are those of what went before the methods."""
    peaks = [cost.peak_memory for cost in (*costs, *outcome.rows)]
    return run_record(
        command=command_line(),
        seed=task.seed,
        engine=engine,
        engine_asked=task.options.engine,
        precision=str(task.y.dtype).removeprefix("torch."),
        withheld_views=[int(view) for view in task.split.withheld],
        seconds=seconds,
        peak_memory=max([size for size in peaks if size is not None], default=None),
        memory_separate=all(cost.separate for cost in costs),
        interrupted=outcome.interrupted,
    )


def prepare(A: Projector, y: torch.Tensor) -> None:
    """Use the engine once: what it compiles on first use shall not count for the first method."""
    A.T(y)
    A(torch.zeros(A.domain.shape, dtype=y.dtype, device=y.device))


def command_line() -> list[str]:
    """Return the command as it would be typed, without the place where it is installed."""
    name = Path(sys.argv[0]).stem.replace("_", "-")
    return ["ctinr", *([] if name in ("ctinr", "cli") else [name]), *sys.argv[1:]]
