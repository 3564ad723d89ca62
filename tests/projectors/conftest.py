"""What the tests of projectors share."""

from __future__ import annotations

import numba
import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """Threads that wait for each other cost far more than these small scans do."""
    threads = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    yield
    torch.set_num_threads(threads[0])
    numba.set_num_threads(threads[1])
