"""Write a scan as a file of another format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from recon_scripts._options import Described, ReadingOptions
from recon_scripts._terminal import command, say

File = Annotated[Path | None, Positional]
SUFFIXES = {"ctinr": ".h5", "exchange": ".h5", "nxtomo": ".nxs"}


@dataclass(frozen=True)
class Convert(ReadingOptions):
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
    views: Annotated[int | None, Described] = None
    """Keep so many views, evenly spread."""
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
    from recon_scripts._conversion import place_of, source_of, target_format
    from recon_scripts._reading import reading_options

    source = source_of(config)
    to = target_format(config)
    target = place_of(config, source, SUFFIXES[to])
    options = {**reading_options(config), "num_views": config.views}
    say(f"{source}: {reader_for(source, options).name}")
    notes = convert(source, target, to=to, overwrite=config.overwrite, **options)
    for note in notes:
        say(f"Note: {note}", style="yellow")
    say(f"Written: {target}")
    return 0


if __name__ == "__main__":
    command(Convert, main)
