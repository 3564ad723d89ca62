"""Gains: large beside their scatter, and as rarely by chance however few views there are."""

from __future__ import annotations

import pytest
import torch

from ctinr.recon.gains import clear_gain, standard_errors


def test_gains_are_measured_by_their_scatter():
    gains = torch.tensor([1.0, 2.0, 3.0])
    assert standard_errors(gains) == pytest.approx(2.0 * 3**0.5)
    assert standard_errors(-gains) == -standard_errors(gains)
    assert standard_errors(torch.tensor([0.5, 0.5])) == float("inf")
    assert standard_errors(torch.tensor([-0.5])) == -float("inf")
    assert standard_errors(torch.zeros(4)) == 0.0


@pytest.mark.parametrize("views, quantile", [(2, 6.3138), (3, 2.9200), (6, 2.0150), (30, 1.6991)])
def test_a_clear_gain_is_as_rare_by_chance_whatever_the_number_of_views(views, quantile):
    # Of a table of Student's t, one-sided at 5 %.
    spread = torch.linspace(-1, 1, views, dtype=torch.float64)
    error = float(spread.std()) / views**0.5
    assert clear_gain(spread + 1.001 * quantile * error)
    assert not clear_gain(spread + 0.999 * quantile * error)
    assert not clear_gain(spread - 1.001 * quantile * error)
    assert not clear_gain(torch.tensor([5.0]))
