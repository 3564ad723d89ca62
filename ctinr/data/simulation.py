"""Simulated scans: what a detector would have counted, back as line integrals.

Data are made from exact line integrals, or from a picture on a grid at least twice as fine as the
one that is reconstructed. Data made by the very operator that reconstructs them can be explained
perfectly, which no measurement can (the "inverse crime"); it has to be asked for by that name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ctinr import checks
from ctinr.data.bin_samples import finer_bins, mean_over_bins, parts
from ctinr.data.scan import Scan
from ctinr.geometry import Beam, Grid
from ctinr.operators import BlockAverage, LinearOperator

# Makes the operator of a geometry and a grid; `ctinr.projectors.Projector` is one.
Project = Callable[[Any, Grid], LinearOperator]
# The exact integrals along lines, given points and directions (..., axes), (x, y) or (x, y, z), mm.
LineIntegrals = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Rays handled at once when exact line integrals are evaluated, which bounds the memory.
RAYS = 1 << 20

CRIME = "The data were made by the operator that reconstructs them (inverse crime)."


@dataclass(frozen=True)
class Noise:
    """A photon counter: Poisson counts, the noise of its electronics, and a floor.

    Parameters
    ----------
    photons : float or sequence of float, or array of shape (view,)
        Mean number of photons that each bin counts without the object; or one number a view.
    electronic : float
        Standard deviation of the Gaussian noise of the electronics, in photons.
    floor : float
        Counts below it, zero and negative ones among them, are set to it before the logarithm.
    seed : int
        The same seed gives the same noise.

    Raises
    ------
    ValueError
        If photons or floor are not positive or the electronic noise is negative.
    """

    photons: float | Sequence[float] | np.ndarray = 1e5
    electronic: float = 0.0
    floor: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "photons", _checked_photons(self.photons))
        electronic = checks.finite(self.electronic, "electronic")
        checks.require(electronic >= 0, "electronic", "be zero or above", electronic)
        checks.positive(self.floor, "floor")
        checks.count(self.seed, "seed", least=0)


def simulate(
    line_integrals: Float[Tensor, "..."], noise: Noise | None = None
) -> tuple[Float[Tensor, "..."], int]:
    """Return line integrals as a noisy detector would measure them.

    ``counts = Poisson(photons · exp(−p)) + electronic · N(0, 1)``, at least `floor`, and
    ``−log(counts / photons)``, in float64. The noise depends on the number of photons only, not
    on the scale of the image, and a bin that counts nothing never becomes infinite.

    Parameters
    ----------
    line_integrals : Tensor, any shape
        Without unit. The first axis is that of the views if there are photons for each.
    noise : Noise, optional
        The detector; without it the values are returned as they are.

    Returns
    -------
    measured : Tensor
        Same shape, device and dtype.
    floored : int
        How many counts were below the floor.

    Raises
    ------
    ValueError
        If values are empty, NaN or infinite, or there are photons of another number of views.
    """
    checks.finite_values(line_integrals, "line_integrals")
    if noise is None:
        return line_integrals.clone(), 0
    generator = torch.Generator().manual_seed(noise.seed)
    photons = _photons_of(noise, line_integrals)
    mean = photons * torch.exp(-line_integrals.detach().cpu().double())
    counts = torch.poisson(mean, generator=generator)
    if noise.electronic:
        normal = torch.randn(mean.shape, generator=generator, dtype=torch.float64)
        counts = counts + noise.electronic * normal
    low = counts < noise.floor
    measured = -torch.log(counts.clamp(min=noise.floor) / photons)
    return measured.to(line_integrals), int(low.sum())


def simulated_scan(
    line_integrals_of: LineIntegrals,
    geometry: Beam,
    grid: Grid,
    *,
    truth: Any = None,
    noise: Noise | None = None,
    bin_samples: int = 4,
) -> Scan:
    """Return a scan of an object whose line integrals are known.

    Parameters
    ----------
    line_integrals_of : callable
        Maps points and directions, arrays of shape (..., axes) in the order (x, y) or (x, y, z),
        mm, to the integrals along those lines, such as the method `line_integrals` of a phantom.
        The object lies before the sources.
    geometry : ParallelBeam, FanBeam, ConeBeam or VectorBeam
        The rays.
    grid : Grid
        The cells proposed for the reconstruction.
    truth : array or Tensor of shape (y, x) or (z, y, x), optional
        The object on the grid, 1/mm.
    noise : Noise, optional
        The detector; none for exact data.
    bin_samples : int
        Rays a bin along each axis of the detector. A bin counts the photons of its whole area, so
        intensities are averaged. So many rays are held at once that memory stays bounded.

    Raises
    ------
    ValueError
        If a value is not finite or shapes do not fit.
    """
    bin_samples = checks.count(bin_samples, "bin_samples")
    num_axes = len(geometry.detector.shape)
    integrals = torch.empty(geometry.shape, dtype=torch.float64)
    for part, fine in parts(geometry, bin_samples, most=RAYS):
        rays = fine.rays()
        exact = np.asarray(line_integrals_of(rays.points, rays.directions))
        rule = f"return values of the shape {fine.shape} of its rays"
        checks.require(exact.shape == fine.shape, "line_integrals_of", rule, exact)
        values = torch.as_tensor(exact, dtype=torch.float64)
        integrals[part] = mean_over_bins(values, bin_samples, num_axes)
    truth = None if truth is None else torch.as_tensor(truth)
    return _scan(integrals, geometry, grid, truth=truth, noise=noise, notes=())


def projected_scan(
    project: Project,
    image: Float[Tensor, "*cells"],
    *,
    geometry: Beam,
    grid: Grid,
    noise: Noise | None = None,
    inverse_crime: bool = False,
) -> Scan:
    """Return a scan of a picture, made on a finer grid than the one to be reconstructed.

    Parameters
    ----------
    project : callable
        Makes the operator of a geometry and a grid, such as `ctinr.projectors.Projector`.
    image : Tensor of shape (factor · y, factor · x), or of three axes
        The object, 1/mm, on the grid with its cells split by a whole factor of at least 2. Each
        bin is split likewise and its intensities averaged.
    geometry : ParallelBeam, FanBeam, ConeBeam or VectorBeam
        The rays.
    grid : Grid
        The cells proposed for the reconstruction. The truth on it is the mean over each cell.
    noise : Noise, optional
        The detector; none for exact data.
    inverse_crime : bool
        Allow the factor 1: the operator that reconstructs makes the data. Recorded as a warning.

    Raises
    ------
    ValueError
        If the image's grid is not at least twice as fine, or values are not finite.
    """
    checks.finite_values(image, "image")
    factor = _refinement(image, grid, inverse_crime)
    operator = project(finer_bins(geometry, factor), grid.refine(factor))
    num_axes = len(geometry.detector.shape)
    integrals = mean_over_bins(operator(image.double()), factor, num_axes)
    truth = BlockAverage(grid.refine(factor), factor)(image.double())
    notes = (CRIME,) if factor == 1 else ()
    return _scan(integrals, geometry, grid, truth=truth, noise=noise, notes=notes)


def _scan(
    integrals: Tensor,
    geometry: Beam,
    grid: Grid,
    *,
    truth: Tensor | None,
    noise: Noise | None,
    notes: tuple[str, ...],
) -> Scan:
    measured, floored = simulate(integrals, noise)
    made: dict[str, Any] = {"source": "simulation", "simulated": True}
    if noise is not None:
        made |= {"photons": noise.photons, "electronic_noise": float(noise.electronic)}
        made |= {"floor": float(noise.floor), "floored_values": floored, "seed": int(noise.seed)}
    if floored and noise is not None:
        notes = (*notes, f"{floored} counts below {noise.floor:g} photons were set to that.")
    if truth is not None:
        made["data_range"] = float(truth.max() - truth.min())
        truth = truth.to(torch.float32)
    if notes:
        made["warnings"] = notes
    return Scan(measured.to(torch.float32), geometry, grid, truth, made)


def _refinement(image: Tensor, grid: Grid, inverse_crime: bool) -> int:
    """Return how many cells of the image lie along one of the grid."""
    factor = image.shape[0] // grid.shape[0] if image.ndim == len(grid.shape) else 0
    fits = tuple(image.shape) == tuple(factor * n for n in grid.shape)
    least = 1 if inverse_crime else 2
    rule = f"be on a grid at least twice as fine as {grid.shape}, by a whole factor"
    remedy = (
        "Data made by the operator that reconstructs them flatter every method; pass "
        "inverse_crime=True if that is meant."
    )
    checks.require(fits and factor >= least, "image", rule, image, remedy)
    return factor


def _checked_photons(photons: Any) -> float | tuple[float, ...]:
    """Return one number of photons, or those of every view."""
    if np.ndim(photons) == 0:
        return checks.positive(photons, "photons")
    several = tuple(checks.positive(number, "photons") for number in photons)
    checks.require(len(several) > 0, "photons", "be one number or one a view", "none")
    return several


def _photons_of(noise: Noise, line_integrals: Tensor) -> Tensor:
    """Return the photons of every bin, in a shape that line integrals multiply with."""
    photons = torch.as_tensor(noise.photons, dtype=torch.float64)
    if photons.ndim == 0:
        return photons
    num_views = line_integrals.shape[0] if line_integrals.ndim else 0
    rule = f"be one number or one for each of the {num_views} views"
    checks.require(len(photons) == num_views, "photons", rule, f"{len(photons)} of them")
    return photons.reshape(-1, *(1,) * (line_integrals.ndim - 1))
