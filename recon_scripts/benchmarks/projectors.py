"""Time the projector engines, beside ASTRA's CPU projectors where ASTRA is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.projectors import Projector
from recon_scripts.benchmarks._timing import parse, publish, take_turns

# (cells along a side, views, bins)
CASES = ((512, 100, 768), (512, 720, 768))
SMOKE = ((64, 20, 96),)
Pair = tuple[Callable[[], Any], Callable[[], Any]]


def ours(geometry: ParallelBeam, grid: Grid, image: torch.Tensor, backend: str) -> Pair:
    """Return forward and adjoint of one of our engines as calls."""
    A = Projector(geometry, grid, backend=backend)
    sinogram = A(image)
    return lambda: A(image), lambda: A.T(sinogram)


def astra(geometry: ParallelBeam, grid: Grid, image: torch.Tensor, kind: str) -> Pair:
    """Return forward and adjoint of an ASTRA CPU projector, in arrays that it need not copy."""
    import astra as toolbox

    bins = geometry.detector.shape[0]
    volume = toolbox.create_vol_geom(*grid.shape)
    rays = toolbox.create_proj_geom("parallel", 1.0, bins, np.asarray(geometry.angles))
    operator = toolbox.OpTomo(toolbox.create_projector(kind, rays, volume))
    picture = np.ascontiguousarray(image.numpy())
    sinogram = operator.FP(picture)
    return lambda: operator.FP(picture), lambda: operator.BP(sinogram)


def contenders(case: tuple[int, int, int]) -> dict[str, Pair]:
    """Return the calls of every engine on one problem."""
    side, views, bins = case
    grid = Grid((side, side))
    geometry = ParallelBeam(equal_angles(views), Detector(bins))
    image = torch.rand(grid.shape, generator=torch.Generator().manual_seed(0))
    pairs = {"numba": ours(geometry, grid, image, "numba")}
    if importlib.util.find_spec("astra") is not None:
        for kind in ("linear", "line"):
            pairs[f"ASTRA {kind}"] = astra(geometry, grid, image, kind)
    pairs["torch"] = ours(geometry, grid, image, "torch")
    return pairs


def main() -> None:
    """Time every engine on every case and publish seconds and ratios."""
    options = parse(__doc__ or "")
    rows = []
    for case in SMOKE if options.smoke else CASES:
        pairs = contenders(case)
        rounds = 2 if options.smoke else 5
        forward = take_turns({name: pair[0] for name, pair in pairs.items()}, rounds=rounds)
        adjoint = take_turns({name: pair[1] for name, pair in pairs.items()}, rounds=rounds)
        for name in pairs:
            rows.append(
                {
                    "problem": f"{case[0]}² cells, {case[1]} views, {case[2]} bins",
                    "engine": name,
                    "forward s": forward[name],
                    "adjoint s": adjoint[name],
                    "forward, numba faster by": forward[name] / forward["numba"],
                    "adjoint, numba faster by": adjoint[name] / adjoint["numba"],
                }
            )
    publish("Projectors: parallel beam, float32, one image, median", rows, options.out)


if __name__ == "__main__":
    main()
