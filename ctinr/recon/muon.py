"""Muon: momentum whose steps are made orthogonal, for the matrices between hidden layers.

PyTorch's `torch.optim.Muon` iterates in bfloat16, which is fast on a GPU and emulated, hence very
slow, on a CPU without bfloat16 products; this one iterates in the format of the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctinr import checks

# An odd quintic that drives singular values from (0, 1] to about 1 (0.7 … 1.2) in five rounds.
QUINTIC = (3.4445, -4.7750, 2.0315)
ROUNDS = 5


def orthogonalised(
    matrix: Float[Tensor, "*batch rows columns"],
) -> Float[Tensor, "*batch rows columns"]:
    """Return nearly the closest matrix with orthonormal rows or columns, by Newton–Schulz.

    Singular values become about 1 (between 0.7 and 1.2); those that are tiny against the largest
    stay small.
    """
    first, third, fifth = QUINTIC
    wide = matrix.shape[-2] <= matrix.shape[-1]
    result = matrix if wide else matrix.mT
    size = torch.linalg.matrix_norm(result, keepdim=True)
    result = result / size.clamp(min=torch.finfo(matrix.dtype).tiny)
    for _ in range(ROUNDS):
        gram = result @ result.mT
        result = first * result + (third * gram + fifth * gram @ gram) @ result
    return result if wide else result.mT


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose step is orthogonalised.

    All singular directions of a matrix move at the same speed, ``lr`` in the spectral norm, times
    the square root of rows/columns for tall matrices.

    Parameters
    ----------
    matrices : iterable of nn.Parameter
        Parameters of two axes, or of more: each matrix of a stack moves as if alone.
    lr : float
        Learning rate; a group may have a tensor of one instead, as for a CUDA graph.
    momentum : float
        Decay of the running mean of gradients, in [0, 1).

    Raises
    ------
    ValueError
        If a parameter is not a matrix or the rate not positive.

    References
    ----------
    Jordan et al. 2024, Muon: an optimizer for hidden layers in neural networks.
    """

    def __init__(
        self, matrices: Iterable[nn.Parameter], *, lr: float = 0.02, momentum: float = 0.95
    ) -> None:
        checks.positive(lr, "lr")
        checks.require(0 <= momentum < 1, "momentum", "lie in [0, 1)", momentum)
        super().__init__(matrices, {"lr": lr, "momentum": momentum})
        for group in self.param_groups:
            for matrix in group["params"]:
                checks.require(matrix.ndim >= 2, "matrices", "have two axes or more", matrix)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Move every matrix that has a gradient."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._move(matrix, lr=group["lr"], momentum=group["momentum"])
        return loss

    def _move(self, matrix: nn.Parameter, *, lr: float | Tensor, momentum: float) -> None:
        gradient = matrix.grad
        mean = self.state[matrix].setdefault("mean", torch.zeros_like(matrix))
        mean.lerp_(gradient, 1 - momentum)
        ahead = torch.lerp(gradient, mean, momentum)  # type: ignore[arg-type]
        tall = max(1.0, matrix.shape[-2] / matrix.shape[-1]) ** 0.5
        step = orthogonalised(ahead)
        if isinstance(lr, Tensor):
            matrix.sub_(step * (lr * tall))
        else:
            matrix.add_(step, alpha=-lr * tall)
