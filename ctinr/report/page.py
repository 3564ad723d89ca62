"""What the page says about a comparison, in words; how it looks is the template's matter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ctinr.recon.run import Reconstruction
from ctinr.report import wording
from ctinr.report.choices import spelled, spelled_choice
from ctinr.report.comparison import Comparison
from ctinr.report.facts import run_facts, scan_facts, summary, title
from ctinr.report.planes import shown_plane
from ctinr.report.row import UNIT, Row
from ctinr.report.style import color_of
from ctinr.report.window import grey_window

PARAMETERS_SHOWN = 8
ENDS: Mapping[str, str] = {
    "iterations": "all that were allowed",
    "gap": "until the gap was small enough",
    "time budget": "until the time was over",
    "interrupted": "until interrupted",
    "converged": "until no more was needed",
}


REMARKS: Mapping[str, str] = {"interrupted": "interrupted", "time budget": "out of time"}


def words(comparison: Comparison) -> dict[str, Any]:
    """Return every text of the page by its name in the template."""
    scan, record = comparison.scan, comparison.record
    return {
        "title": title(scan),
        "summary": summary(scan),
        "version": record.get("versions", {}).get("ctinr", ""),
        "started": record.get("started", ""),
        "verdict": unbroken(comparison.verdict()),
        "oracle_note": comparison.oracle_note(),
        "notes": list(comparison.notes),
        "warnings": comparison.warnings,
        "methods": _methods(comparison),
        "score_unit": "dB PSNR" if comparison.truth_known else "% error",
        "score_meaning": _score_meaning(comparison),
        "table_caption": _table_caption(comparison),
        "data_range": str(comparison.data_range) if comparison.data_range else "",
        "window": str(grey_window(comparison)) if comparison.rows else "",
        "place": shown_plane(scan.grid).name,
        "unit": UNIT,
        "whole": _whole(record),
        "uncertainty_text": _uncertainty_text(comparison),
        "convergence_text": _convergence_text(comparison),
        "scan_facts": scan_facts(scan),
        "run_facts": run_facts(record),
    }


def unbroken(text: str) -> str:
    """Return a text whose numbers stay on one line with their unit."""
    return text.replace(" dB", "\u00a0dB").replace(" %", "\u00a0%")


# ------------------------------------------------------------------ methods


def _methods(comparison: Comparison) -> list[dict[str, Any]]:
    ranking = [row.key for row, _ in comparison.ranking()]
    judged = [row for row in comparison.rows if not row.oracle]
    best = {
        "psnr": _best(judged, lambda row: -row.metrics.get("psnr", math.nan)),
        "ssim": _best(judged, lambda row: -row.metrics.get("ssim", math.nan)),
        "rmse": _best(judged, lambda row: row.metrics.get("rmse", math.nan)),
        "withheld": _best(judged, lambda row: _or_nan(row.withheld_error)),
    }
    return [
        _method(row, comparison)
        | {
            "best": {name: key == row.key for name, key in best.items()},
            "first": len(ranking) > 1 and row.key == ranking[0] and not comparison.level(),
        }
        for row in comparison.rows
    ]


def _method(row: Row, comparison: Comparison) -> dict[str, Any]:
    withheld = "–" if row.withheld_error is None else wording.percent(row.withheld_error)
    psnr = row.metrics.get("psnr")
    score = "–" if psnr is None else wording.decibel(psnr).removesuffix(" dB")
    return {
        "label": row.label,
        "color": color_of(row),
        "oracle": row.oracle,
        "remark": _remark(row.reconstruction),
        "psnr": score,
        "ssim": f"{row.metrics['ssim']:.3f}" if "ssim" in row.metrics else "–",
        "rmse": wording.number(row.metrics["rmse"]) if "rmse" in row.metrics else "–",
        "withheld": withheld,
        "seconds": wording.duration(row.seconds),
        "memory": wording.memory(row.peak_memory),
        "score": score if comparison.truth_known else withheld.removesuffix(" %"),
        "score_aside": f"{wording.duration(row.seconds)} · {wording.memory(row.peak_memory)}",
        "chosen": chosen_text(row),
        "parameters": _parameters_text(row),
    }


def chosen_text(row: Row) -> str:
    """Return how a row's parameter was chosen, in a sentence or two."""
    if not row.chosen:
        return "Run as given; nothing was chosen."
    value, rule = spelled_choice(row), str(row.chosen.get("rule", "")).rstrip(".")
    candidates = len(row.chosen.get("candidates") or ())
    tried = f" {candidates} candidates were tried." if candidates > 1 else ""
    value = value[:1].upper() + value[1:]
    return (f"{value}: {rule}." if rule else f"{value}.") + tried + _after_network(row)


