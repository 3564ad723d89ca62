"""Fits that go on where an earlier run was ended, to the same bits.

What a fit needs to go on is a tree of tensors and plain values. A `Store` keeps such a tree where
it outlives the process; `ctinr.data.Checkpoint` is one, a file. A `Keeper` gives it the tree now
and then, with the settings of the fit, so that no other fit takes it for its own.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

from ctinr import checks
from ctinr.operators import LinearOperator
from ctinr.recon.last_good import LastGood
from ctinr.recon.observers import InPlace
from ctinr.recon.run import Observer, Reconstruction, Step

# How runs end that are over: nobody wishes to go on with them.
OVER = ("iterations", "converged")
State = dict[str, Any]
# Letters of a setting that are told where it is another one.
SHOWN = 60


class Store(Protocol):
    """Where the state of an unfinished fit is kept."""

    @property
    def every(self) -> float:
        """The time that should lie between two savings, s."""
        ...

    def load(self) -> State | None:
        """Return what was saved last, or None if there is nothing."""
        ...

    def save(self, state: State) -> None:
        """Keep a state in place of the one before; what is there stays whole until then."""
        ...

    def remove(self) -> None:
        """Forget what was saved."""
        ...


class Attentive(InPlace):
    """An observer in place of another one, which remembers whether that has ended a run."""

    def __init__(self, observer: Observer) -> None:
        super().__init__(observer)
        self.has_ended = False

    def observe(self, step: Step) -> str | None:
        """Pass it on, and remember an answer."""
        reason = super().observe(step)
        self.has_ended = self.has_ended or bool(reason)
        return reason


class Keeper:
    """Keeps the state of one fit in a store, or nowhere; what an earlier run left is in `found`.

    Parameters
    ----------
    store : Store or None
        Nothing is kept without one.
    settings : mapping
        What the fit is made of, in plain values. A state of others is refused.

    Raises
    ------
    ValueError
        If the store has a state of other settings.
    """

    def __init__(self, store: Store | None, settings: Mapping[str, Any]) -> None:
        self._store, self._settings = store, dict(settings)
        self._parts: dict[str, Callable[[], Any]] = {}
        self._last = time.monotonic()
        self.found: State = {} if store is None else _own(store.load(), self._settings)

    @property
    def losses(self) -> list[float]:
        """The losses of the steps that an earlier run has taken."""
        return self.found.get("fit", {}).get("losses", [])

    def add(self, **parts: Callable[[], Any]) -> None:
        """Let all states that follow have what these functions return by then."""
        self._parts.update(parts)

    def offer(self, state: Callable[[], State]) -> None:
        """Save the state, unless the last time was a moment ago."""
        if self._store is not None and time.monotonic() - self._last >= self._store.every:
            parts = {name: part() for name, part in self._parts.items()}
            self._store.save({"settings": self._settings, **parts, **state()})
            self._last = time.monotonic()

    def finish(self, result: Reconstruction) -> None:
        """Forget the states of a run that is over; one that was ended early can be gone on with."""
        if self._store is not None and (result.stopped_by in OVER or result.diverged):
            self._store.remove()


@dataclass(eq=False)
class Course:
    """Where a fit through several stages is: all that its next step depends on.

    `losses` has one entry a step taken, `stage` is the place of the stage, `done` its steps.
    """

    network: nn.Module
    last_good: LastGood
    losses: list[float] = field(default_factory=list)
    stage: int = 0
    done: int = 0

    def resume(self, state: State) -> None:
        """Take the network, and the place, from a state that `state` returned."""
        self.network.load_state_dict(state["network"])
        self.last_good.take(state["last_good"])
        self.losses, self.stage, self.done = [*state["losses"]], state["stage"], state["done"]

    def state(self, optimizers: Any, evaluator: Any) -> State:
        """Return the state after a step, with that of the optimisers and of the stage."""
        own = {
            "network": dict(self.network.state_dict()),
            "last_good": self.last_good.kept,
            "losses": [*self.losses],
            "stage": self.stage,
            "done": self.done,
        }
        theirs = [optimizer.state_dict() for optimizer in optimizers]
        return {"fit": {**own, "optimizers": theirs, "evaluator": evaluator.state()}}


def fingerprint(values: Tensor) -> str:
    """Return what tells data from any others: of shape, type and bytes."""
    kept = values.detach().cpu().contiguous()
    content = hashlib.sha256(kept.numpy().tobytes()).hexdigest()[:16]
    return f"{tuple(kept.shape)} {kept.dtype} {content}"


def spelled(thing: Any) -> str:
    """Return how a thing describes itself, without the place in memory where it happens to be."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing))


def described(operator: LinearOperator | None) -> tuple[str, ...]:
    """Return what an operator says of itself, and of what it maps from and to."""
    if operator is None:
        return ()
    return tuple(map(spelled, (operator, operator.domain, operator.range)))


def _own(state: State | None, settings: State) -> State:
    """Return a state if it is of these settings; raise if it is of others."""
    if state is None:
        return {}
    found = state.get("settings", {})
    names = [name for name in {**settings, **found} if settings.get(name) != found.get(name)]
    told = "; ".join(_told(name, found.get(name), settings.get(name)) for name in names)
    rule = "have no state of a fit to other data or by other settings"
    remedy = "Go on with the same, or choose another checkpoint, or remove this one."
    checks.require(not names, "checkpoint", rule, told, remedy)
    return state


def _told(name: str, before: Any, now: Any) -> str:
    """Return how two settings differ, from shortly before the first letter that does."""
    texts = str(before), str(now)
    same = len(os.path.commonprefix(texts))  # noqa: RUF071 - of letters it is to be
    start = max(0, same - SHOWN // 4)
    one, other = (
        f"{'…' * (start > 0)}{text[start : start + SHOWN]}{'…' * (len(text) > start + SHOWN)}"
        for text in texts
    )
    return f"{name} {one}, now {other}"
