"""Pictures as objects: read one, and scan it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ctinr import checks
from ctinr.data.decoding import decoded
from ctinr.data.files import existing, naming
from ctinr.data.scan import Scan
from ctinr.data.simulation import Noise, Project, projected_scan
from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles

PROTOCOLS = ("standard", "paper")
SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".webp")
# Luminance of linear red, green and blue: ITU-R BT.709.
LUMINANCE = (0.2126, 0.7152, 0.0722)
# Each cell of the picture is split into this many along each axis before it is projected.
SPLIT = 2
# The largest line integral unless another is asked for: 0.7 % of the photons come through.
PEAK = 5.0


def read_image(path: str | os.PathLike[str]) -> Float[np.ndarray, "y x"]:
    """Return a picture as grey values, in the file's own scale.

    Parameters
    ----------
    path : path
        A PNG, TIFF, JPEG or another file that Pillow or tifffile reads, of 1 to 32 bits.

    Returns
    -------
    array of shape (y, x)
        float64, row 0 at the top. Colours become 0.2126 red + 0.7152 green + 0.0722 blue;
        transparency is left out.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    OSError
        If it is damaged or no picture.
    ValueError
        If it holds more than one picture or another number of channels.
    """
    path = existing(path)
    values = decoded(path).astype(np.float64)
    if values.ndim == 3 and values.shape[-1] in (2, 4):
        values = values[..., :-1]
    if values.ndim == 3 and values.shape[-1] == 3:
        values = values @ np.asarray(LUMINANCE)
    elif values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    given = f"'{path}' with values of shape {values.shape}"
    checks.require(values.ndim == 2, "path", "name one picture, grey or in colour", given)
    return values


def scan_from_image(
    image: str | os.PathLike[str] | np.ndarray,
    project: Project,
    *,
    num_views: int,
    protocol: str = "standard",
    noise: Noise | None = None,
    peak: float | None = None,
) -> Scan:
    """Return a simulated scan of a picture, on a grid of its own cells of 1 mm.

    Protocol "standard": the grey values, scaled so that the largest line integral is `peak`, are
    the attenuation; equal angles over the half turn without its end point; data projected from
    cells and bins split in two.

    Protocol "paper", for comparison with published numbers: grey values from 0 to 1; angles over
    the half turn with both end points, so that the last view repeats the first one mirrored;
    data without noise from the operator that reconstructs.

    Parameters
    ----------
    image : path or array of shape (y, x)
        The picture; a path is read with `read_image`.
    project : callable
        Makes the operator of a geometry and a grid, such as `ctinr.projectors.Projector`.
    num_views : int
        Number of views.
    protocol : str
        "standard" or "paper".
    noise : Noise, optional
        The photon counter of "standard"; exact data without it. "paper" has none.
    peak : float, optional
        The largest line integral of "standard", 5 if not given: along that path exp(−peak) of
        the photons come through. "paper" has none.

    Raises
    ------
    ValueError
        If the picture is constant, negative or not finite, or an argument does not fit the
        protocol; and what `read_image` raises.
    """
    checks.one_of(protocol, "protocol", PROTOCOLS)
    name = Path(image).name if isinstance(image, str | os.PathLike) else "array"
    pixels = _pixels(image, nonnegative=protocol == "standard")
    grid = Grid(pixels.shape, 1.0)
    if protocol == "paper":
        rule, remedy = "be left out with protocol='paper'", "Use protocol='standard'."
        checks.require(noise is None, "noise", f"{rule}, whose data have none", noise, remedy)
        checks.require(peak is None, "peak", f"{rule}, whose grey values go to 1", peak, remedy)
        scan = _paper(pixels, project, grid, num_views)
    else:
        peak = checks.positive(PEAK if peak is None else peak, "peak")
        scan = _standard(pixels, project, grid, num_views, noise, peak)
    metadata = {**scan.metadata, "title": Path(name).stem, "source": name, "protocol": protocol}
    return Scan(scan.sinogram, scan.geometry, scan.grid, scan.truth, metadata)


def _paper(pixels: np.ndarray, project: Project, grid: Grid, num_views: int) -> Scan:
    num_views = checks.count(num_views, "num_views", least=2)
    grey = (pixels - pixels.min()) / np.ptp(pixels)
    geometry = ParallelBeam(np.linspace(0, np.pi, num_views), _detector(grid))
    image = torch.as_tensor(grey)
    return projected_scan(project, image, geometry=geometry, grid=grid, inverse_crime=True)


def _standard(
    pixels: np.ndarray,
    project: Project,
    grid: Grid,
    num_views: int,
    noise: Noise | None,
    peak: float,
) -> Scan:
    geometry = ParallelBeam(equal_angles(num_views), _detector(grid))
    image = torch.as_tensor(pixels)
    largest = float(project(geometry, grid)(image).max())
    fine = (image * (peak / largest)).repeat_interleave(SPLIT, 0).repeat_interleave(SPLIT, 1)
    return projected_scan(project, fine, geometry=geometry, grid=grid, noise=noise)


def _detector(grid: Grid) -> Detector:
    """Return bins of the size of a cell, as many as the diagonal needs."""
    return Detector(math.ceil(math.hypot(*grid.shape)) + 1, grid.spacing[0])


def _pixels(image: Any, *, nonnegative: bool) -> np.ndarray:
    """Return the checked values of a picture or of the file that holds one, which errors name."""
    if not isinstance(image, str | os.PathLike):
        return _checked(image, nonnegative=nonnegative)
    with naming(image, {"image": "a picture that can be scanned"}):
        return _checked(read_image(image), nonnegative=nonnegative)


def _checked(image: Any, *, nonnegative: bool) -> np.ndarray:
    pixels = np.asarray(image, dtype=np.float64)
    checks.require(pixels.ndim == 2, "image", "have the axes (y, x)", pixels)
    checks.finite_values(pixels, "image")
    checks.require(float(np.ptp(pixels)) > 0, "image", "show something", "equal values everywhere")
    rule, remedy = "be zero or above, as attenuations are", "Add an offset first."
    given = f"values from {pixels.min():.4g} to {pixels.max():.4g}"
    checks.require(not nonnegative or pixels.min() >= 0, "image", rule, given, remedy)
    return pixels
