"""Write a scan as a file of another format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from recon_scripts._options import Described
from recon_scripts._terminal import command, say

File = Annotated[Path | None, Positional]
SUFFIXES = {"ctinr": ".h5", "exchange": ".h5", "nxtomo": ".nxs"}


@dataclass(frozen=True)
class Convert:
    """Write a scan as a file of another format.

    Between Data Exchange and NXtomo all frames are copied as they are; ctinr scans hold line
    integrals of one row.
    """

    source: Annotated[File, arg(metavar="[A]", help_behavior_hint="")] = None
    """Any file that can be read, docs/formats.md lists them."""
    target: Annotated[File, arg(metavar="[B]", help_behavior_hint="")] = None
    """The new file."""
    to: Annotated[Literal["ctinr", "exchange", "nxtomo"] | None, Described] = None
    """Format of the new file (default: nxtomo if its name ends in .nxs, else ctinr)."""
    slice: Annotated[int | None, Described] = None
    """Row of the detector, or number of the sample, counted from 0 (default: see the format)."""
    views: Annotated[int | None, Described] = None
    """Keep so many views, evenly spread."""
    pitch: Annotated[float | None, Described] = None
    """Size of a detector bin in mm (default: what the file says)."""
    center: Annotated[float | None, Described] = None
    """Bin on which the axis of rotation falls, counted from 0."""
    angles: Annotated[Path | None, Described] = None
    """A text or npy file with the angle of every view in radians."""
    span_deg: Annotated[float | None, Described] = None
    """Equal angles over so many degrees, without the end point, in place of --angles."""
    values: Annotated[Literal["integrals", "transmissions", "counts"] | None, Described] = None
    """What an array without a format holds (default: line integrals)."""
    source_distance: Annotated[float | None, Described] = None
    """Of a fan: from the source to the axis of rotation, mm."""
    detector_distance: Annotated[float | None, Described] = None
    """Of a fan: from the axis of rotation to the detector, mm."""
    entry: Annotated[str | None, Described] = None
    """Entry of an NXtomo file that has several."""
    part: Annotated[Literal["train", "val", "test"] | None, Described] = None
    """Which projections of a cone-beam benchmark (default: train)."""
    unit: Annotated[float | None, Described] = None
    """Of R²-Gaussian: millimetres that the scene's unit of length stands for (default: 1)."""
    out: Annotated[Path | None, Described] = None
    """Folder for the new file, in place of B; it gets the name of A."""
    overwrite: bool = False
    """Replace an older file."""
    smoke: bool = False
    """See that it works, within seconds: makes its own A."""


def main(config: Convert) -> int:
    """Run the command and return its exit code."""
    from ctinr.data import convert
    from ctinr.data.readers import reader_for
    from recon_scripts._conversion import options_of, place_of, source_of, target_format

    source = source_of(config)
    to = target_format(config)
    target = place_of(config, source, SUFFIXES[to])
    options = options_of(config)
    say(f"{source}: {reader_for(source, options).name}")
    notes = convert(source, target, to=to, overwrite=config.overwrite, **options)
    for note in notes:
        say(f"Note: {note}", style="yellow")
    say(f"Written: {target}")
    return 0


if __name__ == "__main__":
    command(Convert, main)
