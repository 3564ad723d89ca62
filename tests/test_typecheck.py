"""The run-time type check itself: it must bite, and the library's own errors must come first."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError, install_import_hook

import ctinr.checks
from tests import typecheck

SOURCE = """
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self

from jaxtyping import Float
from torch import Tensor


def transposed(image: Float[Tensor, "*batch height width"]) -> Float[Tensor, "*batch width height"]:
    if image.ndim < 2:
        raise ValueError("`image` must have rows and columns.")
    return image.mT


def not_transposed(image: Float[Tensor, "height width"]) -> Float[Tensor, "width height"]:
    return image


def scaled(number: float, times: int) -> float:
    return number * times


def steps(image: Float[Tensor, "height width"]) -> Iterator[int]:
    yield from range(len(image))


class HasName(Protocol):
    name: str


def length(named: HasName | None, least: int) -> int:
    return max(len(named.name), least)


@dataclass(frozen=True)
class Named:
    name: str

    def renamed(self, name: str) -> Self:
        return Named(name)
"""


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("typecheck")
    (folder / "annotated_example.py").write_text(SOURCE)
    sys.path.insert(0, str(folder))
    hook = install_import_hook("annotated_example", f"{typecheck.__name__}.checked")
    yield importlib.import_module("annotated_example")
    hook.uninstall()
    sys.path.remove(str(folder))
    del sys.modules["annotated_example"]


def test_an_honest_function_passes(example):
    assert example.transposed(torch.zeros(5, 2, 3)).shape == (5, 3, 2)
    assert list(example.steps(torch.zeros(2, 3))) == [0, 1]
    assert example.Named("disk").name == "disk"


def test_a_result_of_another_shape_is_found(example):
    with pytest.raises(TypeCheckError, match="not_transposed"):
        example.not_transposed(torch.zeros(2, 3))


@pytest.mark.parametrize("image", [torch.zeros(2, 3, dtype=torch.int64), np.zeros((2, 3))])
def test_an_argument_of_another_kind_that_was_let_through_is_found(example, image):
    with pytest.raises(TypeCheckError, match="steps"):
        example.steps(image)


def test_the_functions_own_error_comes_first(example):
    with pytest.raises(ValueError, match="must have rows and columns"):
        example.transposed(torch.zeros(3))


def test_the_constructor_of_a_dataclass_is_checked(example):
    with pytest.raises(TypeCheckError, match="Named"):
        example.Named(3)


def test_a_hint_that_cannot_be_judged_leaves_the_rest_to_be(example):
    assert example.length(example.Named("box").renamed("disk"), 0) == 4
    with pytest.raises(TypeCheckError, match="length"):
        example.length(example.Named("disk"), 0.5)


@pytest.mark.parametrize("number", [2, 2.0, np.float32(2), np.int64(2)])
def test_numbers_are_numbers(example, number):
    assert example.scaled(number, np.int64(3)) == 6


def test_text_is_no_number(example):
    with pytest.raises(TypeCheckError, match="scaled"):
        example.scaled("2", 3)


def test_the_library_is_under_the_check():
    with pytest.raises(TypeCheckError, match="argument"):
        ctinr.checks.message(3, "be a name", 3)


def test_compiled_modules_are_left_alone(tmp_path):
    package = tmp_path / "example"
    (package / "kernels").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "plain.py").write_text("import numpy\n")
    (package / "kernels" / "fast.py").write_text("from numba import njit\n")
    assert list(typecheck.checkable(package)) == ["example.plain"]
