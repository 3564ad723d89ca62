"""How this room words its errors: "`argument` must <rule>; got <value>. <remedy>"."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def require(condition: bool, argument: str, rule: str, given: Any, remedy: str = "") -> None:
    """Raise a ValueError in the house form unless the condition holds."""
    if not condition:
        raise ValueError(_message(argument, rule, given, remedy))


def finite(value: float, argument: str, remedy: str = "") -> float:
    """Return value as a float if it is one finite real number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(_message(argument, "be one real number", value, remedy))
    require(math.isfinite(value), argument, "be finite", value, remedy)
    return float(value)


def positive(value: float, argument: str, remedy: str = "") -> float:
    """Return value as a float if it is finite and above zero."""
    number = finite(value, argument, remedy)
    require(number > 0, argument, "be above zero", value, remedy)
    return number


def count(value: int, argument: str, *, least: int = 1) -> int:
    """Return value as an int if it is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(_message(argument, "be a whole number", value))
    require(value >= least, argument, f"be at least {least}", value)
    return int(value)


def pair(value: Any, argument: str, order: str) -> tuple[float, float]:
    """Return value as two floats if it is a pair of finite real numbers, named by `order`."""
    rule = f"be a pair {order} of finite numbers"
    try:
        first, second = value
        numbers = finite(first, argument), finite(second, argument)
    except (TypeError, ValueError):
        raise ValueError(_message(argument, rule, value)) from None
    return numbers


def positive_pair(value: Any, argument: str, order: str) -> tuple[float, float]:
    """Return value as two floats if it is a pair of finite numbers above zero."""
    numbers = pair(value, argument, order)
    require(min(numbers) > 0, argument, "be above zero", value)
    return numbers


def matrix(value: Any, argument: str) -> NDArray[np.float64]:
    """Return value as an invertible 2 × 2 array."""
    array = np.asarray(value, dtype=np.float64)
    require(array.shape == (2, 2), argument, "have the shape (2, 2)", array)
    determinant = array[0, 0] * array[1, 1] - array[0, 1] * array[1, 0]
    require(math.isfinite(determinant) and determinant != 0, argument, "be invertible", value)
    return array


def vectors(value: Any, argument: str, *, axes: int = 2) -> NDArray[np.float64]:
    """Return value as a float64 array of finite (x, y), or (x, y, z), on its last axis."""
    array = np.asarray(value, dtype=np.float64)
    names = ", ".join("xyz"[:axes])
    rule = f"end with an axis of length {axes}, ({names})"
    require(array.ndim > 0 and array.shape[-1] == axes, argument, rule, array)
    require(bool(np.isfinite(array).all()), argument, "be finite everywhere", array)
    return array


def _message(argument: str, rule: str, given: Any, remedy: str = "") -> str:
    """Return "`argument` must rule; got given. remedy"."""
    if isinstance(given, np.ndarray):
        given = f"an array of shape {given.shape} and dtype {given.dtype}"
    else:
        given = repr(given) if len(repr(given)) <= 80 else f"{repr(given)[:77]}..."
    return f"`{argument}` must {rule}; got {given}." + (f" {remedy}" if remedy else "")
