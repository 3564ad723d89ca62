"""What the commands that fit pictures and sounds share: options, the fit, and its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from tyro.conf import Positional, arg

from recon_scripts._options import Described, FamilyName, OutputOptions
from recon_scripts._progress import Display
from recon_scripts._terminal import FAILED, INTERRUPTED, say, show_facts

if TYPE_CHECKING:
    from ctinr.geometry import Grid
    from ctinr.networks import CoordinateNetwork, Family
    from ctinr.operators import Observation
    from ctinr.recon.run import Reconstruction

SMOKE_STEPS, SMOKE_WIDTH, SMOKE_DEPTH = 10, 16, 2
NOTES = {
    "interrupted": "Interrupted; it is kept as far as it got.",
    "time budget": "The time is over; it is kept as far as it got.",
}
PicturePath = Annotated[
    Path | None, Positional, arg(metavar="[PICTURE]", help_behavior_hint="", name="picture")
]


@dataclass(frozen=True)
class NetworkOptions(OutputOptions):
    """The network and its fit; each command has its own sizes."""

    family: FamilyName = "bw-relu"
    """The network."""
    width: int = 300
    """Neurons of a hidden layer."""
    depth: int = 3
    """Number of hidden layers."""
    scale: Annotated[float | None, Described] = None
    """BW-ReLU's c, the size of its first details (default: one that suits the task)."""
    steps: int = 1000
    """Steps of the optimiser."""
    rate: Annotated[float | None, Described] = None
    """Learning rate of Adam, which falls along a cosine (default: one that suits the family)."""
    seed: int = 0
    """The network's initial values follow from it."""
    time_budget: Annotated[float | None, Described] = None
    """End the fit after about so many seconds, with what it has reached (default: never)."""
    smoke: bool = False
    """See that it works, within seconds: a tiny network, few steps; makes its own input."""


@dataclass(frozen=True, eq=False)
class Task:
    """What a network is fitted to.

    Parameters
    ----------
    observation
        Operator and data, scaled to about one; channels, if several, come first.
    grid
        Where the network is evaluated.
    family, steps, rate, seed, time_budget
        The network and how it is fitted.
    zero, unit
        How the data were scaled: they are (values - zero) / unit.
    """

    observation: Observation
    grid: Grid
    family: Family
    steps: int
    rate: float
    seed: int = 0
    time_budget: float | None = None
    zero: float = 0.0
    unit: float = 1.0

    @classmethod
    def of(
        cls,
        observation: Observation,
        family: Family,
        options: NetworkOptions,
        *,
        zero: float,
        unit: float,
    ) -> Task:
        """Return the task that the options of a command ask for; bad ones are named."""
        from ctinr import checks

        steps = checks.count(options.steps, "steps")
        checks.count(options.seed, "seed", least=0)
        if options.time_budget is not None:
            checks.positive(options.time_budget, "time_budget")
        rate = family.rate if options.rate is None else checks.positive(options.rate, "rate")
        steps = min(steps, SMOKE_STEPS) if options.smoke else steps
        grid = cast("Grid", observation.operator.domain)
        fit = {"seed": options.seed, "time_budget": options.time_budget}
        return cls(observation, grid, family, steps, rate, **fit, zero=zero, unit=unit)

    @property
    def channels(self) -> int:
        """The number of channels of the data."""
        data, shape = self.observation.data, self.observation.operator.range.shape
        return data.shape[0] if data.ndim > len(shape) else 1


def family_of(options: NetworkOptions, *, scale: float, samples: int) -> Family:
    """Return the family that the options ask for, at sizes for so many cells along a side."""
    from ctinr import checks
    from ctinr.networks import families

    given: dict[str, Any] = {"width": options.width, "depth": options.depth}
    if options.family == "bw-relu":
        given["scale"] = scale if options.scale is None else options.scale
    else:
        rule, remedy = "be left out unless the family is bw-relu", "Others have no such scale."
        checks.require(options.scale is None, "scale", rule, options.scale, remedy)
    if options.family in ("fourier", "hash-grid"):
        given["samples"] = max(16, samples)
    family = families[options.family](**given)
    if not options.smoke:
        return family
    return families[options.family](**{**given, "width": SMOKE_WIDTH, "depth": SMOKE_DEPTH})


