"""The files of a result: every image with its parameters in HDF5, the numbers in JSON, figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ctinr.data import Scan
from ctinr.data.hdf5_access import built
from ctinr.geometry import VectorBeam
from ctinr.recon.interval import Interval
from ctinr.report.comparison import Comparison
from ctinr.report.figures import draw
from ctinr.report.html import write_report
from ctinr.report.record import plain
from ctinr.report.row import UNIT, Row
from ctinr.report.window import as_array

FORMAT, VERSION = "ctinr-result", 1
NO_UNIT = "1"


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Write a comparison into a folder: result.h5, metrics.json, report.html and figures/*.png.

    Parameters
    ----------
    folder : path
        An existing folder, such as `output_folder` yields.
    comparison : Comparison
        What to write.
    """
    write_result(folder / "result.h5", comparison)
    write_metrics(folder / "metrics.json", comparison)
    figures = write_figures(folder / "figures", comparison)
    write_report(folder / "report.html", comparison, figures=figures)


def write_metrics(path: Path, comparison: Comparison) -> None:
    """Write the verdict, the metrics of every method and the run record as JSON."""
    path.write_text(json.dumps(summary(comparison), indent=2, ensure_ascii=False, allow_nan=False))


def write_figures(folder: Path, comparison: Comparison) -> dict[str, bytes]:
    """Write every figure that there is something to show in as PNG, and return them."""
    folder.mkdir(exist_ok=True)
    figures = draw(comparison)
    for name, content in figures.items():
        (folder / f"{name}.png").write_bytes(content)
    return figures


def summary(comparison: Comparison) -> dict[str, Any]:
    """Return all numbers of a comparison as plain values."""
    scan, data_range = comparison.scan, comparison.data_range
    named = None if data_range is None else vars(data_range)
    return plain(
        {
            "format": FORMAT,
            "version": VERSION,
            "verdict": comparison.ahead(),
            "notes": comparison.notes,
            "warnings": comparison.warnings,
            "data_range": named,
            "methods": {row.key: _row_summary(row) for row in comparison.rows},
            "scan": {
                "geometry": scan.geometry.to_dict(),
                "grid": scan.grid.to_dict(),
                "metadata": scan.metadata,
                "truth_known": comparison.truth_known,
            },
            "record": comparison.record,
        }
    )


def _row_summary(row: Row) -> dict[str, Any]:
    run = row.reconstruction
    return {
        "label": row.label,
        "oracle": row.oracle,
        **row.metrics,
        "withheld_error": row.withheld_error,
        "seconds": row.seconds,
        "peak_memory_bytes": row.peak_memory,
        "iterations": run.iterations,
        "stopped_by": run.stopped_by,
        "parameters": run.parameters,
        "chosen": {key: row.chosen[key] for key in ("value", "rule") if key in row.chosen},
        "record": _scalars(run.record),
    }


def _scalars(values: Mapping[str, Any]) -> dict[str, str | float]:
    """Return those of some values that are a number or a text."""
    return {name: value for name, value in values.items() if isinstance(value, str | int | float)}


def write_result(path: Path, comparison: Comparison) -> None:
    """Write every image with its unit, parameters and record, the scan and the views, as HDF5.

    ``/methods/NAME/image`` is the image of a method, ``/truth`` the truth where it is known,
    ``/scan`` what every method saw. What has structure is JSON in a string; docs/commands.md has
    the whole of it.
    """
    with built(path) as file:
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        file.attrs["verdict"] = comparison.ahead()
        file["record"] = _json(comparison.record)
        file["warnings"] = _json(comparison.warnings)
        if comparison.data_range is not None:
            file.attrs["data_range"] = comparison.data_range.value
            file.attrs["data_range_meaning"] = comparison.data_range.meaning
        _write_scan(file.create_group("scan"), comparison.scan, comparison.record)
        if comparison.scan.truth is not None:
            _dataset(file, "truth", as_array(comparison.scan.truth), UNIT)
        for row in comparison.rows:
            _write_row(file.create_group(f"methods/{row.key}"), row)


def _write_scan(group: h5py.Group, scan: Scan, record: Mapping[str, Any]) -> None:
    _dataset(group, "sinogram", as_array(scan.sinogram), NO_UNIT)
    if not isinstance(scan.geometry, VectorBeam):
        _dataset(group, "angles", scan.geometry.angles, "rad")
    _dataset(group, "views", scan.metadata.get("views", range(scan.num_views)), NO_UNIT)
    _dataset(group, "withheld", np.asarray(record.get("withheld_views", ()), dtype=int), NO_UNIT)
    group["geometry"] = _json(scan.geometry.to_dict())
    group["grid"] = _json(scan.grid.to_dict())
    group["metadata"] = _json(scan.metadata)


def _write_row(group: h5py.Group, row: Row) -> None:
    run = row.reconstruction
    _dataset(group, "image", as_array(run.image), UNIT)
    if run.interval is not None:
        _write_interval(group, run.interval)
    if run.losses:
        _dataset(group, "losses", run.losses, NO_UNIT)
    if row.convergence is not None:
        unit = "dB" if row.convergence.quantity == "psnr" else NO_UNIT
        _dataset(group, f"convergence/{row.convergence.quantity}", row.convergence.values, unit)
        _dataset(group, "convergence/seconds", row.convergence.seconds, "s")
    group.attrs.update(_scalars(_row_summary(row)))
    group["parameters"] = _json(run.parameters)
    group["choice"] = _json(row.chosen)
    group["record"] = _json(run.record)


def _write_interval(group: h5py.Group, interval: Interval) -> None:
    for name in ("std", "lower", "upper"):
        _dataset(group, name, as_array(getattr(interval, name)), UNIT)
    group.attrs["interval_level"], group.attrs["members"] = interval.level, interval.members
    group["interval_factors"] = _json(dict(interval.factors))


def _dataset(group: h5py.Group, name: str, values: Any, units: str) -> None:
    values = np.asarray(values)
    if values.dtype == np.float64 and values.ndim > 1:
        values = values.astype(np.float32)
    settings = {"compression": "gzip", "shuffle": True} if values.ndim > 1 else {}
    dataset = group.create_dataset(name, data=values, **settings)
    dataset.attrs["units"] = units


def _json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False)
