"""Annotations are checked while the tests run, by jaxtyping (shapes, dtypes) and beartype.

A function is judged **after** it has returned: its arguments and its result, together, against
its annotations. So the library's own errors for bad input come first, in the words that a user
would read, and what is left to complain about is either an annotation that lies or bad input
that was let through.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from beartype import BeartypeConf, FrozenDict, beartype
from beartype.roar import BeartypeDecorHintException
from jaxtyping import install_import_hook

ROOT = Path(__file__).parent.parent
COMPILERS = frozenset({"numba", "triton"})

# A whole number is a float, and numpy's scalars are numbers and truth values.
CONFIGURATION = BeartypeConf(
    hint_overrides=FrozenDict(
        {
            bool: bool | np.bool_,
            int: int | np.integer,
            float: float | int | np.floating | np.integer,
        }
    )
)


def install(packages: Iterable[str]) -> None:
    """Check the annotations of every module of the packages that is imported from now on."""
    modules = [name for package in packages for name in checkable(ROOT / package)]
    install_import_hook(modules, f"{__name__}.checked")


def checked(stub: Callable[..., Any]) -> Callable[..., Any]:
    """Return what checks a call, given jaxtyping's stand-in for a function's signature.

    jaxtyping makes two: one with the parameters alone, called before the function, which is left
    as it is; and one with the result as one more keyword, called after it.
    """
    names = list(inspect.signature(stub).parameters)
    if not any(_is_result(name) for name in names):
        return stub
    hints = stub.__annotations__
    stub.__annotations__ = {name: hint if _judgeable(hint) else Any for name, hint in hints.items()}
    return beartype(conf=CONFIGURATION)(stub)


def checkable(package: Path) -> Iterator[str]:
    """Yield the names of the package's modules that no compiler reads.

    A wrapped function cannot be compiled; a package's `__init__` holds names only, and naming it
    would take in all that is below it.
    """
    for path in sorted(package.rglob("*.py")):
        if path.name != "__init__.py" and not COMPILERS & _imported(path):
            yield ".".join(path.relative_to(package.parent).with_suffix("").parts)


def _judgeable(hint: Any) -> bool:
    """Whether beartype can compare values with the hint: not with Self, nor any protocol."""

    def probe(value): ...

    probe.__annotations__ = {"value": hint}
    try:
        beartype(conf=CONFIGURATION)(probe)
    except BeartypeDecorHintException:
        return False
    return True


def _is_result(name: str) -> bool:
    return name.startswith("ret") and name[3:].isdigit()


def _imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names
