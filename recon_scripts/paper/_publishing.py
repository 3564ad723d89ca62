"""What every figure's script shares: its options, and its files."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

import phantoms
from ctinr import checks
from ctinr.data import read_image
from ctinr.report.record import versions
from ctinr.report.style import DPI
from recon_scripts._terminal import script_options, show_rows

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Result:
    """What a script found.

    Parameters
    ----------
    name : str
        Of the files.
    figure : Figure
        Written as PNG and as PDF.
    rows : sequence of mapping
        The table, printed and written as CSV and as JSON.
    record : mapping
        What it was run with, plain values; goes into the JSON with the versions.
    """

    name: str
    figure: Figure
    rows: Sequence[Row]
    record: Mapping[str, Any] = field(default_factory=dict)


def options_of(description: str, *, seeds: int | None = None) -> argparse.ArgumentParser:
    """Return a parser with the options that every script has; `seeds` if it repeats itself."""
    parser = script_options(description, out="paper")
    if seeds is not None:
        parser.add_argument("--seeds", type=int, default=seeds, help="number of repetitions")
    return parser


def add_picture(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a picture, for `picture`."""
    parser.add_argument("--image", type=Path, help="a picture (default: the Shepp-Logan phantom)")


def add_protocol(parser: argparse.ArgumentParser) -> None:
    """Add the option that chooses between the corrected setting and that of the paper's code."""
    described = "corrected, or as in the code of the paper, with what it gets wrong"
    choices = ("standard", "paper")
    parser.add_argument("--protocol", choices=choices, default="standard", help=described)


def picture(path: Path | None, size: int) -> Tensor:
    """Return a picture scaled to [0, 1]: a file's, or a phantom's of so many cells."""
    if path is None:
        values = torch.as_tensor(
            phantoms.shepp_logan(contrast="modified").raster((size, size), 256 / size)
        )
    else:
        values = torch.as_tensor(read_image(path))
    return stretched(values).float()


def stretched(image: Tensor) -> Tensor:
    """Return an image scaled so that its values go from 0 to 1."""
    return (image - image.min()) / (image.max() - image.min())


def publish(result: Result, out: Path) -> None:
    """Print the table and write all files; the same result gives the same bytes."""
    checks.require(len(result.rows) > 0, "rows", "not be empty", "none")
    show_rows(result.name, result.rows)
    out.mkdir(parents=True, exist_ok=True)
    ground = result.figure.get_facecolor()
    # Without the date, which would make every file another one.
    for ending, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        path = out / f"{result.name}.{ending}"
        result.figure.savefig(path, dpi=DPI, facecolor=ground, metadata=metadata)
    with (out / f"{result.name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(result.rows[0]))
        writer.writeheader()
        writer.writerows(result.rows)
    whole = {"record": {**result.record, "versions": versions()}, "rows": list(result.rows)}
    text = json.dumps(whole, indent=2) + "\n"
    (out / f"{result.name}.json").write_text(text, encoding="utf-8")
