"""What comes after the network: data steps, as many as the withheld views clearly ask for.

A network smooths what it draws. Under noise that is what it is there for; where the data hold
details to the last, they are lost in it, and the image of one more data step is the better one. It
starts near the network's image or, where edges are so sharp that few views do not find them again,
from the image that the network began with. Views that no step has seen tell all this: the fit that
is blind to them takes the steps first. A gain counts if it is clear or large: a few views scatter
much where one of them looks along an edge. Where they cannot tell a network's image from that of
plug-and-play, a whole run to its end, they should not decide by chance, and it is the latter. Half
of the rounds are enough to see that the network will not come before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ctinr.recon.gains import clear_gain
from ctinr.recon.neural_field.data_steps import Remembered
from ctinr.recon.neural_field.trials import Trial

# What is left of the squared errors after a step whose gain need not be alike in every view.
MUCH_LESS = 0.8


@dataclass(eq=False)
class Finish:
    """Decides how many data steps follow the network, and takes them.

    Parameters
    ----------
    step : callable
        The data step of the fitted views, from an image to the next.
    remembered : Remembered
        Where a step near the network's image starts; where the refit starts, if steps are taken.
    trial : Trial
        The image that the network began with, as it is before the last steps and after them.
    squares : callable
        From an image to its squared error in every withheld view, (view,).
    measure : callable
        From an image to its relative error on them.
    most : int
        The most steps to take.
    count : int
        How many it is to be; known once the last blind image has been seen.
    from_trial : bool
        Whether the first of them starts from the image that the network began with.
    error : float
        The relative error, on the withheld views, of the image that has not seen them, after these
        steps.
    foregone : bool
        Whether the network's rounds were ended in the middle, as its image will not be returned.
    called_off : bool
        Whether none is taken all the same, as the fit was ended early.
    """

    step: Callable[[Tensor], Tensor]
    remembered: Remembered
    trial: Trial
    squares: Callable[[Tensor], Tensor]
    measure: Callable[[Tensor], float]
    most: int
    count: int = 0
    from_trial: bool = False
    error: float = math.inf
    foregone: bool = False
    called_off: bool = False

    @property
    def steps(self) -> int:
        """How many data steps follow the network."""
        return 0 if self.called_off else self.count

    @property
    def start(self) -> str | None:
        """Where the first of them starts, "network" or "trial"; None if there is none."""
        return ("trial" if self.from_trial else "network") if self.steps else None

    def state(self) -> dict[str, Any]:
        """Return what has been decided."""
        names = ("count", "from_trial", "error", "foregone")
        return {name: getattr(self, name) for name in names}

    def restore(self, state: dict[str, Any] | None) -> None:
        """Have decided what `state` returned, if anything."""
        if state is not None:
            for name, value in state.items():
                setattr(self, name, value)

    def is_vain(self, image: Tensor) -> bool:
        """Say in the middle of the rounds whether the trial's image is better than the network's.

        Then no further round is needed, and no refit: the withheld views would have to turn to
        *clearly* preferring the network's. Where they lean to it already, or there is but a short
        trial or the network's own image is asked for, the rounds go on.
        """
        if self._is_whole and self.most > 0:
            near = self.step(self.remembered.between(image))
            of_network = min(float(self.squares(each).sum()) for each in (image, near))
            self.foregone = float(self.squares(self.trial.ended).sum()) < of_network
        return self.foregone

    def sees(self, image: Tensor) -> bool:
        """Decide by the first image of the refit, the last blind one; end the fit if `foregone`."""
        if math.isfinite(self.error):
            return self.foregone
        squares = self.squares(image)
        while self.count < self.most:
            further = self._further(image)
            new = self.squares(further)
            if not self._is_taken(squares, new):
                break
            image, squares, self.count = further, new, self.count + 1
            self.remembered.image = image
        self.from_trial = self.from_trial and self.count > 0
        self.error = self.measure(image)
        return self.foregone

    def _further(self, image: Tensor) -> Tensor:
        """Return the image of one more step; the first may be the trial's."""
        if self.count:
            return self.step(image)
        if self.foregone:
            self.from_trial = True
            return self.trial.ended
        near, other = self.step(self.remembered.between(image)), self.trial.ended
        gains = self.squares(other) - self.squares(near)
        self.from_trial = not clear_gain(gains) if self._is_whole else bool(gains.sum() < 0)
        return other if self.from_trial else near

    def _is_taken(self, squares: Tensor, new: Tensor) -> bool:
        """Return whether a step from some squared errors to others is to be taken."""
        if self._is_whole and self.from_trial and not self.count:
            return not clear_gain(new - squares)
        return clear_gain(squares - new) or bool(new.sum() < MUCH_LESS * squares.sum())

    @property
    def _is_whole(self) -> bool:
        """Whether the trial's image is that of a whole run with a prior that a network lacks."""
        return self.trial.prior == "nonlocal"

    def taken(self, step: Callable[[Tensor], Tensor], image: Tensor, *, first: Tensor) -> Tensor:
        """Return the image after the steps that follow the network, here of other data.

        `image` is the network's, or one for each member of an ensemble. The first step starts from
        `first`; see `start`.
        """
        for index in range(self.steps):
            image = step(image if index else first)
        return image
