"""Compiling Triton's kernels for a card on a machine without one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def printed_while_compiling(code: str, cache: Path) -> tuple[list[str], str]:
    """Return the lines that a program prints, and the end of its errors; nothing is interpreted."""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(cache)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout.splitlines(), ran.stderr[-2000:]
