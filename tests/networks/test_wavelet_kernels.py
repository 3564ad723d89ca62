"""Every kernel of the wavelet against its definition, and the kernels against each other."""

from __future__ import annotations

import importlib.util
import math

import pytest
import torch
from torch import Tensor

from ctinr.checks import BackendUnavailable
from ctinr.networks import choose_kernel, wavelet
from ctinr.networks.kernels import wavelet_numba, wavelet_torch
from tests.networks import reference
from tests.requires import requires

ENGINES = {"numba": wavelet_numba, "torch": wavelet_torch}
# The argument 3 is rounded to eps, and the steepest slope is 8/3.
ROUNDING = {torch.float32: 3 * 8 / 3 * 2**-23, torch.float64: 3 * 8 / 3 * 2**-52}
SCALE = 3.7

every_engine = pytest.mark.parametrize("name", ENGINES)
every_dtype = pytest.mark.parametrize("dtype", ROUNDING, ids=str)


def normal(*shape: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=dtype, generator=generator)


@every_engine
@every_dtype
def test_value_is_the_sum_of_seven_relus(name: str, dtype: torch.dtype) -> None:
    # Odd, and several chunks long: ends of vectors and of chunks are met.
    x = normal(4 * wavelet_numba.CHUNK + 13, dtype=dtype)
    expected = reference.psi(x.double() * SCALE)
    error = (ENGINES[name].value(x, SCALE).double() - expected).abs().max()
    assert error <= ROUNDING[dtype] + 1e-14


def test_table_equals_the_sum_of_seven_relus() -> None:
    argument = torch.linspace(-1, 4, 100_001, dtype=torch.float64)
    table = wavelet_torch.value(argument, 1.0)
    torch.testing.assert_close(table, reference.seven_relus(argument), rtol=0, atol=1e-14)


@every_engine
@every_dtype
def test_slope_is_that_of_seven_relus(name: str, dtype: torch.dtype) -> None:
    x = reference.away_from_kinks(4 * wavelet_numba.CHUNK + 13, scale=SCALE, seed=1).to(dtype)
    grad = normal(x.numel(), dtype=dtype, seed=2)
    expected = grad.double() * SCALE * reference.slope_of_seven_relus(x.double() * SCALE)
    slope = ENGINES[name].slope(grad, x, SCALE)
    torch.testing.assert_close(slope.double(), expected, rtol=4 * torch.finfo(dtype).eps, atol=0)


@every_dtype
@pytest.mark.parametrize("scale", [1.0, 2.0, 3.7])
def test_kernels_agree_on_the_slope_bit_for_bit(dtype: torch.dtype, scale: float) -> None:
    knots = torch.tensor(reference.KNOTS, dtype=dtype) / scale
    x = torch.cat([knots, -knots, normal(10_000, dtype=dtype)])
    grad = normal(x.numel(), dtype=dtype, seed=3)
    slopes = [engine.slope(grad, x, scale) for engine in ENGINES.values()]
    assert torch.equal(*slopes)


@every_engine
@every_dtype
def test_slope_is_continuous_from_the_right(name: str, dtype: torch.dtype) -> None:
    knots = torch.tensor(reference.KNOTS, dtype=dtype)
    slope = ENGINES[name].slope(torch.ones_like(knots), knots, 1.0)
    expected = torch.tensor((1 / 6, -7 / 6, 8 / 3, -8 / 3, 7 / 6, -1 / 6, 0), dtype=dtype)
    torch.testing.assert_close(slope, expected, rtol=torch.finfo(dtype).eps, atol=0)


@every_engine
@every_dtype
def test_outside_the_support_everything_is_exactly_zero(name: str, dtype: torch.dtype) -> None:
    far = torch.logspace(-6, 30, 1000, dtype=dtype)
    x = torch.cat([-far, 3 * (1 + torch.finfo(dtype).eps) + far, torch.tensor([0, 3, math.inf])])
    assert torch.equal(ENGINES[name].value(x, 1.0), torch.zeros_like(x))
    ends = x[x != 0]
    assert torch.equal(
        ENGINES[name].slope(torch.ones_like(ends), ends, 1.0), torch.zeros_like(ends)
    )


