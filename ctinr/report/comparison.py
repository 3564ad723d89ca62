"""The result of a comparison: one row a method, measured alike, and which one is ahead."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ctinr.data import Scan
from ctinr.report import wording
from ctinr.report.row import DataRange, Row

# Closer than this, two methods are level: a tenth of a decibel is within what a seed changes.
LEVEL_DB, LEVEL_RATIO = 0.1, 0.01


@dataclass(frozen=True, eq=False)
class Comparison:
    """All methods on one scan.

    Parameters
    ----------
    scan : Scan
        The data that every method saw.
    rows : tuple of Row
        In the order in which they were run.
    data_range : DataRange or None
        What PSNR and SSIM refer to; None where the truth is not known.
    warnings : tuple of str
        Sentences that whoever reads the result should know.
    record : mapping
        How it was run: versions, engine, seed, command line; plain values only.
    notes : tuple of str
        Sentences that help to judge the result.
    """

    scan: Scan
    rows: tuple[Row, ...]
    data_range: DataRange | None = None
    warnings: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def truth_known(self) -> bool:
        """Whether rows have a PSNR."""
        return self.data_range is not None

    def ahead(self) -> str:
        """Return in a plain sentence which method is ahead, oracle rows left out and named."""
        return f"{self.verdict()} {self.oracle_note()}".rstrip()

    def verdict(self) -> str:
        """Return which method is ahead, without a word on the oracles."""
        return _verdict(self.ranking(), self.truth_known)

    def oracle_note(self) -> str:
        """Return which rows take no part as they were tuned against the truth, "" if none."""
        oracles = [row.spoken for row in self.rows if row.oracle]
        if not oracles:
            return ""
        kind = "was" if len(oracles) == 1 else "were"
        names = wording.listed(oracles)
        return (
            f"{names[0].upper()}{names[1:]} {kind} tuned against the truth and {kind} left out of "
            "this judgement."
        )

    def level(self) -> bool:
        """Return whether the first two that take part are too close to tell apart."""
        return bool(_split_level(self.ranking(), self.truth_known)[0])

    def ranking(self) -> list[tuple[Row, float]]:
        """Return the rows that take part with their score, the best first."""
        if self.truth_known:
            scores = [(row, row.metrics.get("psnr", math.nan)) for row in self.rows]
        else:
            errors = [(row, row.withheld_error) for row in self.rows]
            scores = [(row, math.nan if error is None else error) for row, error in errors]
        taking_part = [pair for pair in scores if not pair[0].oracle and not math.isnan(pair[1])]
        return sorted(taking_part, key=lambda pair: pair[1], reverse=self.truth_known)


def _verdict(ranking: list[tuple[Row, float]], truth_known: bool) -> str:
    if not ranking:
        return "No method gave a result that can be judged."
    describe = _psnr_sentence if truth_known else _error_sentence
    if len(ranking) == 1:
        row, score = ranking[0]
        value = f"a PSNR of {wording.decibel(score)}" if truth_known else _withheld(score)
        return f"{row.label} has {value}; no other method was run to compare it with."
    return describe(ranking)


def _split_level(
    ranking: list[tuple[Row, float]], truth_known: bool
) -> tuple[list[tuple[Row, float]], list[tuple[Row, float]]]:
    """Return which of the others are level with the first one, and which are behind."""
    if not ranking:
        return [], []
    (_, score), *others = ranking
    margin = LEVEL_DB if truth_known else LEVEL_RATIO * score
    level = [(row, value) for row, value in others if abs(score - value) < margin]
    return level, others[len(level) :]


def _psnr_sentence(ranking: list[tuple[Row, float]]) -> str:
    best, score = ranking[0]
    level, behind = _split_level(ranking, True)
    gaps = [f"{wording.decibel(score - value)} over {row.spoken}" for row, value in behind]
    return _sentence([best, *dict(level)], f"a PSNR of {wording.decibel(score)}", gaps)


def _error_sentence(ranking: list[tuple[Row, float]]) -> str:
    best, score = ranking[0]
    level, behind = _split_level(ranking, False)
    others = [f"{row.spoken} has {wording.percent(value)}" for row, value in behind]
    sentence = _sentence([best, *dict(level)], _withheld(score), others)
    return f"{sentence} The truth is not known, so there is no PSNR."


def _withheld(score: float) -> str:
    return f"an error of {wording.percent(score)} on withheld views"


def _sentence(first: list[Row], reached: str, behind: list[str]) -> str:
    """Say who is first with what, and how far behind the others are."""
    names = wording.listed([row.spoken for row in first])
    start = f"{names} are level, with" if len(first) > 1 else f"{names} is ahead with"
    start = start[0].upper() + start[1:]
    return f"{start} {reached}" + (f": {wording.listed(behind)}." if behind else ".")
