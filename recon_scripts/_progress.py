"""Progress on the terminal: bars with the time left, drawn by observers of the runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Display:
    """Bars on the error stream while the block lasts; nothing where it is not a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console = console or Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("elapsed", style="dim"),
            TimeElapsedColumn(),
            TextColumn("left", style="dim"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, *reason: Any) -> None:
        self._progress.stop()

    @contextmanager
    def stage(self, description: str) -> Iterator[Bar]:
        """Show one piece of work while the block lasts, and yield the observer that fills it."""
        bar = Bar(self._progress, description)
        try:
            yield bar
        finally:
            bar.remove()


class Bar:
    """An observer that draws how far a run is; every run that it sees starts it anew."""

    def __init__(self, progress: Progress, description: str) -> None:
        self._progress, self._description, self._runs = progress, description, 0
        self._task = progress.add_task(description, total=None)

    def rename(self, description: str) -> None:
        """Show another description from the next run on."""
        self._description = description
        self._progress.update(self._task, description=description)

    def begin(self, iterations: int) -> None:
        """Start a bar of so many iterations."""
        self._runs += 1
        name = self._description + (f", run {self._runs}" if self._runs > 1 else "")
        self._progress.reset(self._task, total=iterations, description=name)

    def observe(self, step: Any) -> str | None:
        """Move the bar on; never stop the run."""
        return self.reach(step.index)

    def reach(self, count: int) -> None:
        """Show that so many of the pieces are done."""
        self._progress.update(self._task, completed=count)

    def end(self) -> None:
        """Let the bar show that something goes on until the next run or the end of the stage."""
        self.remove()
        self._task = self._progress.add_task(self._description, total=None)

    def remove(self) -> None:
        """Take the bar away."""
        self._progress.remove_task(self._task)


class SliceCounter:
    """Told how many slices are done: a bar on a terminal, elsewhere a line for every tenth of them.

    Both have the slices a second since the first call and the time that is left at that rate.
    """

    def __init__(
        self, bar: Bar, display: Display, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bar, self._console, self._clock = bar, display.console, clock
        self._begun, self._first, self._tenth = 0.0, -1, 0

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is."""
        now = self._clock()
        if self._first < 0:
            self._begun, self._first, self._tenth = now, done, 10 * done // total
            self._bar.rename("Slices")
            self._bar.begin(total)
        rate = (done - self._first) / max(now - self._begun, 1e-9)
        if rate > 0:
            self._bar.rename(f"Slices, {rate:.3g} a second")
        self._bar.observe(SimpleNamespace(index=done))
        tenth = 10 * done // total
        if not self._console.is_terminal and rate > 0 and tenth > self._tenth:
            left = "" if done == total else f", {(total - done) / rate:.0f} s left"
            text = f"{done} of {total} slices, {rate:.3g} a second{left}"
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
            self._tenth = tenth
