"""Bars are drawn on a terminal, and only there."""

from __future__ import annotations

import io

import pytest
import torch
from rich.console import Console

from ctinr.recon.run import Step, run
from recon_scripts._progress import Display, SliceCounter


def steps(count):
    return (Step(index, 1.0, torch.zeros(1)) for index in range(1, count + 1))


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=120)


def test_a_bar_follows_the_run_and_tells_the_time_left(terminal):
    with Display(terminal) as display, display.stage("TV") as bar:
        run(steps(3), 10, (bar,))
        bar.begin(10)
        bar.observe(Step(5, 1.0, torch.zeros(1)))
        display._progress.refresh()
    shown = terminal.file.getvalue()
    assert "TV" in shown
    assert "5/10" in shown
    assert "left" in shown


def test_every_run_starts_the_bar_anew(terminal):
    with Display(terminal) as display, display.stage("TV") as bar:
        run(steps(4), 4, (bar,))
        task = display._progress.tasks[0]
        assert task.total is None
        bar.begin(7)
        assert (task.total, task.completed, task.description) == (7, 0, "TV, run 2")
    assert display._progress.tasks == []


def test_a_name_is_not_markup(terminal):
    with Display(terminal) as display, display.stage("[red]odd[/b]"):
        display._progress.refresh()
    assert "[red]odd[/b]" in terminal.file.getvalue()


def test_nothing_is_drawn_where_there_is_no_terminal():
    quiet = Console(file=io.StringIO())
    with Display(quiet) as display, display.stage("TV") as bar:
        found = run(steps(3), 3, (bar,))
    assert quiet.file.getvalue() == ""
    assert found.iterations == 3


def counted(console, *calls):
    """Show calls of 0 s, 2 s, 4 s … and return what was written."""
    seconds = iter(range(0, 100, 1))
    with Display(console) as display, display.stage("FBP") as bar:
        counter = SliceCounter(bar, display, clock=lambda: float(next(seconds)))
        for done, total in calls:
            counter(done, total)
            display._progress.refresh()
    return console.file.getvalue()


def test_slices_are_counted_in_few_plain_lines_where_there_is_no_terminal():
    calls = [(40, 400), *((40 + 8 * step, 400) for step in range(1, 46))]
    lines = counted(Console(file=io.StringIO(), width=40), *calls).splitlines()
    assert lines[0] == "80 of 400 slices, 8 a second, 40 s left"
    assert lines[-1] == "400 of 400 slices, 8 a second"
    assert len(lines) == 9


def test_slices_are_a_bar_with_their_rate_on_a_terminal(terminal):
    shown = counted(terminal, (0, 20), (8, 20))
    assert "8/20" in shown and "Slices, 8 a second" in shown
    assert "of 20 slices" not in shown
