"""What the options of a command say to the reader of a file, whatever the command."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from recon_scripts._options import ReadingOptions


def reading_options(config: ReadingOptions) -> dict[str, Any]:
    """Return the arguments of `read_scan`, None where nothing is said."""
    from ctinr.data.formats.stack_files import angles_file

    given: dict[str, Any] = {
        option.name: getattr(config, option.name) for option in fields(ReadingOptions)
    }
    span_deg = given.pop("span_deg")
    given["span"] = None if span_deg is None else math.radians(span_deg)
    angles = given["angles"]
    given["angles"] = None if angles is None else angles_file(angles).tolist()
    return given
