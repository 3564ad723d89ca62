"""The fan beam: views, rays, and what the detector sees of a grid."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, equal_angles

ANGLES = (0.0, 0.3, 1.1, -2.0, 5.5)
FLAT = FanBeam(ANGLES, Detector(6, 0.4, -0.3), 50.0, 30.0)
CURVED = FanBeam(ANGLES, Detector(6, 0.4, -0.3), 50.0, 30.0, curved=True)
BOTH = pytest.mark.parametrize("beam", [FLAT, CURVED], ids=["flat", "curved"])


@BOTH
def test_a_beam_is_what_its_repr_and_its_dictionary_say(beam):
    assert eval(repr(beam)) == beam
    assert FanBeam.from_dict(beam.to_dict()) == beam
    assert hash(eval(repr(beam))) == hash(beam)
    assert beam != FanBeam(ANGLES, beam.detector, 51.0, 30.0, curved=beam.curved)
    assert beam != FanBeam(ANGLES, beam.detector, 50.0, 31.0, curved=beam.curved)
    assert (beam.num_views, beam.shape, beam.magnification) == (5, (5, 6), 1.6)
    assert FLAT != CURVED


@BOTH
@pytest.mark.parametrize("selection", [np.s_[1:4], [3, 0], np.array([True, False] * 2 + [True])])
def test_a_selection_keeps_those_views_and_all_the_rest(beam, selection):
    part = beam[selection]
    assert part.angles == tuple(np.array(ANGLES)[selection])
    assert part == FanBeam(part.angles, beam.detector, 50.0, 30.0, curved=beam.curved)


@BOTH
def test_rays_run_from_the_source_to_the_bins(beam):
    """The points of the drawing: source, bins, and the ray through both."""
    rays, u = beam.rays(), beam.detector.bin_centers()
    assert rays.shape == beam.shape
    for view, angle in enumerate(ANGLES):
        along = np.array([-math.sin(angle), math.cos(angle)])
        across = np.array([math.cos(angle), math.sin(angle)])
        source = -50 * along
        assert beam.sources()[view] == pytest.approx(source)
        for k in range(len(u)):
            if beam.curved:
                arc = u[k] / 80
                place = source + 80 * (math.cos(arc) * along + math.sin(arc) * across)
            else:
                place = 30 * along + u[k] * across
            way = (place - source) / np.linalg.norm(place - source)
            assert rays.directions[view, k] == pytest.approx(way)
            beside = rays.points[view, k] - source
            assert beside[0] * way[1] - beside[1] * way[0] == pytest.approx(0, abs=1e-12)


def test_a_source_that_is_far_away_gives_the_parallel_beam():
    detector = Detector(9, 0.7, 0.4)
    wanted = ParallelBeam(ANGLES, detector).rays()
    for curved in (False, True):
        errors = []
        for distance in (1e4, 1e6):
            rays = FanBeam(ANGLES, detector, distance, 0.0, curved=curved).rays()
            errors.append(np.abs(rays.points - wanted.points).max())
            assert np.abs(rays.directions - wanted.directions).max() < 4 / distance
        assert errors[1] < 1e-4
        assert errors[1] == pytest.approx(errors[0] / 100, rel=1e-3)


def test_the_first_view_looks_down_the_picture_from_above():
    beam = FanBeam([0.0, math.pi / 2], Detector(1), 10.0, 5.0)
    assert beam.sources() == pytest.approx(np.array([[0.0, -10.0], [10.0, 0.0]]), abs=1e-12)
    assert beam.rays().directions[:, 0] == pytest.approx(np.array([[0.0, 1.0], [-1.0, 0.0]]))


# ------------------------------------------------------------------ what is seen


def test_the_field_of_view_touches_the_outer_rays():
    assert FanBeam([0.0], Detector(10, 2.0), 30.0, 10.0).field_of_view == pytest.approx(
        30 * 10 / math.hypot(10, 40)
    )
    curved = FanBeam([0.0], Detector(10, 2.0), 30.0, 10.0, curved=True)
    assert curved.field_of_view == pytest.approx(30 * math.sin(0.25))
    shifted = FanBeam([0.0], Detector(10, 2.0, 4.0), 30.0, 10.0, curved=True)
    assert shifted.field_of_view == pytest.approx(30 * math.sin(6 / 40))
    assert FanBeam([0.0], Detector(10, 2.0, 14.0), 30.0, 10.0).field_of_view == 0


@pytest.mark.parametrize(
    "grid, seen",
    [
        (Grid((10, 10)), True),
        (Grid((11, 11)), False),
        (Grid((14, 14)), False),
        (Grid((6, 14)), False),
        (Grid((14, 6)), False),
        (Grid((10, 10), 1.0, (0.0, 3.0)), False),
        (Grid((4, 4), 1.0, (0.0, 2.0)), True),
        (Grid((10, 10), 1.0, (-80.0, 0.0)), False),
    ],
)
def test_a_truncated_grid_is_not_covered(grid, seen):
    angles = equal_angles(16, span=2 * math.pi)
    for curved in (False, True):
        assert FanBeam(angles, Detector(20), 30.0, 30.0, curved=curved).covers(grid) is seen


def test_covering_is_a_matter_of_the_views_there_are():
    """What is nearer to the source is seen larger."""
    grid = Grid((4, 4), 1.0, (10.0, 0.0))
    assert FanBeam([0.0], Detector(6, 1.0), 30.0, 10.0).covers(grid)
    assert not FanBeam([math.pi], Detector(6, 1.0), 30.0, 10.0).covers(grid)


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        (([], Detector(3), 5.0, 5.0), ValueError, r"^`angles` must not be empty"),
        (([0.0, 90.0], Detector(3), 5.0, 5.0), ValueError, r"^`angles` must be in radians"),
        (([0.0], 3, 5.0, 5.0), TypeError, r"^`detector` must be a Detector; got 3\.$"),
        (([0.0], Detector((3, 4)), 5.0, 5.0), ValueError, r"^`detector` must be a line of bins"),
        (([0.0], Detector(3), 0.0, 5.0), ValueError, r"^`source_distance` must be above zero"),
        (([0.0], Detector(3), -1.0, 5.0), ValueError, r"^`source_distance` must be above zero"),
        (([0.0], Detector(3), math.inf, 5.0), ValueError, r"^`source_distance` must be finite"),
        (([0.0], Detector(3), "far", 5.0), TypeError, r"^`source_distance` must be one real"),
        (
            ([0.0], Detector(3), 5.0, -0.1),
            ValueError,
            r"^`detector_distance` must be at least 0; got -0\.1\. The detector lies",
        ),
        (([0.0], Detector(3), 5.0, math.nan), ValueError, r"^`detector_distance` must be finite"),
    ],
)
def test_what_is_no_fan_is_refused(arguments, kind, message):
    with pytest.raises(kind, match=message):
        FanBeam(*arguments)


def test_a_detector_that_reaches_behind_the_source_is_refused():
    rule = (
        r"^`detector` must stay within a quarter turn of the central ray; got 91\.67 degrees to "
        r"its edge\. Distances and pitch are in mm\.$"
    )
    with pytest.raises(ValueError, match=rule):
        FanBeam([0.0], Detector(32), 5.0, 5.0, curved=True)
    assert FanBeam([0.0], Detector(31), 5.0, 5.0, curved=True).shape == (1, 31)
    assert FanBeam([0.0], Detector(32), 5.0, 5.0).shape == (1, 32)


def test_a_kind_of_detector_that_is_none_is_refused():
    with pytest.raises(TypeError, match=r"^`curved` must be True or False; got 'arc'\.$"):
        FanBeam([0.0], Detector(3), 5.0, 5.0, curved="arc")


def test_the_dictionary_of_another_beam_is_refused():
    with pytest.raises(ValueError, match=r"^`beam` must be one of 'fan'; got parallel\.$"):
        FanBeam.from_dict(ParallelBeam([0.0], Detector(3)).to_dict())
