"""Networks of ReLUs, on plain coordinates and on encoded ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ctinr import checks
from ctinr.networks.coordinate import CoordinateNetwork
from ctinr.networks.encodings import Encoding, FourierEncoding, HashEncoding, octaves
from ctinr.networks.family import Family, check_layers
from ctinr.networks.linear import Linear


@dataclass(frozen=True)
class ReLU(Family):
    """Linear layers with ReLUs between them.

    Weights start uniform on [-1, 1] sqrt(6 / inputs), which keeps the mean square of the
    activations, and in the output layer, like all biases, on [-1, 1] / sqrt(inputs).

    Parameters
    ----------
    width, depth
        Neurons of a hidden layer, and the number of hidden layers.
    skip
        Whether an affine function of the coordinates is added to the values.

    Raises
    ------
    TypeError, ValueError
        If a number is not above zero.

    Notes
    -----
    K. He, X. Zhang, S. Ren, J. Sun, "Delving Deep into Rectifiers", ICCV 2015,
    doi:10.1109/ICCV.2015.123.
    """

    rate: ClassVar[float] = 1e-3

    width: int = 256
    depth: int = 3
    skip: bool = False

    def __post_init__(self) -> None:
        check_layers(self.width, self.depth)
        checks.one_of(self.skip, "skip", (False, True))

    def _built(
        self, axes: int, channels: int, generator: torch.Generator | None
    ) -> CoordinateNetwork:
        body = _rectified((axes, self.width), self.depth, generator)
        output = Linear(self.width, channels, generator=generator)
        skip = Linear(axes, channels, generator=generator) if self.skip else None
        return CoordinateNetwork(nn.Sequential(*body), output=output, skip=skip)


@dataclass(frozen=True)
class FourierFeatures(Family):
    """A `ReLU` network on cosines and sines of the coordinates.

    Their frequencies follow from how finely the image is sampled, since nothing beyond half a
    cycle a sample can be told apart.

    Parameters
    ----------
    width, depth
        Neurons of a hidden layer, and the number of hidden layers.
    samples
        Cells along the longest side of the image, which spans [-1, 1]; at least 2.
    encoding
        ``"positional"``: all octaves along each axis up to the Nyquist frequency, samples / 4
        cycles per unit. ``"random"``: normal in every direction.
    frequencies
        The number of random frequencies.
    bandwidth
        Standard deviation of the random frequencies, as a part of the Nyquist frequency.

    Raises
    ------
    TypeError, ValueError
        If a number is not above zero, or there is no such encoding.

    Notes
    -----
    M. Tancik et al., "Fourier Features Let Networks Learn High Frequency Functions in Low
    Dimensional Domains", NeurIPS 2020, doi:10.48550/arXiv.2006.10739. Octaves: B. Mildenhall et
    al., "NeRF", ECCV 2020, doi:10.48550/arXiv.2003.08934.
    """

    rate: ClassVar[float] = 1e-3

    width: int = 256
    depth: int = 3
    samples: int = 256
    encoding: Literal["positional", "random"] = "positional"
    frequencies: int = 128
    bandwidth: float = 0.1

    def __post_init__(self) -> None:
        check_layers(self.width, self.depth)
        checks.count(self.samples, "samples", least=2)
        checks.one_of(self.encoding, "encoding", ("positional", "random"))
        checks.count(self.frequencies, "frequencies")
        checks.positive(self.bandwidth, "bandwidth")

    def _built(
        self, axes: int, channels: int, generator: torch.Generator | None
    ) -> CoordinateNetwork:
        encoding = FourierEncoding(self._frequencies(axes, generator))
        return _encoded(encoding, (self.width, self.depth, channels), generator)

    def _frequencies(self, axes: int, generator: torch.Generator | None) -> Tensor:
        """Return the frequencies (frequency, axes), in cycles per unit."""
        device = "cpu" if generator is None else generator.device
        if self.encoding == "positional":
            return octaves(axes, self.samples).to(device)
        drawn = torch.empty(self.frequencies, axes, device=device).normal_(generator=generator)
        return drawn * (self.bandwidth * self.samples / 4)


@dataclass(frozen=True)
class HashGrid(Family):
    """A small `ReLU` network on features that are interpolated on hashed grids.

    Parameters
    ----------
    width, depth
        Neurons of a hidden layer, and the number of hidden layers.
    samples
        Cells along a side of the finest grid: those of the image, or half as many under few data.
    coarsest
        Cells along a side of the coarsest grid.
    levels, features
        Number of grids, growing by one factor, and features at a node of each.
    entries
        Nodes that a table holds; finer grids share them by hashing.

    Raises
    ------
    TypeError, ValueError
        If a number is not above zero, `samples` is below `coarsest`, or there are more axes than
        three.

    Notes
    -----
    T. Müller, A. Evans, C. Schied, A. Keller, "Instant Neural Graphics Primitives with a
    Multiresolution Hash Encoding", ACM Trans. Graph. 41 (2022), doi:10.1145/3528223.3530127.
    """

    rate: ClassVar[float] = 1e-2

    width: int = 64
    depth: int = 2
    samples: int = 256
    coarsest: int = 16
    levels: int = 8
    features: int = 2
    entries: int = 1 << 14

    def __post_init__(self) -> None:
        check_layers(self.width, self.depth)
        for name in ("coarsest", "levels", "features", "entries"):
            checks.count(getattr(self, name), name)
        checks.count(self.samples, "samples", least=self.coarsest)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Cells along a side of each grid."""
        growth = (self.samples / self.coarsest) ** (1 / max(1, self.levels - 1))
        return tuple(round(self.coarsest * growth**level) for level in range(self.levels))

    def _built(
        self, axes: int, channels: int, generator: torch.Generator | None
    ) -> CoordinateNetwork:
        most = len(HashEncoding.PRIMES)
        checks.require(axes <= most, "axes", f"be at most {most} for hashed grids", axes)
        tables = {"axes": axes, "features": self.features, "size": self.entries}
        encoding = HashEncoding(self.resolutions, **tables, generator=generator)
        return _encoded(encoding, (self.width, self.depth, channels), generator)


def _rectified(
    sizes: tuple[int, int], depth: int, generator: torch.Generator | None
) -> list[nn.Module]:
    """Return linear layers, the first from so many inputs, each followed by a ReLU."""
    inputs, width = sizes
    body: list[nn.Module] = []
    for layer in range(depth):
        before = inputs if layer == 0 else width
        bound = math.sqrt(6 / before)
        body += [Linear(before, width, weight_bound=bound, generator=generator), nn.ReLU()]
    return body


def _encoded(
    encoding: Encoding, sizes: tuple[int, int, int], generator: torch.Generator | None
) -> CoordinateNetwork:
    """Return a ReLU network of a width, depth and number of channels on an encoding."""
    width, depth, channels = sizes
    body = _rectified((encoding.outputs, width), depth, generator)
    output = Linear(width, channels, generator=generator)
    return CoordinateNetwork(nn.Sequential(encoding, *body), output=output)
