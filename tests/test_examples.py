"""Every example of the pages and every command of the project runs.

Pages: the ```python blocks of README.md and docs/ are executed in order, those of one page in one
namespace, in an empty folder. A block opened with ```python no-run is skipped, and counted as such.

Commands: each module of recon_scripts with a `main` answers `--help`, and does its whole job on a
tiny input that it makes itself with `--smoke --out FOLDER`.
"""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python(?P<info>[^\n]*)\n(?P<code>.*?)^```\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One block of Python on a page."""

    code: str
    line: int
    runs: bool


def examples(text: str) -> list[Example]:
    return [
        Example(
            code=block["code"],
            line=text.count("\n", 0, block.start("code")),
            runs="no-run" not in block["info"].split(),
        )
        for block in BLOCK.finditer(text)
    ]


def read(page: Path) -> list[Example]:
    return examples(page.read_text(encoding="utf-8")) if page.exists() else []


def run(blocks: list[Example], page: str) -> dict:
    """Execute the blocks in one namespace; a traceback points at the line of the page."""
    namespace = {"__name__": "example"}
    for block in blocks:
        exec(compile("\n" * block.line + block.code, page, "exec"), namespace)
    return namespace


RUNNING = [page for page in PAGES if any(block.runs for block in read(page))]
RESTING = [(page, block) for page in PAGES for block in read(page) if not block.runs]


@pytest.mark.parametrize("page", RUNNING, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = [block for block in read(page) if block.runs]
    try:
        assert run(blocks, str(page))["__name__"] == "example"
    finally:
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.parametrize(
    "page, block", RESTING, ids=[f"{page.name}:{block.line}" for page, block in RESTING]
)
def test_an_example_that_is_not_run_is_python(page, block):
    compile("\n" * block.line + block.code, str(page), "exec")
    pytest.skip("the page says no-run; only its syntax was checked")


def test_the_readme_has_an_example_that_runs():
    assert ROOT / "README.md" in RUNNING


def test_blocks_share_a_namespace_and_point_at_their_line():
    pieces = ("# Page", "```python", "x = 2", "```", "```python no-run", "y = ", "```")
    text = "\n".join((*pieces, "```python", "z = 1 / (x - 2)", "```", ""))
    first, resting, last = examples(text)
    assert [first.runs, resting.runs, last.runs] == [True, False, True]
    with pytest.raises(ZeroDivisionError) as failure:
        run([first, last], "page.md")
    assert failure.traceback[-1].lineno + 1 == text.splitlines().index("z = 1 / (x - 2)") + 1


# ------------------------------------------------------------------ commands


def has_main(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(getattr(node, "name", "") == "main" for node in tree.body)


def commands() -> list[str]:
    """The modules of recon_scripts that are commands of their own; `cli` is their union."""
    paths = [path for path in sorted((ROOT / "recon_scripts").rglob("*.py")) if has_main(path)]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [name for name in names if name != "recon_scripts.cli" and "__main__" not in name]


SMOKE = commands()

# What a command cannot do without, besides `--smoke --out FOLDER`: module name to arguments.
FURTHER_ARGUMENTS: dict[str, tuple[str, ...]] = {}


def test_there_are_commands():
    assert {"recon_scripts.compare", "recon_scripts.demo"} <= set(SMOKE)


@pytest.mark.parametrize("name", [*SMOKE, "recon_scripts.cli"])
def test_a_command_explains_itself(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with warnings.catch_warnings(), pytest.raises(SystemExit) as end:
        warnings.filterwarnings("ignore", message=".*found in sys.modules", category=RuntimeWarning)
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    assert end.value.code in (0, None)
    assert "--help" in capsys.readouterr().out


# Figures of the paper have such runs of their own, two each: tests/recon_scripts/test_paper.py.
FIGURES = [name for name in SMOKE if name.startswith("recon_scripts.paper.")]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*SMOKE} - {*FIGURES[1:]}))
def test_a_command_does_its_job_on_a_tiny_input(name, tmp_path):
    arguments = [*FURTHER_ARGUMENTS.get(name, ()), "--smoke", "--out", str(tmp_path / "out")]
    ran = subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=ROOT,
        env={**os.environ, "NUMBA_NUM_THREADS": os.environ["OMP_NUM_THREADS"]},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, f"{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"
    assert any((tmp_path / "out").rglob("*")), "it wrote nothing"
