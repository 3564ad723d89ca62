"""Operators that break one promise each: what the laws are there to catch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ctinr.operators import LinearOperator, Space


class Dense(LinearOperator):
    """An honest dense matrix from (2, 3) to (4,), which the others are made from."""

    domain = Space((2, 3))  # type: ignore[assignment]
    range = Space((4,))  # type: ignore[assignment]

    def __repr__(self) -> str:
        # The same in every process: it names tests.
        return f"Dense({tuple(self.matrix.shape)})"

    def __init__(self) -> None:
        numbers = torch.arange(1, 25, dtype=torch.float64)
        self.matrix = (7.1 * numbers).sin().reshape(4, 6)

    def _forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).contiguous() @ self.matrix.to(x.dtype).T

    def _transposed(self, y: Tensor) -> Tensor:
        return (y.contiguous() @ self.matrix.to(y.dtype)).unflatten(1, (2, 3))


class Affine(Dense):
    def _forward(self, x: Tensor) -> Tensor:
        return super()._forward(x) + 1e-9


class Louder(Dense):
    """The backprojector of many a library: right but for a factor."""

    def _transposed(self, y: Tensor) -> Tensor:
        return 1.001 * super()._transposed(y)


class SlightlyLouder(Dense):
    def _transposed(self, y: Tensor) -> Tensor:
        return (1 + 1e-10) * super()._transposed(y)


class Coarse(Dense):
    """Eight bits of mantissa are not single precision."""

    def _forward(self, x: Tensor) -> Tensor:
        short = x.dtype == torch.float32
        return super()._forward(x.bfloat16().float() if short else x)


class Detached(Dense):
    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x.detach()) + 0 * x.sum()


class Crosstalk(Dense):
    def _forward(self, x: Tensor) -> Tensor:
        return super()._forward(x - 1e-9 * x.mean(dim=0))


class Flattening(Dense):
    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x.reshape(-1, 2, 3))


class Widening(Dense):
    def _forward(self, x: Tensor) -> Tensor:
        return super()._forward(x.double())


class Scribbling(Dense):
    def _forward(self, x: Tensor) -> Tensor:
        return super()._forward(x.mul_(2)) / 2


class Touching(Dense):
    """Writes the values that are there already: still not its memory to write to."""

    def _forward(self, x: Tensor) -> Tensor:
        return super()._forward(x.mul_(1))


class SharedBuffer(Dense):
    def __init__(self) -> None:
        super().__init__()
        self.buffers: dict[tuple[int, torch.dtype], Tensor] = {}

    def _forward(self, x: Tensor) -> Tensor:
        buffer = self.buffers.setdefault((len(x), x.dtype), x.new_empty(len(x), 4))
        return buffer.copy_(super()._forward(x))


class Alias(LinearOperator):
    """An identity that hands its input back."""

    domain = range = Space((3,))  # type: ignore[assignment]

    def _forward(self, x: Tensor) -> Tensor:
        return x

    def _transposed(self, y: Tensor) -> Tensor:
        return y


class BlindToStrides(Dense):
    def _forward(self, x: Tensor) -> Tensor:
        return super()._forward(x.as_strided(x.shape, (6, 3, 1)))


class Swallowing(Dense):
    def _forward(self, x: Tensor) -> Tensor:
        return super()._forward(x.nan_to_num())


class Drifting(Dense):
    calls = 0

    def _forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super()._forward(x) * (1 + self.calls * math.ulp(1.0) * 2**29)


class Unchecked(Dense):
    def _check(self, x: Tensor, shape: tuple[int, ...]) -> None:
        """Look at nothing."""
