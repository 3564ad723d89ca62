"""Products in bfloat16: where they are taken, how far they round, and when they pay."""

from __future__ import annotations

import pathlib

import pytest
import torch

from ctinr.networks import (
    BWReLU,
    Linear,
    Siren,
    bf16_is_fast,
    bf16_is_native,
    hidden_matrices,
    precision,
    set_product_dtype,
)
from tests.requires import requires

BF16 = torch.bfloat16


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_product_rounds_its_factors_and_nothing_else() -> None:
    layer = Linear(64, 32, generator=seeded(0))
    layer.product_dtype = BF16
    x = torch.randn(100, 64, generator=seeded(1))
    product = x.to(BF16).double() @ layer.weight.to(BF16).double().T
    result = layer(x)
    assert result.dtype == torch.float32
    # One rounding of the sum, at most half a unit in the last of eight bits; float32 beyond.
    error = (result.double() - (product + layer.bias.double())).abs()
    assert (error <= 2**-8 * product.abs() + 1e-6).all()
    assert (result - torch.nn.functional.linear(x, layer.weight, layer.bias)).abs().max() > 1e-4


def test_bias_is_not_rounded() -> None:
    layer = Linear(4, 4, generator=seeded(0))
    layer.product_dtype = BF16
    assert torch.equal(layer(torch.zeros(1, 4))[0], layer.bias)


def test_gradients_and_master_weights_stay_in_float32() -> None:
    layer, exact = (Linear(64, 32, generator=seeded(0)) for _ in range(2))
    layer.product_dtype = BF16
    x = torch.randn(500, 64, generator=seeded(1))
    target = torch.randn(500, 32, generator=seeded(2))
    inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
    for module, points in zip((layer, exact), inputs, strict=True):
        (module(points) * target).sum().backward()
    assert layer.weight.dtype == layer.weight.grad.dtype == inputs[0].grad.dtype == torch.float32
    pairs = [(layer.weight.grad, exact.weight.grad), (inputs[0].grad, inputs[1].grad)]
    for short, long in pairs:
        assert 0 < (short - long).norm() / long.norm() < 2**-8
    torch.testing.assert_close(layer.bias.grad, exact.bias.grad)


@pytest.mark.parametrize("family", [BWReLU(width=64), Siren(width=64)], ids=repr)
def test_network_in_bf16_is_close_and_in_float32(family) -> None:
    network = family.build(2, generator=seeded(0))
    points = torch.rand(1000, 2, generator=seeded(1)) * 2 - 1
    exact = network(points)
    set_product_dtype(network, BF16)
    short = network(points)
    assert short.dtype == torch.float32
    assert 0 < (short - exact).norm() / (exact - exact.mean()).norm() < 0.05
    set_product_dtype(network, None)
    assert torch.equal(network(points), exact)


@pytest.mark.parametrize("dtype", [BF16, None], ids=str)
def test_features_are_those_of_the_layers_one_by_one(dtype) -> None:
    network = BWReLU(width=64, linear_layers=True).build(2, generator=seeded(0))
    set_product_dtype(network, dtype)
    points = torch.rand(1000, 2, generator=seeded(1)) * 2 - 1
    assert torch.equal(network.features(points), network.body(points))
    gradients = []
    for values in (network(points), network.output(network.body(points))):
        parameters = list(network.parameters())
        gradients.append(torch.autograd.grad(values.square().sum(), parameters))
    for fused, plain in zip(*gradients, strict=True):
        # The sum that is the gradient of a bias is rounded once, like every product.
        assert (fused - plain).norm() <= (2**-8 if dtype else 1e-6) * plain.norm()


def test_first_and_last_layer_keep_their_precision() -> None:
    network = BWReLU(width=8, depth=3, linear_layers=True).build(2)
    set_product_dtype(network, BF16)
    short = [layer for layer in network.modules() if getattr(layer, "product_dtype", None) == BF16]
    assert {id(layer.weight) for layer in short} == {
        id(matrix) for matrix in hidden_matrices(network)
    }
    assert network.linears[0].product_dtype is network.output.product_dtype is None


def test_neighbouring_pixels_stay_apart() -> None:
    network = BWReLU(width=64, depth=2, scale=30.0).build(1, generator=seeded(0))
    set_product_dtype(network, BF16)
    line = torch.linspace(0.9, 1.0, 512)[:, None]
    merged = line.to(BF16).unique().numel()
    assert merged == 27
    assert network(line).unique().numel() > 10 * merged


def test_bad_arguments() -> None:
    network = BWReLU(width=4).build(2)
    with pytest.raises(ValueError, match=r"`dtype` must be one of torch.bfloat16, None; got torch"):
        set_product_dtype(network, torch.float16)
    with pytest.raises(TypeError, match=r"`network` must be a CoordinateNetwork; got Linear"):
        set_product_dtype(torch.nn.Linear(2, 1), BF16)
    set_product_dtype(torch.nn.Linear(2, 1), None)


def test_product_dtype_is_printed() -> None:
    network = BWReLU(width=4, depth=2).build(2)
    assert "product_dtype" not in repr(network)
    set_product_dtype(network, BF16)
    assert repr(network).count("product_dtype=torch.bfloat16") == 1


def test_bf16_is_native_follows_the_processor() -> None:
    flags = pathlib.Path("/proc/cpuinfo")
    if not flags.exists():
        pytest.skip("there is no /proc/cpuinfo to compare with")
    assert bf16_is_native("cpu") == ("avx512_bf16" in flags.read_text())


@pytest.mark.parametrize("supported", [False, True])
def test_bf16_is_native_asks_the_device_in_question(monkeypatch, supported: bool) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: supported)
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation: including_emulation or not supported,
    )
    assert bf16_is_native(torch.device("cpu")) is supported
    assert bf16_is_native("cuda:0") is not supported
    assert bf16_is_native("meta") is False


@pytest.mark.parametrize(("ratio", "fast"), [(0.6, False), (1.1, False), (1.3, True), (8, True)])
def test_bf16_is_fast_if_its_products_take_less_time(monkeypatch, ratio: float, fast: bool) -> None:
    seconds = {torch.float32: 1.0, BF16: 1 / ratio}
    monkeypatch.setattr(precision, "_product_seconds", seconds.get)
    monkeypatch.setattr(precision, "bf16_gain", precision.bf16_gain.__wrapped__)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert bf16_is_fast("cpu") is fast


def test_bf16_is_fast_times_nothing_where_it_is_emulated(monkeypatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(precision, "bf16_gain", lambda: pytest.fail("it was timed"))
    assert bf16_is_fast("cpu") is False


def test_the_ratio_of_this_machine_is_timed_once(monkeypatch) -> None:
    calls, timed = [], precision._product_seconds

    def counted(dtype: torch.dtype) -> float:
        calls.append(dtype)
        return timed(dtype)

    monkeypatch.setattr(precision, "_product_seconds", counted)
    precision.bf16_gain.cache_clear()
    assert precision.bf16_gain() == precision.bf16_gain() > 0
    assert len(calls) == 2 * precision.CALLS


@requires("cuda")
def test_bf16_on_this_gpu() -> None:
    assert bf16_is_native("cuda") == (torch.cuda.get_device_capability()[0] >= 8)
