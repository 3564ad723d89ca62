"""A stack that is larger than the budget takes no more memory than that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
NUMBER, VIEWS, BINS = 1000, 16, 2048
# What the program takes besides its slices: threads, caches of libraries.
BESIDES = 32_000_000
CODE = """
import sys
from ctinr.batch import Job, Method, open_stack, reconstruct_stack
from ctinr.report.memory import measured_cost, peak_resident
stack = open_stack(sys.argv[1], center=1023.5, coarsen=64)
budget = int(sys.argv[3])
job = Job(Method("fbp", window="hann"), memory_budget=budget)
# What is loaded and made on first use does not count.
reconstruct_stack(stack, sys.argv[2] + ".first.h5", Job(job.method, slices=(0, 1)))
with measured_cost() as cost:
    before = peak_resident()
    reconstruct_stack(stack, sys.argv[2], job)
print(cost.peak_memory - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="it measures on Linux")
def test_memory_stays_within_the_budget(tmp_path):
    path, budget = tmp_path / "observation.h5", 32_000_000
    with h5py.File(path, "w") as file:
        file["exchange/data"] = np.full((VIEWS, NUMBER, BINS), 0.5, dtype=np.float32)
        file["exchange/theta"] = np.arange(VIEWS) * (180.0 / VIEWS)
    assert path.stat().st_size > 2 * (budget + BESIDES)
    command = [sys.executable, "-c", CODE, str(path), str(tmp_path / "v.h5"), str(budget)]
    # How much of what is freed each thread's own part of the memory keeps is a matter of chance.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    pipes = {"capture_output": True, "text": True}
    ran = subprocess.run(command, check=False, cwd=ROOT, env=environment, **pipes)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert int(ran.stdout) < budget + BESIDES
