"""The wavelet's kernel for cards against its twins: on a card, else in Triton's interpreter."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ctinr.checks import BackendUnavailable
from ctinr.networks import choose_kernel, wavelet
from ctinr.networks.bspline import Activation
from ctinr.networks.kernels import wavelet_torch
from tests.compiled import printed_while_compiling
from tests.networks import reference
from tests.requires import requires

pytestmark = requires("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SCALE = 3.7
# The argument 3 is rounded to eps, and the steepest slope is 8/3.
ROUNDING = 3 * 8 / 3 * 2**-23
FORMATS = (torch.float32, torch.float16, torch.bfloat16)
# Entries of one line: some, a whole tile, and two tiles and a bit.
SHAPES = [(), (1,), (0,), (3, 0, 2), (7, 5), (2, 3, 4, 5), (2048,), (4109,)]


class Engine:
    """The kernel, of tensors wherever they are."""

    def __getattr__(self, name):
        from ctinr.networks.kernels import wavelet_triton

        def moved(*tensors, bias=None, **given):
            here = [each.to(DEVICE) if isinstance(each, Tensor) else each for each in tensors]
            bias = None if bias is None else bias.to(DEVICE)
            return getattr(wavelet_triton, name)(*here, bias=bias, **given).cpu()

        return moved


ENGINE = Engine()


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_slopes_are_those_of_the_twin(shape):
    x, grad = normal(*shape), normal(*shape, seed=1)
    value, slope = ENGINE.value(x, SCALE), ENGINE.slope(grad, x, SCALE)
    assert value.shape == slope.shape == shape
    torch.testing.assert_close(value, wavelet_torch.value(x, SCALE), rtol=0, atol=ROUNDING)
    assert torch.equal(slope, wavelet_torch.slope(grad, x, SCALE))


@pytest.mark.parametrize("width", [1, 33, 256, 300])
@pytest.mark.parametrize("lines", [1, 2, 70])
def test_the_bias_is_added_along_the_last_axis(lines, width):
    x, grad, bias = normal(lines, width), normal(lines, width, seed=1), normal(width, seed=2)
    value, slope = ENGINE.value(x, SCALE, bias=bias), ENGINE.slope(grad, x, SCALE, bias=bias)
    expected = wavelet_torch.value(x, SCALE, bias=bias)
    torch.testing.assert_close(value, expected, rtol=0, atol=ROUNDING)
    assert torch.equal(slope, wavelet_torch.slope(grad, x, SCALE, bias=bias))


@pytest.mark.parametrize("result", FORMATS, ids=str)
@pytest.mark.parametrize("dtype", FORMATS, ids=str)
def test_formats_change_in_the_same_pass(dtype, result):
    x, bias, grad = normal(70, 33).to(dtype), normal(33), normal(70, 33, seed=1).to(result)
    before = x.float() + bias
    value = ENGINE.value(x, SCALE, bias=bias, dtype=result)
    slope = ENGINE.slope(grad, x, SCALE, bias=bias, dtype=dtype)
    assert (value.dtype, slope.dtype) == (result, dtype)
    given = (value, slope)
    wide = (ENGINE.value(before, SCALE), ENGINE.slope(grad.float(), before, SCALE))
    for short, long in zip(given, wide, strict=True):
        # A card rounds to the nearest; the interpreter cuts bfloat16 off, which is twice as far.
        once = torch.finfo(short.dtype).eps * (1 if DEVICE == "cpu" else 0.5)
        torch.testing.assert_close(short.float(), long, rtol=once, atol=2**-24)
    assert slope.float().abs().max() > 1


@pytest.mark.parametrize(
    "view",
    [lambda x: x.T, lambda x: x[::2, 1:], lambda x: x[:1].expand(6, 10), lambda x: x[3]],
    ids=["transposed", "strided", "expanded", "offset"],
)
def test_views_give_the_values_of_their_copies(view):
    x, grad = view(normal(8, 10).abs()), view(normal(8, 10, seed=1))
    kept = x.clone()
    assert torch.equal(ENGINE.value(x, SCALE), ENGINE.value(kept, SCALE))
    slope = ENGINE.slope(grad, x, SCALE)
    assert torch.equal(slope, ENGINE.slope(grad.clone(), kept, SCALE)) and slope.any()
    assert torch.equal(x, kept)


def test_kinks_belong_to_their_right_and_nothing_is_left_beyond_the_support():
    knots = torch.tensor(reference.KNOTS, dtype=torch.float32)
    slope = ENGINE.slope(torch.ones_like(knots), knots, 1.0)
    expected = torch.tensor((1 / 6, -7 / 6, 8 / 3, -8 / 3, 7 / 6, -1 / 6, 0))
    torch.testing.assert_close(slope, expected, rtol=2**-23, atol=0)
    far = torch.logspace(-6, 30, 100)
    beyond = torch.cat([-far, 3 * (1 + 2**-23) + far, torch.tensor([math.inf, -math.inf])])
    zeros = torch.zeros_like(beyond)
    assert torch.equal(ENGINE.value(beyond, 1.0), zeros)
    assert torch.equal(ENGINE.slope(torch.ones_like(beyond), beyond, 1.0), zeros)
    assert ENGINE.value(torch.full((17,), math.nan), 1.0).isnan().all()


def test_it_is_differentiated_as_the_others_are():
    from ctinr.networks.kernels import wavelet_triton

    x, bias = normal(40, 6).to(DEVICE), normal(6, seed=1).to(DEVICE)
    grads = []
    for engine in (wavelet_triton, wavelet_torch):
        leaves = [each.clone().requires_grad_() for each in (x, bias)]
        value = Activation.apply(*leaves, None, SCALE, torch.float32, engine)
        grads.append(torch.autograd.grad(value.square().sum(), leaves))
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-4)
    assert grads[0][1].abs().max() > 1


def test_it_is_for_cards_in_single_and_in_short_formats():
    for dtype in FORMATS:
        assert choose_kernel(device="cuda", dtypes=(dtype,)).name == "triton"
    assert choose_kernel(device="cuda", dtypes=(torch.float64,)).name == "torch"
    message = r"(?s)triton: runs on cuda, not on cpu.*torch: can run"
    with pytest.raises(BackendUnavailable, match=message):
        wavelet(torch.zeros(2), 1.0, kernel="triton")


COMPILE = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from ctinr.networks.kernels import wavelet_triton

for kernel in (wavelet_triton._value, wavelet_triton._slope):
    for source, target, biased in (
        ("*fp32", "*bf16", True), ("*bf16", "*bf16", True), ("*fp16", "*fp32", False)
    ):
        kinds = {"x": source, "grad": target, "out": target, "bias": "*fp32", "scale": "fp32",
                 "lines": "i32", "width": "i32"}
        fixed = {"BIASED": biased, "ROWS": 8, "COLUMNS": 256}
        signature = {name: kinds.get(name, "constexpr") for name in kernel.arg_names}
        code = compile(
            ASTSource(kernel, signature, fixed), target=GPUTarget("cuda", 80, 32)
        ).asm["ptx"]
        print(code.count(".entry"), "f64" in code, "div" in code.replace("div.s32", ""))
"""


@pytest.mark.slow
def test_it_compiles_for_a_card_without_one(tmp_path):
    """The interpreter takes more than the compiler does. Neither float64 nor a division is used."""
    lines, errors = printed_while_compiling(COMPILE, tmp_path)
    assert lines == ["1 False False"] * 6, errors
