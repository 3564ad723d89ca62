"""The methods that make slices of sinograms, all their numbers decided.

Each is a frozen value, so that it can be written down, compared and sent to another process, and
gives the same bits for the same slices side by side, whatever process it runs in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ctinr.geometry import Grid, PlanarBeam
from ctinr.networks import Family
from ctinr.operators import LinearOperator
from ctinr.operators.filters import padded_length
from ctinr.recon.fbp import fbp
from ctinr.recon.filtered import widened
from ctinr.recon.inr import inr
from ctinr.recon.needs import splitting_bytes
from ctinr.recon.neural_field.field import DEFAULT_FAMILY
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.observers import GapBelow
from ctinr.recon.run import Reconstruction, run
from ctinr.recon.tv import tv_steps

FLOAT = 4


class Solver(Protocol):
    """A method with all its numbers.

    `side_by_side` is how many slices it likes to be given at once, and `own_threads` whether the
    last bits of its images follow from the number of threads.
    """

    side_by_side: int
    own_threads: bool

    def __call__(self, A: LinearOperator, y: Tensor) -> Tensor:
        """Return images (slice, y, x), 1/mm, of line integrals (slice, angle, u)."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        ...


@dataclass(frozen=True)
class FilteredSlices:
    """Filtered backprojection with one filter for all slices; see `fbp`."""

    window: str = "ram-lak"
    cutoff: float = 1.0
    side_by_side = 8
    own_threads = False

    def __call__(self, A: LinearOperator, y: Tensor) -> Tensor:
        """Return the images."""
        return fbp(A, y, window=self.window, cutoff=self.cutoff).image

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class SmoothSlices:
    """Total variation with one weight for all slices; see `tv`.

    Parameters
    ----------
    weight : float
        As for `tv`.
    norm : float
        What `data_norm` returned for the projector: it is the same for all slices.
    iterations : int
        The most to take.
    gap : float
        Slices side by side end together, when the gap of all is this small.
    """

    weight: float
    norm: float
    iterations: int = 150
    gap: float = 1e-4
    side_by_side = 8
    own_threads = False

    def __call__(self, A: LinearOperator, y: Tensor) -> Tensor:
        """Return the images."""
        steps = tv_steps(A, y, weight=self.weight, norm=self.norm)
        result = run(steps, self.iterations, (GapBelow(self.gap),), method="TV")
        return _whole(result)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class NeuralSlices:
    """A neural field a slice, one after the other; see `inr`."""

    family: Family
    recipe: Recipe
    seed: int = 0
    side_by_side = 1
    own_threads = True

    def __call__(self, A: LinearOperator, y: Tensor) -> Tensor:
        """Return the images."""
        results = [
            inr(A, each, family=self.family, recipe=self.recipe, seed=self.seed) for each in y
        ]
        return torch.stack([_whole(result) for result in results])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"family": repr(self.family), **self.recipe.to_dict(), "seed": self.seed}


def _whole(result: Reconstruction) -> Tensor:
    """Return the image of a run that was not cut short; recon returns what an interrupt left."""
    if result.stopped_by == "interrupted":
        raise KeyboardInterrupt
    if result.diverged:
        raise FloatingPointError(f"The reconstruction ended early: {result.stopped_by}.")
    return result.image


def working_bytes(method: str, geometry: PlanarBeam, grid: Grid) -> int:
    """Return about how much memory one slice takes while it is computed, float32.

    Of FBP, which TV and the neural field begin with, the padded views and their spectra are most.
    """
    num_views, num_bins = geometry.shape
    cells = grid.shape[-2] * grid.shape[-1]
    wide = num_bins + sum(widened(geometry, grid.slice)[1])
    filtering = FLOAT * num_views * (5 * wide + 3 * padded_length(wide)) + 6 * FLOAT * cells
    iterating: Mapping[str, Callable[[], int]] = {
        "fbp": lambda: 0,
        "tv": lambda: FLOAT * (14 * cells + 10 * num_views * num_bins),
        "inr": lambda: splitting_bytes(DEFAULT_FAMILY.build(2), grid.slice.shape, geometry.shape),
    }
    return max(filtering, iterating[method]()) + FLOAT * (num_views * num_bins + 2 * cells)
