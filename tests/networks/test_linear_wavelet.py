"""A linear layer and its wavelet in one kernel against the two of them one after the other.

The kernels run on a card, else in Triton's interpreter. Factors are multiples of small powers of
two, so that no order of summation rounds a product: the slopes on both sides are then the same.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.func import grad, hessian, jacrev, jvp, vmap
from torch.nn import functional

from ctinr.checks import BackendUnavailable
from ctinr.geometry import Grid
from ctinr.networks import BWReLU, Ensemble, Linear, choose_kernel, set_product_dtype, wavelet
from ctinr.networks.activations import Wavelet
from ctinr.networks.kernels import choice, wavelet_torch
from ctinr.networks.linear_wavelet import linear_wavelet
from ctinr.operators import Identity, Observation
from ctinr.recon.fit import fit
from tests.compiled import printed_while_compiling
from tests.requires import requires

pytestmark = requires("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SCALE = 3.7
FORMATS = (torch.float32, torch.bfloat16, torch.float16)
# Points, inputs, outputs: less than a tile, whole tiles, tiles and a bit; the last in two steps.
SHAPES = [
    (1, 2, 24), (5, 3, 1), (16, 24, 24), (70, 64, 70), (150, 130, 24), (70, 2, 300), (1100, 3, 24),
]  # fmt: skip


@pytest.fixture
def kernels():
    from ctinr.networks.kernels import linear_wavelet_triton

    return linear_wavelet_triton


@pytest.fixture
def anywhere(monkeypatch):
    """Let Triton's kernels be asked for on the CPU, where they are interpreted."""
    lifted = (row if row.requires != "triton" else replace(row, devices=None) for row in ROWS)
    monkeypatch.setattr(choice, "KERNELS", tuple(lifted))


ROWS = choice.KERNELS


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def layer(points: int, inputs: int, outputs: int) -> list[Tensor]:
    """Points, matrix, bias, and a gradient in the value."""
    x = torch.randint(-8, 9, (points, inputs), generator=seeded(0)) / 8
    weight = torch.randn(outputs, inputs, generator=seeded(1)).clamp(-2, 2) / inputs**0.5
    bias = torch.rand(outputs, generator=seeded(2)) - 0.1
    grad = torch.randn(points, outputs, generator=seeded(3))
    return [x.to(DEVICE), (weight * 64).round().to(DEVICE) / 64, bias.to(DEVICE), grad.to(DEVICE)]


