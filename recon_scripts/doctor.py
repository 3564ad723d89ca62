"""Say which devices and engines there are, whether they work, and what to do where they do not."""

from __future__ import annotations

from dataclasses import dataclass

from recon_scripts._terminal import command, complain, say, show_facts


@dataclass(frozen=True)
class Doctor:
    """Say which devices and engines there are, whether they work, and what to do where not."""

    json: bool = False
    """Print the same as JSON."""


def main(config: Doctor) -> int:
    """Run the command and return its exit code."""
    import json

    from recon_scripts._health import can_work, health

    found = health()
    if config.json:
        say(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for title, entries in found.items():
            show_facts(title, entries)
    if can_work(found):
        return 0
    complain("No engine works on the CPU: nothing can be reconstructed on this machine.")
    return 1


if __name__ == "__main__":
    command(Doctor, main)
