"""Pickles of plain values: containers, numbers, texts and numpy arrays, and nothing else.

A pickle is a program: it may name any function of any module and have it called as it is loaded.
Here only the few that numpy's arrays are made with can be named; at any other one loading ends
before anything is called.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ctinr import checks
from ctinr.data.files import existing, readable

# What reading a damaged pickle may end in.
DAMAGE = (EOFError, LookupError, UnicodeError, TypeError, ValueError, AttributeError, MemoryError)
DAMAGE += (OverflowError, RuntimeError)
# What an array may hold: numbers, truth values, texts, bytes and times.
KINDS = "biufcSUmM"
PLAIN = (str, bytes, bytearray, bool, int, float, complex, set, frozenset)


def plain_pickle(path: str | os.PathLike[str]) -> Any:
    """Return what a pickle holds, if it is plain.

    Raises
    ------
    FileNotFoundError, PermissionError, OSError
        If the file cannot be opened or is damaged.
    ValueError
        If it names anything but what numpy's arrays are made with, or an array holds objects.
    """
    path = existing(path)
    try:
        with readable(path), path.open("rb") as file:
            content = _Plain(file, path).load()
            _check(content, path)
    except (pickle.UnpicklingError, *DAMAGE) as error:
        if str(error).startswith("`"):
            raise
        given, remedy = f"'{path}' ({error})", "It is truncated, damaged or of another kind."
        raise OSError(checks.message("path", "name a whole pickle", given, remedy)) from error
    return content


class _Plain(pickle.Unpickler):
    """An unpickler that finds nothing but the makers of numpy's arrays."""

    def __init__(self, file: Any, path: Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names, if it is known to be harmless."""
        # Older versions of numpy call their inner package core, Python 2 its own __builtin__.
        place = module.replace("numpy.core", "numpy._core").replace("__builtin__", "builtins")
        found = _makers().get((place, name))
        return found if found is not None else self._refuse(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refuse what is kept outside the pickle."""
        self._refuse("something outside of it")

    def _refuse(self, what: str) -> NoReturn:
        rule = "name a pickle of plain values and numpy arrays"
        remedy = "Loading it could execute anything; it was not loaded."
        given = f"'{self._path}', which calls for {what}"
        raise ValueError(checks.message("path", rule, given, remedy))


def _makers() -> dict[tuple[str, str], Any]:
    """Return what the pickles of arrays and numbers of numpy name, of all protocols."""
    multiarray, numeric = (f"numpy._core.{name}" for name in ("multiarray", "numeric"))
    return {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        (multiarray, "_reconstruct"): np.empty(0).__reduce__()[0],
        (multiarray, "scalar"): np.float64(0).__reduce__()[0],
        (numeric, "_frombuffer"): np.empty(0).__reduce_ex__(5)[0],
        ("_codecs", "encode"): _encoder(),
        ("builtins", "set"): set,
        ("builtins", "frozenset"): frozenset,
    }


def _encoder() -> Any:
    """Return a function of one file alone, as a pickle may set the attributes of what it names."""

    def encoded(text: str, encoding: str) -> bytes:
        """Return bytes that an old protocol stores as text."""
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"bytes as text in {encoding}")
        return text.encode("latin1")

    return encoded


def _check(content: Any, path: Path) -> None:
    """Raise if an array holds anything but numbers, such as records, in which objects can hide."""
    if isinstance(content, dict):
        for item in content.values():
            _check(item, path)
    elif isinstance(content, list | tuple):
        for item in content:
            _check(item, path)
    elif isinstance(content, np.ndarray | np.generic):
        rule, given = "name a pickle whose arrays hold numbers", f"'{path}' with {content.dtype}"
        good = content.dtype.kind in KINDS and not content.dtype.hasobject
        checks.require(good, "path", rule, given)
    else:
        rule, given = "name a pickle of plain values", f"'{path}' with a {type(content).__name__}"
        checks.require(content is None or isinstance(content, PLAIN), "path", rule, given)
