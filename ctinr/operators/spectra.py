"""Products of spectra along the last axis, if need be the same to the last bit on any machine.

How the library of Fourier transforms orders its sums may follow from the number of threads. Parts
of one result that are computed by processes with different numbers of them would not fit together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import torch
from torch import Tensor

_ALIKE: ContextVar[bool] = ContextVar("alike", default=False)


@contextlib.contextmanager
def alike_on_any_threads() -> Iterator[None]:
    """Let Fourier transforms on the CPU not depend on the number of threads, in the block.

    They take one thread then. Nothing else is changed: all other operations are alike anyway.
    """
    token = _ALIKE.set(True)
    try:
        yield
    finally:
        _ALIKE.reset(token)


def filtered_spectrum(values: Tensor, response: Tensor, *, length: int) -> Tensor:
    """Return values, padded with zeros to a length, whose spectrum is multiplied by a response.

    Parameters
    ----------
    values : Tensor, shape (..., u)
        Real values.
    response : Tensor, shape (length // 2 + 1,)
        At the frequencies of `torch.fft.rfft`.
    length : int
        At least that of the last axis.

    Returns
    -------
    Tensor, shape (..., length)
        Fresh memory.
    """
    with _threads_for(values):
        spectrum = torch.fft.rfft(values, n=length).mul_(response)
        return torch.fft.irfft(spectrum, n=length)


@contextlib.contextmanager
def _threads_for(values: Tensor) -> Iterator[None]:
    threads = torch.get_num_threads()
    if not _ALIKE.get() or values.device.type != "cpu" or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
