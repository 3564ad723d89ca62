"""Simulate a sparse-view scan of the FORBILD thorax and reconstruct it by every method."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from recon_scripts._interrupts import undisturbed
from recon_scripts._options import Described, MethodOptions, OutputOptions
from recon_scripts._terminal import command, exit_code, say, show_comparison


@dataclass(frozen=True)
class Demo(OutputOptions, MethodOptions):
    """Simulate a sparse-view scan of the FORBILD thorax and reconstruct it by every method."""

    out: Annotated[Path | None, Described] = None
    """Folder for the result, which must not exist yet (default: demo)."""
    size: int = 256
    """Cells along each side of the image."""
    views: int = 60
    """Number of views."""
    photons: float = 1e5
    """Photons a bin counts without the object; 0 for data without noise."""
    methods: str = "fbp,tv,pnp,inr"
    """Which ones, with commas between them."""
    oracle: bool = False
    """Add yardsticks, tuned against the truth; they take no part in the verdict."""
    seed: int = 0
    """Everything random follows from it."""
    smoke: bool = False
    """See that it works, within seconds: tiny sizes, few iterations."""


def main(config: Demo) -> int:
    """Run the command and return its exit code."""
    from ctinr.report import measured_cost, output_folder
    from ctinr.report.store import write_comparison
    from recon_scripts._comparison import Settings, compare
    from recon_scripts._jobs import jobs_of
    from recon_scripts._methods import methods_named
    from recon_scripts._progress import Display
    from recon_scripts._scans import SMOKE_SIZE, SMOKE_VIEWS, phantom_scan

    jobs = jobs_of(methods_named(config.methods), oracle=config.oracle)
    settings = Settings(config, seed=config.seed, smoke=config.smoke)
    size, views = (SMOKE_SIZE, SMOKE_VIEWS) if config.smoke else (config.size, config.views)
    out = config.out or Path("demo")
    with Display() as display, output_folder(out, overwrite=config.overwrite) as folder:
        with display.stage("Simulating the scan"), measured_cost() as before:
            scan = phantom_scan(
                "forbild-thorax", size=size, views=views, photons=config.photons, seed=config.seed
            )
        say(f"{scan.metadata['title']}: {views} views, {size} × {size} cells.")
        comparison = compare(scan, jobs, settings, display=display, before=before)
        with display.stage("Writing the report"), undisturbed():
            write_comparison(folder, comparison)
    show_comparison(comparison, out)
    return exit_code(comparison)


if __name__ == "__main__":
    command(Demo, main)
