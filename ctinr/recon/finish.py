"""What comes after the network: data steps, as many as the withheld views clearly ask for.

A network smooths what it draws. Under noise that is what it is there for; where the data hold
details to the last, they are lost in it, and the image of one more data step is the better one.
Views that no step has seen tell which: the fit that is blind to them takes the steps first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ctinr.recon.selection import clear_gain


@dataclass(eq=False)
class Finish:
    """Decides how many data steps follow the network, and takes them.

    Parameters
    ----------
    blind : callable
        The data step of the fitted views.
    squares : callable
        From an image to its squared error in every withheld view, (view,).
    measure : callable
        From an image to its relative error on them.
    most : int
        The most steps to take.
    count : int
        How many it is to be; known once the last blind image has been seen.
    error : float
        The relative error, on the withheld views, of the image that has not seen them, after these
        steps.
    called_off : bool
        Whether none is taken all the same, as the fit was ended early.
    """

    blind: Callable[[Tensor], Tensor]
    squares: Callable[[Tensor], Tensor]
    measure: Callable[[Tensor], float]
    most: int
    count: int = 0
    error: float = math.inf
    called_off: bool = False

    @property
    def steps(self) -> int:
        """How many data steps follow the network."""
        return 0 if self.called_off else self.count

    def state(self) -> dict[str, Any]:
        """Return what has been decided."""
        return {"count": self.count, "error": self.error}

    def restore(self, state: dict[str, Any] | None) -> None:
        """Have decided what `state` returned, if anything."""
        if state is not None:
            self.count, self.error = state["count"], state["error"]

    def sees(self, image: Tensor) -> bool:
        """Decide by the first image of the refit, the last one that is blind; never end the fit."""
        if math.isfinite(self.error):
            return False
        squares = self.squares(image)
        while self.count < self.most:
            further = self.blind(image)
            new = self.squares(further)
            if not clear_gain(squares - new):
                break
            image, squares, self.count = further, new, self.count + 1
        self.error = self.measure(image)
        return False

    def taken(self, step: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
        """Return the image after the steps that follow the network, here of all views."""
        for _ in range(self.steps):
            image = step(image)
        return image