def _after_network(row: Row) -> str:
    """Return, in a sentence, that the image is not the one that the network draws, if so."""
    steps = row.reconstruction.record.get("data_steps_after")
    if not steps:
        return ""
    told = wording.counted(steps, "data step")
    if row.reconstruction.record.get("data_steps_from") == "trial":
        return (
            f" The image is that of {told} from the image that the network began with: the"
            " withheld views do not clearly prefer the network's."
        )
    return f" The network's image went through {told} more, as the withheld views clearly gain."


def _parameters_text(row: Row) -> str:
    """Return what the method was run with, and why it ended."""
    run = row.reconstruction
    shown = list(run.parameters.items())[:PARAMETERS_SHOWN]
    parts = [f"{key.replace('_', ' ')} {spelled(value)}" for key, value in shown]
    if run.iterations:
        other = f"until the {run.stopped_by}" if run.diverged else f"ended by {run.stopped_by}"
        why = ENDS.get(run.stopped_by, other)
        parts.append(f"{wording.counted(run.iterations, 'iteration')} ({why})")
    # What a run that was ended early shows may be a trial, which has not seen all views.
    whose = "Last fit" if _remark(run) else "Final fit, on all views"
    return f"{whose}: {'; '.join(parts)}." if parts else ""


def _remark(run: Reconstruction) -> str:
    """Return in a word or two why a run ended before it should, nothing if it did not."""
    return "diverged" if run.diverged else REMARKS.get(run.stopped_by, "")


def _best(rows: list[Row], score: Any) -> str:
    scored = [(score(row), row.key) for row in rows if not math.isnan(score(row))]
    return min(scored)[1] if len(scored) > 1 else ""


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


# ------------------------------------------------------------------ captions


def _score_meaning(comparison: Comparison) -> str:
    if not comparison.truth_known:
        return "Lower is better: the relative error on views withheld while parameters were chosen."
    return f"Higher is better. Data range {comparison.data_range}."


def _table_caption(comparison: Comparison) -> str:
    apart = comparison.record.get("memory_separate", True)
    text = (
        "The error on withheld views is ‖Ax−y‖/‖y‖ of the fit that did not see them. Time "
        "includes the choice of parameters. Memory is the most that was resident in the process "
        + ("while the method ran." if apart else "up to then; this system cannot tell it apart.")
    )
    if not comparison.truth_known:
        return f"The truth is not known, so there is no PSNR. {text}"
    return f"PSNR and SSIM refer to the data range {comparison.data_range}. {text}"


def _uncertainty_text(comparison: Comparison) -> str:
    found = [row.reconstruction.interval for row in comparison.rows]
    interval = next((each for each in found if each is not None), None)
    if interval is None:
        return ""
    text = (
        f"{interval.members} networks were fitted to data that might as well have been measured. "
        f"The truth is expected within the interval in {interval.level:.0%} of the cells."
    )
    return f"{text} On the right, what was found." if comparison.truth_known else text


def _convergence_text(comparison: Comparison) -> str:
    if not comparison.truth_known:
        return "The loss of each method relative to its first; losses of two methods are not alike."
    return (
        "PSNR over the time of the final fit, the choice of parameters left out. It was recorded "
        "for this figure only; no method saw it."
    )


def _whole(record: Mapping[str, Any]) -> dict[str, str] | None:
    if "seconds" not in record:
        return None
    return {
        "seconds": wording.duration(record["seconds"]),
        "memory": wording.memory(record.get("peak_memory")),
    }
