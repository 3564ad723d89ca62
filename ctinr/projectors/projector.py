"""The X-ray transform as a linear operator."""

from __future__ import annotations

from functools import partial
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ctinr import checks
from ctinr.geometry import BEAMS, Beam, Grid, ParallelBeam
from ctinr.operators import LinearOperator
from ctinr.operators.base import DTYPES
from ctinr.projectors.registry import BACKENDS, HALF_PRECISION, Backend, backend_named, choose
from ctinr.projectors.stack import Stack


@final
class Projector(LinearOperator):
    """The X-ray transform: line integrals of an image along the rays of a geometry.

    Maps images `(*batch, y, x)` in 1/mm to sinograms `(*batch, angle, u)` without unit, and
    volumes `(*batch, z, y, x)` to `(*batch, angle, v, u)`. ``A.T`` is the exact transpose, not
    the backprojection of an analytic formula; an engine that has none says how far it is off.

    Parameters
    ----------
    geometry : ParallelBeam, FanBeam, ConeBeam or VectorBeam
        The rays; mm and radians. Three-dimensional if its detector is an area.
    grid : Grid
        The cells of the image or volume.
    backend : str
        The engine, or "auto" for the first in the registry that can run on the tensor at hand.

    Raises
    ------
    TypeError
        If geometry or grid have another type.
    ValueError
        If the grid has not as many dimensions as the geometry, a source lies in it, or the engine
        is unknown.
    BackendUnavailable
        When applied, if the engine asked for cannot run; there is no silent fallback.
    """

    def __init__(self, geometry: Beam, grid: Grid, backend: str = "auto") -> None:
        if not isinstance(geometry, Beam):
            raise TypeError(checks.message("geometry", f"be a {BEAMS}", geometry))
        if not isinstance(grid, Grid):
            raise TypeError(checks.message("grid", "be a Grid", grid))
        axes = {2: "two axes, for a line of bins", 3: "three axes, for an area of bins"}
        rule = f"have {axes[len(geometry.shape)]}"
        checks.require(len(grid.shape) == len(geometry.shape), "grid", rule, repr(grid.shape))
        _check_sources(geometry, grid)
        if backend != "auto":
            backend_named(backend)
        self._geometry, self._grid, self._backend = geometry, grid, backend
        self._engines: dict[str, Any] = {}

    def __repr__(self) -> str:
        views, bins = self._geometry.shape[0], " x ".join(map(str, self._geometry.shape[1:]))
        chosen = self._backend
        if chosen == "auto":
            chosen = f"auto: {self.backend('cpu', torch.float32).name} on the CPU"
        return f"Projector({views} views x {bins} bins, {self._grid!r}, backend={chosen})"

    @property
    def geometry(self) -> Beam:
        """The rays."""
        return self._geometry

    @property
    def domain(self) -> Grid:
        """The grid of the images."""
        return self._grid

    @property
    def range(self) -> Beam:
        """The geometry, whose shape is that of a sinogram."""
        return self._geometry

    @property
    def dtypes(self) -> tuple[torch.dtype, ...]:
        """Whatever some engine handles; the one that is asked for may refuse."""
        return (*DTYPES, *HALF_PRECISION)

    def backend(self, device: torch.device | str, dtype: torch.dtype) -> Backend:
        """Return the engine that handles tensors of this device and dtype."""
        return choose(self._backend, self._geometry, self._grid, device, dtype)

    def restricted(self, selection: Any) -> Projector:
        """Return the projector of the selected views."""
        return Projector(self._geometry[selection], self._grid, self._backend)

    def rebuilt(self, geometry: Beam, grid: Grid) -> Projector:
        """Return the projector of other rays and another grid, by the same engine."""
        return Projector(geometry, grid, self._backend)

    def _engine(self, x: Tensor) -> Any:
        backend = self.backend(x.device, x.dtype)
        if backend.name not in self._engines:
            self._engines[backend.name] = self._loaded(backend)(self._geometry, self._grid)
        return self._engines[backend.name]

    def _loaded(self, backend: Backend) -> Any:
        if len(self._grid.shape) == 2:
            return backend.load()
        if isinstance(self._geometry, ParallelBeam):
            return partial(Stack, backend.load())
        return backend.load(volumes=True)

    def _forward(self, x: Tensor) -> Tensor:
        return self._engine(x).forward(x)

    def _transposed(self, y: Tensor) -> Tensor:
        return self._engine(y).transposed(y)


def _check_sources(geometry: Beam, grid: Grid) -> None:
    """Raise if a source lies in the grid, or within the cell beside it to which images fade."""
    if isinstance(geometry, ParallelBeam):
        return
    center, half = (np.asarray(pair)[::-1] for pair in (grid.center, grid.extent))
    reach = (half + np.asarray(grid.spacing)[::-1]) / 2
    sources = geometry.sources()
    inside = np.flatnonzero((np.abs(sources - center) <= reach).all(axis=-1))
    if len(inside):
        named = zip("xyz", sources[inside[0]], strict=False)
        place = ", ".join(f"{axis} = {value:.6g} mm" for axis, value in named)
        checks.require(
            False,
            "geometry",
            "have its sources outside the grid",
            f"{len(inside)} sources in it, the first of view {inside[0]} at {place}",
            "Make the source distance larger or the grid smaller; both are in mm.",
        )


def available_backends() -> tuple[str, ...]:
    """Return the names of all engines, in order of preference."""
    return tuple(backend.name for backend in BACKENDS)
