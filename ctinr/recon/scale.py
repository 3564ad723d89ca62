"""Choosing the scale c of a BW-ReLU network: least variation norm at equal misfit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from ctinr import checks
from ctinr.geometry import Grid
from ctinr.networks import BWReLU, Ensemble, variation_norm
from ctinr.operators import Observation
from ctinr.recon.fit import fit
from ctinr.recon.observers import Watcher
from ctinr.recon.optimizers import MuonAdam, Optimizers, Schedule, cosine
from ctinr.recon.run import Observer, Step

SCALES = (1.0, 2.0, 3.0, 5.0, 8.0)
REACHED = "misfit of all networks"


@dataclass(frozen=True, eq=False)
class ScaleChoice:
    """The scale whose networks have the least variation norm at one misfit, and what was seen.

    Parameters
    ----------
    scale : float
        The choice.
    scales : tuple of float
        What there was to choose from.
    norms : tuple of float
        For each scale the mean norm, over the seeds, of the networks when they first had the
        misfit; infinite if one of them never had.
    misfit : float
        The relative residual at which they are compared.
    misfits, curves : array, shape (scale, seed, step)
        Misfits and norms in the course of the fits.
    networks : Ensemble
        The networks at the end; scales in order, with all the seeds of each.
    stopped_by : str
        Why the fits ended.
    """

    scale: float
    scales: tuple[float, ...]
    norms: tuple[float, ...]
    misfit: float
    misfits: np.ndarray
    curves: np.ndarray
    networks: Ensemble
    stopped_by: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; infinite norms are None."""
        norms = [norm if math.isfinite(norm) else None for norm in self.norms]
        plain = {"scale": self.scale, "scales": list(self.scales), "norms": norms}
        return {**plain, "misfit": self.misfit, "stopped_by": self.stopped_by}


def select_scale(  # noqa: PLR0913 - every part of a fit can be exchanged
    observations: Observation | Sequence[Observation],
    *,
    grid: Grid,
    family: BWReLU | None = None,
    scales: Sequence[float] = SCALES,
    seeds: Sequence[int] = (0,),
    iterations: int = 300,
    misfit: float | None = None,
    optimizer: Optimizers | None = None,
    schedule: Schedule = cosine,
    every: int = 5,
    observers: Sequence[Observer] = (),
) -> ScaleChoice:
    """Fit networks of several scales together; choose the one that needs the least norm.

    Of functions that explain the data equally well, the one of least variation norm is the one
    that turns the least where nothing was measured. No truth is needed. On images take a coarse
    grid: all networks are evaluated at once, and the scale that suits a grid suits finer ones.

    Parameters
    ----------
    observations : Observation or sequence of Observation
        What the networks are fitted to, as in `fit`.
    grid : Grid
        Where they are evaluated.
    family : BWReLU, optional
        Their other hyper-parameters; `BWReLU(width=128)` if None.
    scales : sequence of float
        What to choose from, at least two, rising.
    seeds : sequence of int
        Of the initial values; norms are averaged over them.
    iterations : int
        Steps of the fit, at most.
    misfit : float, optional
        The relative residual, ‖weight(A f - y)‖ / ‖weight y‖, at which norms are compared: the
        level of the noise where it is known. The fit ends when all networks have had it. If None,
        the least that all of them reach.
    optimizer : callable, optional
        From the ensemble to its optimisers; if None, Muon and Adam at the rates of the family.
    schedule : callable
        As for `fit`.
    every : int
        Steps between two looks at misfits and norms.
    observers : sequence of Observer
        Each sees every step; an image has an axis of networks in front.

    Raises
    ------
    ValueError
        If there are fewer than two scales or they do not rise, there is no seed, or no scale
        reaches the misfit.
    FloatingPointError
        If the loss is no longer finite: networks that were ended by the trouble of one of them
        are not to be compared.

    References
    ----------
    Figures 3 and 7 of Shenouda, Zhou, Nowak 2024, doi:10.48550/arXiv.2406.02529.
    """
    family = family or BWReLU(width=128)
    several = (observations,) if isinstance(observations, Observation) else tuple(observations)
    rising = all(low < high for low, high in itertools.pairwise(scales))
    rule = "be two numbers or more, rising"
    checks.require(len(scales) > 1 and rising, "scales", rule, repr(tuple(scales)))
    checks.require(len(seeds) > 0, "seeds", "not be empty", "none")
    if misfit is not None:
        checks.positive(misfit, "misfit")
    networks = _ensemble(family, scales, seeds, axes=len(grid.shape))
    ledger = _Ledger(networks, several, checks.count(every, "every"), misfit)
    optimizer = optimizer or MuonAdam.of(family)
    given = {"grid": grid, "iterations": iterations, "schedule": schedule}
    result = fit(networks, several, **given, optimizer=optimizer, observers=(ledger, *observers))
    if result.diverged:
        _refuse(result.stopped_by)
    misfits, curves = ledger.tables(len(scales), len(seeds))
    target = float(misfits.min(axis=-1).max()) if misfit is None else misfit
    norms = [_mean_at(target, *both) for both in zip(misfits, curves, strict=True)]
    _check_reached(norms, target, misfits)
    return ScaleChoice(
        scale=float(scales[int(np.argmin(norms))]),
        scales=tuple(float(scale) for scale in scales),
        norms=tuple(norms),
        misfit=target,
        misfits=misfits,
        curves=curves,
        networks=networks,
        stopped_by=result.stopped_by,
    )


