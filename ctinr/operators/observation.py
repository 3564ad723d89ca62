"""An observation: an operator, the data it should explain, and how much each value counts."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ctinr import checks
from ctinr.operators.base import LinearOperator


@dataclass(frozen=True, eq=False)
class Observation:
    """What a fit consumes: the loss is ``‖weight(A f − y)‖²``.

    Parameters
    ----------
    operator : LinearOperator
        The forward model A.
    data : Tensor, shape `(*batch, *operator.range.shape)`
        The measured values y, finite.
    weight : LinearOperator, optional
        A linear operator on the data: statistical weights, a ramp filter, a product of both.

    Raises
    ------
    ValueError
        If the shapes do not fit together or the data hold NaN or infinity.
    """

    operator: LinearOperator
    data: Tensor
    weight: LinearOperator | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.operator.range.shape)
        checks.finite_values(self.data, "data")
        checks.trailing_shape(self.data, "data", shape=shape, what="the operator's range")
        if self.weight is not None:
            given = tuple(self.weight.domain.shape)
            rule = f"act on the data's shape {shape}"
            checks.require(given == shape, "weight", rule, f"an operator on {given}")

    def residual(self, image: Tensor) -> Tensor:
        """Return weight(A f − y) for an image of shape (*batch, *operator.domain.shape)."""
        difference = self.operator(image) - self.data
        return difference if self.weight is None else self.weight(difference)

    def loss(self, image: Tensor) -> Tensor:
        """Return the squared norm of the weighted residual, divided by the number of data."""
        residual = self.residual(image)
        return residual.square().sum() / self.data.numel()
