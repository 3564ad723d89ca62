"""Products of spectra along the last axis, if need be the same to the last bit on any machine.

How the library of Fourier transforms orders its sums may follow from the number of threads. Parts
of one result that are computed by processes with different numbers of them would not fit together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import torch
from torch import Tensor

_ALIKE: ContextVar[bool] = ContextVar("alike", default=False)


@contextlib.contextmanager
def alike_on_any_threads() -> Iterator[None]:
    """Let Fourier transforms on the CPU not depend on the number of threads, in the block.

    Each item along the first axis is transformed by one thread then, and several of them at a
    time. Nothing else is changed: all other operations are alike anyway.
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
    response : Tensor, shape (length // 2 + 1,) or one that spreads to the spectrum's
        At the frequencies of `torch.fft.rfft`.
    length : int
        At least that of the last axis.

    Returns
    -------
    Tensor, shape (..., length)
        Fresh memory.
    """
    if not _ALIKE.get() or values.device.type != "cpu" or values.ndim < 3:
        return _filtered(values, response, length)
    items = values.new_empty((*values.shape[:-1], length))
    # One for all items, or one for each.
    own = response if response.ndim == values.ndim else response.expand(1, *response.shape)
    own = own.expand(len(values), *own.shape[1:])

    def fill(place: int) -> None:
        items[place] = _filtered(values[place], own[place], length)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, range(len(values))))
    finally:
        torch.set_num_threads(threads)
    return items


def _filtered(values: Tensor, response: Tensor, length: int) -> Tensor:
    spectrum = torch.fft.rfft(values, n=length).mul_(response)
    return torch.fft.irfft(spectrum, n=length)
