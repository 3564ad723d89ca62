"""The wording of errors: one form, and every check says what it saw."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ctinr import checks

FORM = r"^`\w+` must .+; got .+\.( [A-Z].*)?$"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("pitch", "be above zero", -1.0), "`pitch` must be above zero; got -1.0."),
        (("mask", "be boolean", "no mask"), "`mask` must be boolean; got no mask."),
        (
            ("angles", "be in radians", 180, "Convert them."),
            "`angles` must be in radians; got 180. Convert them.",
        ),
        (
            ("x", "be flat", torch.zeros(2, 3)),
            "`x` must be flat; got Tensor of shape (2, 3) and dtype torch.float32.",
        ),
    ],
)
def test_a_message_has_one_form(arguments, message):
    assert checks.message(*arguments) == message


@pytest.mark.parametrize(
    "value, text",
    [
        (3, "3"),
        ("cone", "'cone'"),
        (None, "None"),
        (np.zeros((2, 0), np.int16), "ndarray of shape (2, 0) and dtype int16"),
        (torch.ones(4), "Tensor of shape (4,) and dtype torch.float32"),
        (list(range(100)), repr(list(range(100)))[:77] + "..."),
        ("a" * 78, "'" + "a" * 78 + "'"),
    ],
)
def test_a_value_is_described_in_few_words(value, text):
    assert checks.describe(value) == text
    assert len(checks.describe(value)) <= 80


def test_require_is_silent_when_the_condition_holds():
    assert checks.require(True, "x", "be", 1) is None
    with pytest.raises(ValueError, match=r"^`x` must be two; got 1\. Add one\.$"):
        checks.require(False, "x", "be two", 1, "Add one.")


# Each check with what passes it, what comes out, and what it refuses.
ACCEPTED = [
    (checks.finite, 2, 2.0),
    (checks.finite, -1.5, -1.5),
    (checks.finite, np.float32(0.5), 0.5),
    (checks.positive, 1e-300, 1e-300),
    (checks.count, 1, 1),
    (checks.count, np.int64(7), 7),
    (checks.fraction, 1, 1.0),
    (checks.fraction, 0.25, 0.25),
]
REFUSED = [
    (checks.finite, math.nan, ValueError, "be finite; got nan"),
    (checks.finite, -math.inf, ValueError, "be finite; got -inf"),
    (checks.finite, True, TypeError, "be one real number; got True"),
    (checks.finite, "1.0", TypeError, "be one real number; got '1.0'"),
    (checks.finite, None, TypeError, "be one real number; got None"),
    (checks.finite, 1j, TypeError, "be one real number; got 1j"),
    (checks.finite, [1.0], TypeError, r"be one real number; got \[1.0\]"),
    (checks.finite, np.zeros(2), TypeError, r"be one real number; got ndarray of shape \(2,\)"),
    (checks.positive, 0, ValueError, "be above zero; got 0"),
    (checks.positive, -2.0, ValueError, "be above zero; got -2.0"),
    (checks.positive, math.nan, ValueError, "be finite; got nan"),
    (checks.count, 0, ValueError, "be at least 1; got 0"),
    (checks.count, 2.0, TypeError, "be a whole number; got 2.0"),
    (checks.count, 2.5, TypeError, "be a whole number; got 2.5"),
    (checks.count, True, TypeError, "be a whole number; got True"),
    (checks.count, "3", TypeError, "be a whole number; got '3'"),
    (checks.count, None, TypeError, "be a whole number; got None"),
    (checks.fraction, 0.0, ValueError, r"lie in \(0, 1\]; got 0.0"),
    (checks.fraction, 1.01, ValueError, r"lie in \(0, 1\]; got 1.01"),
    (checks.fraction, -0.5, ValueError, r"lie in \(0, 1\]; got -0.5"),
]


@pytest.mark.parametrize("check, value, wanted", ACCEPTED)
def test_what_fits_is_returned_as_a_plain_number(check, value, wanted):
    given = check(value, "x")
    assert given == wanted
    assert type(given) is type(wanted)


@pytest.mark.parametrize("check, value, kind, rule", REFUSED)
def test_what_does_not_fit_is_refused(check, value, kind, rule):
    with pytest.raises(kind, match=rf"^`size` must {rule}.*\. Say another\.$") as failure:
        check(value, "size", remedy="Say another.")
    with pytest.raises(kind, match=FORM):
        check(value, "size")
    assert type(failure.value) is kind


def test_a_count_may_have_another_least():
    assert checks.count(0, "seed", least=0) == 0
    with pytest.raises(ValueError, match=r"^`n` must be at least 3; got 2\.$"):
        checks.count(2, "n", least=3)


def test_choices_are_listed():
    assert checks.one_of("b", "letter", ("a", "b")) == "b"
    assert checks.one_of("a", "letter", {"a": 1, "b": 2}) == "a"
    for wrong in ("c", None, ["a"], {}):
        with pytest.raises(ValueError, match=r"^`letter` must be one of 'a', 'b'; got .+\.$"):
            checks.one_of(wrong, "letter", {"a": 1, "b": 2})


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_values_must_be_finite_and_there(kind):
    assert checks.finite_values(kind([[1.0, -2.0], [0.0, 1e30]]), "data") is None
    assert checks.finite_values(kind([[1, 2]]), "data") is None
    with pytest.raises(
        ValueError,
        match=r"^`data` must be finite everywhere; got 2 NaN or infinite values in \w+ of shape "
        r"\(2, 2\) and dtype (torch\.)?float64, the first at \(0, 1\)\. Mask them\.$",
    ):
        bad = np.array([[0.0, math.nan], [math.inf, 1.0]])
        checks.finite_values(kind(bad), "data", "Mask them.")
    with pytest.raises(ValueError, match=r"^`data` must not be empty; got \w+ of shape \(3, 0\)"):
        checks.finite_values(kind(np.zeros((3, 0))), "data")


def test_values_that_need_a_gradient_are_looked_at_too():
    tensor = torch.tensor([1.0, math.nan], requires_grad=True)
    with pytest.raises(ValueError, match="`x` must be finite everywhere; got 1 NaN"):
        checks.finite_values(tensor, "x")


@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (2, 3, 4)])
def test_a_trailing_shape_leaves_the_leading_axes_free(shape):
    values = np.zeros((2, 3, 4))
    assert checks.trailing_shape(values, "x", shape=shape, what="y") is None


@pytest.mark.parametrize("shape", [(3,), (4, 3), (1, 4), (2, 2, 3, 4)])
def test_a_trailing_shape_that_is_another_is_refused(shape):
    with pytest.raises(ValueError, match=r"^`x` must end with the shape \(.*\) of the grid; got "):
        checks.trailing_shape(np.zeros((2, 3, 4)), "x", shape=shape, what="the grid")


def test_an_engine_that_is_not_there_is_a_runtime_error():
    assert issubclass(checks.BackendUnavailable, RuntimeError)
