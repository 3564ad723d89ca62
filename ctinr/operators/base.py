"""The linear operator: two kernels, one autograd rule and the algebra on top.

Everything that the package calls a forward model (an X-ray transform, a block average, a mask) is
a `LinearOperator`. A leaf gives two pure kernels; the base class alone does the shape checks, the
batching over leading axes and the derivatives.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ctinr import checks

# What operators and methods compute in.
DTYPES = (torch.float32, torch.float64)


class HasShape(Protocol):
    """What an operator asks of its domain and range: a shape."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one element, without batch axes."""
        ...


@dataclass(frozen=True)
class Space:
    """A space of tensors of one shape, where there is nothing more to say about it."""

    shape: tuple[int, ...]


class Apply(torch.autograd.Function):
    """The one autograd rule of the package: the derivative of a linear map is its transpose.

    Backward applies this same function with the kernels swapped, so derivatives of any order,
    forward-mode derivatives and `torch.func.vmap` hold for every operator alike.
    """

    @staticmethod
    def forward(x: Tensor, operator: LinearOperator, transposed: bool) -> Tensor:
        """Run one of the two kernels on a (batch, *shape) tensor."""
        if len(x) == 0:  # Not every kernel could: there is no Fourier transform of nothing.
            space = operator.domain if transposed else operator.range
            return x.new_zeros(0, *space.shape)
        with torch.autocast(x.device.type, enabled=False):
            return operator._transposed(x) if transposed else operator._forward(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Remember which operator, and which way round; a linear map needs no values."""
        _, ctx.operator, ctx.transposed = inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Apply the transpose."""
        return Apply.apply(gradients[0], ctx.operator, not ctx.transposed), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Apply the operator itself."""
        return Apply.apply(tangents[0], ctx.operator, ctx.transposed)

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, operator: LinearOperator, transposed: bool) -> Any:
        """Fold the mapped axis into the batch, which the kernels take anyway."""
        batched = x.movedim(in_dims[0], 0)
        result = Apply.apply(batched.flatten(0, 1), operator, transposed)
        return result.unflatten(0, batched.shape[:2]), 0  # type: ignore[union-attr]


class LinearOperator(abc.ABC):
    """A linear map between tensors, with its exact transpose.

    Calling an operator maps a tensor of shape `(*batch, *domain.shape)` to one of shape
    `(*batch, *range.shape)` of the same device and dtype; the input is never changed and the
    output is always fresh memory. ``A.T`` is the transpose, ``A @ B`` the composition, ``A + B``
    the sum, ``2 * A`` a multiple.

    Leaves define `domain`, `range` and the two kernels `_forward` and `_transposed`, each a pure
    function of a `(batch, *shape)` tensor that returns fresh memory. Leaves are final.

    Raises
    ------
    TypeError
        If the input is not a tensor or its dtype is not one of `dtypes`.
    ValueError
        If its last axes do not have the shape of the domain.
    """

    @property
    def dtypes(self) -> tuple[torch.dtype, ...]:
        """The dtypes of tensors that it takes."""
        return DTYPES

    @property
    @abc.abstractmethod
    def domain(self) -> HasShape:
        """The space of inputs."""

    @property
    @abc.abstractmethod
    def range(self) -> HasShape:
        """The space of outputs."""

    @abc.abstractmethod
    def _forward(self, x: Tensor) -> Tensor:
        """Map (batch, *domain.shape) to (batch, *range.shape)."""

    @abc.abstractmethod
    def _transposed(self, y: Tensor) -> Tensor:
        """Map (batch, *range.shape) to (batch, *domain.shape)."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the operator to a tensor of shape (*batch, *domain.shape)."""
        shape = tuple(self.domain.shape)
        self._check(x, shape)
        leading = x.shape[: x.ndim - len(shape)]
        flat = x.reshape(math.prod(leading), *shape)
        result: Tensor = Apply.apply(flat, self, False)  # type: ignore[assignment]
        return result.reshape(leading + result.shape[1:])

    def _check(self, x: Tensor, shape: tuple[int, ...]) -> None:
        if not isinstance(x, Tensor):
            given = type(x).__name__
            rule = "be a torch.Tensor"
            raise TypeError(checks.message("x", rule, given, "Use torch.as_tensor."))
        if x.dtype not in self.dtypes:
            names = " or ".join(str(dtype) for dtype in self.dtypes)
            raise TypeError(checks.message("x", f"be {names}", x, "Convert it first."))
        checks.trailing_shape(x, "x", shape=shape, what=f"the domain of {self!r:.200}")

    @property
    def T(self) -> LinearOperator:
        """The exact transpose."""
        from ctinr.operators.algebra import Adjoint

        return Adjoint(self)

    @property
    def gram(self) -> LinearOperator:
        """The operator x ↦ Aᵀ A x."""
        return self.T @ self

    def __matmul__(self, other: LinearOperator) -> LinearOperator:
        """Return the composition: first `other`, then this operator."""
        from ctinr.operators.algebra import Product

        return Product(self, other) if isinstance(other, LinearOperator) else NotImplemented

    def __add__(self, other: LinearOperator) -> LinearOperator:
        """Return the sum of two operators between the same spaces."""
        from ctinr.operators.algebra import Sum

        return Sum(self, other) if isinstance(other, LinearOperator) else NotImplemented

    def __mul__(self, factor: float) -> LinearOperator:
        """Return the operator multiplied by a number."""
        from ctinr.operators.algebra import Scaled

        return Scaled(self, checks.finite(factor, "factor"))

    __rmul__ = __mul__

    def __neg__(self) -> LinearOperator:
        """Return the operator multiplied by −1."""
        return self * -1.0

    def __sub__(self, other: LinearOperator) -> LinearOperator:
        """Return the difference of two operators."""
        return self + (-other)

    def norm(
        self,
        *,
        iterations: int = 60,
        seed: int = 0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> float:
        """Return an estimate of the largest singular value, by power iteration on the Gram.

        The estimate approaches the norm from below; methods that need a bound add a margin.
        """
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(tuple(self.domain.shape), generator=generator, dtype=torch.float64)
        x = x.to(device=device, dtype=dtype)
        gram, value = self.gram, 0.0
        for _ in range(checks.count(iterations, "iterations")):
            x = x / x.norm()
            image = gram(x)
            value = float(torch.sum(x * image))
            if value == 0.0:
                return 0.0
            x = image
        return math.sqrt(value)

    def as_matrix(
        self, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """Return the dense matrix, (range size, domain size). For small operators and tests."""
        shape = tuple(self.domain.shape)
        size = math.prod(shape)
        columns = self(torch.eye(size, device=device, dtype=dtype).reshape(size, *shape))
        return columns.reshape(size, -1).T.contiguous()
