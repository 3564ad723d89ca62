"""The sketch of a scan in the terminal: things are where they are."""

from __future__ import annotations

import math

import pytest

from ctinr.geometry import ConeBeam, Detector, FanBeam, Grid, ParallelBeam, VectorBeam, equal_angles
from recon_scripts._sketch import AXIS, CELLS, DETECTOR, FIRST, LEGEND, RAY, WIDTH, sketch

TURN = equal_angles(12, span=2 * math.pi)
CONE = ConeBeam(TURN, Detector((6, 20), 2.0), 60.0, 30.0)
SCANS = {
    "parallel": (ParallelBeam(equal_angles(9), Detector(40)), Grid((20, 20))),
    "fan": (FanBeam(TURN, Detector(40, 1.5), 60.0, 30.0, curved=True), Grid((20, 20))),
    "cone": (CONE, Grid((6, 20, 20))),
    "vectors": (VectorBeam.of(CONE).turned_detector(roll=0.3), Grid((6, 20, 20))),
    "one": (FanBeam([0.0], Detector(1), 6.0, 0.0), Grid((1, 1))),
}


@pytest.mark.parametrize("name", SCANS)
def test_everything_is_there_and_fits(name):
    *lines, last = sketch(*SCANS[name])
    assert last == LEGEND
    assert max(map(len, lines)) <= WIDTH
    # The detector of a single bin hides the axis or the grid it lies on.
    shown = {FIRST, DETECTOR} if name == "one" else {FIRST, DETECTOR, CELLS, AXIS, RAY}
    assert shown <= set("".join(lines))


def test_the_first_view_looks_down():
    """At θ = 0 the source is above the axis and the detector below it."""
    lines = sketch(*SCANS["fan"])
    first, axis, detector = (
        [k for k, line in enumerate(lines[:-1]) if character in line]
        for character in (FIRST, AXIS, DETECTOR)
    )
    assert first[0] < axis[0] < detector[0]
    assert lines[first[0]].index(FIRST) == pytest.approx(lines[axis[0]].index(AXIS), abs=1)
