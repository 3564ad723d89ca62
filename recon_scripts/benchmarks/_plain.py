"""What total variation is compared with: the plain primal–dual method, and projections counted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count
from typing import final

import torch
from torch import Tensor

from ctinr.geometry import Beam, Grid
from ctinr.operators import Gradient, LinearOperator
from ctinr.projectors import Projector
from ctinr.recon.run import Step
from ctinr.recon.saddle import Saddle, lengths

# Iterations that estimate the norm, and the margin for what they miss: those of `data_norm`.
NORM_ITERATIONS, MARGIN = 12, 1.08


@final
class Counted(LinearOperator):
    """A projector that counts how many images it projected and sinograms it took back."""

    def __init__(self, projector: Projector) -> None:
        self._projector, self.number = projector, 0

    @property
    def domain(self) -> Grid:
        return self._projector.domain

    @property
    def range(self) -> Beam:
        return self._projector.range

    def _forward(self, x: Tensor) -> Tensor:
        self.number += len(x)
        return self._projector(x)

    def _transposed(self, y: Tensor) -> Tensor:
        self.number += len(y)
        return self._projector.T(y)


@torch.no_grad()
def plain_steps(
    A: LinearOperator, y: Tensor, *, weight: float, initial: Tensor, balance: float = 1.0
) -> Iterator[Step]:
    """Yield the steps of the plain method for the problem of `tv` with x ≥ 0, without end.

    One step size for the image and one for all dual variables: balance / L and 1 / (balance L),
    L being a bound on the norm of A and the gradient together, the gradient scaled to be as large
    as A. No filter, no over-relaxation. Chambolle, Pock 2011, doi:10.1007/s10851-010-0251-1; the
    scaling is that of Sidky, Jørgensen, Pan 2012, doi:10.1088/0031-9155/57/10/3065.
    """
    grid: Grid = A.domain  # type: ignore[assignment]
    saddle = Saddle(A, y[None], Gradient(grid), weight * grid.cell_measure, True)
    norm = _norm(A, y)
    scale = norm / (2 * math.sqrt(sum(spacing**-2 for spacing in grid.spacing)))
    primal, dual = balance / (math.sqrt(2) * norm), 1 / (balance * math.sqrt(2) * norm)
    x, rays = initial[None].clamp(min=0), torch.zeros_like(y[None])
    edges, Ax = torch.zeros_like(saddle.gradient(x)), A(x)
    for index in count(1):
        pull = A.T(rays) + scale * saddle.gradient.T(edges)
        image = (x - primal * pull).clamp(min=0)
        ahead = 2 * image - x
        A_ahead = A(ahead)
        x, Ax = image, (A_ahead + Ax) / 2
        rays = (rays + dual * (A_ahead - y)) / (1 + dual)
        edges = edges + dual * scale * saddle.gradient(ahead)
        edges = edges / (lengths(edges) * scale / saddle.radius).clamp(min=1).unsqueeze(1)
        yield Step(index, float(saddle.primal(x, Ax).sum()), x[0])


def _norm(A: LinearOperator, y: Tensor) -> float:
    """Return the norm of A by power iteration, with a margin."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(tuple(A.domain.shape), generator=generator, dtype=torch.float64).to(y)
    for _ in range(NORM_ITERATIONS):
        x = A.T(A(x / x.norm()))
    return MARGIN * math.sqrt(float(x.norm()))
