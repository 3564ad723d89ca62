"""Skips for want of something optional are named and counted; a misspelt name is an error."""

from __future__ import annotations

import pytest

from tests import conftest, requires


@pytest.fixture
def nothing_here(monkeypatch):
    monkeypatch.setattr(requires, "available", lambda name: False)


@pytest.fixture
def everything_here(monkeypatch):
    monkeypatch.setattr(requires, "available", lambda name: True)


def test_a_test_is_skipped_for_the_first_thing_missing(nothing_here):
    mark = requires.requires("astra", "cuda").mark
    assert mark.args == (True,)
    assert mark.kwargs["reason"] == "needs astra, which is not available here"


def test_a_test_runs_where_everything_is_here(everything_here):
    assert requires.requires("astra", "cuda").mark.args == (False,)


def test_an_unknown_name_is_an_error():
    with pytest.raises(ValueError, match="must be one of cuda, triton, astra, torch_radon; got"):
        requires.available("cudda")


def test_the_header_tells_what_is_missing(nothing_here):
    assert "missing: cuda, triton, astra, torch_radon" in conftest.pytest_report_header()[0]


def test_the_summary_counts_the_skips(terminal):
    conftest.pytest_terminal_summary(terminal)
    assert terminal.lines == ["skipped for want of cuda: 2"]


@pytest.fixture
def terminal():
    """A terminal reporter that has seen three skips, two of them for want of a GPU."""

    class Report:
        def __init__(self, text):
            self.longrepr = ("test_x.py", 1, f"Skipped: {text}")

    class Terminal:
        def __init__(self):
            texts = [requires.reason("cuda"), requires.reason("cuda"), "another reason"]
            self.stats = {"skipped": [Report(text) for text in texts]}
            self.lines = []

        def write_line(self, line):
            self.lines.append(line)

    return Terminal()
