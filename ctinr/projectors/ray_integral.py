"""Line integrals of a continuous field: points along rays, and the weights that add them up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ctinr import checks
from ctinr.geometry import Grid, Rays
from ctinr.operators import LinearOperator, Space

RULES = ("uniform", "stratified", "gauss")
# cos(π/2) is not 0 in floating point: a ray tilted by less than this runs along an axis.
LEAST_TILT = 1e-14
ON_THE_EDGE = 1e-12


@final
class RayIntegral(LinearOperator):
    """The integrals along rays of a field that is known at points, inside the box of a grid.

    Maps values at points, `(*batch, *rays, points)` in 1/mm, to line integrals `(*batch, *rays)`
    without unit. The grid gives the box, edge to edge, and the coordinates; its cells matter for
    nothing but the number of points. A ray that misses the box has the integral 0; one that runs
    along an edge of it counts as inside.

    Parameters
    ----------
    rays : Rays
        Lines of as many axes as the grid, mm.
    grid : Grid
        The box outside of which nothing is counted.
    num_points : int, optional
        Points along every ray; if not given, as many as there are half cells (of the smallest
        spacing) in the diagonal of the box.
    rule : str
        "uniform": the middles of equal pieces, of second order. "stratified": a random point in
        each of the pieces, drawn anew by every call of `points`; the mean over draws is exact.
        "gauss": the nodes of Gauss and Legendre, exact for polynomials along the ray of a degree
        below ``2 * num_points`` (Golub, Welsch 1969, doi:10.1090/S0025-5718-69-99647-1).

    Raises
    ------
    TypeError
        If rays or grid have another type or the number of points is not whole.
    ValueError
        If the axes of rays and grid differ, there is no point or no such rule.
    """

    def __init__(
        self, rays: Rays, grid: Grid, *, num_points: int | None = None, rule: str = "uniform"
    ) -> None:
        if not isinstance(rays, Rays):
            raise TypeError(checks.message("rays", "be Rays", rays, "geometry.rays() has them."))
        if not isinstance(grid, Grid):
            raise TypeError(checks.message("grid", "be a Grid", grid))
        axes = len(grid.shape)
        checks.require(rays.points.shape[-1] == axes, "rays", f"have {axes} axes", rays.points)
        self._rule = checks.one_of(rule, "rule", RULES)
        if num_points is None:
            num_points = math.ceil(2 * math.hypot(*grid.extent) / min(grid.spacing))
        self._num = checks.count(num_points, "num_points")
        self._rays, self._grid = rays, grid
        nodes, weights = _nodes(self._num, rule)
        self._nodes, self._weights = torch.as_tensor(nodes), torch.as_tensor(weights)
        near, far = box_crossings(rays, grid)
        self._lengths = torch.as_tensor(far - near)
        self._start, self._step = (torch.as_tensor(part) for part in self._pieces(near, far))

    def __repr__(self) -> str:
        return (
            f"RayIntegral(rays of shape {self._rays.shape}, {self._grid!r}, "
            f"num_points={self._num}, rule={self._rule!r})"
        )

    @property
    def domain(self) -> Space:
        """Values at the points of every ray."""
        return Space((*self._rays.shape, self._num))

    @property
    def range(self) -> Space:
        """One integral a ray."""
        return Space(self._rays.shape)

    @property
    def lengths(self) -> Float[Tensor, "*rays"]:
        """How much of every ray lies in the box, mm, float64."""
        return self._lengths.clone()

    def points(
        self,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*rays points axes"]:
        """Return where the field is to be known, in the coordinates of `Grid.coordinates`.

        Array order `(y, x)`, the longest side of the box from −1 to 1. The points of a ray that
        misses lie in the middle of the box and count nothing.

        Parameters
        ----------
        device, dtype
            Of the points.
        generator : torch.Generator
            For the stratified rule, and only for it: where in its piece each point lies.

        Raises
        ------
        ValueError
            If the stratified rule has no generator, or another one has.
        """
        wanted = self._rule == "stratified"
        rule = "be given for the rule 'stratified' and no other"
        given = f"{generator!r:.40} for {self._rule!r}"
        checks.require((generator is not None) == wanted, "generator", rule, given)
        nodes = self._nodes
        if generator is not None:
            shape, place = self.domain.shape, generator.device
            drawn = torch.rand(shape, generator=generator, dtype=torch.float64, device=place)
            nodes = nodes + (drawn.cpu() - 0.5) / self._num
        points = self._start[..., None, :] + nodes[..., None] * self._step[..., None, :]
        return points.to(device=device, dtype=dtype)

    def line_integrals(
        self,
        field: Callable[[Tensor], Tensor],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*rays"]:
        """Return the integrals of a field, such as a network of one channel.

        Parameters
        ----------
        field : callable
            From points `(*rays, points, axes)` to values `(*rays, points)` or
            `(*rays, points, 1)`, 1/mm.
        device, dtype, generator
            As in `points`.

        Raises
        ------
        ValueError
            If the values have another shape, or as in `points`.
        """
        values = field(self.points(device, dtype, generator=generator))
        shape = self.domain.shape
        given = tuple(values.shape)
        rule = f"give values of shape {shape} or {(*shape, 1)}"
        checks.require(given in (shape, (*shape, 1)), "field", rule, repr(given))
        return self(values.reshape(shape))

    def _pieces(self, near: np.ndarray, far: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where rays enter the box and the way to where they leave, in coordinates."""
        half = max(self._grid.extent) / 2
        points, directions = self._rays.points[..., ::-1], self._rays.directions[..., ::-1]
        start = (points + near[..., None] * directions - self._grid.center) / half
        step = (far - near)[..., None] * directions / half
        # A ray that misses has nowhere to be; in the middle no field overflows.
        return np.where((far > near)[..., None], start, 0.0), step

    def _factors(self, like: Tensor) -> tuple[Tensor, Tensor]:
        place: dict[str, Any] = {"device": like.device, "dtype": like.dtype}
        return self._lengths.to(**place), self._weights.to(**place)

    def _forward(self, x: Tensor) -> Tensor:
        lengths, weights = self._factors(x)
        return (x * weights).sum(-1) * lengths

    def _transposed(self, y: Tensor) -> Tensor:
        lengths, weights = self._factors(y)
        return (y * lengths)[..., None] * weights


