"""The files of a result hold all that is needed to understand it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from ctinr.geometry import Grid, ParallelBeam
from ctinr.report import figures
from ctinr.report.record import plain, run_record, versions
from ctinr.report.store import summary, write_comparison, write_metrics, write_result


@pytest.fixture
def stored(tmp_path, compared):
    def write(**options):
        comparison = compared(**options)
        write_result(tmp_path / "result.h5", comparison)
        return comparison, h5py.File(tmp_path / "result.h5", "r")

    return write


def test_every_image_has_its_unit_and_its_method(stored):
    comparison, file = stored(oracle=True)
    with file:
        assert set(file["methods"]) == {"fbp", "fbp_oracle", "tv", "tv_oracle", "inr"}
        for row in comparison.rows:
            group = file["methods"][row.key]
            assert group["image"].attrs["units"] == "1/mm"
            np.testing.assert_array_equal(group["image"], row.reconstruction.image)
            assert group.attrs["psnr"] == row.metrics["psnr"]
            assert group.attrs["seconds"] == 61.0
            assert group.attrs["peak_memory_bytes"] == 3 * 10**8
            assert bool(group.attrs["oracle"]) == row.oracle
            assert json.loads(group["parameters"][()])["weight"] == 0.01
        assert file["methods/tv/convergence/psnr"].attrs["units"] == "dB"
        assert json.loads(file["methods/tv/choice"][()])["errors"] == [0.05, 0.03, 0.09]


def test_the_scan_the_views_and_the_record_are_there(stored):
    comparison, file = stored()
    with file:
        assert file.attrs["format"] == "ctinr-result"
        assert file.attrs["data_range_meaning"] == "max − min of the truth"
        np.testing.assert_array_equal(file["truth"], comparison.scan.truth)
        np.testing.assert_array_equal(file["scan/withheld"], [2, 7])
        np.testing.assert_array_equal(file["scan/views"], np.arange(12))
        assert file["scan/angles"].attrs["units"] == "rad"
        grid = Grid.from_dict(json.loads(file["scan/grid"][()]))
        geometry = ParallelBeam.from_dict(json.loads(file["scan/geometry"][()]))
        assert (grid, geometry) == (comparison.scan.grid, comparison.scan.geometry)
        record = json.loads(file["record"][()])
        assert record["seed"] == 3
        assert record["engine"] == "numba"
        assert record["command"] == ["ctinr", "compare", "a b.h5"]
        assert record["versions"]["torch"] == torch.__version__


def test_selected_views_keep_their_numbers(compared, tmp_path):
    comparison = compared()
    chosen = replace(comparison, scan=comparison.scan[[1, 4, 9]])
    write_result(tmp_path / "result.h5", chosen)
    with h5py.File(tmp_path / "result.h5") as file:
        np.testing.assert_array_equal(file["scan/views"], [1, 4, 9])


def test_without_a_truth_nothing_claims_one(stored, compared):
    _, file = stored(truth=False)
    with file:
        assert "truth" not in file
        assert "data_range" not in file.attrs
        assert "psnr" not in file["methods/tv"].attrs
        assert file["methods/tv"].attrs["withheld_error"] == 0.03
    numbers = summary(compared(truth=False))
    assert numbers["data_range"] is None
    assert "psnr" not in json.dumps(numbers)


def test_metrics_are_strict_json_with_the_range_named(compared, tmp_path):
    comparison = compared(oracle=True)
    exact = replace(comparison.rows[0], metrics={"psnr": math.inf, "rmse": 0.0})
    rows = (exact, *comparison.rows[1:])
    write_metrics(tmp_path / "metrics.json", replace(comparison, rows=rows))

    def refuse(constant):
        raise AssertionError(constant)

    text = (tmp_path / "metrics.json").read_text(encoding="utf-8")
    numbers = json.loads(text, parse_constant=refuse)
    assert numbers["methods"]["fbp"]["psnr"] == "inf"
    assert numbers["methods"]["tv_oracle"]["oracle"] is True
    assert numbers["methods"]["tv"]["label"] == "TV"
    assert numbers["methods"]["tv"]["withheld_error"] == 0.03
    # What is long, such as all that was tried, is in result.h5 alone.
    assert numbers["methods"]["tv"]["record"] == {"withheld_error": 0.03}
    assert numbers["data_range"]["meaning"] == "max − min of the truth"
    assert numbers["data_range"]["unit"] == "1/mm"
    assert "FBP (oracle)" in numbers["verdict"]


@pytest.mark.slow
def test_a_folder_holds_all_of_it(compared, tmp_path):
    write_comparison(tmp_path, compared())
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert names == {"result.h5", "metrics.json", "report.html", "figures"} | {
        # No method says how sure it is.
        f"figures/{name}.png"
        for name in figures.FIGURES
        if name != "uncertainty"
    }


def test_many_views_fit(compared, tmp_path):
    scan = compared().scan
    beam = ParallelBeam(np.linspace(0, 3.1, 5000), scan.geometry.detector)
    wide = replace(scan, geometry=beam, sinogram=torch.zeros(5000, 40))
    write_result(tmp_path / "result.h5", replace(compared(), scan=wide))
    with h5py.File(tmp_path / "result.h5") as file:
        assert len(json.loads(file["scan/geometry"][()])["angles"]) == 5000


@pytest.mark.parametrize(
    "value, expected",
    [
        ({"a": np.float32(0.5), 1: (np.int64(2), True)}, {"a": 0.5, "1": [2, True]}),
        (torch.tensor([1.0, math.nan]), [1.0, "nan"]),
        (np.array(-math.inf), "-inf"),
        (torch.float32, "torch.float32"),
        (Path("a") / "b", str(Path("a") / "b")),
        (None, None),
    ],
)
def test_plain_values(value, expected):
    assert plain(value) == expected


def test_the_record_tells_versions_and_machine():
    record = run_record(command=["ctinr"], seed=1, engine="torch")
    assert record["versions"] == versions()
    assert {"numpy", "torch", "h5py"} <= set(versions())
    assert record["engine"] == "torch"
    assert record["threads"] >= 1
    assert json.dumps(record)
