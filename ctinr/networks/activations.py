"""Activations as modules: what stands between two linear layers."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctinr.networks.bspline import wavelet
from ctinr.networks.kernels.choice import KernelName


class Wavelet(nn.Module):
    """x -> psi(scale * x), the second-order B-spline wavelet (see `wavelet`)."""

    def __init__(self, scale: float, *, kernel: KernelName = "auto") -> None:
        super().__init__()
        self.scale = scale
        self.kernel: KernelName = kernel

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return psi(scale * x)."""
        return wavelet(x, self.scale, kernel=self.kernel)

    def of_product(
        self,
        product: Float[Tensor, "*points width"],
        bias: Float[Tensor, " width"],
        *,
        dtype: torch.dtype,
    ) -> Float[Tensor, "*points width"]:
        """Return psi(scale * (product + bias)) in a format, in one pass over memory."""
        return wavelet(product, self.scale, bias=bias, dtype=dtype, kernel=self.kernel)

    def extra_repr(self) -> str:
        """Return the parameters, for the printed network."""
        return f"scale={self.scale}, kernel={self.kernel!r}"


class Sine(nn.Module):
    """x -> sin(omega * x)."""

    def __init__(self, omega: float) -> None:
        super().__init__()
        self.omega = omega

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return sin(omega * x)."""
        return torch.sin(self.omega * x)

    def extra_repr(self) -> str:
        """Return the parameter, for the printed network."""
        return f"omega={self.omega}"
