"""What a test may need that not every machine has: a GPU, an engine that is an extra.

``@requires("cuda")`` skips a test where there is none and says so; the header of the test run
lists what is here, its summary how many tests were skipped for each thing that is not.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import pytest
import torch

OPTIONAL = ("cuda", "triton", "astra", "torch_radon")


@cache
def available(name: str) -> bool:
    """Whether the optional thing is on this machine and can be used."""
    if name not in OPTIONAL:
        raise ValueError(f"`name` must be one of {', '.join(OPTIONAL)}; got {name!r}.")
    if name == "cuda":
        return torch.cuda.is_available()
    installed = importlib.util.find_spec(name) is not None
    return installed and (name != "torch_radon" or torch.cuda.is_available())


def reason(name: str) -> str:
    """Why a test is skipped; the summary counts skips by this sentence."""
    return f"needs {name}, which is not available here"


def requires(*names: str) -> pytest.MarkDecorator:
    """Return the mark that skips a test unless every one of the optional things is here."""
    missing = [name for name in names if not available(name)]
    return pytest.mark.skipif(bool(missing), reason=reason(missing[0]) if missing else "")
