"""What `convert` is told: from where, where to, and how the source is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ctinr import checks
from ctinr.data.formats.acquisition import acquisition_of_scan
from ctinr.data.formats.nxtomo_frames import write_nxtomo
from recon_scripts._scans import phantom_scan

if TYPE_CHECKING:
    from recon_scripts.convert import Convert


def target_format(config: Convert) -> str:
    """Return the format that is asked for, or that the name of the new file stands for."""
    if config.to is not None:
        return config.to
    named = config.target is not None and config.target.suffix.lower() == ".nxs"
    return "nxtomo" if named else "ctinr"


def source_of(config: Convert) -> Path:
    """Return the file that is named, or that of a smoke run."""
    if config.source is not None:
        return config.source
    checks.require(config.smoke, "source", "be given", "nothing", "Name a file A.")
    return example(config.out or Path(), overwrite=config.overwrite)


def place_of(config: Convert, source: Path, suffix: str) -> Path:
    """Return where the new file shall be."""
    if config.target is not None:
        rule, remedy = "be left out where B is named", "Name one of the two."
        checks.require(config.out is None, "out", rule, str(config.out), remedy)
        return config.target
    if config.out is None:
        remedy = "Name a new file B, or a folder for it with --out."
        raise ValueError(checks.message("target", "be given", "nothing", remedy))
    config.out.mkdir(parents=True, exist_ok=True)
    return config.out / f"{source.stem}{suffix}"


def example(folder: Path, *, overwrite: bool) -> Path:
    """Write a small scan as an NXtomo file and return where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "smoke.nxs"
    scan = phantom_scan("disk", size=32, views=20, photons=0)
    write_nxtomo(path, acquisition_of_scan(scan), overwrite=overwrite)
    return path
