"""Operators that keep or drop values: identity, selection, multiplication by weights."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor

from ctinr import checks
from ctinr.operators.base import HasShape, LinearOperator, Space


@final
class Identity(LinearOperator):
    """The identity: signal fitting and denoising.

    Parameters
    ----------
    space : Grid or anything with a shape
        The space that is mapped to itself.
    """

    def __init__(self, space: HasShape) -> None:
        self._space = space

    def __repr__(self) -> str:
        return f"Identity({self._space!r})"

    @property
    def domain(self) -> HasShape:
        """The space."""
        return self._space

    @property
    def range(self) -> HasShape:
        """The space."""
        return self._space

    def _forward(self, x: Tensor) -> Tensor:
        return x.clone()

    def _transposed(self, y: Tensor) -> Tensor:
        return y.clone()


@final
class Select(LinearOperator):
    """Keep the values where a mask is true: inpainting, and the choice of rays.

    Parameters
    ----------
    space : Grid or anything with a shape
        The space of inputs.
    mask : Tensor or ndarray of bool, shape `space.shape`
        True where a value is kept. The output is the flat list of kept values.

    Raises
    ------
    ValueError
        If the mask has another shape, is not boolean, or keeps nothing.
    """

    def __init__(self, space: HasShape, mask: Tensor | np.ndarray) -> None:
        mask = torch.as_tensor(mask)
        shape = tuple(space.shape)
        checks.require(mask.dtype == torch.bool, "mask", "be boolean", mask)
        checks.require(tuple(mask.shape) == shape, "mask", f"have the shape {shape}", mask)
        checks.require(bool(mask.any()), "mask", "keep at least one value", "no true value")
        self._space = space
        self._kept = mask.flatten().nonzero().squeeze(1).cpu()
        self._range = Space((int(self._kept.numel()),))

    def __repr__(self) -> str:
        return f"Select({self._space!r}, {self._range.shape[0]} values)"

    @property
    def domain(self) -> HasShape:
        """The space of inputs."""
        return self._space

    @property
    def range(self) -> HasShape:
        """The flat space of kept values."""
        return self._range

    def _forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).index_select(1, self._kept.to(x.device))

    def _transposed(self, y: Tensor) -> Tensor:
        shape = tuple(self._space.shape)
        spread = y.new_zeros(y.shape[0], *shape).flatten(1)
        return spread.index_copy(1, self._kept.to(y.device), y).reshape(y.shape[0], *shape)


@final
class Weights(LinearOperator):
    """Multiply by given weights, value by value: statistical weights and masks of rays.

    Parameters
    ----------
    space : Grid or anything with a shape
        The space that is mapped to itself.
    weights : Tensor, a shape that broadcasts to `space.shape`
        The factors; finite.
    """

    def __init__(self, space: HasShape, weights: Tensor) -> None:
        weights = torch.as_tensor(weights)
        checks.finite_values(weights, "weights")
        shape = tuple(space.shape)
        try:
            self._weights = weights.detach().to(torch.float64, copy=True).expand(shape)
        except RuntimeError:
            rule = f"broadcast to the shape {shape}"
            raise ValueError(checks.message("weights", rule, weights)) from None
        self._space = space

    def __repr__(self) -> str:
        return f"Weights({self._space!r})"

    @property
    def domain(self) -> HasShape:
        """The space."""
        return self._space

    @property
    def range(self) -> HasShape:
        """The space."""
        return self._space

    def _forward(self, x: Tensor) -> Tensor:
        return x * self._weights.to(device=x.device, dtype=x.dtype)

    def _transposed(self, y: Tensor) -> Tensor:
        return self._forward(y)
