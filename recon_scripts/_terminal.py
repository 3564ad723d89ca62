"""What commands say on the terminal, and with which code they end."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recon_scripts._interrupts import interruptible

FAILED, USER_ERROR, INTERRUPTED = 1, 2, 130
TRACEBACK = "CTINR_TRACEBACK"


def command(config_type: Any, main: Callable[[Any], int | None]) -> None:
    """Parse the command line into a config, run `main` and leave with its exit code."""
    name = f"ctinr {Path(sys.argv[0]).stem.replace('_', '-')}"
    leave(lambda: main(parsed(config_type, name=name)))


def leave(main: Callable[[], int | None]) -> None:
    """Run `main` and leave with its exit code; being told to end is an interrupt like Ctrl-C."""
    with interruptible():
        code = guarded(main)
    sys.exit(code)


def parsed(config_type: Any, *, name: str, description: str | None = None) -> Any:
    """Return the config that the command line asks for, or leave with help or a complaint.

    With a config memory is set up for the work that follows.
    """
    from tyro import cli, conf

    markers = (conf.FlagCreatePairsOff, conf.DisallowNone)
    config = cli(config_type, prog=name, description=description, config=markers)
    # Only now: it loads torch, which whoever asks for help need not wait for.
    from ctinr.recon.allocation import keep_freed_memory

    keep_freed_memory()
    return config


def script_options(description: str, *, out: str) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark and figure; `out` is their folder.

    Memory is set up for the work that follows, as commands do.
    """
    from ctinr.recon.allocation import keep_freed_memory

    keep_freed_memory()
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, default=Path(out), help="folder for the result")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it runs")
    return parser


def guarded(main: Callable[..., int | None], *configs: Any) -> int:
    """Run `main` and return the exit code: what the user got wrong is one message, not a trace."""
    try:
        return main(*configs) or 0
    except KeyboardInterrupt:
        complain("Interrupted before there was anything to keep.")
        return INTERRUPTED
    except Exception as error:
        if not is_users(error) or os.environ.get(TRACEBACK):
            raise
        complain(str(error))
        return USER_ERROR


def is_users(error: Exception) -> bool:
    """Tell an error in what the user gave from a defect: files, engines, and the house's form."""
    from ctinr.checks import BackendUnavailable

    if isinstance(error, OSError | BackendUnavailable):
        return True
    kinds = (ValueError, TypeError, ArithmeticError, ImportError)
    return isinstance(error, kinds) and str(error).startswith("`")


def complain(text: str) -> None:
    """Say on the error stream what went wrong."""
    console = Console(stderr=True, highlight=False)
    console.print("Error: ", style="bold red", end="")
    console.print(text, markup=False, soft_wrap=True)


def say(text: str = "", *, style: str | None = None) -> None:
    """Say something, in the user's words and not as markup."""
    Console(highlight=False).print(text, markup=False, soft_wrap=True, style=style)


def show_comparison(comparison: Any, folder: Path) -> None:
    """Show the table, which method is ahead, warnings, and where the files are."""
    if comparison.rows:
        show_whole(comparison_table(comparison))
        say("Withheld: relative error on views that the fit did not see.", style="dim")
    if comparison.data_range is not None:
        say(f"PSNR and SSIM refer to the data range {comparison.data_range}.", style="dim")
    say()
    say(comparison.ahead(), style="bold")
    for note in comparison.notes:
        say(note)
    for warning in comparison.warnings:
        say(f"Note: {warning}", style="yellow")
    say()
    if (Path(folder) / "report.html").exists():
        say(f"Report: {Path(folder) / 'report.html'}")
    say(f"Images and numbers: {', '.join(others(folder))} in {folder}", style="dim")


def exit_code(comparison: Any) -> int:
    """Return the exit code of a comparison that was written."""
    if comparison.record["interrupted"]:
        return INTERRUPTED
    return FAILED if any(row.reconstruction.diverged for row in comparison.rows) else 0


def show_whole(table: Table) -> None:
    """Show a table with all its digits, also where the terminal is too narrow for them."""
    needed = Console(width=1000).measure(table).maximum
    console = Console(highlight=False)
    console.width = max(console.width, needed)
    console.print(table, crop=False)


def show_rows(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Show rows that have the same entries, numbers with four digits, under a title."""
    table = Table(title=title)
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
    show_whole(table)


def show_facts(title: str, facts: Mapping[str, str]) -> None:
    """Show terms and values under a title."""
    table = Table(
        title=Text(title, style="bold"), title_justify="left", box=None, show_header=False
    )
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for term, value in facts.items():
        table.add_row(Text(term), Text(value))
    console = Console(highlight=False)
    console.print(table)
    console.print()


def others(folder: Path) -> list[str]:
    """Return the names of what is in a folder besides the report."""
    return sorted(entry.name for entry in Path(folder).iterdir() if entry.name != "report.html")


def comparison_table(comparison: Any) -> Table:
    """Return the rows of a comparison as a table."""
    from ctinr.report import wording

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Method", no_wrap=True)
    measured = ("PSNR, dB", "SSIM", "RMSE, 1/mm") if comparison.truth_known else ()
    for title in (*measured, "Withheld", "Time", "Memory"):
        table.add_column(title, justify="right", no_wrap=True)
    best = comparison.ranking()[0][0].key if comparison.ranking() else ""
    for row in comparison.rows:
        values = row.metrics
        numbers = (
            wording.decibel(values["psnr"]).removesuffix(" dB") if values else "",
            f"{values['ssim']:.3f}" if "ssim" in values else "–",
            wording.number(values["rmse"]) if values else "",
        )
        withheld = "–" if row.withheld_error is None else wording.percent(row.withheld_error)
        table.add_row(
            row.label,
            *numbers[: len(measured)],
            withheld,
            wording.duration(row.seconds),
            wording.memory(row.peak_memory),
            style="bold" if row.key == best else "dim" if row.oracle else None,
        )
    return table
