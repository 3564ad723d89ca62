"""Progress on the terminal: bars with the time left, drawn by observers of the runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
        console = console or Console(stderr=True)
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
