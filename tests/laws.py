"""What every linear operator promises, one function a law: it takes an operator and asserts.

The laws are tried on the catalogue in test_laws, which also shows each law an offender.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.func import grad, jvp, vmap

from ctinr.operators import LinearOperator
from tests.vectors import close, hill, inner, length, noise

DTYPES = (torch.float32, torch.float64)


def both_ways(A: LinearOperator) -> tuple[LinearOperator, LinearOperator]:
    return A, A.T


def half_square(A: LinearOperator) -> Callable[[Tensor], Tensor]:
    return lambda x: A(x).square().sum() / 2


# ------------------------------------------------------------------ algebra


def is_linear(A: LinearOperator) -> None:
    for B in both_ways(A):
        shape = tuple(B.domain.shape)
        first, second = noise(*shape, seed=1), noise(*shape, seed=2)
        images = B(first), B(second)
        difference = B(2.5 * first - 0.75 * second) - (2.5 * images[0] - 0.75 * images[1])
        assert length(difference) <= 1e-13 * (length(images[0]) + length(images[1]))
        assert length(B(torch.zeros(shape))) == 0


def has_its_adjoint(A: LinearOperator) -> None:
    for seed in range(3):
        x, y = noise(*A.domain.shape, seed=seed), noise(*A.range.shape, seed=seed + 10)
        image, back = A(x), A.T(y)
        assert abs(inner(image, y) - inner(x, back)) <= 1e-12 * length(image) * length(y)


def has_its_adjoint_in_single_precision(A: LinearOperator) -> None:
    x, y = (hill(tuple(space.shape), torch.float32) for space in (A.domain, A.range))
    image, back = A(x), A.T(y)
    assert abs(inner(image, y) - inner(x, back)) <= 1e-6 * length(image) * length(y)


def has_the_transposed_matrix(A: LinearOperator) -> None:
    assert close(A.T.as_matrix(), A.as_matrix().T, relative=1e-12)
    assert A.T.T.as_matrix().equal(A.as_matrix())


def is_as_good_in_single_precision(A: LinearOperator) -> None:
    for B in both_ways(A):
        x = noise(*B.domain.shape, seed=4)
        assert length(B(x.float()).double() - B(x)) <= 2e-6 * length(B(x))


# ------------------------------------------------------------------ derivatives


def has_the_adjoint_as_gradient(A: LinearOperator) -> None:
    for B in both_ways(A):
        x = noise(2, *B.domain.shape).requires_grad_()
        y = noise(2, *B.range.shape, seed=1).requires_grad_()
        (gradient,) = torch.autograd.grad(B(x), x, y, create_graph=True)
        assert gradient.equal(B.T(y))
        (again,) = torch.autograd.grad(gradient, y, x)
        assert again.equal(B(x))


def passes_gradcheck(A: LinearOperator) -> None:
    x, y = noise(*A.domain.shape), noise(*A.range.shape, seed=1)
    # A linear map has no curvature: a large step leaves only the rounding of the difference.
    exact = {"eps": 0.01, "atol": 1e-9, "rtol": 1e-8, "fast_mode": True}
    assert gradcheck(A, x.requires_grad_(), check_forward_ad=True, **exact)
    assert gradgradcheck(A, x, y.requires_grad_(), **exact)


def has_itself_as_tangent(A: LinearOperator) -> None:
    for B in both_ways(A):
        x, tangent = noise(2, *B.domain.shape), noise(2, *B.domain.shape, seed=1)
        image, along = jvp(B, (x,), (tangent,))
        assert image.equal(B(x))
        assert along.equal(B(tangent))
        with forward_ad.dual_level():
            pair = forward_ad.unpack_dual(B(forward_ad.make_dual(x, tangent)))
        assert pair.tangent.equal(B(tangent))


# ------------------------------------------------------------------ batches


def maps_a_batch_as_its_members(A: LinearOperator) -> None:
    for B in both_ways(A):
        x = noise(3, *B.domain.shape)
        assert close(B(x), torch.stack([B(member) for member in x]))


def takes_any_leading_axes(A: LinearOperator) -> None:
    for B in both_ways(A):
        inside, outside = tuple(B.domain.shape), tuple(B.range.shape)
        x = noise(6, *inside)
        y = B(x)
        assert B(x[0]).shape == outside
        for leading in ((2, 3), (1, 3, 1, 2)):
            assert B(x.reshape(leading + inside)).equal(y.reshape(leading + outside))
        for leading in ((0,), (2, 0), (0, 3)):
            assert B(torch.zeros(*leading, *inside)).shape == (*leading, *outside)


def is_mapped_by_vmap(A: LinearOperator) -> None:
    for B in both_ways(A):
        x = noise(2, 3, *B.domain.shape)
        y = B(x)
        assert close(vmap(B)(x), y)
        assert close(vmap(vmap(B, in_dims=-1))(x.movedim(1, -1)), y)
        assert close(vmap(grad(half_square(B)))(x), B.T(y))


# ------------------------------------------------------------------ tensors


def keeps_device_and_dtype(A: LinearOperator, device: str = "cpu") -> None:
    for B in both_ways(A):
        for dtype in DTYPES:
            x = noise(2, *B.domain.shape, dtype=dtype).to(device).requires_grad_()
            y = B(x)
            assert (y.device.type, y.dtype, y.shape) == (device, dtype, (2, *B.range.shape))
            (gradient,) = torch.autograd.grad(y.sum(), x)
            assert (gradient.device.type, gradient.dtype) == (device, dtype)


def leaves_its_input_alone(A: LinearOperator) -> None:
    for B in both_ways(A):
        x = noise(2, *B.domain.shape)
        before, version = x.clone(), x._version
        B(x)
        assert x.equal(before)
        assert x._version == version


def returns_fresh_memory(A: LinearOperator) -> None:
    for B in both_ways(A):
        x = noise(1, *B.domain.shape)
        for given in (x, x[0]):
            first = B(given)
            kept = first.clone()
            second = B(given)
            places = [tensor.untyped_storage().data_ptr() for tensor in (x, first, second)]
            assert len(set(places)) == 3
            second.fill_(math.nan)
            assert first.equal(kept)
            assert B(given).equal(kept)


def takes_any_layout(A: LinearOperator) -> None:
    for B in both_ways(A):
        shape = tuple(B.domain.shape)
        x = noise(3, *shape)
        backwards = x.permute(*range(x.ndim)[::-1]).contiguous().permute(*range(x.ndim)[::-1])
        spread = noise(*[2 * size for size in x.shape], seed=1)[(slice(None, None, 2),) * x.ndim]
        spread.copy_(x)
        y = B(x)
        for same in (backwards, spread, noise(5, *shape)[1:4].copy_(x)):
            assert close(B(same), y)
        once = noise(*shape)
        assert close(B(once.expand(3, *shape)), B(once.repeat(3, *[1] * len(shape))))
        flat = torch.tensor(0.7, dtype=torch.float64).expand(shape)
        assert close(B(flat), B(flat.contiguous()))


def shows_what_is_not_a_number(A: LinearOperator) -> None:
    for B in both_ways(A):
        seen = B.as_matrix().abs().sum(dim=1).reshape(tuple(B.range.shape)) > 1e-9
        for dtype in DTYPES:
            y = B(torch.full(tuple(B.domain.shape), math.nan, dtype=dtype))
            assert y[seen].isnan().all()


def repeats_itself(A: LinearOperator) -> None:
    for B in both_ways(A):
        x = noise(3, *B.domain.shape, dtype=torch.float32)
        assert B(x).equal(B(x))


def is_not_touched_by_autocast(A: LinearOperator) -> None:
    for B in both_ways(A):
        x = noise(2, *B.domain.shape, dtype=torch.float32).requires_grad_()
        y = B(x)
        (gradient,) = torch.autograd.grad(y.sum(), x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            same = B(x)
            (slope,) = torch.autograd.grad(same.sum(), x)
        assert same.dtype == y.dtype
        assert same.equal(y)
        assert slope.equal(gradient)


# ------------------------------------------------------------------ errors


def refuses_what_does_not_fit(A: LinearOperator) -> None:
    for B in both_ways(A):
        shape = tuple(B.domain.shape)
        wrong = [(*shape[:-1], shape[-1] + 1), (shape[0] + 1, *shape[1:])] if shape else []
        wrong += [shape[1:]] if shape else []
        for other in wrong:
            with pytest.raises(ValueError, match=r"`x` must end with the shape .* of the domain"):
                B(torch.zeros(other))
        others = {torch.int64, torch.bool, torch.float16, torch.bfloat16, torch.complex64}
        named = re.escape(" or ".join(map(str, B.dtypes)))
        for dtype in others - set(B.dtypes):
            rule = rf"`x` must be {named}; got .* Convert it first\."
            with pytest.raises(TypeError, match=rule):
                B(torch.zeros(shape, dtype=dtype))
        rule = r"`x` must be a torch\.Tensor; got ndarray\. Use torch\.as_tensor\."
        with pytest.raises(TypeError, match=rule):
            B(noise(*shape).numpy())


LAWS = (
    is_linear,
    has_its_adjoint,
    has_its_adjoint_in_single_precision,
    has_the_transposed_matrix,
    is_as_good_in_single_precision,
    has_the_adjoint_as_gradient,
    passes_gradcheck,
    has_itself_as_tangent,
    maps_a_batch_as_its_members,
    takes_any_leading_axes,
    is_mapped_by_vmap,
    keeps_device_and_dtype,
    leaves_its_input_alone,
    returns_fresh_memory,
    takes_any_layout,
    shows_what_is_not_a_number,
    repeats_itself,
    is_not_touched_by_autocast,
    refuses_what_does_not_fit,
)
