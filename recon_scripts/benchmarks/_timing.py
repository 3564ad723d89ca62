"""Side-by-side timing: the contenders take turns in one run, so drift hits all alike."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import torch

from ctinr.report.record import processor
from recon_scripts._terminal import script_options, show_rows

Name = TypeVar("Name", bound=Hashable)


def take_turns(contenders: Mapping[Name, Callable[[], Any]], *, rounds: int) -> dict[Name, float]:
    """Return the median seconds of each contender, called once a round after one warm-up."""
    for call in contenders.values():
        call()
    seconds: dict[Name, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            begun = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in seconds.items()}


def machine() -> dict[str, Any]:
    """Return what a reader must know about the machine to compare."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "vector unit": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": date.today().isoformat(),
    }


def publish(title: str, rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Print rows as a table and write them, with the machine, to `out` as JSON."""
    show_rows(title, rows)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{title.split(':', maxsplit=1)[0].replace(' ', '_').lower()}.json"
    path.write_text(json.dumps({"machine": machine(), "rows": list(rows)}, indent=2) + "\n")


def parse(description: str, *, more: str | None = None) -> argparse.Namespace:
    """Return the options that every benchmark has, and keep memory as the commands do.

    All contenders profit from that alike. A benchmark that can do `more` says what that is.
    """
    parser = options_of(description)
    if more is not None:
        parser.add_argument("--more", action="store_true", help=more)
    return parser.parse_args()


def options_of(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has; memory is kept as in `parse`."""
    return script_options(description, out="benchmark_results")
