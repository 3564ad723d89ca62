"""One place for what every test shares: threads, run-time type checks, and what was skipped."""

from __future__ import annotations

import os

# Before torch, numba and matplotlib are imported, here and in the commands that tests start. Test
# processes share the threads: on tiny problems two that wait for one another are slower than one.
MOST_THREADS = min(2, os.cpu_count() or 1)
THREADS = max(1, MOST_THREADS // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(THREADS)
# Some tests take them all, to see that results do not depend on their number.
os.environ["NUMBA_NUM_THREADS"] = str(MOST_THREADS)
os.environ["MPLBACKEND"] = "Agg"

import numba  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

numba.set_num_threads(THREADS)

if not torch.cuda.is_available():
    # Before any kernel is defined: without a card, Triton's are interpreted on the CPU.
    os.environ["TRITON_INTERPRET"] = "1"

from tests import requires, typecheck  # noqa: E402

typecheck.install(("ctinr", "phantoms"))


def pytest_report_header() -> list[str]:
    here = [name for name in requires.OPTIONAL if requires.available(name)]
    gone = [name for name in requires.OPTIONAL if name not in here]
    return [
        f"optional: here: {', '.join(here) or 'nothing'}; missing: {', '.join(gone) or 'nothing'}",
        f"threads: {THREADS}; annotations of ctinr and phantoms are checked at run time",
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.stats.get("skipped", [])
    reasons = [str(report.longrepr[-1]) for report in reports if isinstance(report.longrepr, tuple)]
    for name in requires.OPTIONAL:
        count = sum(requires.reason(name) in text for text in reasons)
        if count:
            terminalreporter.write_line(f"skipped for want of {name}: {count}")


@pytest.fixture
def native_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let products in bfloat16 be taken on every machine: where they are emulated, slowly."""
    for name in ("bf16_is_native", "bf16_is_fast"):
        monkeypatch.setattr(f"ctinr.recon.short_products.{name}", lambda device: True)
