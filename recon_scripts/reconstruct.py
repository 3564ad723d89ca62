"""Reconstruct a scan, or all slices of a file, by one method; its parameters are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from recon_scripts._interrupts import undisturbed
from recon_scripts._options import Described, MethodOptions, OutputOptions, ScanOptions, ScanPath
from recon_scripts._options import StackOptions as Slices
from recon_scripts._terminal import command, exit_code, show_comparison


@dataclass(frozen=True)
class Reconstruct(Slices, OutputOptions, MethodOptions, ScanOptions):
    """Reconstruct a scan, or all slices of a file, by one method; its parameters are chosen.

    Writes result.h5, metrics.json and figures into a folder. With --out VOLUME.h5 all slices of a
    file of many (parallel beam: ctinr, Data Exchange, NXtomo, LoDoPaB-CT, TIFFs, npy, npz) become
    one volume, within a budget of memory; a run that was ended goes on when the same command is
    given again.
    """

    scan: ScanPath = None
    """A scan (HDF5: ctinr or Scientific Data Exchange) or a picture, of which one is simulated."""
    method: str = "tv"
    """fbp, fdk (of a cone beam), tv or inr."""
    out: Annotated[Path | None, Described] = None
    """Folder for the result (default: named after its input), or a file .h5 for all slices."""


def main(config: Reconstruct) -> int:
    """Run the command and return its exit code."""
    from recon_scripts._stacks import names_volume, reconstruct_all, refuse_stack_options

    if names_volume(config.out):
        return reconstruct_all(config)
    refuse_stack_options(config)
    return reconstruct_one(config)


def reconstruct_one(config: Reconstruct) -> int:
    """Reconstruct one scan into a folder and return the exit code."""
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
