"""A table on disk that grows row by row, so that a long study can be ended and gone on with."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ctinr import checks
from ctinr.data import replacing


class Ledger:
    """Rows in a CSV file; each is on disk before the next is computed.

    Parameters
    ----------
    path : Path
        The file; rows of an earlier run in it are kept, but for a last one that is not whole.
    keys, values : sequence of str
        The columns that name a row, and those that hold what was measured.

    Raises
    ------
    ValueError
        If the file has other columns.
    """

    def __init__(self, path: Path, keys: Sequence[str], values: Sequence[str]) -> None:
        self._path, self._keys, self._columns = path, tuple(keys), (*keys, *values)
        self.rows: list[dict[str, str]] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                found = tuple(reader.fieldnames or ())
                rule, remedy = f"have the columns {self._columns}", "Choose another --out."
                checks.require(found == self._columns, "path", rule, f"{path}: {found}", remedy)
                self.rows = [row for row in reader if None not in row.values()]
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written anew, as a row that was cut off may lack the end of its line.
        with (
            replacing(path, overwrite=True) as whole,
            whole.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(self.rows)

    def __contains__(self, key: Mapping[str, Any]) -> bool:
        wanted = [str(key[name]) for name in self._keys]
        return any([row[name] for name in self._keys] == wanted for row in self.rows)

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row, here and in the file."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns).writerow(row)
        self.rows.append({name: str(row[name]) for name in self._columns})
