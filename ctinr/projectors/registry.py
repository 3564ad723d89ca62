"""The table of engines that can compute the X-ray transform, in order of preference."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from ctinr import checks
from ctinr.geometry import (
    Beam,
    ConeBeam,
    FanBeam,
    Grid,
    ParallelBeam,
    PlanarBeam,
    VectorBeam,
)

HALF_PRECISION = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Backend:
    """One engine: where it is, what it needs, and what it can do.

    Parameters
    ----------
    name : str
        The name it is asked for by.
    target : str
        ``module:class``, imported on first use; the class takes (geometry, grid) and has
        `forward` and `transposed` on (batch, …) tensors of images.
    volumes : str
        The same for volumes, of any rays in three dimensions; none if empty. (Slices of a parallel
        beam are images.)
    requires : tuple of (str, str)
        Modules that must be importable, each with the command that installs it.
    beams : tuple of type
        Geometries it handles.
    devices, dtypes : tuple
        Device types and dtypes it handles; no devices means any.
    adjoint_gap : float
        Declared relative error of the transpose; 0 for a matched pair.
    deviation : float
        Declared relative distance from the engine `torch` for white noise, beyond rounding, on 256
        cells a side; it is taken to grow with their square.
    other_model : tuple of type
        Geometries for which its model is another one than theirs, so that values differ.
    limits : callable, optional
        Takes (geometry, grid) and answers what else is an obstacle, as a sentence, or None.
    """

    name: str
    target: str
    volumes: str = ""
    requires: tuple[tuple[str, str], ...] = ()
    beams: tuple[type, ...] = (ParallelBeam, FanBeam, ConeBeam, VectorBeam)
    devices: tuple[str, ...] = ()
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64)
    adjoint_gap: float = 0.0
    deviation: float = 0.0
    other_model: tuple[type, ...] = ()
    limits: Callable[[Any, Grid], str | None] | None = None

    def obstacle(
        self, geometry: object, grid: Grid, device: torch.device | str, dtype: torch.dtype
    ) -> str | None:
        """Return why this engine cannot be used here, as a sentence, or None if it can."""
        for module, command in self.requires:
            if importlib.util.find_spec(module) is None:
                return f"The module {module} is not installed; run: {command}."
        if not isinstance(geometry, self.beams):
            names = ", ".join(beam.__name__ for beam in self.beams)
            return f"It handles {names}, not {type(geometry).__name__}."
        kind = torch.device(device).type
        if self.devices and kind not in self.devices:
            return f"It runs on {', '.join(self.devices)}, not on {kind}."
        if dtype not in self.dtypes:
            return f"It handles {', '.join(map(str, self.dtypes))}, not {dtype}."
        return self.limits(geometry, grid) if self.limits else None

    def load(self, *, volumes: bool = False) -> type[Any]:
        """Import the engine and return its class, that for images or that for volumes."""
        module, _, name = (self.volumes if volumes else self.target).partition(":")
        return getattr(importlib.import_module(module), name)


def _flat_and_ahead(geometry: Beam, grid: Grid) -> str | None:
    """Return what ASTRA and torch-radon cannot do: arcs, and rays that begin at their source."""
    if isinstance(geometry, ParallelBeam) or getattr(geometry, "parallel", False):
        return None
    if getattr(geometry, "curved", False):
        return "It handles flat detectors, not curved ones."
    middle, half = (np.asarray(axes)[::-1] for axes in (grid.center, grid.extent))
    sides = product((-1, 1), repeat=len(middle))
    corners = np.asarray([middle + half / 2 * side for side in sides])
    sources = geometry.sources()
    ahead = _ahead(geometry)[:, : len(middle)]
    if (corners @ ahead.T <= (sources * ahead).sum(axis=1)).any():
        return "It would see what is behind the source, and a part of the grid is."
    return None


def _ahead(geometry: FanBeam | ConeBeam | VectorBeam) -> np.ndarray:
    """Return for every view the way at right angles to the detector, from the source: (view, 3)."""
    if not isinstance(geometry, VectorBeam):
        angles = np.asarray(geometry.angles)
        return np.stack([-np.sin(angles), np.cos(angles), 0 * angles], axis=-1)
    sources, middle, u = (
        np.asarray(part) for part in (geometry.origins, geometry.centers, geometry.u_axes)
    )
    normals = u[:, ::-1] * (1, -1) if geometry.v_axes is None else np.cross(u, geometry.v_axes)
    return normals * np.sign(((middle - sources) * normals).sum(axis=1, keepdims=True))


def _as_astra(geometry: Any, grid: Grid) -> str | None:
    """Return what ASTRA cannot do on the CPU."""
    from ctinr.projectors.backends import astra

    return astra.obstacle(geometry) or _flat_and_ahead(geometry, grid)


def _as_astra_cuda(geometry: Beam, grid: Grid) -> str | None:
    """Return what ASTRA cannot do on a card, or what the one that is installed cannot."""
    from ctinr.projectors.backends import astra_cuda

    return _flat_and_ahead(geometry, grid) or astra_cuda.obstacle()


def _as_torch_radon(geometry: PlanarBeam, grid: Grid) -> str | None:
    """Return what torch-radon cannot do; parts of it depend on the version that is installed."""
    from ctinr.projectors.backends import torch_radon

    return _flat_and_ahead(geometry, grid) or torch_radon.obstacle(geometry, grid)


TORCH_RADON_INSTALL = (
    "conda install -c conda-forge carterbox-torch-radon, or python setup.py install in a clone of "
    "github.com/matteo-ronchetti/torch-radon, which is no longer maintained; either is CUDA code "
    "compiled for one version of torch and of CUDA, and may not build for those that are here"
)

BACKENDS: tuple[Backend, ...] = (
    Backend(
        name="numba",
        target="ctinr.projectors.backends.numba_joseph:NumbaJoseph",
        volumes="ctinr.projectors.backends.numba_volume:NumbaVolume",
        requires=(("numba", "pip install numba"),),
        devices=("cpu",),
    ),
    Backend(
        name="triton",
        target="ctinr.projectors.backends.triton_joseph:TritonJoseph",
        volumes="ctinr.projectors.backends.triton_volume:TritonVolume",
        requires=(("triton", "pip install triton"),),
        devices=("cuda",),
        dtypes=(torch.float32, *HALF_PRECISION),
    ),
    Backend(
        name="torch",
        target="ctinr.projectors.backends.torch_joseph:TorchJoseph",
        volumes="ctinr.projectors.backends.torch_volume:TorchVolume",
    ),
    # After the engine that runs everywhere, so that "auto" never comes to these.
    Backend(
        name="astra",
        target="ctinr.projectors.backends.astra:Astra",
        requires=(("astra", "pip install astra-toolbox"),),
        beams=(ParallelBeam, FanBeam, VectorBeam),
        devices=("cpu",),
        dtypes=(torch.float32,),
        # Its positions are single precision and drift along a ray; a fan is made of lengths.
        deviation=2e-3,
        other_model=(FanBeam, VectorBeam),
        limits=_as_astra,
    ),
    Backend(
        name="astra_cuda",
        target="ctinr.projectors.backends.astra_cuda:AstraCuda",
        volumes="ctinr.projectors.backends.astra_cuda:AstraCuda",
        requires=(("astra", "pip install astra-toolbox"),),
        devices=("cuda",),
        dtypes=(torch.float32,),
        adjoint_gap=0.35,
        # The backprojection always is another one; so is the projection, but for parallel rays.
        other_model=(ParallelBeam, FanBeam, ConeBeam, VectorBeam),
        limits=_as_astra_cuda,
    ),
    Backend(
        name="torch_radon",
        target="ctinr.projectors.backends.torch_radon:TorchRadon",
        requires=(("torch_radon", TORCH_RADON_INSTALL),),
        beams=(ParallelBeam, FanBeam),
        devices=("cuda",),
        dtypes=(torch.float32,),
        adjoint_gap=0.2,
        # Its backprojection is another one, and its textures have weights of eight bits.
        other_model=(ParallelBeam, FanBeam),
        limits=_as_torch_radon,
    ),
)


def backend_named(name: str) -> Backend:
    """Return the engine of that name, or raise a ValueError that lists them."""
    names = [backend.name for backend in BACKENDS]
    return BACKENDS[names.index(checks.one_of(name, "backend", names))]


def choose(
    name: str, geometry: object, grid: Grid, device: torch.device | str, dtype: torch.dtype
) -> Backend:
    """Return the engine asked for, or for "auto" the first that can run here.

    Raises
    ------
    BackendUnavailable
        With the table of obstacles, if it cannot run. Nothing else is tried in its place.
    """
    asked = BACKENDS if name == "auto" else (backend_named(name),)
    obstacles = []
    for backend in asked:
        obstacle = backend.obstacle(geometry, grid, device, dtype)
        if obstacle is None:
            return backend
        obstacles.append(obstacle)
    table = "\n".join(f"  {b.name}: {o}" for b, o in zip(asked, obstacles, strict=True))
    others = [b.name for b in BACKENDS if b.obstacle(geometry, grid, device, dtype) is None]
    hint = f"These can: {', '.join(others)}." if others else "No engine can."
    raise checks.BackendUnavailable(
        f"backend {name!r} cannot run on {device} with {dtype}:\n{table}\n{hint}"
    )
