"""The wavelet as mathematics, and as a differentiable function."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

from ctinr.networks import wavelet
from tests.networks import reference

KERNELS = ("numba", "torch")
SCALE = 2.3

every_kernel = pytest.mark.parametrize("kernel", KERNELS)


def points(count: int = 12, seed: int = 0) -> Tensor:
    return reference.away_from_kinks(count, scale=SCALE, seed=seed)


def knots_and_middles() -> Tensor:
    """Breakpoints and midpoints of the pieces: Simpson's rule on them is exact for cubics."""
    return torch.linspace(0, 3, 13, dtype=torch.float64)


def simpson(values: Tensor) -> float:
    weights = torch.tensor([1, 4, 2, 4, 2, 4, 2, 4, 2, 4, 2, 4, 1], dtype=torch.float64)
    return float((weights * values).sum() / 12)


@every_kernel
def test_moments_and_norm(kernel) -> None:
    argument = knots_and_middles()
    value = wavelet(argument, 1.0, kernel=kernel)
    assert simpson(value) == pytest.approx(0, abs=1e-14)
    assert simpson(value * argument) == pytest.approx(0, abs=1e-14)
    assert simpson(value * value) == pytest.approx(1 / 4, abs=1e-14)
    assert simpson(value * argument**2) == pytest.approx(-1 / 24, abs=1e-14)


@every_kernel
def test_total_variation_of_the_derivative_is_16(kernel) -> None:
    argument = torch.arange(-0.25, 3.5, 0.5, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(wavelet(argument, 1.0, kernel=kernel).sum(), argument)
    assert slope.diff().abs().sum().item() == pytest.approx(16, abs=1e-13)


@every_kernel
def test_values_at_the_breakpoints(kernel) -> None:
    value = wavelet(torch.tensor(reference.KNOTS, dtype=torch.float64), 1.0, kernel=kernel)
    expected = torch.tensor((0, 1, -6, 10, -6, 1, 0), dtype=torch.float64) / 12
    torch.testing.assert_close(value, expected, rtol=0, atol=2e-16)


@every_kernel
def test_gradients_of_first_and_second_order(kernel) -> None:
    x = points().requires_grad_()

    def function(x: Tensor) -> Tensor:
        return wavelet(x, SCALE, kernel=kernel)

    assert torch.autograd.gradcheck(function, x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(
        function, x, check_fwd_over_rev=True, check_rev_over_rev=True
    )


@every_kernel
def test_gradient_is_differentiable_in_what_it_multiplies(kernel) -> None:
    x, weight = points().requires_grad_(), points(seed=5).requires_grad_()
    value = wavelet(x, SCALE, kernel=kernel)
    (first,) = torch.autograd.grad(value, x, weight, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), weight)
    torch.testing.assert_close(
        second, SCALE * reference.slope_of_seven_relus(SCALE * x.detach()), rtol=1e-14, atol=0
    )


@every_kernel
def test_functional_transforms_agree(kernel) -> None:
    x = points()
    slope = SCALE * reference.slope_of_seven_relus(SCALE * x)

    def function(x: Tensor) -> Tensor:
        return wavelet(x, SCALE, kernel=kernel)

    def energy(x: Tensor) -> Tensor:
        return function(x).square().sum()

    _, tangent = jvp(function, (x,), (torch.ones_like(x),))
    for jacobian in (tangent, jacfwd(function)(x).diagonal(), jacrev(function)(x).diagonal()):
        torch.testing.assert_close(jacobian, slope)
    torch.testing.assert_close(hessian(energy)(x), torch.diag(2 * slope**2))
    torch.testing.assert_close(vmap(grad(energy))(x[:, None])[:, 0], grad(energy)(x))


@every_kernel
def test_vmap_over_any_axis_and_either_argument_of_the_slope(kernel) -> None:
    x, weight = points(12).reshape(3, 4), points(12, seed=1).reshape(3, 4)

    def pullback(x: Tensor, weight: Tensor) -> Tensor:
        return grad(lambda x: (weight * wavelet(x, SCALE, kernel=kernel)).sum())(x)

    expected = weight * SCALE * reference.slope_of_seven_relus(SCALE * x)
    torch.testing.assert_close(vmap(pullback, 1, 1)(x, weight), expected)
    shared = vmap(pullback, (1, None), 1)(x, weight[:, 0])
    torch.testing.assert_close(shared[:, 0], expected[:, 0])
    torch.testing.assert_close(vmap(pullback, (None, 1), 1)(x[:, 0], weight)[:, 0], expected[:, 0])


@every_kernel
def test_a_bias_has_derivatives_like_an_addition(kernel) -> None:
    x, bias = points(12).reshape(3, 4).requires_grad_(), torch.zeros(4, dtype=torch.float64)
    bias.requires_grad_()

    def function(x: Tensor, bias: Tensor) -> Tensor:
        return wavelet(x, SCALE, bias=bias, kernel=kernel)

    assert torch.autograd.gradcheck(function, (x, bias), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, (x, bias))
    biases = torch.arange(8, dtype=torch.float64).reshape(2, 4) / 50
    mapped = vmap(function, (None, 0))(x, biases)
    torch.testing.assert_close(mapped, torch.stack([function(x, each) for each in biases]))
    torch.testing.assert_close(vmap(function, (0, None))(x, biases[1]), function(x, biases[1]))


def test_a_bias_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`bias` must be of shape \(4,\), the last axis of `x`"):
        wavelet(torch.zeros(3, 4), 1.0, bias=torch.zeros(3))


def test_only_the_input_is_kept_for_the_backward_pass() -> None:
    kept: list[Tensor] = []
    x = points().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        wavelet(x, SCALE)
    assert [tensor.data_ptr() for tensor in kept] == [x.data_ptr()]


@pytest.mark.slow
def test_numba_is_not_imported_before_it_is_used() -> None:
    program = (
        "import sys, torch; from ctinr.networks import BWReLU; network = BWReLU(8).build(2);"
        "print('numba' in sys.modules); network(torch.zeros(1, 2)); print('numba' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert said.stdout.split() == [b"False", b"True"]
