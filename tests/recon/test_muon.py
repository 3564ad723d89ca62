"""Muon: orthogonal steps."""

from __future__ import annotations

import pytest
import torch

from ctinr.recon.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(8, 8), (5, 12), (12, 5)])
def test_singular_values_come_close_to_one_and_vectors_stay(shape):
    left, _, right = torch.linalg.svd(
        torch.randn(shape, generator=torch.Generator().manual_seed(0)), full_matrices=False
    )
    values = torch.linspace(0.2, 1.0, min(shape))
    result = orthogonalised(left @ torch.diag(values) @ right)
    turned = left.T @ result @ right.T
    assert (torch.linalg.svdvals(result) > 0.65).all()
    assert (torch.linalg.svdvals(result) < 1.25).all()
    assert (turned - torch.diag(turned.diagonal())).abs().max() < 1e-4


def test_a_step_has_the_rate_as_its_spectral_norm_whatever_the_gradient():
    for size in (1e-6, 1e6):
        matrix = torch.nn.Parameter(torch.zeros(6, 6))
        matrix.grad = size * torch.randn(6, 6, generator=torch.Generator().manual_seed(1))
        Muon([matrix], lr=0.1).step()
        assert 0.065 < float(torch.linalg.matrix_norm(matrix.detach(), 2)) < 0.125


def test_a_quadratic_is_minimised():
    target = torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    matrix = torch.nn.Parameter(torch.zeros(6, 4))
    optimizer = Muon([matrix], lr=0.05)
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 200)
        optimizer.zero_grad()
        (matrix - target).square().sum().backward()
        optimizer.step()
    assert (matrix.detach() - target).norm() < 0.05 * target.norm()


def test_a_parameter_without_gradient_stays():
    matrix = torch.nn.Parameter(torch.ones(3, 3))
    Muon([matrix]).step()
    assert torch.equal(matrix.detach(), torch.ones(3, 3))


def test_bad_arguments_are_named():
    matrix = torch.nn.Parameter(torch.ones(3, 3))
    with pytest.raises(ValueError, match="`matrices` must have two axes"):
        Muon([torch.nn.Parameter(torch.ones(3))])
    with pytest.raises(ValueError, match="`lr` must be above zero"):
        Muon([matrix], lr=-1.0)
    with pytest.raises(ValueError, match="`momentum` must lie in"):
        Muon([matrix], momentum=1.0)