def rounded(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Float32 numbers as the kernels round them: the interpreter cuts bfloat16 off."""
    if dtype == torch.bfloat16 and DEVICE == "cpu":
        values = (values.view(torch.int32) & -(2**16)).view(torch.float32)
    return values.to(dtype)


def near(given: Tensor, exact: Tensor, terms: Tensor) -> None:
    """Hold a sum against float64: float32 rounds its terms, and the format of the sum the sum."""
    once = 0 if given.dtype == torch.float32 else torch.finfo(given.dtype).eps
    allowed = 2e-6 * terms + once * exact.abs() + 1e-7
    assert ((given.double() - exact).abs() <= allowed).all()


@pytest.mark.parametrize("dtype", FORMATS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_are_those_of_the_formulas(kernels, shape, dtype) -> None:
    x, weight, bias, grad = layer(*shape)
    x, weight, grad = (each.to(dtype) for each in (x, weight, grad))
    value, product = kernels.value(x, weight, bias, SCALE, dtype)
    exact = x.double() @ weight.double().T
    assert torch.equal(product, rounded(exact.float(), dtype))
    expected = wavelet_torch.value(product, SCALE, bias=bias, dtype=torch.float32)
    once = 0 if dtype == torch.float32 else torch.finfo(dtype).eps
    torch.testing.assert_close(value.float(), expected, rtol=once, atol=1e-6)
    slope = wavelet_torch.slope(grad, product, SCALE, bias=bias, dtype=torch.float32)
    before = rounded(slope, dtype).double()
    assert (before != 0).double().mean() > 0.2
    in_x = kernels.grad_input(grad, product, weight, bias, SCALE)
    in_weight, in_bias = kernels.grad_parameters(grad, product, x, bias, SCALE)
    assert (in_x.dtype, in_weight.dtype, in_bias.dtype) == (dtype, torch.float32, torch.float32)
    near(in_x, before @ weight.double(), before.abs() @ weight.double().abs())
    near(in_weight, before.T @ x.double(), before.abs().T @ x.double().abs())
    near(in_bias, before.sum(0), before.abs().sum(0))


@pytest.mark.parametrize(("short", "result"), [FORMATS[:2], FORMATS[1::-1]], ids=str)
def test_factors_and_value_may_differ_in_format(kernels, short, result) -> None:
    x, weight, bias, grad = layer(70, 24, 33)
    x, weight, grad = x.to(short), weight.to(short), grad.to(result)
    value, product = kernels.value(x, weight, bias, SCALE, result)
    in_x = kernels.grad_input(grad, product, weight, bias, SCALE)
    assert (value.dtype, product.dtype, in_x.dtype) == (result, short, short)
    wide = kernels.value(product.float(), torch.eye(33, device=DEVICE), bias, SCALE, torch.float32)
    assert torch.equal(value, rounded(wide[0], result))
    slope = wavelet_torch.slope(grad, product, SCALE, bias=bias, dtype=torch.float32)
    before = rounded(slope, short).double()
    near(in_x, before @ weight.double(), before.abs() @ weight.double().abs())


def test_views_give_the_values_of_their_copies(kernels) -> None:
    x, weight, bias, grad = layer(40, 20, 24)
    views = x.T[:20, ::2].T, weight.T.contiguous().T, bias.flip(0)[::1], grad[:1].expand(20, 24)
    copies = [view.clone(memory_format=torch.contiguous_format) for view in views]
    found = []
    for a, b, c, d in (views, copies):
        value, product = kernels.value(a, b, c, SCALE, torch.float32)
        spread = product.T.contiguous().T
        found.append([value, kernels.grad_input(d, spread, b, c, SCALE)])
        found[-1] += kernels.grad_parameters(d, spread, a, c, SCALE)
    assert all(one.equal(other) and one.any() for one, other in zip(*found, strict=True))
    assert all(view.equal(copy) for view, copy in zip(views, copies, strict=True))


def test_kinks_belong_to_their_right(kernels) -> None:
    knots = torch.arange(0, 3.5, 0.5, device=DEVICE)[:, None]
    one, none = torch.ones(1, 1, device=DEVICE), torch.zeros(1, device=DEVICE)
    value, product = kernels.value(knots, one, none, 1.0, torch.float32)
    expected = torch.tensor((0, 1, -6, 10, -6, 1, 0), device=DEVICE) / 12
    torch.testing.assert_close(value[:, 0], expected, rtol=0, atol=1e-6)
    slope = kernels.grad_input(torch.ones_like(value), product, one, none, 1.0)
    expected = torch.tensor((1 / 6, -7 / 6, 8 / 3, -8 / 3, 7 / 6, -1 / 6, 0), device=DEVICE)
    torch.testing.assert_close(slope[:, 0], expected, rtol=2**-23, atol=0)


def test_no_points(anywhere) -> None:
    x, weight, bias, _ = (each.requires_grad_() for each in layer(0, 3, 5))
    value = linear_wavelet(x.reshape(2, 0, 3), weight, bias=bias, scale=SCALE)
    assert value.shape == (2, 0, 5)
    in_x, *others = torch.autograd.grad(value.sum(), (x, weight, bias))
    assert in_x.shape == (0, 3)
    assert all(one.equal(torch.zeros_like(of)) for one, of in zip(others, (weight, bias), strict=1))


def pair(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return linear_wavelet(x, weight, bias=bias, scale=SCALE)


def twin(x: Tensor, weight: Tensor, bias: Tensor, kernel: str = "torch") -> Tensor:
    product = functional.linear(x, weight)
    return wavelet(product, SCALE, bias=bias, kernel=kernel)  # type: ignore[arg-type]


def assert_alike(one, other, rtol: float = 1e-5) -> None:
    """Compare tensors, in tuples or alone, by their norms."""
    if isinstance(one, Tensor):
        assert one.shape == other.shape and one.dtype == other.dtype and other.any()
        assert (one - other).norm() <= rtol * other.norm()
        return
    for part, of_other in zip(one, other, strict=True):
        assert_alike(part, of_other, rtol)


@pytest.mark.parametrize("kernel", ["triton", "torch"])
def test_it_is_the_composition(anywhere, kernel) -> None:
    x, weight, bias, grad = layer(30, 24, 20)
    leaves = [each.requires_grad_() for each in (x, weight, bias)]
    spread, grads = x.reshape(5, 6, 24), grad.reshape(5, 6, 20)
    values = pair(spread, weight, bias), twin(spread, weight, bias, kernel)
    assert_alike(*values)
    assert_alike(*(torch.autograd.grad(value, leaves, grads) for value in values))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_short_products_are_those_of_the_composition(anywhere, dtype) -> None:
    x, weight, bias, grad = layer(100, 24, 33)
    leaves = [each.requires_grad_() for each in (x, weight, bias)]
    short = torch.bfloat16
    given = {"bias": bias, "dtype": dtype}
    product = functional.linear(x.to(short), weight.to(short))
    values = (
        linear_wavelet(x, weight, scale=SCALE, product_dtype=short, **given),
        wavelet(product, SCALE, kernel="torch", **given),
    )
    found = [torch.autograd.grad(value, leaves, grad.to(dtype)) for value in values]
    # The interpreter's way of rounding moves some arguments across a kink.
    assert_alike(*values, rtol=2**-5)
    assert_alike(*found, rtol=2**-2 if DEVICE == "cpu" else 2**-6)


def derivatives(function, x: Tensor, weight: Tensor, bias: Tensor, weights: Tensor) -> list:
    """Derivatives of two orders, by every way of asking for them."""

    def energy(*tensors: Tensor) -> Tensor:
        return (function(*tensors) * weights).square().sum()

    def of_one(weights: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(value, leaves, weights, retain_graph=True)

    given, changes = (x, weight, bias), (x.cos(), weight.cos(), bias.cos())
    leaves = [each.clone().requires_grad_() for each in given]
    value = function(*leaves)
    first = torch.autograd.grad(value, leaves, weights, create_graph=True)
    total = sum(each.square().sum() for each in first)
    second = torch.autograd.grad(total, leaves[:2], retain_graph=True)
    matrices, slopes = torch.stack([weight, weight / 2]), grad(energy, (0, 1, 2))
    return [
        first,
        second,
        vmap(of_one)(torch.stack([weights, weights.cos()])),
        jvp(function, given, changes)[1],
        *(jvp(lambda b: function(x, weight, b), (bias,), changes[2:])[1:]),
        *(jvp(lambda w: function(x, w, bias), (weight,), changes[1:2])[1:]),
        jacrev(function, 1)(*given),
        hessian(energy, (1, 2))(*given),
        jvp(slopes, given, changes)[1],
        vmap(slopes, (None, 0, 0))(x, matrices, torch.stack([bias, -bias])),
        vmap(function, (1, None, None), 1)(torch.stack([x, x / 2], dim=1), weight, bias),
    ]


def test_every_derivative_is_that_of_the_composition(anywhere) -> None:
    given = layer(6, 3, 5)
    assert_alike(*(derivatives(function, *given) for function in (pair, twin)))


@pytest.mark.parametrize("graph", [False, True])
def test_forward_mode_over_a_plain_backward(anywhere, graph) -> None:
    x, weight, bias, weights = layer(6, 3, 5)
    found = []
    for function in (pair, twin):
        with torch.autograd.forward_ad.dual_level():
            leaves = [each.clone().requires_grad_() for each in (x, weight, bias)]
            duals = [torch.autograd.forward_ad.make_dual(each, each.cos()) for each in leaves]
            energy = (function(*duals) * weights).square().sum()
            grads = torch.autograd.grad(energy, duals, create_graph=graph)
            found.append([torch.autograd.forward_ad.unpack_dual(each)[1] for each in grads])
            # A matrix that alone changes; the gradient in it does not.
            energy = (function(x, duals[1], bias) * weights).sum()
            (of_weight,) = torch.autograd.grad(energy, duals[1], create_graph=graph)
            change = torch.autograd.forward_ad.unpack_dual(of_weight)[1]
            assert change is None or not change.any()
    assert_alike(*found)


def test_a_plain_backward_takes_the_kernels_it_needs(anywhere, kernels, monkeypatch) -> None:
    called = []
    for name in ("grad_input", "grad_parameters"):
        real = getattr(kernels, name)
        spy = lambda *given, n=name, real=real: called.append(n) or real(*given)  # noqa: E731
        monkeypatch.setattr(kernels, name, spy)
    x, weight, bias, _ = layer(6, 3, 5)
    weight.requires_grad_()
    pair(x, weight, bias).sum().backward()
    assert called == ["grad_parameters"] and bias.grad is None and weight.grad.any()
    called.clear()
    pair(x.requires_grad_(), weight.detach(), bias).sum().backward()
    assert called == ["grad_input"] and x.grad.any()
    called.clear()
    pair(x, weight, bias).sum().backward(create_graph=False)
    assert called == ["grad_input", "grad_parameters"]
    torch.autograd.grad(pair(x, weight, bias).sum(), x, create_graph=True)
    assert len(called) == 2


def test_kept_are_the_factors_and_the_product_in_the_short_format(anywhere) -> None:
    kept: list[Tensor] = []
    x, weight, bias, _ = layer(6, 3, 5)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        leaf = weight.requires_grad_()
        linear_wavelet(x, leaf, bias=bias, scale=SCALE, product_dtype=torch.bfloat16)
    short = [tuple(each.shape) for each in kept if each.dtype == torch.bfloat16]
    assert sorted(short) == [(5, 3), (6, 3), (6, 5)]
    assert [tuple(each.shape) for each in kept if each.dtype != torch.bfloat16] == [(5,)]


FAMILY = BWReLU(width=24, depth=2, kernel="triton-linear")
POINTS = torch.rand(40, 2, generator=seeded(9)) * 2 - 1


def built(family: BWReLU, seed: int = 0):
    return family.build(2, generator=seeded(seed)).to(DEVICE)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16], ids=str)
def test_networks_are_those_of_the_plain_kernel(anywhere, kernels, monkeypatch, learned, dtype):
    launched = []
    real = kernels.value
    monkeypatch.setattr(kernels, "value", lambda *given: launched.append(given[0]) or real(*given))
    found = []
    for kernel in ("triton-linear", "torch"):
        network = built(replace(FAMILY, kernel=kernel, learned_scale=learned))
        set_product_dtype(network, dtype)
        values = network(POINTS.to(DEVICE))
        found.append([values, *torch.autograd.grad(values.sum(), [*network.parameters()][:2])])
    # A scale that is learned takes a pass of its own.
    formats = [torch.float32, dtype or torch.float32]
    assert [each.dtype for each in launched] == ([] if learned else formats)
    assert_alike(*found, rtol=1e-4 if dtype is None else 2**-3)


def test_an_ensemble_takes_the_twin(anywhere, kernels, monkeypatch) -> None:
    members = [built(FAMILY, seed) for seed in (0, 1)]
    expected = torch.cat([network(POINTS.to(DEVICE)) for network in members], dim=-1)
    monkeypatch.setattr(kernels, "value", lambda *given: pytest.fail("it was launched"))
    ensemble = Ensemble(members)
    values = ensemble(POINTS.to(DEVICE))
    torch.testing.assert_close(values, expected, rtol=1e-4, atol=1e-5)
    values.square().sum().backward()
    assert all(parameter.grad is not None for parameter in ensemble.parameters())


@pytest.mark.slow
def test_a_fit_is_that_of_the_plain_kernel(anywhere) -> None:
    grid, truth = Grid((24, 32)), torch.rand(24, 32, generator=seeded(5)).to(DEVICE)
    given = {"grid": grid, "iterations": 3, "precision": "float32"}
    images = [
        fit(built(replace(FAMILY, kernel=kernel)), Observation(Identity(grid), truth), **given)
        for kernel in ("triton-linear", "torch")
    ]
    assert_alike(images[0].image, images[1].image, rtol=1e-3)


def test_only_its_name_chooses_it(monkeypatch) -> None:
    row = next(row for row in choice.KERNELS if row.name == "triton-linear")
    plain = next(row for row in choice.KERNELS if row.name == "triton")
    assert row.by_name and not plain.by_name
    assert row.module == plain.module
    for dtype in FORMATS:
        assert choose_kernel(device="cuda", dtypes=(dtype,)).name == "triton"
        assert choose_kernel("triton-linear", device="cuda", dtypes=(dtype,)) is row
    # Not even where nothing else can run.
    monkeypatch.setattr(choice, "KERNELS", (row,))
    with pytest.raises(BackendUnavailable, match="triton-linear: is taken by its name only"):
        choose_kernel(device="cuda", dtypes=(torch.float32,))
    with pytest.raises(ValueError, match=r"`kernel` must take a linear layer with .*got 'triton'"):
        plain.load_linear()


def test_where_it_cannot_run_it_says_so() -> None:
    x, weight, bias, _ = (each.cpu() for each in layer(6, 3, 5))
    message = r"(?s)run on cpu in torch.float32; got 'triton-linear'.*triton-linear: runs on cuda"
    with pytest.raises(BackendUnavailable, match=message):
        pair(x, weight, bias)
    with pytest.raises(BackendUnavailable, match=message):
        Wavelet(1.0, kernel="triton-linear")(x)
    with pytest.raises(BackendUnavailable, match=message):
        BWReLU(width=8, kernel="triton-linear").build(2)(POINTS)
    # A layer whose wavelet has another kernel is no concern of it.
    of_layer = Wavelet(SCALE, kernel="torch").of_linear(x, Linear(3, 5), dtype=torch.float32)
    assert of_layer.shape == (6, 5)


def test_bad_arguments(anywhere) -> None:
    x, weight, bias, _ = layer(6, 3, 5)
    with pytest.raises(
        BackendUnavailable, match=r"triton-linear: computes in .*not in torch.float64"
    ):
        pair(x.double(), weight, bias)
    with pytest.raises(TypeError, match=r"`x` must be of a floating-point type; got Tensor of sh"):
        pair(x.long(), weight, bias)
    with pytest.raises(ValueError, match=r"`x` must end with the shape \(3,\) of a point of `weig"):
        pair(x[:, :2], weight, bias)
    with pytest.raises(ValueError, match=r"`bias` must be of shape \(5,\), one entry for each row"):
        pair(x, weight, bias[:4])
    with pytest.raises(ValueError, match=r"`scale` must be above zero; got 0.0"):
        linear_wavelet(x, weight, bias=bias, scale=0.0)


COMPILE = """
import re

from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from ctinr.networks.kernels import linear_wavelet_triton as kernels

FIXED = {"ROWS": kernels.ROWS, "COLUMNS": kernels.COLUMNS, "DEPTH": kernels.DEPTH}
SUMS = dict.fromkeys(("bias", "in_weight", "in_bias"), "*fp32")
SIZES = dict.fromkeys(("points", "inputs", "outputs", "steps"), "i32")
for kernel in (kernels._value, kernels._grad_input, kernels._grad_parameters):
    for short, result in (("*fp32", "*fp32"), ("*bf16", "*fp32")):
        kinds = dict.fromkeys(("x", "weight", "product"), short) | SUMS | SIZES | {"scale": "fp32"}
        kinds |= {"grad": result, "out": short if kernel is kernels._grad_input else result}
        signature = {name: kinds.get(name, "constexpr") for name in kernel.arg_names}
        made = compile(ASTSource(kernel, signature, FIXED), target=GPUTarget("cuda", 80, 32))
        code = made.asm["ptx"]
        atomic = bool(re.search(r"\\b(atom|red)[.]", code))
        print(code.count(".entry"), "tf32" in code, "mma." in code, "f64" in code, atomic)
        assert made.metadata.shared <= 2**16, made.metadata.shared
"""


@pytest.mark.slow
def test_it_compiles_for_a_card_without_one(tmp_path) -> None:
    """Short formats take the tensor cores; float32 takes them never, as they would cut it short."""
    lines, errors = printed_while_compiling(COMPILE, tmp_path)
    expected = ["1 False False False False", "1 False True False False"]
    assert lines == expected * 3, errors
