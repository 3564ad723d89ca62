"""What a neural field is fitted to and judged by, in units that suit a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ctinr.recon.levels import Problem
from ctinr.recon.observers import relative_error
from ctinr.recon.rough import guessed_image, value_scale
from ctinr.recon.run import Observer
from ctinr.recon.search import view_squares
from ctinr.recon.selection import Split


@dataclass(frozen=True, eq=False)
class Task:
    """What is fitted and what judges it, in units in which typical large values are 1.

    `scale` is that unit in 1/mm.
    """

    whole: Problem
    fitted: Problem
    withheld: Problem
    scale: float
    observers: Sequence[Observer]

    @classmethod
    def of(cls, problem: Problem, split: Split, observers: Sequence[Observer]) -> Task:
        """Return the task of a problem; nothing but `whole` and `withheld` knows of those views."""
        fitted, withheld = problem.restricted(split.fitted), problem.restricted(split.withheld)
        scale = value_scale(guessed_image(fitted.A, fitted.y, window="hann"))
        whole, fitted, withheld = (part.scaled(1 / scale) for part in (problem, fitted, withheld))
        return cls(whole, fitted, withheld, scale, observers)

    @property
    def more(self) -> float:
        """All views per fitted view."""
        return len(self.whole.y) / len(self.fitted.y)

    def error(self, image: Tensor) -> float:
        """Return the relative error of an image on the withheld views."""
        return relative_error(self.withheld.A, image.clamp(min=0), self.withheld.y)

    def squares(self, image: Tensor) -> Tensor:
        """Return the squared error of an image in every withheld view, (view,)."""
        return view_squares(self.withheld.A, image.clamp(min=0), self.withheld.y)


def physical(image: Tensor, scale: float) -> Tensor:
    """Return an image of a task in 1/mm, negative values set to zero."""
    return image.mul(scale).clamp(min=0)
