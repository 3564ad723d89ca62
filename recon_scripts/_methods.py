"""The methods that commands can run, by name: one literal table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ctinr import checks
from ctinr.batch.budget import parse_bytes
from ctinr.data import Checkpoint
from ctinr.geometry import Beam, ConeBeam, PlanarBeam
from ctinr.networks import Family, families
from ctinr.projectors import Projector
from ctinr.recon.neural_field.field import DEFAULT_FAMILY, fitted_field
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.run import Observer, Reconstruction
from ctinr.recon.selection import Split
from ctinr.recon.tuned import oracle_tv, tuned_tv
from ctinr.recon.tuned_filter import oracle_fbp, oracle_fdk, tuned_fbp, tuned_fdk
from ctinr.recon.tuned_pnp import tuned_pnp
from ctinr.recon.uncertainty import LEVEL, with_interval
from recon_scripts._options import MethodOptions

FAMILIES: dict[str, Family] = {
    name: DEFAULT_FAMILY if name == "bw-relu" else family() for name, family in families.items()
}
SMOKE_FAMILIES: dict[str, Family] = {
    name: family(width=16, depth=2)  # type: ignore[call-arg]
    for name, family in families.items()
}
SMOKE_RECIPE = Recipe(warm=20, rounds=3, refit=1, steps=20)


@dataclass(frozen=True, eq=False)
class Task:
    """What a method is given.

    Parameters
    ----------
    A, y
        The projector and the line integrals.
    split
        The views that are withheld while parameters are chosen.
    options
        How methods are run.
    seed, smoke
        What random numbers follow from; whether it is only to be seen that it works.
    observers
        Each sees the steps.
    counters
        Those of them that see the steps of an ensemble as well, which no curve is drawn of.
    truth, data_range
        Given to oracle rows only.
    """

    A: Projector
    y: Tensor
    split: Split
    options: MethodOptions
    seed: int = 0
    smoke: bool = False
    observers: Sequence[Observer] = ()
    counters: Sequence[Observer] = ()
    truth: Tensor | None = None
    data_range: float | None = None


@dataclass(frozen=True, eq=False)
class Method:
    """A method by its name: how it is run, tuned without the truth and, as an oracle, with it.

    `takes` tells of a geometry whether the method has an answer for it.
    """

    name: str
    summary: str
    tuned: Callable[[Task], Reconstruction]
    oracle: Callable[[Task], Reconstruction] | None = None
    takes: Callable[[Beam], bool] = lambda geometry: True


def _fbp(task: Task) -> Reconstruction:
    return tuned_fbp(task.A, task.y, split=task.split, observers=task.observers)


def _fdk(task: Task) -> Reconstruction:
    return tuned_fdk(task.A, task.y, split=task.split, observers=task.observers)


def _tv(task: Task) -> Reconstruction:
    return tuned_tv(task.A, task.y, split=task.split, observers=task.observers)


def _pnp(task: Task) -> Reconstruction:
    return tuned_pnp(task.A, task.y, split=task.split, observers=task.observers)


def _inr(task: Task) -> Reconstruction:
    name, options = task.options.family, task.options
    budget = options.memory_budget
    field = fitted_field(
        task.A,
        task.y,
        family=SMOKE_FAMILIES[name] if task.smoke else FAMILIES[name],
        recipe=SMOKE_RECIPE if task.smoke else Recipe(),
        split=task.split,
        seed=task.seed,
        observers=task.observers,
        checkpoint=None if options.checkpoint is None else Checkpoint(options.checkpoint),
        memory_budget=None if budget is None else parse_bytes(budget),
        members=options.ensemble or 1,
    )
    result = field.result
    if options.ensemble is not None:
        level = LEVEL if options.level is None else options.level
        given = {"members": options.ensemble, "level": level, "seed": task.seed}
        result = with_interval(field, **given, observers=task.counters)
    field.keeper.finish(result)
    return result


def _oracle(run: Callable[..., Any]) -> Callable[[Task], Reconstruction]:
    def oracle(task: Task) -> Reconstruction:
        return run(task.A, task.y, task.truth, data_range=task.data_range, observers=task.observers)

    return oracle


def _is_planar(geometry: Beam) -> bool:
    return isinstance(geometry, PlanarBeam)


def _is_slice(geometry: Beam) -> bool:
    return _is_planar(geometry) and len(geometry.shape) == 2


METHODS: tuple[Method, ...] = (
    Method("fbp", "filtered backprojection", _fbp, _oracle(oracle_fbp), _is_planar),
    Method(
        "fdk",
        "filtered backprojection of a cone beam",
        _fdk,
        _oracle(oracle_fdk),
        lambda geometry: isinstance(geometry, ConeBeam),
    ),
    Method("tv", "total variation", _tv, _oracle(oracle_tv)),
    Method("pnp", "plug-and-play with a non-local prior, of slices", _pnp, takes=_is_slice),
    Method("inr", "neural field, of slices", _inr, takes=_is_slice),
)


def suited(
    methods: Sequence[Method] | None, geometry: Beam, *, argument: str = "methods"
) -> tuple[Method, ...]:
    """Return the methods, or if none are named all that take the geometry.

    Raises
    ------
    ValueError
        If one of those named does not take it; the message says which do.
    """
    able = tuple(method for method in METHODS if method.takes(geometry))
    for method in methods or ():
        kind = type(geometry).__name__
        rule = f"suit a {kind} of shape {geometry.shape}, as do {', '.join(m.name for m in able)}"
        checks.require(method in able, argument, rule, repr(method.name))
    return able if methods is None else tuple(methods)


def methods_named(names: str) -> tuple[Method, ...]:
    """Return the methods of a list such as "fbp,tv,pnp,inr", each once, in its order."""
    known = {method.name: method for method in METHODS}
    asked = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    unknown = [name for name in asked if name not in known]
    rule = f"list some of {', '.join(known)}, with commas between them"
    checks.require(bool(asked) and not unknown, "methods", rule, repr((unknown or [names])[0]))
    return tuple(known[name] for name in asked)


def method_named(name: str) -> Method:
    """Return the method of that name."""
    names = [method.name for method in METHODS]
    return METHODS[names.index(checks.one_of(name, "method", names))]
