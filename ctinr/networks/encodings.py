"""Encodings: what turns coordinates into features before the first linear layer."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Encoding(nn.Module):
    """From points (*points, axes) in [-1, 1] to features (*points, outputs).

    Attributes
    ----------
    axes, outputs : int
        Coordinates of a point, and features of it.
    """

    def __init__(self, axes: int, outputs: int) -> None:
        super().__init__()
        self.axes, self.outputs = axes, outputs

    def extra_repr(self) -> str:
        """Return the sizes, for the printed network."""
        return f"{self.axes}, {self.outputs}"


class FourierEncoding(Encoding):
    """Cosines and sines of some frequencies, and the coordinates themselves.

    Parameters
    ----------
    frequencies : Tensor of shape (frequency, axes)
        In cycles per unit of the coordinates; fixed, not trained.

    Notes
    -----
    M. Tancik et al., "Fourier Features Let Networks Learn High Frequency Functions in Low
    Dimensional Domains", NeurIPS 2020, doi:10.48550/arXiv.2006.10739.
    """

    frequencies: Tensor

    def __init__(self, frequencies: Float[Tensor, "frequency axes"]) -> None:
        count, axes = frequencies.shape
        super().__init__(axes, 2 * count + axes)
        self.register_buffer("frequencies", frequencies)

    def forward(self, points: Float[Tensor, "*points axes"]) -> Float[Tensor, "*points outputs"]:
        """Return the coordinates, the cosines and the sines."""
        phases = 2 * math.pi * points @ self.frequencies.T
        return torch.cat([points, phases.cos(), phases.sin()], dim=-1)


def octaves(axes: int, samples: int) -> Float[Tensor, "frequency axes"]:
    """Return 1/2, 1, 2, ... cycles per unit along each axis, up to the Nyquist frequency.

    `samples` along the longest side, which is two units long, have it at samples / 4.
    """
    along = 2.0 ** torch.arange(-1, int(math.log2(samples / 2)))
    return torch.cat([frequency * torch.eye(axes) for frequency in along])


class HashEncoding(Encoding):
    """Features interpolated on grids of many resolutions, whose nodes share tables by hashing.

    A grid that fits into its table has an entry for every node. In finer ones a node (i, j, k) is
    looked up at (i xor 2654435761 j xor 805459861 k) modulo the size of the table.

    Parameters
    ----------
    resolutions : tuple of int
        Cells along a side of each grid.
    axes, features, size : int
        Coordinates of a point, at most three; features a node; entries of each table.
    generator
        Source of the initial values, uniform on +-1e-4.

    Notes
    -----
    T. Müller, A. Evans, C. Schied, A. Keller, "Instant Neural Graphics Primitives with a
    Multiresolution Hash Encoding", ACM Trans. Graph. 41 (2022), doi:10.1145/3528223.3530127.
    """

    PRIMES = (1, 2_654_435_761, 805_459_861)

    def __init__(
        self,
        resolutions: tuple[int, ...],
        *,
        axes: int,
        features: int,
        size: int,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(axes, len(resolutions) * features)
        self.resolutions, self.size = resolutions, size
        device = "cpu" if generator is None else generator.device
        tables = torch.empty(len(resolutions), size, features, device=device)
        self.tables = nn.Parameter(tables.uniform_(-1e-4, 1e-4, generator=generator))

    def forward(self, points: Float[Tensor, "*points axes"]) -> Float[Tensor, "*points outputs"]:
        """Return the features of all resolutions."""
        levels = [
            self._level(points, table, resolution)
            for table, resolution in zip(self.tables, self.resolutions, strict=True)
        ]
        return torch.cat(levels, dim=-1)

    def _level(self, points: Tensor, table: Tensor, resolution: int) -> Tensor:
        """Interpolate one grid linearly along every axis."""
        place = (points + 1) / 2 * resolution
        # The last node belongs to the last cell, so that no point of the domain needs one more.
        low = place.detach().floor().clamp(0, resolution - 1)
        within, low = place - low, low.long()
        total = torch.zeros_like(points[..., :1])
        for corner in range(2**self.axes):
            upper = [corner >> axis & 1 for axis in range(self.axes)]
            sides = [w if up else 1 - w for up, w in zip(upper, within.unbind(-1), strict=True)]
            nodes = low + low.new_tensor(upper)
            weight = math.prod(sides[1:], start=sides[0])
            total = total + weight[..., None] * table[self._entries(nodes, resolution)]
        return total

    def _entries(self, nodes: Int[Tensor, "*points axes"], resolution: int) -> Tensor:
        """Return where in the table the nodes are."""
        parts = nodes.unbind(-1)
        if (resolution + 1) ** self.axes <= self.size:
            strides = [(resolution + 1) ** axis for axis in range(self.axes)]
            return torch.stack([p * s for p, s in zip(parts, strides, strict=True)]).sum(0)
        index = torch.zeros_like(parts[0])
        for part, prime in zip(parts, self.PRIMES, strict=False):
            index = index ^ (part * prime)
        return index % self.size
