"""Observations: operator, data and weight belong together."""

from __future__ import annotations

import pytest
import torch

from ctinr.geometry import Grid
from ctinr.operators import BlockAverage, Identity, Observation, Space, Weights

A = BlockAverage(Grid((4, 6)), 2)
DATA = torch.arange(6.0).reshape(2, 3)


def test_the_loss_is_the_mean_square_of_the_weighted_residual():
    image = torch.ones(4, 6)
    plain = Observation(A, DATA)
    assert plain.residual(image).equal(1 - DATA)
    assert float(plain.loss(image)) == pytest.approx(float((1 - DATA).square().mean()))
    half = Observation(A, DATA, 0.5 * Identity(A.range))
    assert half.residual(image).equal((1 - DATA) / 2)
    assert float(half.loss(image)) == pytest.approx(float(plain.loss(image)) / 4)


def test_weights_of_zero_leave_values_out():
    row = Observation(A, DATA, Weights(A.range, torch.tensor([[1.0], [0.0]])))
    assert row.residual(torch.zeros(4, 6)).tolist() == [[0.0, -1.0, -2.0], [0.0, 0.0, 0.0]]


def test_a_batch_of_data_is_observed_at_once():
    batch = Observation(A, DATA.expand(5, 2, 3))
    assert batch.residual(torch.zeros(5, 4, 6)).shape == (5, 2, 3)


def test_the_gradient_of_the_loss_is_the_transpose_of_the_residual():
    image = torch.rand(4, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    observation = Observation(A, DATA)
    observation.loss(image).backward()
    expected = 2 / 6 * A.T(observation.residual(image.detach()))
    assert image.grad.numpy() == pytest.approx(expected.numpy(), rel=1e-6)


@pytest.mark.parametrize(
    "data, message",
    [
        (DATA.T, r"`data` must end with the shape \(2, 3\) of the operator's range; got Tensor"),
        (DATA.flatten(), r"`data` must end with the shape \(2, 3\) of the operator's range"),
        (
            DATA / 0,
            r"`data` must be finite everywhere; got 6 NaN or infinite values .* at \(0, 0\)",
        ),
        (DATA[:0], r"`data` must not be empty; got Tensor of shape \(0, 3\)"),
    ],
)
def test_data_that_do_not_belong_to_the_operator_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        Observation(A, data)


def test_a_weight_of_other_data_is_refused():
    message = r"`weight` must act on the data's shape \(2, 3\); got an operator on \(6,\)\."
    with pytest.raises(ValueError, match=message):
        Observation(A, DATA, Identity(Space((6,))))
