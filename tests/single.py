"""What the laws can say of engines that have no double precision."""

from __future__ import annotations

from torch import Tensor

from ctinr.operators import LinearOperator
from ctinr.projectors import Projector
from tests import laws

# Laws whose bounds are of double precision, on values or on how they are told apart.
INEXACT = {
    laws.is_linear,
    laws.has_its_adjoint,
    laws.has_the_transposed_matrix,
    laws.is_as_good_in_single_precision,
    laws.passes_gradcheck,
}


class Single(LinearOperator):
    """An engine of single precision under the laws, which are in double precision."""

    def __init__(self, A: Projector) -> None:
        self.A = A

    @property
    def domain(self):
        return self.A.domain

    @property
    def range(self):
        return self.A.range

    def _forward(self, x: Tensor) -> Tensor:
        return self.A._forward(x.float()).to(x.dtype)

    def _transposed(self, y: Tensor) -> Tensor:
        return self.A._transposed(y.float()).to(y.dtype)


def keeps_the_laws(A: Projector) -> None:
    for law in laws.LAWS:
        if law not in INEXACT:
            law(Single(A))
