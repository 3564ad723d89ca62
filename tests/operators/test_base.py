"""The operator's algebra: what the laws, which look at one operator, do not see."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from ctinr.geometry import Grid
from ctinr.operators import (
    Adjoint,
    BlockAverage,
    Gradient,
    Identity,
    LinearOperator,
    Space,
    Weights,
)
from tests.offenders import Dense

GRID = Grid((3, 4))
A, D = Gradient(GRID), Weights(GRID, torch.arange(12.0, dtype=torch.float64).reshape(3, 4))
SPECTRUM = Weights(Space((5,)), torch.tensor([0.5, -3.0, 2.0, 0.0, 2.9]))


def matrix(operator: LinearOperator) -> np.ndarray:
    return operator.as_matrix().numpy()


def test_algebra_is_that_of_matrices():
    a, d = matrix(A), matrix(D)
    assert matrix(A @ D) == pytest.approx(a @ d)
    assert matrix(A.T @ A @ D) == pytest.approx(a.T @ a @ d)
    assert matrix(A.gram + D) == pytest.approx(a.T @ a + d)
    assert matrix(A.gram - D) == pytest.approx(a.T @ a - d)
    assert matrix(2 * A) == pytest.approx(2 * a)
    assert matrix(A * -0.5) == pytest.approx(-a / 2)
    assert matrix(-A) == pytest.approx(-a)
    assert matrix((A @ D + 3 * A).T) == pytest.approx((a @ d + 3 * a).T)


def test_spaces_of_what_is_made():
    assert (A @ D).domain == GRID
    assert (A @ D).range == A.range == Space((2, 3, 4))
    assert (A.T.domain, A.T.range) == (A.range, GRID)
    assert (A.gram.domain, A.gram.range) == (GRID, GRID)
    average = BlockAverage(Grid((4, 6), 0.5), 2)
    assert average.range == average.T.domain == Grid((2, 3), 1.0)


def test_the_transpose_of_the_transpose_is_the_operator():
    assert A.T.T is A
    assert isinstance(A.T, Adjoint)


def test_a_matrix_has_a_row_for_each_value_of_the_range():
    operator = Dense()
    assert operator.as_matrix().equal(operator.matrix)
    assert operator.as_matrix(dtype=torch.float32).dtype == torch.float32
    x = torch.arange(6.0, dtype=torch.float64).reshape(2, 3)
    assert operator(x).numpy() == pytest.approx(operator.matrix.numpy() @ x.numpy().ravel())


@pytest.mark.parametrize("operator", [A, D, SPECTRUM, Dense(), Dense().T, A @ D], ids=repr)
def test_the_norm_is_the_largest_singular_value(operator):
    largest = np.linalg.norm(matrix(operator), 2)
    estimate = operator.norm(iterations=400, dtype=torch.float64)
    assert estimate == pytest.approx(largest, rel=1e-6)
    assert operator.norm(iterations=3) <= largest * (1 + 1e-6)


def test_the_norm_is_that_of_its_seed_and_leaves_the_global_one_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    values = [SPECTRUM.norm(iterations=2, seed=seed) for seed in (0, 0, 1)]
    assert torch.rand(1).equal(expected)
    assert values[0] == values[1] != values[2]


def test_the_norm_of_nothing_is_zero():
    assert (0.0 * A).norm() == 0.0
    assert math.isfinite((0.0 * A + 0.0 * A).norm())


def test_the_norm_takes_at_least_one_iteration():
    with pytest.raises(ValueError, match=r"`iterations` must be at least 1; got 0\."):
        A.norm(iterations=0)


def test_spaces_that_do_not_fit_are_refused():
    message = r"^`B` must have the range shape \(3, 4\) that A takes, in A @ B; got \(2, 3, 4\)\.$"
    with pytest.raises(ValueError, match=message):
        D @ A
    message = (
        r"^`B` must have the domain and range shapes \(\(3, 4\), \(2, 3, 4\)\) of A, in A \+ B; "
        r"got \(\(3, 4\), \(3, 4\)\)\.$"
    )
    with pytest.raises(ValueError, match=message):
        A + D
    with pytest.raises(ValueError, match=r"in A \+ B"):
        A - D


@pytest.mark.parametrize(
    "factor, kind", [("2", TypeError), (D, TypeError), (1j, TypeError), (math.nan, ValueError)]
)
def test_factors_are_real_numbers(factor, kind):
    with pytest.raises(kind, match="`factor` must be"):
        A * factor


@pytest.mark.parametrize("factor", [3, np.float64(3), np.float32(3), np.int8(3)], ids=type)
def test_any_real_number_is_a_factor(factor):
    assert matrix(A * factor) == pytest.approx(3 * matrix(A))


def test_operators_combine_with_operators_only():
    for wrong in (torch.ones(3, 4), 2.0, "x"):
        with pytest.raises(TypeError):
            A @ wrong
    for wrong in (2.0, None):
        with pytest.raises(TypeError):
            A + wrong


def test_an_error_names_the_operator():
    with pytest.raises(ValueError, match=r"of the domain of Gradient\(Grid\(shape=\(3, 4\)"):
        A(torch.ones(4, 3))
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4\) of the domain of Adjoint\(operator="):
        A.T(torch.ones(3, 4))


@pytest.mark.parametrize("operator", [A, D, A @ D, 2 * A, A.T, A.gram + D], ids=repr)
def test_a_copy_does_the_same(operator):
    twin = copy.deepcopy(operator)
    assert twin.as_matrix().equal(operator.as_matrix())


def test_a_leaf_must_have_both_kernels():
    class Half(LinearOperator):
        domain = range = Space((1,))

        def _forward(self, x):
            return x

    with pytest.raises(TypeError, match="_transposed"):
        Half()


def test_the_network_of_a_fit_sees_the_operator_as_a_constant():
    x = torch.ones(3, 4, requires_grad=True)
    assert A(x).requires_grad
    with torch.no_grad():
        assert not A(x).requires_grad
    assert not A(x.detach()).requires_grad
    with torch.inference_mode():
        assert Identity(GRID)(x).is_inference()
    # what was kept in inference mode is no obstacle to gradients
    A(x).sum().backward()
    assert x.grad is not None
