"""Identity, selection and weights: the values, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.operators import Identity, Select, Space, Weights

GRID = Grid((2, 3))
X = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def test_the_identity_gives_the_values_back():
    assert Identity(GRID)(X).equal(X)
    assert Identity(GRID).T(X).equal(X)


def test_a_selection_lists_the_kept_values_in_order():
    mask = torch.tensor([[False, True, True], [True, False, False]])
    select = Select(GRID, mask)
    assert select(X).tolist() == [2.0, 3.0, 4.0]
    assert select.T(torch.tensor([7.0, 8.0, 9.0])).tolist() == [[0.0, 7.0, 8.0], [9.0, 0.0, 0.0]]
    assert Select(GRID, mask.numpy())(X).equal(select(X))
    assert repr(select).endswith(", 3 values)")


def test_a_selection_does_not_follow_its_mask():
    mask = torch.tensor([[True, False, False], [False, False, False]])
    select = Select(GRID, mask)
    mask.fill_(True)
    assert select(X).tolist() == [1.0]


def test_views_are_withheld_by_a_selection_of_rays():
    geometry = ParallelBeam(equal_angles(3), Detector(2))
    select = Select(geometry, torch.tensor([[True], [False], [True]]).expand(3, 2))
    assert select(X.reshape(3, 2)).tolist() == [1.0, 2.0, 5.0, 6.0]


@pytest.mark.parametrize(
    "mask, message",
    [
        (torch.ones(2, 3), r"`mask` must be boolean; got Tensor of shape \(2, 3\)"),
        (torch.ones(3, 2, dtype=torch.bool), r"`mask` must have the shape \(2, 3\); got Tensor"),
        (np.zeros((2, 3), bool), r"`mask` must keep at least one value; got no true value\."),
    ],
)
def test_what_is_no_mask_is_refused(mask, message):
    with pytest.raises(ValueError, match=message):
        Select(GRID, mask)


@pytest.mark.parametrize(
    "weights",
    [X, torch.tensor([1.0, 0.0, -2.0]), torch.tensor([[3.0], [0.5]]), torch.tensor(2), X.double()],
)
def test_weights_multiply(weights):
    given = Weights(GRID, weights)(X)
    assert given.equal(X * weights)
    assert given.dtype == X.dtype


def test_weights_do_not_follow_what_they_were_made_of():
    weights = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    operator = Weights(GRID, weights)
    with torch.no_grad():
        weights.fill_(5.0)
    assert operator(X).equal(X)
    assert not operator(X).requires_grad


@pytest.mark.parametrize(
    "weights, message",
    [
        (
            torch.ones(2),
            r"`weights` must broadcast to the shape \(2, 3\); got Tensor of shape \(2,\)",
        ),
        (torch.ones(4, 2, 3), r"`weights` must broadcast to the shape \(2, 3\); got Tensor"),
        (torch.tensor([1.0, torch.nan, 1.0]), r"`weights` must be finite everywhere; got 1 NaN"),
        (torch.ones(0, 3), r"`weights` must not be empty; got Tensor of shape \(0, 3\)"),
    ],
)
def test_what_are_no_weights_is_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        Weights(GRID, weights)


def test_reprs_name_the_space():
    assert repr(Identity(GRID)) == f"Identity({GRID!r})"
    assert repr(Weights(Space((3,)), torch.ones(3))) == "Weights(Space(shape=(3,)))"
