"""Activations as modules: what stands between two linear layers."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ctinr.networks.bspline import wavelet
from ctinr.networks.kernels.choice import WITH_LINEAR, KernelName
from ctinr.networks.linear import Linear
from ctinr.networks.linear_wavelet import linear_wavelet


class Wavelet(nn.Module):
    """x -> psi(scale * x), the second-order B-spline wavelet (see `wavelet`).

    Parameters
    ----------
    scale
        The factor c.
    learned
        Whether the scale is a parameter of the network; its initial value is then `scale`.
    kernel
        The engine of the wavelet. ``"triton-linear"`` computes it as ``"triton"`` does, and takes
        the linear layer before it in the same kernel (see `linear_wavelet`).
    """

    def __init__(self, scale: float, *, learned: bool = False, kernel: KernelName = "auto") -> None:
        super().__init__()
        self.scale: float | Tensor = nn.Parameter(torch.tensor(float(scale))) if learned else scale
        self.kernel: KernelName = kernel

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return psi(scale * x)."""
        if isinstance(self.scale, Tensor):
            return wavelet(x * self.scale.to(x.dtype), 1.0, kernel=self.kernel)
        return wavelet(x, self.scale, kernel=self.kernel)

    def of_linear(
        self,
        x: Float[Tensor, "*points inputs"],
        layer: Linear,
        *,
        dtype: torch.dtype,
    ) -> Float[Tensor, "*points outputs"]:
        """Return psi(scale * (x W^T + b)) of a linear layer in a format, W and b its parameters.

        One kernel computes it all if it is the one for that and the scale is a number.
        """
        if self.kernel != WITH_LINEAR or isinstance(self.scale, Tensor):
            return self.of_product(layer.product(x), layer.bias, dtype=dtype)
        return linear_wavelet(
            x,
            layer.weight,
            bias=layer.bias,
            scale=self.scale,
            product_dtype=layer.product_dtype,
            dtype=dtype,
        )

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
            value = torch.tensor(float(self.scale))
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
        return _without_traces(x.square().mul_(-(self.scale**2)).exp_())

    def extra_repr(self) -> str:
        """Return the parameter, for the printed network."""
        return f"scale={self.scale}"


class Gabor(nn.Module):
    """z -> exp(i omega z - |scale z|^2), from real or complex numbers to complex ones.

    Complex numbers are pairs of real ones: along the last axis all real parts, then all imaginary
    parts.

    Parameters
    ----------
    omega, scale
        Frequency of the wave and inverse width of the bump around it.
    of_pairs
        Whether the argument is complex.
    """

    def __init__(self, omega: float, scale: float, *, of_pairs: bool = False) -> None:
        super().__init__()
        self.omega, self.scale, self.of_pairs = omega, scale, of_pairs

    def forward(self, z: Float[Tensor, "*points numbers"]) -> Float[Tensor, "*points twice"]:
        """Return exp(i omega z - |scale z|^2) as pairs.

        For z = x + iy it has the modulus exp(-omega y - scale^2 (x^2 + y^2)) and the phase omega x.
        """
        x, y = z.chunk(2, dim=-1) if self.of_pairs else (z, None)
        square = x * x if y is None else x * x + y * y
        exponent = -(self.scale**2) * square
        modulus = _without_traces((exponent if y is None else exponent - self.omega * y).exp())
        phase = self.omega * x
        return torch.cat([modulus * phase.cos(), modulus * phase.sin()], dim=-1)

    def extra_repr(self) -> str:
        """Return the parameters, for the printed network."""
        pairs = ", of_pairs=True" if self.of_pairs else ""
        return f"omega={self.omega}, scale={self.scale}{pairs}"


def _without_traces(bumps: Tensor) -> Tensor:
    """Return values of bumps no higher than one, those that no sum of them would notice as zeros.

    Gradients multiply them from layer to layer, down to numbers that are too small to have all
    their digits, with which processors are ten times slower.
    """
    return functional.threshold(bumps, torch.finfo(bumps.dtype).eps ** 1.5, 0.0)
