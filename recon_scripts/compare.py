"""Reconstruct a scan by several methods, tuned alike and measured alike, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from recon_scripts._interrupts import undisturbed
from recon_scripts._options import Described, MethodOptions, OutputOptions, ScanOptions, ScanPath
from recon_scripts._terminal import command, exit_code, show_comparison


@dataclass(frozen=True)
class Compare(OutputOptions, MethodOptions, ScanOptions):
    """Reconstruct a scan by several methods, tuned alike and measured alike, side by side.

    Writes report.html, result.h5, metrics.json and figures into a folder.
    """

    scan: ScanPath = None
    """A scan (HDF5: ctinr or Scientific Data Exchange) or a picture, of which one is simulated."""
    methods: Annotated[str | None, Described] = None
    """Which ones, with commas between them (default: all that take the scan, as fbp,tv,pnp,inr)."""
    oracle: bool = False
    """Add yardsticks, tuned against the truth; they take no part in the verdict."""


def main(config: Compare) -> int:
    """Run the command and return its exit code."""
    from ctinr.report import measured_cost, output_folder
    from ctinr.report.store import write_comparison
    from recon_scripts._comparison import Settings, compare
    from recon_scripts._jobs import jobs_of
    from recon_scripts._methods import methods_named, suited
    from recon_scripts._progress import Display
    from recon_scripts._scans import load_scan, named_after

    named = None if config.methods is None else methods_named(config.methods)
    settings = Settings(config, seed=config.seed, smoke=config.smoke)
    out = config.out or named_after(config.scan, "comparison")
    with Display() as display, output_folder(out, overwrite=config.overwrite) as folder:
        with display.stage("Reading the scan"), measured_cost() as reading:
            scan = load_scan(config.scan, config)
        jobs = jobs_of(suited(named, scan.geometry), oracle=config.oracle)
        comparison = compare(scan, jobs, settings, display=display, before=reading)
        with display.stage("Writing the report"), undisturbed():
            write_comparison(folder, comparison)
    show_comparison(comparison, out)
    return exit_code(comparison)


if __name__ == "__main__":
    command(Compare, main)
