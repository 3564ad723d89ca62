"""The linear operator, its algebra, and the operators that need no ray."""

from ctinr.operators.algebra import Adjoint, Product, Scaled, Sum
from ctinr.operators.base import HasShape, LinearOperator, Space
from ctinr.operators.filters import RampFilter, ramp_kernel
from ctinr.operators.observation import Observation
from ctinr.operators.pointwise import Identity, Select, Weights
from ctinr.operators.sampling import BlockAverage, Gradient

__all__ = [
    "Adjoint",
    "BlockAverage",
    "Gradient",
    "HasShape",
    "Identity",
    "LinearOperator",
    "Observation",
    "Product",
    "RampFilter",
    "Scaled",
    "Select",
    "Space",
    "Sum",
    "Weights",
    "ramp_kernel",
]
