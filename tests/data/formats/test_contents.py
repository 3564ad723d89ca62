"""What is said about a file, and what looks wrong in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ctinr.data import contents_of, read_scan, write_scan
from recon_scripts import info
from recon_scripts._terminal import guarded
from tests.data import beamline, nexus
from tests.data.beamline import change
from tests.data.scans import example, fan_example


def test_frames_of_an_exchange_file_are_counted(tmp_path):
    path = tmp_path / "a.h5"
    beamline.write(path)
    change(path, beamline.PIXEL, 1.3, units="um")
    facts = contents_of(path)
    assert facts["Frames"] == "40 projections, 6 flat, 4 dark, of 3 × 128, float32"
    assert facts["Angles in the file"] == "0 to 175.5 degrees"
    assert facts["Values, dark"] == "100 to 100"
    assert facts["Bin in the file"] == "1.3 um"
    change(path, "exchange/data_dark")
    assert contents_of(path)["Frames"].startswith("40 projections, 6 flat; no dark ones, of")


def test_frames_of_an_nxtomo_file_are_counted(tmp_path):
    nexus.write(tmp_path / "a.nxs")
    facts = contents_of(tmp_path / "a.nxs")
    assert facts["Frames"] == "30 projections, 5 flat, 2 dark, 1 invalid, of 3 × 96, float32"
    assert facts["Angles in the file"] == "0 to 174 deg"
    assert facts["Bin in the file"] == "2.5e-06 m"
    assert "Entries" not in facts


def test_of_a_stack_the_shape_is_known_and_of_a_scan_nothing_else(tmp_path):
    np.save(tmp_path / "a.npy", beamline.EXACT)
    assert contents_of(tmp_path / "a.npy") == {"Frames": "40 of 3 × 128"}
    write_scan(tmp_path / "a.h5", example())
    assert contents_of(tmp_path / "a.h5") == {}


def test_info_shows_it(tmp_path, capsys):
    nexus.write(tmp_path / "a.nxs", "diamond")
    assert guarded(info.main, info.Info(scan=tmp_path / "a.nxs")) == 0
    shown = capsys.readouterr().out
    for expected in (
        "NXtomo file (NeXus)",
        "30 projections, 5 flat",
        "marks them as invalid: 1.",
    ):
        assert expected in shown


@pytest.mark.parametrize("scan", [example(), fan_example()])
@pytest.mark.parametrize("factor, unit", [(1e-6, "metres"), (1e6, "micrometres"), (1.0, None)])
def test_a_length_in_another_unit_is_seen(scan, factor, unit):
    detector = scan.geometry.detector
    pitch = tuple(step * factor for step in detector.pitch)
    other = replace(scan, geometry=replace(scan.geometry, detector=replace(detector, pitch=pitch)))
    said = [sentence for sentence in other.warnings() if "taken for one in mm" in sentence]
    assert len(said) == (unit is not None)
    assert all(f"a length in {unit} taken" in sentence for sentence in said)


def test_counts_that_were_never_put_through_the_logarithm_are_seen(tmp_path):
    np.save(tmp_path / "a.npy", 1e4 * np.exp(-beamline.EXACT))
    scan = read_scan(tmp_path / "a.npy", span=np.pi, center=60.3)
    assert any("counts or transmissions" in sentence for sentence in scan.warnings())
