"""One method after the other: run, measured, and kept when the next one fails or is interrupted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ctinr import checks
from ctinr.data import Scan
from ctinr.report import DataRange, Row, label_of, measure, measured_cost, range_of_truth
from recon_scripts._curves import FinalCurve, convergence, curve_of
from recon_scripts._deadline import OUT_OF_TIME, Deadline
from recon_scripts._methods import Method, Task
from recon_scripts._progress import Display
from recon_scripts._terminal import TRACEBACK

# What a method may fail with without taking the others with it; anything else is a defect.
FAILURES = (ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError)


@dataclass(frozen=True, eq=False)
class Job:
    """A method to run, tuned without the truth or, as an oracle, against it."""

    method: Method
    oracle: bool = False

    @property
    def label(self) -> str:
        """The name in tables and on the terminal."""
        return label_of(self.method.name, oracle=self.oracle)


@dataclass
class Outcome:
    """What the jobs have reached so far."""

    rows: list[Row] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    interrupted: bool = False


def jobs_of(methods: Sequence[Method], *, oracle: bool = False) -> list[Job]:
    """Return each method, followed by its oracle where that is wanted and exists."""
    pairs = [(Job(method), Job(method, oracle=True)) for method in methods]
    wanted = [job for pair in pairs for job in pair if oracle or not job.oracle]
    return [job for job in wanted if not job.oracle or job.method.oracle is not None]


def require_truth(scan: Scan, *, oracle: bool) -> None:
    """Raise if oracles are asked for and there is no truth to tune them against."""
    remedy = "Measured scans are compared on withheld views."
    if oracle and scan.truth is None:
        rule = "be left out where the truth is not known"
        raise ValueError(checks.message("oracle", rule, "a scan without truth", remedy))


def data_range_of(scan: Scan) -> DataRange | None:
    """Return what PSNR and SSIM of a scan refer to; None where the truth is not known."""
    if scan.truth is None:
        return None
    if scan.metadata.get("protocol") == "paper":
        return DataRange(1.0, "the paper's: pictures are scaled to values from 0 to 1")
    return range_of_truth(scan.truth)


def run_all(scan: Scan, jobs: Sequence[Job], task: Task, *, display: Display) -> Outcome:
    """Return the rows of all jobs, or of those that were done when the user had enough."""
    outcome = Outcome()
    for place, job in enumerate(jobs):
        try:
            row = run_job(scan, job, task, display=display)
            outcome.rows.append(row)
            outcome.interrupted = row.interrupted
            if row.reconstruction.stopped_by == OUT_OF_TIME:
                outcome.troubles.append(out_of_time(job, task))
            if row.reconstruction.diverged:
                outcome.troubles.append(divergence(job, row.reconstruction.stopped_by))
        except KeyboardInterrupt:
            outcome.interrupted = True
        except FAILURES as error:
            # Where there is nothing to lose, the error is the command's.
            if os.environ.get(TRACEBACK) or (job is jobs[-1] and not outcome.rows):
                raise
            outcome.troubles.append(f"{job.label} could not be run: {error}")
        if outcome.interrupted:
            outcome.troubles.append(interruption(outcome.rows, jobs[place:]))
            return outcome
    return outcome


def interruption(rows: Sequence[Row], left: Sequence[Job]) -> str:
    """Return in a sentence where the user ended it and what is missing."""
    begun, missing = left[0].label, [job.label for job in left[1:]]
    kept = bool(rows) and rows[-1].label == begun
    reached = "it is shown as far as it got" if kept else "it had not got far enough to show"
    rest = f"; not run: {', '.join(missing)}" if missing else ""
    return f"Interrupted during {begun}: {reached}{rest}."


def out_of_time(job: Job, task: Task) -> str:
    """Return in a sentence that the budget ended a method."""
    budget = f"{task.options.time_budget:g} s"
    return (
        f"{job.label} was ended by the time budget of {budget}: it is shown as far as it got, its "
        "parameters chosen among those that had been tried."
    )


def divergence(job: Job, reason: str) -> str:
    """Return in a sentence that a method went wrong, and what is shown of it."""
    return f"{job.label} was ended because its {reason}: shown is its last good image."


def run_job(scan: Scan, job: Job, task: Task, *, display: Display) -> Row:
    """Run one job and measure it."""
    data_range = data_range_of(scan)
    curve = FinalCurve(lambda: curve_of(scan.truth, data_range))
    deadline = Deadline(task.options.time_budget)
    with display.stage(job.label) as bar, measured_cost() as cost:
        own = replace(task, observers=(bar, curve, deadline), counters=(bar, deadline))
        if job.oracle and job.method.oracle is not None and data_range is not None:
            known = replace(own, truth=scan.truth, data_range=data_range.value)
            found = job.method.oracle(known)
        else:
            found = job.method.tuned(own)
    row = measure(
        job.method.name,
        deadline.judged(found),
        cost=cost,
        truth=scan.truth,
        data_range=data_range,
        oracle=job.oracle,
    )
    return replace(row, convergence=convergence(curve.curve, scan.truth is not None))
