"""Figure 1: the wavelet, the seven ReLUs that it is made of, and a network written in both."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure

from ctinr.networks import BWReLU, to_relu, variation_norm, wavelet
from ctinr.networks.kernels.wavelet_torch import BREAKPOINTS
from ctinr.networks.rewriting import COEFFICIENTS
from ctinr.report.style import LIGHT, METHOD_COLORS, blank, dress, legend
from recon_scripts.paper._publishing import Result, options_of, publish

SCALES = (1.0, 3.0, 9.0)


def drawing() -> Figure:
    """Return psi beside the ReLUs whose sum it is."""
    figure = blank(LIGHT, width=9, height=3.2)
    whole, parts = (dress(axes, LIGHT) for axes in figure.subplots(1, 2))
    u = torch.linspace(-0.5, 3.5, 801, dtype=torch.float64)
    whole.plot(u, wavelet(u, 1.0), color=METHOD_COLORS["inr"], linewidth=2, label="ψ(u)")
    whole.plot(BREAKPOINTS, wavelet(torch.tensor(BREAKPOINTS), 1.0), "o", color=LIGHT.ink, ms=4)
    whole.set_xlabel("u")
    legend(whole, LIGHT)
    for knot, coefficient in zip(BREAKPOINTS, COEFFICIENTS, strict=True):
        label = f"{round(6 * coefficient):+d}/6 · relu(u − {knot:g})".replace("-", "−")
        parts.plot(u, coefficient * torch.relu(u - knot), linewidth=1.4, label=label)
    parts.set_ylim(-3, 6)
    parts.set_xlabel("u")
    legend(parts, LIGHT, ncols=2, loc="upper left")
    return figure


def rows(width: int, seed: int) -> list[dict[str, float]]:
    """Return how far networks are from the ReLU networks that they are, in float64."""
    points = torch.rand(4000, 2, generator=torch.Generator().manual_seed(seed)).double() * 2 - 1
    found = []
    for scale in SCALES:
        family = BWReLU(width=width, depth=1, scale=scale)
        network = family.build(2, generator=torch.Generator().manual_seed(seed)).double()
        twin = to_relu(network)
        with torch.no_grad():
            values, same = network(points), twin(points)
            norms = [variation_norm(one).item() for one in (network, twin)]
        error = float((values - same).abs().max() / values.abs().max())
        neurons = {"neurons": width, "ReLUs": twin.output.weight.shape[1]}
        both = {"variation norm": norms[0], "as ReLUs": norms[1]}
        found.append({"scale": scale, **neurons, "largest relative error": error, **both})
    return found


def main() -> None:
    """Draw the wavelet and compare networks with their ReLUs."""
    options = options_of(__doc__ or "").parse_args()
    width = 8 if options.smoke else 300
    record = {"seed": 0, "precision": "float64"}
    publish(Result("figure1", drawing(), rows(width, 0), record), options.out)


if __name__ == "__main__":
    main()
