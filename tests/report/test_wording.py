"""Numbers read well."""

from __future__ import annotations

import math

import pytest

from ctinr.report import wording


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.0123, "0.012 s"),
        (0.42, "0.4 s"),
        (12.4, "12 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_duration(seconds, text):
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    "size, text", [(None, "not known"), (812_400_000, "812 MB"), (1_234_000_000, "1.23 GB")]
)
def test_memory(size, text):
    assert wording.memory(size) == text


@pytest.mark.parametrize(
    "value, text",
    [
        (0.0, "0"),
        (0.0396, "0.0396"),
        (-0.00243, "−0.00243"),
        (1e5, "100,000"),
        (1234.5, "1234"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "not a number"),
        (-3.2e-9, "−3.2·10⁻⁹"),
        (1.63e-5, "1.63·10⁻⁵"),
        (-8e-5, "−8·10⁻⁵"),
        (1e12, "1·10¹²"),
    ],
)
def test_number(value, text):
    assert wording.number(value) == text


def test_small_words():
    assert wording.decibel(36.166) == "36.17 dB"
    assert wording.decibel(math.inf) == "∞ dB"
    assert wording.percent(0.0312) == "3.12 %"
    assert wording.percent(0.357) == "35.7 %"
    assert wording.counted(1, "view") == "1 view"
    assert wording.counted(1200, "view") == "1,200 views"
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
