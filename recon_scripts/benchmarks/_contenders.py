"""The methods whose progress over time is compared, each as a function of a problem."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import MappingProxyType

import torch
from torch import Tensor, nn

from ctinr import metrics
from ctinr.geometry import Grid
from ctinr.networks import Family
from ctinr.operators import Observation
from ctinr.projectors import Projector
from ctinr.recon.cgls import cgls
from ctinr.recon.fbp import fbp
from ctinr.recon.fit import fit
from ctinr.recon.observers import Watcher
from ctinr.recon.optimizers import AdamOnly, constant
from ctinr.recon.rough import value_scale
from ctinr.recon.run import Observer, Reconstruction, Step
from ctinr.recon.selection import split_views
from ctinr.recon.sirt import sirt
from ctinr.recon.tuned import oracle_tv, tuned_tv
from ctinr.recon.tuned_filter import tuned_fbp
from ctinr.recon.tuned_pnp import tuned_pnp
from ctinr.recon.tv import tv
from recon_scripts._methods import FAMILIES, SMOKE_FAMILIES, Task, method_named
from recon_scripts._options import MethodOptions

# More than any budget allows.
ENDLESS = 1_000_000
# Of Adam on pixels whose large values are about 1.
PIXEL_RATE = 0.02
# PSNRs are measured this much further on, relative to the time, and at least so many seconds.
FURTHER, LEAST_PAUSE = 1.03, 0.01


class OracleTimeline(Watcher):
    """Record the PSNR against the truth over the time since it was made, all runs together.

    Only the last run counts: those before it are trials, whose images the method itself may
    discard, but their time is the method's. The time that measuring takes is not.

    Parameters
    ----------
    truth : Tensor
        The true image, 1/mm.
    data_range : float
        What the PSNR refers to.
    scale : float
        What images are multiplied by to be in 1/mm.
    """

    def __init__(self, truth: Tensor, *, data_range: float, scale: float = 1.0) -> None:
        self._truth, self._data_range, self.scale = truth, data_range, scale
        self._begun, self._paused, self._next = time.perf_counter(), 0.0, 0.0
        self._last = 0
        self.seconds: list[float] = []
        self.values: list[float] = []

    def begin(self, iterations: int) -> None:
        """Forget the points of the run before."""
        self.seconds, self.values, self._next = [], [], 0.0

    def observe(self, step: Step) -> str | None:
        """Measure, unless it was done a moment ago."""
        now, self._last = time.perf_counter(), step.index
        elapsed = now - self._begun - self._paused
        if elapsed >= self._next:
            self._record(elapsed, step.image)
            self._next = max(elapsed * FURTHER, elapsed + LEAST_PAUSE)
        self._paused += time.perf_counter() - now
        return None

    def finish(self, found: Reconstruction) -> None:
        """Add the result, in 1/mm; if the last run was a trial of another image, it alone stays."""
        elapsed = time.perf_counter() - self._begun - self._paused
        if found.iterations != self._last:
            self.begin(0)
        self._record(elapsed, found.image / self.scale)

    def _record(self, elapsed: float, image: Tensor) -> None:
        physical = (image * self.scale).clamp(min=0)
        self.seconds.append(elapsed)
        self.values.append(metrics.psnr(physical, self._truth, data_range=self._data_range))


class Pixels(nn.Module):
    """A network that is its image: the value of the cell that a point lies in."""

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(grid.shape))
        half = max(grid.extent) / 2
        self._per_unit = [half / spacing for spacing in grid.spacing]

    def forward(self, points: Tensor) -> Tensor:
        """Map (*points, 2), as `grid.coordinates()` gives them, to (*points, 1)."""
        index = [
            (points[..., axis] * per_unit + (size - 1) / 2).round().long()
            for axis, (per_unit, size) in enumerate(
                zip(self._per_unit, self.values.shape, strict=True)
            )
        ]
        return self.values[tuple(index)].unsqueeze(-1)


@dataclass(frozen=True, eq=False)
class Problem:
    """What is reconstructed; the truth is for the observer and for the oracle's weight alone."""

    A: Projector
    y: Tensor
    truth: Tensor
    data_range: float
    seed: int = 0
    smoke: bool = False

    @cached_property
    def scale(self) -> float:
        """A typical large value, 1/mm, to which networks are fitted as 1."""
        return value_scale(fbp(self.A, self.y, window="hann").image)

    @cached_property
    def oracle_weight(self) -> float:
        """The weight of total variation that comes nearest to the truth."""
        found = oracle_tv(self.A, self.y, self.truth, data_range=self.data_range)
        return found.parameters["weight"]


Contender = Callable[[Problem, Sequence[Observer]], Reconstruction]


def _sirt(given: Problem, observers: Sequence[Observer]) -> Reconstruction:
    return sirt(given.A, given.y, iterations=ENDLESS, observers=observers)


def _cgls(given: Problem, observers: Sequence[Observer]) -> Reconstruction:
    return cgls(given.A, given.y, iterations=ENDLESS, observers=observers)


def _oracle_tv(given: Problem, observers: Sequence[Observer]) -> Reconstruction:
    return tv(given.A, given.y, weight=given.oracle_weight, observers=observers)


def _pixels(given: Problem, observers: Sequence[Observer]) -> Reconstruction:
    return _plainly(Pixels(given.A.domain), PIXEL_RATE, given, observers)


def _family(name: str, given: Problem, observers: Sequence[Observer]) -> Reconstruction:
    family: Family = (SMOKE_FAMILIES if given.smoke else FAMILIES)[name]
    network = family.build(2, generator=torch.Generator().manual_seed(given.seed))
    return _plainly(network, family.rate, given, observers)


def _plainly(
    network: nn.Module, rate: float, given: Problem, observers: Sequence[Observer]
) -> Reconstruction:
    """Return the fit of the reference recipe: all rays in each step, plain loss, Adam."""
    for observer in observers:
        if isinstance(observer, OracleTimeline):
            observer.scale = given.scale
    found = fit(
        network,
        Observation(given.A, given.y / given.scale),
        grid=given.A.domain,
        iterations=ENDLESS,
        optimizer=AdamOnly(rate),
        schedule=constant,
        precision="float32" if isinstance(network, Pixels) else "auto",
        observers=observers,
    )
    return replace(found, image=found.image * given.scale)


def _inr(given: Problem, observers: Sequence[Observer]) -> Reconstruction:
    split = split_views(given.A.geometry, seed=given.seed)  # type: ignore[arg-type]
    shared = {"seed": given.seed, "smoke": given.smoke, "observers": observers}
    task = Task(given.A, given.y, split, MethodOptions(), **shared)  # type: ignore[arg-type]
    return method_named("inr").tuned(task)


CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        "fbp": lambda given, observers: tuned_fbp(given.A, given.y, observers=observers),
        "sirt": _sirt,
        "cgls": _cgls,
        "tv": lambda given, observers: tuned_tv(given.A, given.y, observers=observers),
        "oracle-tv": _oracle_tv,
        "pnp": lambda given, observers: tuned_pnp(given.A, given.y, observers=observers),
        "pixels": _pixels,
        **{f"plain-{name}": partial(_family, name) for name in FAMILIES},
        "inr": _inr,
    }
)
"""From name to method; the families are fitted plainly, `inr` is the package's recipe."""
