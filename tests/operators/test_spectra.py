"""Products of spectra: what they are, and that their bits do not follow from the threads."""

from __future__ import annotations

import pytest
import torch

from ctinr.operators.spectra import alike_on_any_threads, filtered_spectrum


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(24,), (7, 24), (5, 12, 24), (1, 12, 24)])
@pytest.mark.parametrize("several", [False, True])
def test_it_is_the_product_with_or_without_care_for_bits(shape, several):
    values, response = noise(*shape), torch.rand(33, generator=torch.Generator().manual_seed(1))
    if several:
        response = noise(*shape[:1], *(1,) * (len(shape) - 2), 33) if len(shape) > 1 else response
    wanted = torch.fft.irfft(torch.fft.rfft(values.double(), n=64) * response, n=64)
    kept = values.clone()
    assert torch.allclose(
        filtered_spectrum(values, response, length=64).double(), wanted, atol=2e-6
    )
    with alike_on_any_threads():
        found = filtered_spectrum(values, response, length=64)
    assert torch.allclose(found.double(), wanted, atol=2e-6)
    assert torch.equal(values, kept)


def test_bits_follow_neither_from_threads_nor_from_items_beside():
    values, response, before = noise(8, 12, 24), noise(33), torch.get_num_threads()
    found = []
    with alike_on_any_threads():
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(filtered_spectrum(values, response, length=64))
            assert torch.get_num_threads() == threads
        torch.set_num_threads(before)
        part = filtered_spectrum(values[3:5], response, length=64)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
    assert torch.equal(part, found[0][3:5])
