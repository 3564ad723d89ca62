"""The only place where argument errors are worded.

Every message has the same form::

    `argument` must <rule>; got <what was given>. <remedy>

so that a person who reads one knows which argument, which rule, what was seen and what to do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np


class BackendUnavailable(RuntimeError):
    """The engine that was asked for cannot run; the message is the table of obstacles."""


def message(argument: str, rule: str, given: Any, remedy: str = "") -> str:
    """Return "`argument` must rule; got given. remedy"."""
    given = given if isinstance(given, str) else describe(given)
    return f"`{argument}` must {rule}; got {given}." + (f" {remedy}" if remedy else "")


def describe(value: Any) -> str:
    """Return a short description of a value: shape and dtype of arrays, the value of scalars."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        name = type(value).__name__
        return f"{name} of shape {tuple(value.shape)} and dtype {value.dtype}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def require(condition: bool, argument: str, rule: str, given: Any, remedy: str = "") -> None:
    """Raise a ValueError in the house form unless the condition holds."""
    if not condition:
        raise ValueError(message(argument, rule, given, remedy))


def positive(value: float, argument: str, remedy: str = "") -> float:
    """Return value as a float if it is finite and above zero."""
    number = finite(value, argument, remedy)
    require(number > 0, argument, "be above zero", value, remedy)
    return number


def finite(value: float, argument: str, remedy: str = "") -> float:
    """Return value as a float if it is a finite real number."""
    number: Any = value
    if isinstance(value, bool | str | bytes) or np.ndim(number) != 0:
        raise TypeError(message(argument, "be one real number", describe(value), remedy))
    try:
        number = float(number)
    except (TypeError, ValueError):
        raise TypeError(message(argument, "be one real number", describe(value), remedy)) from None
    require(math.isfinite(number), argument, "be finite", value, remedy)
    return number


def count(value: int, argument: str, *, least: int = 1, remedy: str = "") -> int:
    """Return value as an int if it is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(message(argument, "be a whole number", describe(value), remedy))
    require(int(value) >= least, argument, f"be at least {least}", value, remedy)
    return int(value)


def fraction(value: float, argument: str, remedy: str = "") -> float:
    """Return value as a float if it lies in (0, 1]."""
    number = finite(value, argument, remedy)
    require(0 < number <= 1, argument, "lie in (0, 1]", value, remedy)
    return number


def one_of(value: Any, argument: str, choices: Collection[Any]) -> Any:
    """Return value if it is one of the choices."""
    listed = ", ".join(repr(choice) for choice in choices)
    require(value in tuple(choices), argument, f"be one of {listed}", value)
    return value


def able_kernel(
    kernel: str, names: Sequence[str], obstacle: Callable[[str], str | None], *, task: str
) -> str:
    """Return the kernel that was asked for, or for "auto" the first of the names that is able.

    Parameters
    ----------
    kernel
        One of the names, or "auto".
    names
        In order of preference.
    obstacle
        From a name to why it is not able, as a sentence, or None if it is.
    task
        What it is to be able to do, for the message.

    Raises
    ------
    ValueError
        If there is no such kernel.
    BackendUnavailable
        If it is not able; the message is the table of obstacles.
    """
    one_of(kernel, "kernel", ("auto", *names))
    for name in names:
        if kernel in ("auto", name) and obstacle(name) is None:
            return name
    rows = (f"\n  {name}: {obstacle(name) or 'can run'}" for name in names)
    given = f"{kernel!r}. The kernels:" + "".join(rows)
    raise BackendUnavailable(message("kernel", f"be able to {task}", given))


def finite_values(values: Any, argument: str, remedy: str = "") -> None:
    """Raise unless the array or tensor is non-empty and free of NaN and infinity."""
    given = describe(values)
    require(math.prod(values.shape) > 0, argument, "not be empty", given, remedy)
    good = np.isfinite(np.asarray(values.detach().cpu() if hasattr(values, "detach") else values))
    if not good.all():
        bad = ~good
        first = tuple(int(index) for index in np.argwhere(bad)[0])
        raise ValueError(
            message(
                argument,
                "be finite everywhere",
                f"{int(bad.sum())} NaN or infinite values in {given}, the first at {first}",
                remedy,
            )
        )


def trailing_shape(
    values: Any, argument: str, *, shape: Sequence[int], what: str, remedy: str = ""
) -> None:
    """Raise unless the last axes of `values` have the given shape (leading axes are a batch)."""
    ending = tuple(values.shape)[len(tuple(values.shape)) - len(shape) :]
    require(
        len(values.shape) >= len(shape) and ending == tuple(shape),
        argument,
        f"end with the shape {tuple(shape)} of {what}",
        values,
        remedy,
    )
