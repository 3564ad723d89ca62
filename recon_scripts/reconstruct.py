"""Reconstruct a scan by one method, its parameters chosen on withheld views."""

from __future__ import annotations

from dataclasses import dataclass

from recon_scripts._interrupts import undisturbed
from recon_scripts._options import MethodOptions, OutputOptions, ScanOptions, ScanPath
from recon_scripts._terminal import command, exit_code, show_comparison


@dataclass(frozen=True)
class Reconstruct(OutputOptions, MethodOptions, ScanOptions):
    """Reconstruct a scan by one method, its parameters chosen on withheld views.

    Writes result.h5, metrics.json and figures into a folder.
    """

    scan: ScanPath = None
    """A scan (HDF5: ctinr or Scientific Data Exchange) or a picture, of which one is simulated."""
    method: str = "tv"
    """fbp, fdk (of a cone beam), tv or inr."""


def main(config: Reconstruct) -> int:
    """Run the command and return its exit code."""
    from ctinr.report import measured_cost, output_folder
    from ctinr.report.store import write_figures, write_metrics, write_result
    from recon_scripts._comparison import Settings, compare
    from recon_scripts._jobs import jobs_of
    from recon_scripts._methods import method_named, suited
    from recon_scripts._progress import Display
    from recon_scripts._scans import load_scan, named_after

    named = [method_named(config.method)]
    settings = Settings(config, seed=config.seed, smoke=config.smoke)
    out = config.out or named_after(config.scan, config.method)
    with Display() as display, output_folder(out, overwrite=config.overwrite) as folder:
        with display.stage("Reading the scan"), measured_cost() as reading:
            scan = load_scan(config.scan, config)
        jobs = jobs_of(suited(named, scan.geometry, argument="method"))
        result = compare(scan, jobs, settings, display=display, before=reading)
        with display.stage("Writing the result"), undisturbed():
            write_result(folder / "result.h5", result)
            write_metrics(folder / "metrics.json", result)
            write_figures(folder / "figures", result)
    show_comparison(result, out)
    return exit_code(result)


if __name__ == "__main__":
    command(Reconstruct, main)
