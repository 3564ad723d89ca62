"""Say what is known about a scan, and what this installation can do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from recon_scripts._options import Described, ScanOptions, ScanPath
from recon_scripts._terminal import command, say, show_facts


@dataclass(frozen=True)
class Info(ScanOptions):
    """Say what is known about a scan, and what this installation can do."""

    scan: ScanPath = None
    """A scan, a picture or a volume; without it, only the installation is described."""
    out: Annotated[Path | None, Described] = None
    """Folder for the same as info.json, and for a drawing of the scan, geometry.png."""
    overwrite: bool = False
    """Replace an earlier info.json in that folder."""


def main(config: Info) -> int:
    """Run the command and return its exit code."""
    import json

    from ctinr.report import output_folder
    from ctinr.report.drawing import geometry_figure
    from ctinr.report.record import plain
    from ctinr.report.style import png
    from recon_scripts._facts import installation, scan_information, volume_facts
    from recon_scripts._reading import reading_options
    from recon_scripts._scans import load_scan
    from recon_scripts._sketch import sketch

    scan, facts, warnings = None, volume_facts(config.scan), ()
    if facts:
        show_facts(str(config.scan), facts)
    elif config.scan is not None or config.smoke:
        scan, given = load_scan(config.scan, config), reading_options(config)
        facts, warnings = scan_information(scan, config.scan, given), scan.warnings()
        show_facts(str(config.scan or "The scan of a smoke run"), facts)
        for line in sketch(scan.geometry, scan.grid):
            say(line)
    for warning in warnings:
        say(f"Note: {warning}", style="yellow")
    here = installation()
    for title, entries in here.items():
        show_facts(title, entries)
    if config.out is not None:
        with output_folder(config.out, overwrite=config.overwrite) as folder:
            text = plain({"scan": facts, "warnings": warnings, **here})
            (folder / "info.json").write_text(json.dumps(text, indent=2, ensure_ascii=False))
            if scan is not None:
                figure = geometry_figure(scan.geometry, scan.grid)
                (folder / "geometry.png").write_bytes(png(figure))
    return 0


if __name__ == "__main__":
    command(Info, main)
