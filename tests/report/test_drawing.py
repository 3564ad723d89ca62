"""The drawing of a scan: everything is where the rays are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ctinr.geometry import (
    ConeBeam,
    Detector,
    FanBeam,
    Grid,
    ParallelBeam,
    VectorBeam,
    equal_angles,
)
from ctinr.report.drawing import first_view, geometry_figure
from ctinr.report.style import DARK, LIGHT, png

GRID = Grid((8, 10), 2.0, (1.0, -3.0))
DETECTOR = Detector(31, 1.5, 2.0)
FULL = [0.7, *equal_angles(12, span=2 * math.pi)]
BEAMS = {
    "parallel": ParallelBeam([0.7, *equal_angles(9)], DETECTOR),
    "flat": FanBeam(FULL, DETECTOR, 40.0, 15.0),
    "curved": FanBeam(FULL, DETECTOR, 40.0, 15.0, curved=True),
}


@pytest.fixture(params=BEAMS)
def beam(request):
    return BEAMS[request.param]


def test_the_rays_drawn_are_those_of_the_geometry(beam):
    view = first_view(beam, GRID)
    middle = beam.detector.shape[0] // 2
    points, directions = (part[0, middle] for part in (beam.rays().points, beam.rays().directions))
    begin, end = view.rays[1]
    np.testing.assert_allclose((end - begin) / np.linalg.norm(end - begin), directions, atol=1e-12)
    across = np.array([-directions[1], directions[0]])
    np.testing.assert_allclose(across @ (begin - points), 0, atol=1e-12)
    np.testing.assert_allclose(view.detector[[0, 20, 40]], view.rays[:, 1])


def test_a_detector_is_as_far_as_it_is_and_as_wide():
    for name in ("flat", "curved"):
        view = first_view(BEAMS[name], GRID)
        sources, detector = view.sources, view.detector
        steps = np.linalg.norm(np.diff(detector, axis=0), axis=1)
        assert steps.sum() == pytest.approx(31 * 1.5, rel=1e-4)
        away = np.linalg.norm(detector - sources[0], axis=1)
        assert away.min() == pytest.approx(55.0, rel=1e-3)
        assert (np.ptp(away) < 1e-9) == (name == "curved")


def test_it_says_what_is_drawn_to_scale(beam):
    figure = geometry_figure(beam, GRID, LIGHT)
    (axes,) = figure.axes
    words = " ".join(text.get_text() for text in figure.legends[0].get_texts())
    assert "8 × 10 cells" in words and f"{beam.num_views} views" in words
    assert axes.get_aspect() == 1.0 and axes.yaxis_inverted()
    box, circle = axes.patches
    assert box.get_xy() == (-13.0, -7.0)
    assert (box.get_width(), box.get_height()) == (20.0, 16.0)
    assert circle.get_radius() == beam.field_of_view
    assert png(geometry_figure(beam, GRID, DARK)).startswith(b"\x89PNG")


VOLUME = Grid((6, 8, 10), (3.0, 2.0, 2.0), (4.0, 1.0, -3.0))
AREA = Detector((11, 31), (2.0, 1.5), (1.0, 2.0))
CONE = ConeBeam(FULL, AREA, 40.0, 15.0, helical_pitch=5.0)


@pytest.mark.parametrize(
    "beam",
    [CONE, ParallelBeam([0.7, 1.0], AREA), VectorBeam.of(CONE).turned_detector(roll=0.2, tilt=0.1)],
    ids=["helix", "parallel", "vectors"],
)
def test_the_corners_of_an_area_are_where_its_rays_go(beam):
    view, rays = first_view(beam, VOLUME), beam.rays()
    assert view.rays.shape == (4, 2, 3) and view.sources.shape == (beam.num_views, 3)
    # A corner is half a bin outwards of the outermost bins' middles.
    corners = rays.directions[0][[0, 0, -1, -1], [0, -1, 0, -1]]
    ways = view.rays[:, 1] - view.rays[:, 0]
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    assert np.abs(ways - corners).max() < 0.03
    np.testing.assert_allclose(view.detector[[0, 40, 81, 41]], view.rays[:, 1])


def test_a_volume_is_drawn_from_two_sides():
    figure = geometry_figure(CONE, VOLUME)
    above, beside = figure.axes
    assert (above.get_xlabel(), above.get_ylabel()) == ("x, mm", "y, mm")
    assert (beside.get_xlabel(), beside.get_ylabel()) == ("y, mm", "z, mm")
    (box,) = beside.patches
    assert (box.get_xy(), box.get_width(), box.get_height()) == ((-7.0, -5.0), 16.0, 18.0)
    np.testing.assert_allclose(beside.lines[0].get_ydata(), CONE.heights())
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(words) == len(set(words))