@every_engine
@every_dtype
def test_nan_stays_visible(name: str, dtype: torch.dtype) -> None:
    # Seventeen of them: both the vectorised part of a loop and its end are met.
    x = torch.full((17,), math.nan, dtype=dtype)
    assert ENGINES[name].value(x, 1.0).isnan().all()


@every_engine
@every_dtype
@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0, 2), (7, 5), (2, 3, 4, 5)], ids=str)
def test_every_shape(name: str, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    x, grad = normal(*shape, dtype=dtype), normal(*shape, dtype=dtype, seed=1)
    value, slope = ENGINES[name].value(x, SCALE), ENGINES[name].slope(grad, x, SCALE)
    assert value.shape == slope.shape == shape
    assert value.dtype == slope.dtype == dtype
    expected = reference.psi(x.double() * SCALE).to(dtype)
    torch.testing.assert_close(value, expected, rtol=0, atol=ROUNDING[dtype] + 1e-14)


@every_engine
@every_dtype
@pytest.mark.parametrize(
    "view",
    [lambda x: x.T, lambda x: x[::2, 1:], lambda x: x[:1].expand(6, 10), lambda x: x[3]],
    ids=["transposed", "strided", "expanded", "offset"],
)
def test_views_give_the_values_of_their_copies(name: str, dtype: torch.dtype, view) -> None:
    engine, x = ENGINES[name], view(normal(8, 10, dtype=dtype).abs())
    grad = view(normal(8, 10, dtype=dtype, seed=1))
    assert torch.equal(engine.value(x, SCALE), engine.value(x.clone(), SCALE))
    expected = engine.slope(grad.clone(), x.clone(), SCALE)
    assert torch.equal(engine.slope(grad, x, SCALE), expected)
    assert engine.value(x, SCALE).is_contiguous()
    assert engine.slope(grad, x, SCALE).is_contiguous()
    assert expected.abs().sum() > 0


@every_engine
def test_input_untouched_and_output_fresh(name: str) -> None:
    x, grad = normal(100, dtype=torch.float32), normal(100, dtype=torch.float32, seed=1)
    kept_x, kept_grad = x.clone(), grad.clone()
    outputs = [ENGINES[name].value(x, SCALE), ENGINES[name].value(x, SCALE)]
    outputs += [ENGINES[name].slope(grad, x, SCALE), ENGINES[name].slope(grad, x, SCALE)]
    assert torch.equal(x, kept_x)
    assert torch.equal(grad, kept_grad)
    assert len({tensor.data_ptr() for tensor in (x, grad, *outputs)}) == 6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_short_formats_are_exact_where_the_seven_relus_cancel(dtype: torch.dtype) -> None:
    x = torch.linspace(3, 64, 500, dtype=torch.float64).to(dtype)
    peak = 10 / 12
    assert reference.seven_relus(x).double().abs().max() > peak / 8
    assert torch.equal(wavelet(x, 1.0), torch.zeros_like(x))
    inside = torch.linspace(0, 3, 500, dtype=torch.float64).to(dtype)
    error = (wavelet(inside, 1.0).double() - reference.seven_relus(inside.double())).abs().max()
    assert error <= peak * torch.finfo(dtype).eps


@requires("cuda")
@every_dtype
def test_torch_kernel_on_a_gpu_equals_the_cpu(dtype: torch.dtype) -> None:
    x, grad = normal(1000, dtype=dtype), normal(1000, dtype=dtype, seed=1)
    value = wavelet_torch.value(x.cuda(), SCALE)
    assert value.device.type == "cuda"
    assert torch.equal(
        wavelet_torch.slope(grad.cuda(), x.cuda(), SCALE).cpu(), wavelet_torch.slope(grad, x, SCALE)
    )
    torch.testing.assert_close(
        value.cpu(), wavelet_torch.value(x, SCALE), rtol=0, atol=ROUNDING[dtype]
    )


@pytest.mark.parametrize(
    ("device", "dtype", "expected"),
    [
        ("cpu", torch.float32, "numba"),
        ("cpu", torch.float64, "numba"),
        ("cpu", torch.bfloat16, "numba"),
        ("cpu", torch.float16, "torch"),
        ("cuda", torch.float64, "torch"),
    ],
    ids=str,
)
def test_auto_takes_the_first_that_can_run(device: str, dtype: torch.dtype, expected: str) -> None:
    assert choose_kernel(device=device, dtypes=(dtype,)).name == expected
    assert choose_kernel("torch", device=device, dtypes=(dtype,)).name == "torch"


def test_auto_does_without_numba_and_numba_says_what_is_missing(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert choose_kernel(device="cpu", dtypes=(torch.float32,)).name == "torch"
    with pytest.raises(
        BackendUnavailable,
        match=r"(?s)numba: needs numba: pip install numba.*"
        r"torch: can run",
    ):
        choose_kernel("numba", device="cpu", dtypes=(torch.float32,))


def test_a_named_kernel_never_falls_back() -> None:
    with pytest.raises(
        BackendUnavailable,
        match=r"(?s)`kernel` must be able to run on cuda in torch.float32; got 'numba'.*"
        r"numba: runs on cpu, not on cuda\n  triton: .*\n  torch: can run",
    ):
        choose_kernel("numba", device="cuda", dtypes=(torch.float32,))
    with pytest.raises(
        BackendUnavailable, match=r"computes in torch.float32, torch.float64, torch.bf"
    ):
        wavelet(torch.zeros(2, dtype=torch.float16), 1.0, kernel="numba")


def test_bad_arguments() -> None:
    x = torch.zeros(2)
    with pytest.raises(
        ValueError,
        match=r"`kernel` must be one of 'auto', 'numba', 'triton', 'triton-linear', 'torch'; got",
    ):
        wavelet(x, 1.0, kernel="fast")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`scale` must be above zero; got 0.0"):
        wavelet(x, 0.0)
    with pytest.raises(ValueError, match=r"`scale` must be finite; got nan"):
        wavelet(x, math.nan)
    with pytest.raises(TypeError, match=r"`x` must be of a floating-point type; got Tensor of sh"):
        wavelet(torch.zeros(2, dtype=torch.int64), 1.0)
    with pytest.raises(BackendUnavailable, match=r"torch.int64 is not a floating-point type"):
        choose_kernel(device="cpu", dtypes=(torch.int64,))


FORMATS = (torch.float32, torch.bfloat16)


@every_engine
@pytest.mark.parametrize("result", FORMATS, ids=str)
@pytest.mark.parametrize("dtype", FORMATS, ids=str)
def test_bias_and_formats_are_those_of_three_passes(name: str, dtype, result) -> None:
    engine = ENGINES[name]
    x, bias = normal(2500, 33, dtype=torch.float32).to(dtype), normal(33, dtype=torch.float32)
    grad = normal(2500, 33, dtype=torch.float32, seed=1).to(result)
    before = x.float() + bias
    value = engine.value(x, SCALE, bias=bias, dtype=result)
    assert value.dtype == result
    assert torch.equal(value, engine.value(before, SCALE).to(result))
    slope = engine.slope(grad, x, SCALE, bias=bias, dtype=dtype)
    assert torch.equal(slope, engine.slope(grad.float(), before, SCALE).to(dtype))
    assert slope.float().abs().max() > 1


@every_engine
def test_bfloat16_rounds_to_nearest_and_keeps_nan(name: str) -> None:
    x = torch.cat([torch.linspace(-0.1, 3.1, 40_001), torch.tensor([math.nan, -math.nan])])
    long, short = (ENGINES[name].value(x, 1.0, dtype=dtype) for dtype in FORMATS)
    assert torch.equal(short[:-2], long[:-2].to(torch.bfloat16))
    assert short[-2:].isnan().all()


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_few_lines_and_wide_ones(rows: int) -> None:
    x, bias = normal(rows, 20_001, dtype=torch.float32), normal(20_001, dtype=torch.float32)
    expected = wavelet_torch.value(x, SCALE, bias=bias)
    result = wavelet_numba.value(x, SCALE, bias=bias)
    torch.testing.assert_close(result, expected, rtol=0, atol=ROUNDING[torch.float32] + 1e-14)