@dataclass(eq=False)
class _Ledger(Watcher):
    """Writes down misfits and norms of the same moment: norms just before the step that is seen.

    It ends a fit in which every network has had the misfit that is asked for.
    """

    networks: Ensemble
    observations: tuple[Observation, ...]
    every: int
    misfit: float | None
    misfits: list[Tensor] = field(default_factory=list)
    norms: list[Tensor] = field(default_factory=list)
    whole: Tensor | None = None
    least: Tensor = field(default_factory=lambda: torch.tensor(math.inf))

    def begin(self, iterations: int) -> None:
        """Write down the norms at the start."""
        self.norms.append(self._norms())

    def observe(self, step: Step) -> str | None:
        """Write down the misfits of the image, or the norms that belong to the next one."""
        if (step.index - 1) % self.every == 0:
            self.misfits.append(self._misfits(step.image))
            self.least = torch.minimum(self.least, self.misfits[-1])
            if self.misfit is not None and bool((self.least <= self.misfit).all()):
                return REACHED
        if step.index % self.every == 0:
            self.norms.append(self._norms())
        return None

    def tables(self, *shape: int) -> tuple[np.ndarray, np.ndarray]:
        """Return misfits and norms (scale, seed, step)."""
        both = zip(self.misfits, self.norms, strict=False)
        tables = [torch.stack(columns, dim=-1) for columns in zip(*both, strict=True)]
        misfits, norms = (table.reshape(*shape, -1).numpy() for table in tables)
        return misfits, norms

    @torch.no_grad()
    def _misfits(self, image: Tensor) -> Tensor:
        """Return the relative residual of every member, of all observations together."""
        if self.whole is None:
            # Of an image of zeros, which takes a projection and stays the same.
            self.whole = self._energy(torch.zeros_like(image))
        return (self._energy(image) / self.whole).sqrt().cpu()

    def _energy(self, image: Tensor) -> Tensor:
        """Return the squared residual of every member, of all observations together."""
        residuals = [each.residual(image).double().flatten(1) for each in self.observations]
        return torch.stack([residual.square().sum(1) for residual in residuals]).sum(0)

    def _norms(self) -> Tensor:
        return variation_norm(self.networks).detach().double().cpu()


def _ensemble(
    family: BWReLU, scales: Sequence[float], seeds: Sequence[int], *, axes: int
) -> Ensemble:
    return Ensemble(
        [
            replace(family, scale=scale).build(axes, generator=torch.Generator().manual_seed(seed))
            for scale in scales
            for seed in seeds
        ]
    )


def _mean_at(target: float, misfits: np.ndarray, norms: np.ndarray) -> float:
    """Return the mean over the seeds of the norms (seed, step) at the misfit."""
    return float(np.mean([_at(target, *both) for both in zip(misfits, norms, strict=True)]))


def _at(target: float, misfits: np.ndarray, norms: np.ndarray) -> float:
    """Return the norm when the misfit first fell to the target, its logarithm taken as linear."""
    reached = np.flatnonzero(misfits <= target)
    if not len(reached):
        return math.inf
    after = int(reached[0])
    if after == 0:
        return float(norms[0])
    high, low = (math.log(max(misfits[place], 1e-300)) for place in (after - 1, after))
    part = (high - math.log(target)) / (high - low)
    return float(norms[after - 1] + part * (norms[after] - norms[after - 1]))


def _refuse(reason: str) -> NoReturn:
    given, remedy = f"a fit whose {reason}", "Lower the learning rates, or leave out a scale."
    raise FloatingPointError(checks.message("loss", "stay finite", given, remedy))


def _check_reached(norms: Sequence[float], target: float, misfits: np.ndarray) -> None:
    least = float(misfits.min(axis=-1).max(axis=-1).min())
    rule = f"be reached with one scale at least, the best coming to {least:.3g}"
    remedy = "Ask for less, or for more iterations."
    checks.require(any(map(math.isfinite, norms)), "misfit", rule, f"{target:.3g}", remedy)
