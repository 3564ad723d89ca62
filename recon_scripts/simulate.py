"""Simulate a scan of a phantom, by exact line integrals, or of a picture, or many; write them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from recon_scripts._options import BeamName, Described
from recon_scripts._terminal import command, say


@dataclass(frozen=True)
class Simulate:
    """Simulate a scan of a phantom, by exact line integrals, or of a picture, and write it.

    With --count, or of a folder of pictures, many scans are written for training.
    """

    object: Annotated[str, Positional, arg(metavar="[OBJECT]")] = "forbild-thorax"
    """A picture, or a phantom: forbild-thorax, forbild-head, shepp-logan-3d, …; info lists them."""
    count: Annotated[int | None, Described] = None
    """Make so many scans, of phantoms that differ; of a folder of pictures: of so many of them."""
    per_file: Annotated[int | None, Described] = None
    """Of many scans: how many a file holds (default: 128)."""
    workers: Annotated[int | None, Described] = None
    """Of many scans: processes that make them (default: 1); the files do not depend on it."""
    views: int = 60
    """Number of views over the half turn, of a fan or cone over the turn, of a helix in each."""
    beam: BeamName = "parallel"
    """The shape of the beam, and of the detector; the last four are for volumes."""
    source_distance: Annotated[float | None, Described] = None
    """Of a fan or cone: from source to axis of rotation, mm (default: twice the image's side)."""
    detector_distance: Annotated[float | None, Described] = None
    """Of a fan or cone: from axis of rotation to detector, mm (default: the image's side)."""
    rows: Annotated[int | None, Described] = None
    """Of a volume: rows of the detector (default: as many as see all of it)."""
    helical_pitch: Annotated[float | None, Described] = None
    """Of a helix: how far it rises in a turn, mm (default: half the height of the volume)."""
    photons: Annotated[float | None, Described] = None
    """Photons a bin counts without the object (default: 1e5); 0 for data without noise."""
    electronic: Annotated[float | None, Described] = None
    """Standard deviation of the noise of the electronics, in photons (default: 0)."""
    size: Annotated[int | None, Described] = None
    """Cells a side of a phantom's image (default: 256; of a volume 64); a picture has its own."""
    protocol: Annotated[Literal["standard", "paper"] | None, Described] = None
    """How a picture is scanned: standard, or as in the paper: no noise, same operator."""
    seed: int = 0
    """Everything random follows from it."""
    out: Annotated[Path | None, Described] = None
    """A file that ends in .h5, or a folder for scan.h5 and a preview (default: OBJECT.h5).
    Of many scans: a folder (default: OBJECT-scans); what is there already is gone on with."""
    overwrite: bool = False
    """Replace what an earlier run wrote there."""
    smoke: bool = False
    """See that it works, within seconds: a tiny scan."""


def main(config: Simulate) -> int:
    """Run the command and return its exit code."""
    from ctinr.data import replacing, write_scan
    from ctinr.report import output_folder
    from ctinr.report.facts import summary, title
    from recon_scripts._production import is_many, produced
    from recon_scripts._progress import Display
    from recon_scripts._scans import simulated, write_preview

    if is_many(config):
        return produced(config)
    out = config.out or Path(Path(config.object).stem + ".h5")
    alone = out.suffix.lower() in (".h5", ".hdf5")
    # Entered before the work, so that what would stop the writing stops it at once.
    place = (
        replacing(out, overwrite=config.overwrite)
        if alone
        else output_folder(out, overwrite=config.overwrite)
    )
    with Display() as display, place as target:
        with display.stage(f"Simulating {config.object}"):
            scan = simulated(config)
        write_scan(target if alone else target / "scan.h5", scan, overwrite=True)
        if not alone:
            write_preview(target / "scan.png", scan)
    say(f"{title(scan)}. {summary(scan)}")
    for warning in scan.warnings():
        say(f"Note: {warning}", style="yellow")
    say(f"Written: {out if alone else out / 'scan.h5'}")
    return 0


if __name__ == "__main__":
    command(Simulate, main)
