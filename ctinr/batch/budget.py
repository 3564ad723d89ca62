"""How many slices are in memory at once: read, computed and written within a budget."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from types import MappingProxyType

from ctinr import checks
from ctinr.batch.solvers import FLOAT, working_bytes
from ctinr.batch.stack import Stack

UNITS = MappingProxyType(
    {"": 1, "b": 1}
    | {f"{prefix}b": 1000 ** (place + 1) for place, prefix in enumerate("kmgt")}
    | {f"{prefix}ib": 1024 ** (place + 1) for place, prefix in enumerate("kmgt")}
)
# So much is read at once where slices can be had without their neighbours; else it may be more,
# as each part that is read costs the whole. Beyond that the first slices would wait for long.
USUAL_READ, LARGEST_READ = 32 * 2**20, 256 * 2**20
# Blocks that wait: before the computation, and behind it to be written.
WAITING = 2
# Blocks that have been read when the next ones are, and are not line integrals yet: one that is
# put together, one that waits, and one that is made line integrals of.
UNMADE = 3


@dataclass(frozen=True)
class Flow:
    """How many slices go together: in one computation, and in one read."""

    block: int
    band: int

    def blocks(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return the blocks from one slice up to another; they begin at multiples of `block`."""
        starts = range(first - first % self.block, last, self.block)
        return [(max(first, at), min(last, at + self.block)) for at in starts]


def parse_bytes(size: str) -> int:
    """Return how many bytes a size such as "2GB", "500 MB" or "1.5GiB" is.

    Raises
    ------
    ValueError
        If it is no such size.
    """
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-zA-Z]*)\s*", size)
    known = found is not None and found[2].lower() in UNITS
    remedy = "Units are kB, MB, GB, TB and KiB, MiB, GiB, TiB."
    checks.require(known, "memory_budget", "be a size such as 2GB or 500MB", repr(size), remedy)
    number, unit = found.groups() if found else ("", "")
    return math.floor(checks.positive(float(number), "memory_budget") * UNITS[unit.lower()])


def flow_within(budget: int, stack: Stack, method: str, *, side_by_side: int) -> Flow:
    """Return how many slices to take at a time.

    One half of the budget is for the slices that are computed, and those that wait before and
    after; the other for what is read at once, and for three blocks that were read before and are
    not line integrals yet. What the program takes itself, a few hundred MB, comes on top.

    Raises
    ------
    ValueError
        If the budget is too small for one slice.
    """
    one = slice_bytes(stack, method)
    need = 2 * max(one, (UNMADE + 2) * stack.stored_bytes)
    rule = f"be at least {need / 1e6:.0f} MB, for slices of this size"
    checks.require(budget >= need, "memory_budget", rule, f"{budget / 1e6:.0f} MB")
    stored = budget // 2 // stack.stored_bytes
    block = min(side_by_side, budget // 2 // one, stored // (UNMADE + 2))
    # Half of what is left: pieces that one thread takes and another frees leave gaps.
    return Flow(block, _read_together(stack, least=block, most=(stored - UNMADE * block) // 2))


def slice_bytes(stack: Stack, method: str) -> int:
    """Return about what one slice takes while it is computed and while it waits."""
    sinogram, image = math.prod(stack.geometry.shape), math.prod(stack.grid.shape[-2:])
    waiting = (WAITING + 1) * FLOAT * (sinogram + image)
    return working_bytes(method, stack.geometry, stack.grid) + waiting


def _read_together(stack: Stack, *, least: int, most: int) -> int:
    """Return how many slices to read at once: whole chunks of the file where there is room."""
    usual, largest = (max(least, size // stack.stored_bytes) for size in (USUAL_READ, LARGEST_READ))
    chunk = stack.along_chunk
    if chunk > min(most, largest):
        return min(most, largest)
    band = min(most, max(usual, chunk))
    return band - band % chunk
