"""Numbers as people read them: times, sizes of memory, values with their unit."""

from __future__ import annotations

import math
from collections.abc import Sequence

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def duration(seconds: float) -> str:
    """Return a time in words: "0.4 s", "12 s", "3 min 05 s", "2 h 10 min"."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 0.1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def memory(size: int | None) -> str:
    """Return a number of bytes in MB or GB (powers of ten), or "not known"."""
    if size is None:
        return "not known"
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def number(value: float, digits: int = 3) -> str:
    """Return a value with so many significant digits: "0.0396", "−12,300", "3.2·10⁻⁶"."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "not a number"
    if 1e4 <= abs(value) < 1e9:
        return f"{value:,.0f}".replace("-", "−")
    text = f"{value:.{digits}g}"
    if "e" in text and 1 < abs(value) < 1e6:
        text = f"{value:.0f}"
    mantissa, _, power = text.partition("e")
    exponent = f"·10{str(int(power)).translate(RAISED)}" if power else ""
    return mantissa.replace("-", "−") + exponent


def decibel(value: float) -> str:
    """Return a PSNR with two decimals and its unit."""
    return f"{value:.2f} dB" if math.isfinite(value) else f"{number(value)} dB"


def percent(value: float) -> str:
    """Return a fraction as a percentage."""
    digits = 2 if value < 0.1 else 1
    return f"{100 * value:.{digits}f} %"


def counted(count: int, one: str, many: str = "") -> str:
    """Return "1 view" or "60 views"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
