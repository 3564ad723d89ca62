"""All slices of a file into one volume: what `reconstruct` does where --out names a file."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from ctinr import checks
from ctinr.batch import (
    Cluster,
    Job,
    Method,
    Stack,
    Summary,
    open_stack,
    parse_bytes,
    reconstruct_stack,
)
from ctinr.batch.choosing import NUMBERS
from ctinr.data import write_scan
from ctinr.recon.neural_field.recipe import Recipe
from recon_scripts._methods import FAMILIES, SMOKE_FAMILIES, SMOKE_RECIPE
from recon_scripts._options import StackOptions
from recon_scripts._progress import Display, SliceCounter
from recon_scripts._reading import reading_options
from recon_scripts._scans import SMOKE_VIEWS, SMOKE_VOLUME_SIZE, phantom_scan
from recon_scripts._setups import Setup
from recon_scripts._terminal import FAILED, INTERRUPTED, say

if TYPE_CHECKING:
    from recon_scripts.reconstruct import Reconstruct

SUFFIXES = (".h5", ".hdf5")
# What says how one scan is read or run, and has no meaning for all slices.
OF_ONE = ("slice", "protocol", "photons", "time_budget", "ensemble", "level", "checkpoint")
# More reasons than this are not listed; all are in the file.
MOST_LISTED = 5


def names_volume(out: Path | None) -> bool:
    """Tell whether the result is to be a file, and so a volume of all slices."""
    return out is not None and out.suffix.lower() in SUFFIXES


def refuse_stack_options(config: Reconstruct) -> None:
    """Raise if one scan is reconstructed and an option is given that is for all slices."""
    for option in fields(StackOptions):
        rule = "be left out unless --out names a file that ends in .h5, for all slices"
        value = getattr(config, option.name)
        checks.require(value is None, option.name, rule, value)


def reconstruct_all(config: Reconstruct) -> int:
    """Reconstruct all slices into a volume and return the exit code."""
    job = job_of(config)
    out = Path(os.fspath(config.out or ""))
    with _stack_of(config) as stack, Display() as display:
        for warning in stack.metadata.get("warnings", ()):
            say(f"Note: {warning}", style="yellow")
        with display.stage(f"Preparing {config.method}") as bar:
            summary = reconstruct_stack(
                stack, out, job, overwrite=config.overwrite, report=SliceCounter(bar, display)
            )
    show_summary(summary, config.method)
    if summary.interrupted:
        return INTERRUPTED
    return FAILED if summary.failed else 0


def job_of(config: Reconstruct) -> Job:
    """Return the job that the options ask for; what does not fit them is said here."""
    for name in OF_ONE:
        rule, value = "be left out where --out names a volume", getattr(config, name)
        remedy = "--slices A:B names some of the slices." if name == "slice" else ""
        checks.require(value is None, name, rule, value, remedy)
    rule = f"be one of {', '.join(NUMBERS)} where --out names a volume"
    remedy = "A cone beam is reconstructed as a whole, into a folder."
    checks.require(config.method in NUMBERS, "method", rule, repr(config.method), remedy)
    method = Method(
        config.method,
        window=config.window,
        cutoff=config.cutoff,
        prior=config.prior,
        weight=config.weight,
        samples=5 if config.samples is None else config.samples,
        family=(SMOKE_FAMILIES if config.smoke else FAMILIES)[config.family],
        recipe=SMOKE_RECIPE if config.smoke else Recipe(),
        seed=config.seed,
    )
    spread = config.workers is not None or config.scheduler is not None
    rule = "be left out unless --workers is given"
    checks.require(spread or config.threads is None, "threads", rule, config.threads)
    return Job(
        method,
        slices=None if config.slices is None else parsed_slices(config.slices),
        engine=config.engine,
        memory_budget=parse_bytes(config.memory_budget or "2GB"),
        compression=config.compression or "none",
        cluster=Cluster(config.workers, config.scheduler, config.threads) if spread else None,
    )


def parsed_slices(text: str) -> tuple[int, int | None]:
    """Return from where up to where "A:B", ":B" or "A:" goes; None is the end."""
    found = re.fullmatch(r"(\d*):(\d*)", text.strip())
    rule = "be two numbers with a colon between them, as in 10:20"
    if found is None:
        raise ValueError(checks.message("slices", rule, repr(text), "The second is not included."))
    return int(found[1] or 0), int(found[2]) if found[2] else None


@contextlib.contextmanager
def _stack_of(config: Reconstruct) -> Iterator[Stack]:
    """Give the stack of the file that is named, or a tiny one."""
    given = {**reading_options(config), "coarsen": config.coarsen}
    if config.scan is not None:
        stack = open_stack(config.scan, num_views=config.views, **given)
        few = config.smoke and stack.geometry.num_views > SMOKE_VIEWS
        yield open_stack(config.scan, num_views=SMOKE_VIEWS, **given) if few else stack
        return
    checks.require(config.smoke, "scan", "be given", "nothing", "Name a file of slices.")
    setup = Setup("parallel-3d")
    scan = phantom_scan(
        "ball", size=SMOKE_VOLUME_SIZE, views=SMOKE_VIEWS, seed=config.seed, setup=setup
    )
    with tempfile.TemporaryDirectory() as folder:
        write_scan(Path(folder) / "smoke.h5", scan)
        yield open_stack(Path(folder) / "smoke.h5", num_views=config.views, **given)


def show_summary(summary: Summary, method: str) -> None:
    """Say what was done, what failed, and how to go on."""
    new = summary.done - summary.earlier
    numbers = {name: value for name, value in summary.numbers.items() if name != "norm"}
    if numbers:
        listed = ", ".join(f"{name} {value}" for name, value in numbers.items())
        say(f"{method.upper()} with {listed}")
    if summary.earlier:
        say(f"Done by an earlier run: {summary.earlier} of {summary.slices} slices.")
    if new:
        say(f"{new} slices in {summary.seconds:.3g} s, {new / summary.seconds:.3g} a second.")
    if summary.failed:
        say(f"Not reconstructed, and NaN in the volume: {len(summary.failed)}.", style="yellow")
        for number, reason in list(summary.failed.items())[:MOST_LISTED]:
            say(f"  slice {number}: {reason}", style="yellow")
    if summary.interrupted:
        say(
            f"Interrupted: {summary.done} of {summary.slices} slices are kept in "
            f"{summary.out}.partial. The same command goes on from there.",
            style="bold",
        )
    else:
        say(f"Volume: {summary.out}")