def box_crossings(rays: Rays, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return how far from its point each ray enters and leaves the box, mm; 0 and 0 if never.

    Between two opposite sides of the box a ray is for a piece of it; it is in the box for what
    these pieces have in common (Kay, Kajiya 1986, doi:10.1145/15886.15916).
    """
    half = np.asarray(grid.extent[::-1]) / 2
    beside = rays.points - np.asarray(grid.center[::-1])
    along = np.abs(rays.directions) < LEAST_TILT
    slopes = np.where(along, 1.0, rays.directions)
    ends = np.stack([(-half - beside) / slopes, (half - beside) / slopes])
    inside = np.abs(beside) <= half + ON_THE_EDGE * (half + np.abs(rays.points))
    endless = np.where(inside, np.inf, -np.inf)
    near = np.where(along, -endless, ends.min(axis=0)).max(axis=-1)
    far = np.where(along, endless, ends.max(axis=0)).min(axis=-1)
    if rays.begins is not None:
        near = np.maximum(near, rays.begins)
    hit = far > near
    return np.where(hit, near, 0.0), np.where(hit, far, 0.0)


def _nodes(num_points: int, rule: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the points on [0, 1] and their weights, which add up to 1."""
    if rule == "gauss":
        places, weights = np.polynomial.legendre.leggauss(num_points)
        return (places + 1) / 2, weights / 2
    return (np.arange(num_points) + 0.5) / num_points, np.full(num_points, 1 / num_points)
