"""Measure on this machine whether every engine is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from recon_scripts._options import Described
from recon_scripts._terminal import command, say, show_whole

if TYPE_CHECKING:
    from recon_scripts._findings import Finding


@dataclass(frozen=True)
class Check:
    """Measure on this machine whether every engine is right, and FBP and FDK with them.

    Each figure stands beside its bound. The exit code is 1 if one is too large.
    """

    geometry: str = "all"
    """parallel, fan-flat, fan-curved, parallel-volume, cone-flat, cone-curved, helix, vectors, with
    commas between them, or all."""
    engine: str = "all"
    """Engines that `ctinr doctor` lists, with commas between them, or all."""
    size: int = 96
    """Cells along each side of an image, from 32 to 1024; volumes have a third of them."""
    json: bool = False
    """Print the findings as JSON."""
    out: Annotated[Path | None, Described] = None
    """Folder for the same as check.json."""
    overwrite: bool = False
    """Replace an earlier check.json in that folder."""
    smoke: bool = False
    """See that it works, within seconds: tiny sizes, a parallel beam, a fan and a cone."""


def main(config: Check) -> int:
    """Run the command and return its exit code."""
    import time
    from contextlib import nullcontext
    from types import SimpleNamespace

    from ctinr.report import output_folder
    from recon_scripts import _checks
    from recon_scripts._progress import Display

    begun = time.perf_counter()
    size = _checks.LEAST if config.smoke else _checks.sized(config.size)
    known = _checks.SMOKE if config.smoke else _checks.GEOMETRIES
    geometries = _checks.listed(config.geometry, "geometry", known)
    engines = _checks.listed(config.engine, "engine", _checks.engine_names())
    jobs, unchecked = _checks.plan(engines, geometries, size)
    findings: list[Finding] = []
    kept = output_folder(config.out, overwrite=config.overwrite) if config.out else nullcontext()
    with kept as folder:
        with Display() as display, display.stage("Checking") as bar:
            bar.begin(len(jobs))
            for index, measure in enumerate(jobs, 1):
                findings.append(measure())
                bar.observe(SimpleNamespace(index=index))
        if folder is not None:
            (folder / "check.json").write_text(as_json(findings, size, unchecked), encoding="utf-8")
    if config.json:
        say(as_json(findings, size, unchecked))
    else:
        show(findings)
        for text in unchecked:
            say(f"Not checked: {text}", style="dim")
        say(verdict(findings, time.perf_counter() - begun), style="bold")
    return 0 if all(finding.passed for finding in findings) else 1


def as_json(findings: Sequence[Finding], size: int, unchecked: Sequence[str]) -> str:
    """Return the findings as JSON, each failure with what it means."""
    import json
    from dataclasses import asdict

    from ctinr.report.record import plain
    from recon_scripts._facts import version_facts

    rows = [asdict(finding) | {"meaning": finding.meaning()} for finding in findings]
    passed = all(finding.passed for finding in findings)
    found = {"passed": passed, "size": size, "versions": version_facts(), "findings": rows}
    text = plain(found | {"unchecked": unchecked})
    return json.dumps(text, indent=2, ensure_ascii=False)


def show(findings: Sequence[Finding]) -> None:
    """Show the figures of each engine, device and dtype in a table of its own, and failures."""
    from rich import box
    from rich.table import Table

    from recon_scripts._findings import TITLES

    for head in dict.fromkeys(finding.head() for finding in findings):
        say(head, style="bold")
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for title in ("Geometry", "Check", "Value", "Bound", ""):
            side = "right" if title in ("Value", "Bound") else "left"
            table.add_column(title, justify=side, no_wrap=True)
        for finding in findings:
            if finding.head() == head:
                figures = f"{finding.value:.1e}", f"{finding.bound:.1e}"
                mark = "pass" if finding.passed else "[bold red]FAIL[/]"
                table.add_row(finding.geometry, TITLES[finding.what], *figures, mark)
        show_whole(table)
    # One sentence for all the geometries in which the same thing is wrong in the same way.
    for text in dict.fromkeys(finding.meaning() for finding in findings if not finding.passed):
        say(text, style="yellow")


def verdict(findings: Sequence[Finding], seconds: float) -> str:
    """Return how many checks passed or failed, and how long that took."""
    from ctinr.report import wording

    failed = sum(not finding.passed for finding in findings)
    took = wording.duration(seconds)
    if failed:
        return f"{failed} of {wording.counted(len(findings), 'check')} failed, in {took}."
    return f"All {wording.counted(len(findings), 'check')} passed, in {took}."


if __name__ == "__main__":
    command(Check, main)
