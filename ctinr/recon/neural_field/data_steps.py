"""The data steps that take turns with the regression of a network: some iterations of a solver.

Each begins near where the network stands, and its duals anew, so that what the network has
smoothed is asked of the data again. The two differ in what they hold for likely: few edges (`tv`),
or patches that come again (`pnp`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from ctinr.recon.levels import Problem
from ctinr.recon.plug_and_play import SOUGHT_AGAIN, falling, pnp_steps
from ctinr.recon.run import Step, last_step
from ctinr.recon.saddle import data_norm
from ctinr.recon.tv import tv_steps

# Iterations of a step of total variation; each costs one projection and one backprojection.
VARIATION_ITERATIONS = 20
# What the denoiser takes for noise in the iterations of a non-local step, which are as many as one
# search for patches that look alike is good for.
NONLOCAL_DEVIATIONS = falling(SOUGHT_AGAIN, first=0.03)
# How an image is gone on with: by long steps, which find more of what is coarse, or by short ones,
# which only touch up.
EndingName = Literal["long", "short"]
ENDINGS: Mapping[EndingName, Sequence[float]] = MappingProxyType(
    {"long": falling(16), "short": falling(8, first=0.015, last=0.005)}
)
# What of the last target stays in the image that the next data step starts from.
KEPT = 0.7


@dataclass(frozen=True, eq=False)
class VariationStep:
    """From an image towards the minimum of ``½ ‖A x − y‖² + weight · TV(x)``, x at least 0.

    Parameters
    ----------
    problem : Problem
        The projector and its data.
    weight : float
        Above zero, as for `tv`.
    norm : float, optional
        What `data_norm` says of the projector; found, by a dozen projections, if None.
    """

    problem: Problem
    weight: float
    norm: float | None = None

    def __post_init__(self) -> None:
        if self.norm is None:
            object.__setattr__(self, "norm", data_norm(self.problem.A, self.problem.y))

    @property
    def iterations(self) -> int:
        """How many iterations it takes."""
        return VARIATION_ITERATIONS

    def steps(self, image: Tensor) -> Iterator[Step]:
        """Return its iterations from an image; the last one has the better image."""
        given = {"weight": self.weight, "initial": image.clamp(min=0), "norm": self.norm}
        return islice(tv_steps(self.problem.A, self.problem.y, **given), self.iterations)

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """Return the better image."""
        return last_step(self.steps(image)).image

    def finishing(self) -> VariationStep:
        """Return the step that follows the network: the same."""
        return self

    def anew(self) -> VariationStep:
        """Return the step that takes an image to what other data make of it: the same."""
        return self


@dataclass(frozen=True, eq=False)
class NonlocalStep:
    """From an image to one on which the data agree with a non-local prior; see `pnp`.

    Parameters
    ----------
    problem : Problem
        The projector and its data, in units in which typical large values are 1.
    variance : float
        Of the rays, above zero, as for `pnp`, in these units.
    ending : str
        Which of `ENDINGS` the step that follows the network is.
    deviations : sequence of float
        What the denoiser takes for noise, iteration by iteration.
    """

    problem: Problem
    variance: float
    ending: EndingName
    deviations: Sequence[float] = NONLOCAL_DEVIATIONS

    @property
    def iterations(self) -> int:
        """How many iterations it takes."""
        return len(self.deviations)

    def steps(self, image: Tensor) -> Iterator[Step]:
        """Return its iterations from an image; the last one has the better image."""
        given = {"variance": self.variance, "deviations": self.deviations, "initial": image}
        return pnp_steps(self.problem.A, self.problem.y, **given)

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """Return the better image."""
        return last_step(self.steps(image)).image

    def finishing(self) -> NonlocalStep:
        """Return the step that follows the network."""
        return replace(self, deviations=ENDINGS[self.ending])

    def anew(self) -> NonlocalStep:
        """Return the step that takes an image to what other data make of it: a whole run."""
        return replace(self, deviations=ENDINGS["long"])


# From an image, or one for each item of a batch of data, to one that explains the data. Of other
# data of the same projector it is `replace(step, problem=...)`.
DataStep = VariationStep | NonlocalStep


@dataclass(eq=False)
class Remembered:
    """Data steps that start between the network's image and what the last of them returned.

    What the network has not learnt yet would be lost to a step that starts from its image, and a
    few iterations do not find it again.

    Parameters
    ----------
    image : Tensor
        What the last step returned; before the first one, what it may be told from.
    """

    image: Tensor

    def state(self) -> dict[str, Tensor]:
        """Return what is remembered."""
        return {"image": self.image}

    def restore(self, state: dict[str, Tensor] | None) -> None:
        """Remember what `state` returned, if anything."""
        if state is not None:
            self.image = state["image"].to(self.image)

    def between(self, image: Tensor) -> Tensor:
        """Return where a data step starts from, by the network's image."""
        return torch.lerp(image, self.image, KEPT)

    def taken(self, step: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """Return the data step, from there."""

        def from_between(image: Tensor) -> Tensor:
            self.image = step(self.between(image))
            return self.image

        return from_between
