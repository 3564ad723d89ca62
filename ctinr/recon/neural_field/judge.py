"""When a fit that does not see some views has gone on for long enough: what those views say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

# The error on withheld views has risen when it was least this part of all rounds ago, and by so
# much.
PATIENCE, RISE = 0.2, 1.05


@dataclass(eq=False)
class Judge:
    """Looks at the rounds of a fit with the eyes of the withheld views.

    `measure` gives the error of an image on them. Of all `rounds` only the second half is asked
    whether the error rises: in the first, the noise of large steps does as it likes. Once, in the
    middle, `is_vain` is asked whether the rest would change anything.
    """

    measure: Callable[[Tensor], float]
    is_vain: Callable[[Tensor], bool]
    rounds: int
    errors: list[float] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """Return what has been seen."""
        return {"errors": [*self.errors]}

    def restore(self, state: dict[str, Any] | None) -> None:
        """Have seen what `state` returned, if anything."""
        if state is not None:
            self.errors = [*state["errors"]]

    def has_enough(self, image: Tensor) -> bool:
        """Say after a round whether the error has clearly risen, for good, or more is in vain."""
        self.errors.append(self.measure(image))
        settled = self.errors[self.rounds // 2 :]
        if not settled:
            return False
        if len(settled) == 1 < len(self.errors):
            return self.is_vain(image)
        ago = len(settled) - 1 - settled.index(min(settled))
        return ago >= PATIENCE * self.rounds and settled[-1] > RISE * min(settled)
