"""Say which devices and engines there are, whether they work, and what to do where they do not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from recon_scripts._options import Described
from recon_scripts._terminal import command, complain, say, show_facts


@dataclass(frozen=True)
class Doctor:
    """Say which devices and engines there are, whether they work, and what to do where not."""

    json: bool = False
    """Print the same as JSON."""
    out: Annotated[Path | None, Described] = None
    """Folder for the same as doctor.json."""
    overwrite: bool = False
    """Replace an earlier doctor.json in that folder."""
    smoke: bool = False
    """Try the CPU alone."""


def main(config: Doctor) -> int:
    """Run the command and return its exit code."""
    import json

    from ctinr.report import output_folder
    from recon_scripts._health import can_work, health

    found = health(cards=not config.smoke)
    text = json.dumps(found, indent=2, ensure_ascii=False)
    if config.out is not None:
        with output_folder(config.out, overwrite=config.overwrite) as folder:
            (folder / "doctor.json").write_text(text + "\n", encoding="utf-8")
    if config.json:
        say(text)
    else:
        for title, entries in found.items():
            show_facts(title, entries)
    if can_work(found):
        return 0
    complain("No engine works on the CPU: nothing can be reconstructed on this machine.")
    return 1


if __name__ == "__main__":
    command(Doctor, main)
