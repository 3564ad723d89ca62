"""Keeping freed memory: told to the process once, and felt by the tensors after it."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import platform, resource, sys
import torch
from ctinr.recon.allocation import keep_freed_memory

done = keep_freed_memory() if sys.argv[1] == "keep" else False
torch.ones(1 << 24), torch.ones(1 << 24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.ones(1 << 24)
print(done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(what: str) -> tuple[bool, int]:
    """Return whether it was done, and the page faults of making five tensors of 64 MB."""
    run = [sys.executable, "-c", FAULTS, what]
    answer = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    return answer[0] == "True", int(answer[1])


@pytest.mark.slow
def test_the_next_tensor_is_made_of_the_pages_of_the_last_one():
    done, few = page_faults("keep")
    if not done:
        pytest.skip("the C library of this system cannot be told")
    _, many = page_faults("return")
    assert few < many / 10


def test_other_systems_are_left_alone(monkeypatch):
    import ctypes

    from ctinr.recon.allocation import keep_freed_memory, return_freed_memory

    def without(name):
        raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", without)
    assert keep_freed_memory() is False
    assert return_freed_memory() is False
