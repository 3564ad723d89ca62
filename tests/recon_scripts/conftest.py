"""Methods that take no time, in place of the real ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ctinr.recon.observers import relative_error
from ctinr.recon.run import Reconstruction, Step, run
from ctinr.report import html, store
from recon_scripts import _methods
from recon_scripts._methods import Method

CHOICE = {"value": 0.1, "candidates": [0.01, 0.1], "errors": [0.5, 0.4], "rule": "by taste"}


def direct(task):
    image = task.A.T(task.y) / task.A.norm(iterations=5) ** 2
    return finished(task, Reconstruction(image, method="fake"))


def iterative(task, *, step=None):
    scale = 1 / task.A.norm(iterations=10) ** 2

    def steps():
        x = torch.zeros(task.A.domain.shape)
        for index in range(1, 13):
            residual = task.A(x) - task.y
            x = (x - scale * task.A.T(residual)).clamp(min=0)
            if step is not None:
                step(index)
            yield Step(index, float(residual.square().mean()), x)

    found = run(steps(), 12, task.observers, method="fake", parameters={"step": scale})
    return finished(task, found)


def finished(task, found):
    error = relative_error(task.A, found.image, task.y)
    return replace(found, record={"choice": CHOICE, "withheld_error": error})


def cheating(task):
    if task.truth is None or task.data_range is None:
        raise AssertionError("an oracle is given the truth")
    return finished(task, Reconstruction(task.truth * 0.99, method="fake"))


def honest(method):
    def checked(task):
        if task.truth is not None or task.data_range is not None:
            raise AssertionError("only an oracle may see the truth")
        return method(task)

    return checked


@pytest.fixture
def quick_figures(monkeypatch):
    """Leave the drawing to its own tests."""

    def quick(comparison, style=None, *, names=("images", "profile")):
        return {name: b"a picture" for name in names}

    monkeypatch.setattr(html, "draw", quick)
    monkeypatch.setattr(store, "draw", quick)


@pytest.fixture
def fakes(monkeypatch):
    """Put fakes in the table of methods; return a function that replaces one of them."""
    table = {
        "fbp": Method("fbp", "fake", honest(direct), cheating),
        "tv": Method("tv", "fake", honest(iterative), cheating),
        "inr": Method("inr", "fake", honest(iterative)),
    }
    monkeypatch.setattr(_methods, "METHODS", tuple(table.values()))

    def put(name, tuned):
        table[name] = Method(name, "fake", tuned)
        monkeypatch.setattr(_methods, "METHODS", tuple(table.values()))

    return put