@dataclass(frozen=True, eq=False)
class Fit:
    """A task that was done: its network, and what `fit` returned."""

    task: Task
    network: CoordinateNetwork
    result: Reconstruction

    @classmethod
    def of(cls, task: Task, display: Display) -> Fit:
        """Do a task in single precision, so that whoever loads the network draws the same."""
        import torch

        from ctinr.recon.fit import fit
        from ctinr.recon.observers import TimeBudget
        from ctinr.recon.optimizers import AdamOnly

        generator = torch.Generator().manual_seed(task.seed)
        network = task.family.build(len(task.grid.shape), task.channels, generator=generator)
        budget = () if task.time_budget is None else (TimeBudget(task.time_budget),)
        with display.stage("Fitting the network") as bar:
            result = fit(
                network,
                task.observation,
                grid=task.grid,
                iterations=task.steps,
                optimizer=AdamOnly(task.rate),
                precision="float32",
                observers=(bar, *budget),
            )
        return cls(task, network, result)

    @property
    def misfit(self) -> float:
        """The relative error of the data, ‖A f − y‖ / ‖y‖, as they are scaled."""
        from ctinr.recon.observers import relative_error

        observation = self.task.observation
        return relative_error(observation.operator, self.result.image, observation.data)

    def write(self, folder: Path, **numbers: Any) -> None:
        """Write the network and metrics.json, of which `numbers` are the first."""
        import torch

        from ctinr.networks import families
        from ctinr.report.record import plain

        text = json.dumps(plain({**numbers, **self._numbers()}), indent=2, ensure_ascii=False)
        (folder / "metrics.json").write_text(text, encoding="utf-8")
        task = self.task
        names = {kind: name for name, kind in families.items()}
        saved = {
            "state": self.network.state_dict(),
            "family": names[type(task.family)],
            "hyperparameters": asdict(task.family),  # type: ignore[call-overload]
            "axes": len(task.grid.shape),
            "channels": task.channels,
            "grid": task.grid.to_dict(),
            "zero": task.zero,
            "unit": task.unit,
        }
        torch.save(saved, folder / "network.pt")

    def _numbers(self) -> dict[str, Any]:
        from ctinr.report import run_record
        from recon_scripts._comparison import command_line

        task, result = self.task, self.result
        precision = result.parameters["precision"]
        return {
            "misfit": self.misfit,
            "misfit_meaning": "‖A f − y‖ / ‖y‖ of the scaled data y",
            **result.record,
            "iterations": result.iterations,
            "seconds": result.seconds,
            "stopped_by": result.stopped_by,
            "family": repr(task.family),
            "rate": task.rate,
            "record": run_record(command=command_line(), seed=task.seed, precision=precision),
        }


def show_fit(title: str, facts: Mapping[str, str], fit: Fit, out: Path) -> int:
    """Say what a fit has come to and where its files are; return the exit code."""
    from ctinr.report import wording

    result, family = fit.result, type(fit.task.family).__name__
    norm = result.record.get("variation_norm")
    network = {"Network": f"{family}, rate {fit.task.rate:g}, seed {fit.task.seed}"}
    norms = {} if norm is None else {"Variation norm": wording.number(norm)}
    steps = {"Steps": f"{result.iterations:,} in {wording.duration(result.seconds)}"}
    misfit = {"Misfit": f"{wording.number(fit.misfit)}, ‖A f − y‖ / ‖y‖ of the scaled data y"}
    show_facts(title, {**facts, **misfit, **norms, **network, **steps})
    ended = NOTES.get(result.stopped_by, "")
    if result.diverged:
        ended = f"The {result.stopped_by}; the last good one is kept. Try a lower --rate."
    if ended:
        say(f"Note: {ended}", style="yellow")
    names = sorted(entry.name for entry in out.iterdir())
    say(f"Written: {', '.join(names)} in {out}", style="dim")
    return FAILED if result.diverged else INTERRUPTED if result.stopped_by == "interrupted" else 0
