"""Check and time the projector engines on a CUDA card, with those of ASTRA and torch-radon.

Each engine is held against the plain one in float64 and against its own transpose. ASTRA's `cuda`
and `cuda3d` are the engine `astra_cuda`: tensors stay on the card, images of a batch are handled
one by one. With --smoke and no card, the engines that run on the CPU are tried.

The second table has the wavelet between two matrix products in bfloat16, forward and back, by every
kernel that runs there. The third has the product before it too: by the library and then the kernel
of the wavelet, or by the one kernel of both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from torch import Tensor

from ctinr.geometry import Grid
from ctinr.networks import Linear
from ctinr.networks.activations import Wavelet
from ctinr.networks.kernels.choice import KERNELS
from ctinr.projectors import BACKENDS, Projector
from recon_scripts.benchmarks import volumes
from recon_scripts.benchmarks._timing import parse, publish, take_turns
from recon_scripts.benchmarks.projectors import BEAMS, Case

AnyCase = Case | volumes.Case
CASES: list[AnyCase] = [Case(beam, 512, 360, n) for beam, n in product(BEAMS, (1, 4, 16))]
CASES += [volumes.Case("circle", side, 360) for side in (256, 512)]
SMOKE: list[AnyCase] = [Case(beam, 32, 6, n) for beam, n in product(BEAMS, (1, 3))]
SMOKE += [volumes.Case("helix", 12, 6, 2)]
# The plain engine takes minutes beyond so many crossings.
LARGEST_FOR_TORCH = 2e9
NOT_CHECKED = dict.fromkeys(("forward off by", "adjoint off by", "adjoint gap", "repeats"), "-")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CARD = torch.cuda.get_device_name() if torch.cuda.is_available() else "none: on the CPU"
NO_CARD = "There is no CUDA card here, so there is nothing to time; --smoke tries the CPU."


def finished(call: Callable[[], Any]) -> Callable[[], Any]:
    """Return a call that begins when the card is idle and ends when it is done."""

    def waiting() -> None:
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        call()
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    return waiting


def adjoint_gap(A: Projector, x: Tensor, y: Tensor) -> float:
    """Return how far the transpose is off, relative to the product of two positive vectors."""
    forward = torch.sum(A(x).double() * y.double())
    return float((forward - torch.sum(x.double() * A.T(y).double())).abs() / forward)


def differ(given: Tensor, wanted: Tensor) -> float:
    return float((given.double() - wanted).norm() / wanted.norm())


def checked(A: Projector, images: Tensor, sinograms: Tensor) -> dict[str, Any]:
    """Return what an engine is off by, and whether it repeats itself to the bit."""
    plain = Projector(A.geometry, A.domain, "torch")
    views, pictures = A(images), A.T(sinograms)
    return {
        "forward off by": differ(views[-1], plain(images[-1].double())),
        "adjoint off by": differ(pictures[-1], plain.T(sinograms[-1].double())),
        "adjoint gap": adjoint_gap(A, images, sinograms),
        "repeats": views.equal(A(images)) and pictures.equal(A.T(sinograms)),
    }


def tried(case: AnyCase, rounds: int) -> list[dict[str, Any]]:
    """Return one row an engine: seconds, and what it is off by."""
    volume = isinstance(case, volumes.Case)
    geometry, grid = case.geometry(), Grid((case.side,) * (3 if volume else 2))
    random = torch.Generator().manual_seed(0)
    images = torch.rand(case.batch, *grid.shape, generator=random).to(DEVICE)
    sinograms = torch.rand(case.batch, *geometry.shape, generator=random).to(DEVICE)
    pairs, found = {}, {}
    crossings = sinograms.numel() * case.side
    names = [b.name for b in BACKENDS if not b.obstacle(geometry, grid, DEVICE, images.dtype)]
    if crossings > LARGEST_FOR_TORCH and names != ["torch"]:
        names.remove("torch")
    for name in names:
        A = Projector(geometry, grid, name)
        found[name] = checked(A, images, sinograms) if "torch" in names else NOT_CHECKED
        pairs[name] = (lambda A=A: A(images), lambda A=A: A.T(sinograms))
    forward, adjoint = (
        take_turns({name: finished(pair[way]) for name, pair in pairs.items()}, rounds=rounds)
        for way in (0, 1)
    )
    problem = f"{case.beam}, {' × '.join(map(str, grid.shape))}, {case.views} views"
    return [
        {
            "card": CARD,
            "problem": problem,
            "images": case.batch,
            "engine": name,
            "forward s": forward[name],
            "adjoint s": adjoint[name],
            "1e9 updates a s": crossings / adjoint[name] / 1e9,
            **found[name],
        }
        for name in pairs
    ]


def activations(lines: int, width: int, rounds: int) -> list[dict[str, Any]]:
    """Return the seconds of the wavelet with bias, of bfloat16, by every kernel that can run."""
    short = torch.bfloat16
    x, weight = (torch.randn(lines, width, device=DEVICE, dtype=short) for _ in range(2))
    bias = torch.zeros(width, device=DEVICE)
    device = torch.device(DEVICE)
    able = [row for row in KERNELS if row.obstacle(device, short) is None]
    # One that takes a linear layer too is another's engine here.
    engines = {row.name: row.load() for row in able if row.linear is None}
    given = {"bias": bias, "dtype": short}
    calls = {name: lambda e=e: e.value(x, 3.0, **given) for name, e in engines.items()}
    back = {name: lambda e=e: e.slope(weight, x, 3.0, **given) for name, e in engines.items()}
    value, slope = (
        take_turns({name: finished(call) for name, call in way.items()}, rounds=rounds)
        for way in (calls, back)
    )
    traffic = 2 * x.numel() * x.element_size()
    return [
        {
            "card": CARD,
            "entries": f"{lines} x {width}",
            "kernel": name,
            "value s": value[name],
            "slope s": slope[name],
            "value GB a s": traffic / value[name] / 1e9,
        }
        for name in engines
    ]


def layers(lines: int, width: int, rounds: int) -> list[dict[str, Any]]:
    """Return the seconds of a linear layer and its wavelet, by every kernel that can run."""
    return [
        row
        for dtype in (torch.bfloat16, torch.float32)
        for row in layers_in(dtype, lines, width, rounds)
    ]


def layers_in(dtype: torch.dtype, lines: int, width: int, rounds: int) -> list[dict[str, Any]]:
    """Return what `layers` does for one format of the product and of the activations."""
    device, layer = torch.device(DEVICE), Linear(width, width).to(DEVICE)
    layer.product_dtype = dtype
    x, weight = (torch.randn(lines, width, device=DEVICE, dtype=dtype) for _ in range(2))
    leaves = [x.requires_grad_(), *layer.parameters()]
    names = [row.name for row in KERNELS if row.obstacle(device, dtype) is None]
    calls, values = {}, {}
    for name in names:
        wavelet = Wavelet(3.0, kernel=name)  # type: ignore[arg-type]
        calls[name] = lambda of=wavelet: of.of_linear(x, layer, dtype=dtype)
        values[name] = calls[name]()

    def backward(value: Tensor) -> Any:
        return torch.autograd.grad(value, leaves, weight, retain_graph=True)

    back = {name: lambda value=value: backward(value) for name, value in values.items()}
    forward_s, backward_s = (
        take_turns({name: finished(call) for name, call in way.items()}, rounds=rounds)
        for way in (calls, back)
    )
    operations = 2 * lines * width**2
    return [
        {
            "card": CARD,
            "points": f"{lines} x {width}",
            "format": str(dtype).removeprefix("torch."),
            "kernel": name,
            "forward s": forward_s[name],
            "backward s": backward_s[name],
            "1e12 operations a s": 3 * operations / (forward_s[name] + backward_s[name]) / 1e12,
        }
        for name in names
    ]


def main() -> None:
    """Try every engine that runs on the card on every case, and publish the tables."""
    options = parse(__doc__ or "")
    if DEVICE == "cpu" and not options.smoke:
        sys.exit(NO_CARD)
    rows = []
    for case in SMOKE if options.smoke else CASES:
        rows += tried(case, rounds=2 if options.smoke else 5)
    publish("CUDA: projectors, float32, median", rows, options.out)
    lines, width, rounds = (64, 24, 2) if options.smoke else (1 << 18, 256, 20)
    publish("CUDA wavelet: median", activations(lines, width, rounds), options.out)
    publish("CUDA linear and wavelet: median", layers(lines, width, rounds), options.out)


if __name__ == "__main__":
    main()
