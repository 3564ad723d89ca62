"""Time and memory of a stretch of work."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from ctinr.report import measured_cost, memory

MEGABYTE = 10**6


def test_a_cost_has_time_and_memory():
    with measured_cost() as cost:
        time.sleep(0.02)
    assert 0.02 <= cost.seconds < 5
    assert cost.peak_memory > MEGABYTE


@pytest.mark.skipif(not memory.reset_peak(), reason="the system cannot reset its peak")
def test_the_peak_is_that_of_the_stretch_alone():
    with measured_cost() as large:
        size = 200 * MEGABYTE
        np.ones(size, dtype=np.uint8)
    with measured_cost() as small:
        pass
    assert large.separate
    assert large.peak_memory - small.peak_memory > 0.8 * size


@pytest.mark.slow
@pytest.mark.skipif(not memory.reset_peak(), reason="the system cannot reset its peak")
def test_memory_that_was_kept_for_later_does_not_count():
    """In a process of its own, as keeping memory cannot be undone."""
    script = """
import torch
from ctinr.recon.allocation import keep_freed_memory
from ctinr.report import measured_cost
keep_freed_memory()
with measured_cost() as large:
    torch.ones(50_000_000)
with measured_cost() as small:
    pass
print(large.peak_memory - small.peak_memory)
"""
    run = [sys.executable, "-c", script]
    more = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert int(more) > 160 * MEGABYTE


def test_a_failure_is_measured_too():
    with pytest.raises(RuntimeError), measured_cost() as cost:
        raise RuntimeError
    assert cost.peak_memory > 0


def test_without_a_reset_it_is_the_peak_of_the_process_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "none" / "clear")
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none" / "status")
    with measured_cost() as cost:
        pass
    assert not cost.separate
    assert cost.peak_memory > MEGABYTE
