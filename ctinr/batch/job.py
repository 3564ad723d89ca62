"""What is made of a stack, with what, and what became of it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from ctinr import checks
from ctinr.batch.blocks import BlockTask
from ctinr.batch.budget import Flow, flow_within
from ctinr.batch.choosing import Method
from ctinr.batch.cluster import Cluster
from ctinr.batch.stack import Stack
from ctinr.data.hdf5_volume import COMPRESSIONS
from ctinr.projectors import Projector
from ctinr.report.record import plain, versions

# What the last bits of an image follow from, besides what is asked for.
PACKAGES = ("ctinr", "torch", "numpy", "numba")


@dataclass(frozen=True)
class Job:
    """What is made of a stack, and with what.

    Parameters
    ----------
    method : Method
        How slices are reconstructed.
    slices : tuple of int, optional
        From which slice up to which, None being the end; all if None.
    engine : str
        Of the projector, or "auto".
    memory_budget : int
        Bytes that slices may take in memory, besides what the program takes itself.
    compression : str
        Of the volume: "none", "gzip" or "lzf".
    cluster : Cluster, optional
        Other processes to compute in; this one if None.

    Raises
    ------
    ValueError
        If the compression is unknown or the budget not above zero.
    """

    method: Method = field(default_factory=Method)
    slices: tuple[int, int | None] | None = None
    engine: str = "auto"
    memory_budget: int = 2 * 10**9
    compression: str = "none"
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        checks.one_of(self.compression, "compression", COMPRESSIONS)
        checks.count(self.memory_budget, "memory_budget")


@dataclass(frozen=True)
class Summary:
    """What became of a job.

    Parameters
    ----------
    out : Path
        Where the volume is, or will be.
    slices : int
        How many there are to be.
    earlier, done : int
        How many an earlier run had done, and how many are done now.
    seconds : float
        Of this run.
    failed : mapping
        From the number of each slice that is done but could not be reconstructed to the reason.
    interrupted : bool
        Whether it was ended before all were done; the same call goes on.
    numbers : mapping
        Of the method, given or chosen; empty where nothing was left to do.
    """

    out: Path
    slices: int
    earlier: int
    done: int
    seconds: float
    failed: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    interrupted: bool = False
    numbers: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, eq=False)
class Work:
    """A job on a stack, and what follows from both.

    Parameters
    ----------
    stack, job
        The two.
    slices : range
        Those that are reconstructed.
    flow : Flow
        How many at a time.
    A : Projector
        Of one slice.
    """

    stack: Stack
    job: Job
    slices: range
    flow: Flow
    A: Projector

    @classmethod
    def of(cls, stack: Stack, job: Job) -> Work:
        """Return the work; a ValueError says that there are no such slices, or too little room."""
        first, last = job.slices or (0, None)
        last = len(stack) if last is None else last
        rule = f"be some of the {len(stack)} slices, counted from 0, as in 10:20"
        inside = 0 <= first < last <= len(stack)
        checks.require(inside, "slices", rule, f"{first}:{last}")
        if job.cluster is not None:
            job.cluster.check_installed()
        method = job.method
        flow = flow_within(job.memory_budget, stack, method.name, side_by_side=method.side_by_side)
        A = Projector(stack.geometry, stack.grid.slice, backend=job.engine)
        return cls(stack, job, range(first, last), flow, A)

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """From which slice up to which each block goes."""
        return self.flow.blocks(self.slices.start, self.slices.stop)

    @property
    def engine(self) -> str:
        """Which engine computes."""
        return self.A.backend("cpu", torch.float32).name

    @property
    def settings(self) -> dict[str, Any]:
        """All that the volume and its file follow from: plain values."""
        method, cluster = self.job.method, self.job.cluster
        threads = torch.get_num_threads() if cluster is None else cluster.engine_threads
        return plain(
            {
                **method.to_dict(),
                "input": asdict(self.stack.identity),
                "slices": [self.slices.start, self.slices.stop],
                "options": dict(self.stack.options),
                "angles": zlib.crc32(np.asarray(self.stack.geometry.angles).tobytes()),
                "views": self.stack.views or self.stack.geometry.num_views,
                "detector": self.stack.geometry.detector.to_dict(),
                "grid": self.stack.grid.to_dict(),
                "engine": self.engine,
                "slices together": self.flow.block,
                "compression": self.job.compression,
                **({"threads": threads} if method.name == "inr" else {}),
                "versions": {name: versions().get(name) for name in PACKAGES},
            }
        )

    def task(self, numbers: Mapping[str, Any]) -> BlockTask:
        """Return what is done with every block, once the numbers of the method are known."""
        return BlockTask(self.stack, self.job.method.solver(numbers), self.engine)
