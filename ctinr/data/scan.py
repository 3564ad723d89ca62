"""Scan: measured or simulated line integrals with everything needed to reconstruct them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ctinr import checks
from ctinr.data.inspection import suspicions
from ctinr.geometry import BEAMS, Beam, Grid

# What a file's metadata may be made of.
Plain = str | bool | int | float | tuple[Any, ...]
# Metadata that, as a tuple, have one entry a view.
EACH_VIEW = ("views", "photons")


@dataclass(frozen=True, eq=False)
class Scan:
    """What a file yields and a simulation makes: line integrals, their rays and a grid.

    Parameters
    ----------
    sinogram : Tensor, shape (angle, u) or (angle, v, u)
        Line integrals of the attenuation, without unit; float32 or float64.
    geometry : ParallelBeam, FanBeam, ConeBeam or VectorBeam
        The ray of every value; mm and radians.
    grid : Grid
        The cells proposed for the reconstruction, mm: three axes for an area of bins, else two.
    truth : Tensor of shape (y, x) or (z, y, x), optional
        What the reconstruction should be, on `grid`, 1/mm.
    metadata : mapping
        Plain values: text, numbers, truth values, or a list or tuple of one of these kinds. Keys
        in use are `title`, `source`, `photons`, `data_range`, `views`, `center` and `warnings`;
        docs/data.md says what each holds. `photons` is one number or one a view.

    Raises
    ------
    TypeError
        If an argument has another type, or a value of the metadata is not plain.
    ValueError
        If data are empty, NaN or infinite, shapes do not fit together, or `views` or `photons`
        of the metadata are not one a view, photons above zero.
    """

    sinogram: Float[Tensor, "angle *bins"]
    geometry: Beam
    grid: Grid
    truth: Float[Tensor, "*cells"] | None = None
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if not isinstance(self.geometry, Beam):
            raise TypeError(checks.message("geometry", f"be a {BEAMS}", self.geometry))
        if not isinstance(self.grid, Grid):
            raise TypeError(checks.message("grid", "be a Grid", self.grid))
        num_axes = len(self.geometry.shape)
        rule = {
            2: "have two axes, as the detector is a line",
            3: "have three axes, as it is an area",
        }
        fits = len(self.grid.shape) == num_axes
        checks.require(fits, "grid", rule[num_axes], repr(self.grid.shape))
        what = f"{self.num_views} views and {_by(self.geometry.detector.shape)} bins"
        _check_values(self.sinogram, "sinogram", self.geometry.shape, f"the geometry: {what}")
        if self.truth is not None:
            _check_values(self.truth, "truth", self.grid.shape, "the grid")
        plain = {_key(key): _plain(key, value) for key, value in self.metadata.items()}
        _check_each_view(plain, self.num_views)
        object.__setattr__(self, "metadata", MappingProxyType(plain))

    def __repr__(self) -> str:
        bins = _by(self.geometry.detector.shape)
        title = f"{self.metadata['title']!r}, " if "title" in self.metadata else ""
        known = "known" if self.truth is not None else "unknown"
        return f"Scan({title}{self.num_views} views x {bins} bins, {self.grid!r}, truth {known})"

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.sinogram, self.geometry, self.grid, self.truth, dict(self.metadata))
        return Scan, parts

    @property
    def num_views(self) -> int:
        """Number of views."""
        return self.geometry.num_views

    def __getitem__(self, views: Any) -> Scan:
        """Return the scan of the selected views (slice, list, boolean mask or index).

        The metadata's `views` holds their places in the scan as it was first made or read, and
        `photons` those of these views, if there is a number for each.
        """
        try:
            chosen = np.atleast_1d(np.arange(self.num_views)[_as_index(views)])
        except IndexError:
            rule = f"select some of the {self.num_views} views, counted from 0"
            raise IndexError(checks.message("views", rule, views)) from None
        checks.require(len(chosen) > 0, "views", "select at least one view", views)
        before = self.metadata.get("views", tuple(range(self.num_views)))
        metadata = {**self.metadata, "views": tuple(before[index] for index in chosen)}
        photons = metadata.get("photons")
        if isinstance(photons, tuple):
            metadata["photons"] = tuple(photons[index] for index in chosen)
        return replace(
            self,
            sinogram=self.sinogram[torch.as_tensor(chosen, device=self.sinogram.device)],
            geometry=self.geometry[chosen],
            metadata=metadata,
        )

    def with_views(self, num_views: int) -> Scan:
        """Return the scan of `num_views` views spread evenly over those there are.

        Every n-th view from the first one on where their number divides; else the views nearest
        to that even spacing.

        Raises
        ------
        ValueError
            If there are fewer views than that.
        """
        return self[evenly_spread(num_views, self.num_views)]

    def warnings(self) -> tuple[str, ...]:
        """Return what a reader of the reconstruction should know, one sentence each.

        First what was noted when the data were read or made (the metadata's `warnings`), then
        what the values and the geometry show: truncation, repeated views, missing angles, values
        that look like intensities, which have not been through the logarithm. Views of a helix or
        given as vectors are judged by their values alone.
        """
        noted = tuple(self.metadata.get("warnings", ()))
        values = self.sinogram.detach().cpu().double().numpy()
        simulated = bool(self.metadata.get("simulated", False))
        return noted + suspicions(values, self.geometry, self.grid, simulated=simulated)


def evenly_spread(num_views: int, of: int, *, argument: str = "num_views") -> tuple[int, ...]:
    """Return which of the views are spread evenly over them: every n-th, or the nearest to that.

    Raises
    ------
    ValueError
        If there are fewer views than that; it speaks of the argument of that name.
    """
    num_views = checks.count(num_views, argument)
    rule = f"be at most {of}, the number of views of the scan"
    checks.require(num_views <= of, argument, rule, num_views)
    spread = np.arange(num_views) * (of / num_views)
    return tuple(np.floor(spread + 0.5).astype(int).tolist())


def _check_values(values: Any, argument: str, shape: tuple[int, ...], owner: str) -> None:
    if not isinstance(values, Tensor):
        remedy = "Use torch.as_tensor."
        raise TypeError(checks.message(argument, "be a torch.Tensor", values, remedy))
    if values.dtype not in (torch.float32, torch.float64):
        raise TypeError(checks.message(argument, "be float32 or float64", values, "Convert it."))
    checks.require(math.prod(values.shape) > 0, argument, "not be empty", values)
    rule = f"have the shape {tuple(shape)} of {owner}"
    checks.require(tuple(values.shape) == tuple(shape), argument, rule, values)
    checks.finite_values(values, argument)


def _check_each_view(metadata: Mapping[str, Any], num_views: int) -> None:
    """Raise unless what the metadata say of views is said of each, and photons are above zero."""
    for name in EACH_VIEW:
        given = metadata.get(name)
        if isinstance(given, tuple):
            rule = f"be one for each of the {num_views} views"
            argument = f"metadata[{name!r}]"
            checks.require(len(given) == num_views, argument, rule, f"{len(given)} of them")
    photons = metadata.get("photons", ())
    for number in photons if isinstance(photons, tuple) else (photons,):
        checks.positive(number, "metadata['photons']")


def _by(shape: tuple[int, ...]) -> str:
    """Return "64 x 96" of (64, 96)."""
    return " x ".join(map(str, shape))


def _as_index(views: Any) -> Any:
    if isinstance(views, slice | int | np.integer):
        return views
    index = np.asarray(views)
    return index.astype(int) if index.size == 0 else index


def _key(key: Any) -> str:
    good = isinstance(key, str) and key != "" and "/" not in key and key != "."
    checks.require(good, "metadata", "have keys that are words without a slash", key)
    return key


def _plain(key: str, value: Any) -> Plain:
    """Return a value of the metadata as plain Python, lists as tuples."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        items = tuple(item.item() if isinstance(item, np.generic) else item for item in value)
        if any(all(isinstance(item, kind) for item in items) for kind in (str, bool, int, float)):
            return items
    rule = "be text, a number, a truth value or a list of one of these kinds"
    raise TypeError(
        checks.message(f"metadata[{key!r}]", rule, value, "Leave out what is not known.")
    )
