"""Activations as modules: what stands between two linear layers."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from ctinr.networks.bspline import wavelet
from ctinr.networks.kernels.choice import KernelName


class Wavelet(nn.Module):
    """x -> psi(scale * x), the second-order B-spline wavelet (see `wavelet`).

    Parameters
    ----------
    scale
        The factor c.
    learned
        Whether the scale is a parameter of the network; its initial value is then `scale`.
    kernel
        The engine of the wavelet.
    """

    def __init__(self, scale: float, *, learned: bool = False, kernel: KernelName = "auto") -> None:
        super().__init__()
        self.scale: float | Tensor = nn.Parameter(torch.tensor(scale)) if learned else scale
        self.kernel: KernelName = kernel

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return psi(scale * x)."""
        if isinstance(self.scale, Tensor):
            return wavelet(x * self.scale.to(x.dtype), 1.0, kernel=self.kernel)
        return wavelet(x, self.scale, kernel=self.kernel)

    def of_product(
        self,
        product: Float[Tensor, "*points width"],
        bias: Float[Tensor, " width"],
        *,
        dtype: torch.dtype,
    ) -> Float[Tensor, "*points width"]:
        """Return psi(scale * (product + bias)) in a format, in one pass over memory.

        A scale that is a tensor takes a pass of its own.
        """
        if isinstance(self.scale, Tensor):
            return self(product + bias).to(dtype)
        return wavelet(product, self.scale, bias=bias, dtype=dtype, kernel=self.kernel)

    def hold_scale(self) -> None:
        """Keep the scale as a buffer, so that networks that differ in it can be stacked."""
        if not isinstance(self.scale, Tensor):
            value = torch.tensor(self.scale)
            del self.scale
            self.register_buffer("scale", value)

    def extra_repr(self) -> str:
        """Return the parameters, for the printed network."""
        scale = f"{float(self.scale):g}" if isinstance(self.scale, Tensor) else self.scale
        learned = ", learned" if isinstance(self.scale, nn.Parameter) else ""
        return f"scale={scale}{learned}, kernel={self.kernel!r}"


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


class VariableSine(Sine):
    """x -> sin(omega * (|x| + 1) * x): the farther from zero, the higher the frequency."""

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return sin(omega * (|x| + 1) * x)."""
        return torch.sin(self.omega * (x.abs() + 1) * x)


class Gaussian(nn.Module):
    """x -> exp(-(scale * x)^2)."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return exp(-(scale * x)^2)."""
        return torch.exp(-(self.scale * x).square())

    def extra_repr(self) -> str:
        """Return the parameter, for the printed network."""
        return f"scale={self.scale}"


class Gabor(nn.Module):
    """x -> exp(i omega x - |scale x|^2), from real or complex numbers to complex ones."""

    def __init__(self, omega: float, scale: float) -> None:
        super().__init__()
        self.omega, self.scale = omega, scale

    def forward(self, x: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
        """Return exp(i omega x - |scale x|^2)."""
        # |x|^2 without the root, whose derivative at zero would be NaN.
        envelope = (x * x.conj()).real if x.is_complex() else x.square()
        return torch.exp(1j * self.omega * x - self.scale**2 * envelope)

    def extra_repr(self) -> str:
        """Return the parameters, for the printed network."""
        return f"omega={self.omega}, scale={self.scale}"
