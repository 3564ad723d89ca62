"""Operators made of operators: transpose, composition, sum, multiple."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ctinr import checks
from ctinr.operators.base import HasShape, LinearOperator


@final
@dataclass(frozen=True)
class Adjoint(LinearOperator):
    """The transpose of an operator: its two kernels change places."""

    operator: LinearOperator

    @property
    def domain(self) -> HasShape:
        """The range of the operator."""
        return self.operator.range

    @property
    def range(self) -> HasShape:
        """The domain of the operator."""
        return self.operator.domain

    @property
    def dtypes(self) -> tuple[torch.dtype, ...]:
        """Those of the operator."""
        return self.operator.dtypes

    @property
    def T(self) -> LinearOperator:
        """The operator itself."""
        return self.operator

    def _forward(self, x: Tensor) -> Tensor:
        return self.operator._transposed(x)

    def _transposed(self, y: Tensor) -> Tensor:
        return self.operator._forward(y)


@final
@dataclass(frozen=True)
class Product(LinearOperator):
    """The composition: first `inner`, then `outer`."""

    outer: LinearOperator
    inner: LinearOperator

    def __post_init__(self) -> None:
        given, wanted = tuple(self.inner.range.shape), tuple(self.outer.domain.shape)
        checks.require(
            given == wanted,
            "B",
            f"have the range shape {wanted} that A takes, in A @ B",
            str(given),
        )

    @property
    def domain(self) -> HasShape:
        """The domain of the inner operator."""
        return self.inner.domain

    @property
    def range(self) -> HasShape:
        """The range of the outer operator."""
        return self.outer.range

    def _forward(self, x: Tensor) -> Tensor:
        return self.outer._forward(self.inner._forward(x))

    def _transposed(self, y: Tensor) -> Tensor:
        return self.inner._transposed(self.outer._transposed(y))


@final
@dataclass(frozen=True)
class Sum(LinearOperator):
    """The sum of two operators between the same spaces."""

    first: LinearOperator
    second: LinearOperator

    def __post_init__(self) -> None:
        first = tuple(self.first.domain.shape), tuple(self.first.range.shape)
        second = tuple(self.second.domain.shape), tuple(self.second.range.shape)
        rule = f"have the domain and range shapes {first} of A, in A + B"
        checks.require(first == second, "B", rule, str(second))

    @property
    def domain(self) -> HasShape:
        """The common domain."""
        return self.first.domain

    @property
    def range(self) -> HasShape:
        """The common range."""
        return self.first.range

    def _forward(self, x: Tensor) -> Tensor:
        return self.first._forward(x) + self.second._forward(x)

    def _transposed(self, y: Tensor) -> Tensor:
        return self.first._transposed(y) + self.second._transposed(y)


@final
@dataclass(frozen=True)
class Scaled(LinearOperator):
    """An operator multiplied by a number."""

    operator: LinearOperator
    factor: float

    @property
    def domain(self) -> HasShape:
        """The domain of the operator."""
        return self.operator.domain

    @property
    def range(self) -> HasShape:
        """The range of the operator."""
        return self.operator.range

    def _forward(self, x: Tensor) -> Tensor:
        return self.factor * self.operator._forward(x)

    def _transposed(self, y: Tensor) -> Tensor:
        return self.factor * self.operator._transposed(y)
