"""What every family of coordinate networks is: hyper-parameters, and how a network is built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch

from ctinr import checks
from ctinr.networks.coordinate import CoordinateNetwork


class Family(ABC):
    """A frozen dataclass of exactly the hyper-parameters that its networks use.

    In every family `width` is the number of neurons of a hidden layer and `depth` the number of
    activated hidden layers.

    Attributes
    ----------
    rate : float
        A learning rate of Adam that suits the family, for values of about one.
    matrix_rate : float
        One of Muon for the matrices between hidden layers, in their spectral norm.
    """

    rate: ClassVar[float] = 2e-3
    matrix_rate: ClassVar[float] = 0.02

    def build(
        self, axes: int, channels: int = 1, *, generator: torch.Generator | None = None
    ) -> CoordinateNetwork:
        """Return a new network from ``(*points, axes)`` to ``(*points, channels)``.

        Parameters
        ----------
        axes
            Coordinates of a point, meant to lie in [-1, 1].
        channels
            Values at a point.
        generator
            The only source of the initial values, and its device the device of the network:
            the same seed gives the same bits. None is torch's default generator on the CPU.

        Raises
        ------
        TypeError, ValueError
            If axes or channels is not a whole number above zero.
        """
        checks.count(axes, "axes")
        checks.count(channels, "channels")
        return self._built(axes, channels, generator)

    @abstractmethod
    def _built(
        self, axes: int, channels: int, generator: torch.Generator | None
    ) -> CoordinateNetwork:
        """Return a new network of so many axes and channels."""


def check_layers(width: int, depth: int) -> None:
    """Raise unless both are whole numbers above zero."""
    checks.count(width, "width")
    checks.count(depth, "depth")
