"""The parallel beam: views, rays, and what the detector sees of a grid."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, Rays, equal_angles

BEAM = ParallelBeam((0.0, 0.3, 1.1, -2.0, 5.5), Detector(6, 0.4, -0.3))


def test_a_beam_is_what_its_repr_and_its_dictionary_say():
    assert eval(repr(BEAM)) == BEAM
    assert ParallelBeam.from_dict(BEAM.to_dict()) == BEAM
    assert hash(eval(repr(BEAM))) == hash(BEAM)
    assert ParallelBeam(BEAM.angles, Detector(6, 0.4)) != BEAM
    assert ParallelBeam(BEAM.angles[::-1], BEAM.detector) != BEAM


@pytest.mark.parametrize("kind", [list, tuple, np.array, iter])
def test_angles_come_as_any_list_of_numbers(kind):
    beam = ParallelBeam(kind([0.0, 0.5]), Detector(3))
    assert beam.angles == (0.0, 0.5)
    assert {type(angle) for angle in beam.angles} == {float}
    assert (beam.num_views, beam.shape) == (2, (2, 3))


@pytest.mark.parametrize("span", [math.pi, 2 * math.pi, math.radians(60)])
def test_equal_angles_leave_out_the_end(span):
    angles = np.array(equal_angles(9, span=span))
    assert angles[0] == 0
    assert np.diff(angles) == pytest.approx(span / 9)
    assert angles[-1] + span / 9 == pytest.approx(span)


def test_equal_angles_cover_a_half_turn_unless_told():
    assert equal_angles(4) == pytest.approx((0, math.pi / 4, math.pi / 2, 3 * math.pi / 4))


def test_every_point_of_a_ray_satisfies_the_formula():
    rays = BEAM.rays()
    assert rays.shape == BEAM.shape == rays.points.shape[:-1] == rays.directions.shape[:-1]
    angles = np.array(BEAM.angles)[:, None]
    for along in (-3.0, 0.0, 2.5):
        x, y = np.moveaxis(rays.points + along * rays.directions, -1, 0)
        u = x * np.cos(angles) + y * np.sin(angles)
        assert u == pytest.approx(np.broadcast_to(BEAM.detector.bin_centers(), BEAM.shape))
    assert np.hypot(*np.moveaxis(rays.directions, -1, 0)) == pytest.approx(1)


def test_the_ray_of_the_first_view_runs_down_the_picture():
    rays = ParallelBeam([0.0, math.pi / 2], Detector(1, 1.0, 2.0)).rays()
    assert rays.points[:, 0] == pytest.approx(np.array([[2.0, 0.0], [0.0, 2.0]]))
    assert rays.directions[:, 0] == pytest.approx(np.array([[0.0, 1.0], [-1.0, 0.0]]))


@pytest.mark.parametrize(
    "selection",
    [
        np.s_[1:4],
        np.s_[::2],
        np.s_[::-1],
        [3, 0],
        (2, 2),
        np.array([1, -1]),
        np.array([True, False, True, False, True]),
        torch.tensor([0, 4]),
        torch.tensor([False, True, True, False, False]),
    ],
    ids=str,
)
def test_a_selection_keeps_those_views(selection):
    part = BEAM[selection]
    index = list(selection) if isinstance(selection, tuple) else selection
    assert part.angles == tuple(np.array(BEAM.angles)[index])
    assert part.detector == BEAM.detector


def test_one_view_is_still_a_beam():
    assert BEAM[2] == BEAM[-3] == BEAM[np.int64(2)] == ParallelBeam([1.1], BEAM.detector)


@pytest.mark.parametrize("selection", [np.s_[3:3], [], [False] * 5])
def test_a_selection_of_nothing_is_refused(selection):
    with pytest.raises(ValueError, match=r"`angles` must not be empty") as failure:
        BEAM[np.array(selection, dtype=bool) if selection == [False] * 5 else selection]
    assert "shape (0,)" in str(failure.value)


@pytest.mark.parametrize("selection", [7, [0, 5], [True, False]])
def test_a_view_that_is_not_there_is_refused(selection):
    with pytest.raises(IndexError, match=r"out of bounds|did not match|too many"):
        BEAM[selection]


# ------------------------------------------------------------------ what is seen


def test_the_field_of_view_is_what_both_edges_reach():
    assert ParallelBeam([0.0], Detector(10, 0.5)).field_of_view == 2.5
    assert ParallelBeam([0.0], Detector(10, 0.5, -1.0)).field_of_view == 1.5
    assert ParallelBeam([0.0], Detector(10, 0.5, 7.0)).field_of_view == 0


@pytest.mark.parametrize(
    "grid, detector, seen",
    [
        (Grid((10, 10)), Detector(10), True),
        (Grid((10, 10)), Detector(7), False),
        (Grid((10, 20)), Detector(20), True),
        (Grid((10, 20)), Detector(14), False),
        (Grid((20, 10)), Detector(14), False),
        (Grid((10, 10), 0.5), Detector(10, 0.5), True),
        (Grid((10, 10), 2.0), Detector(10), False),
        (Grid((10, 10)), Detector(10, 1.0, 3.0), False),
        (Grid((10, 10), 1.0, (0.0, 3.0)), Detector(10), False),
        (Grid((10, 10), 1.0, (3.0, 0.0)), Detector(10), False),
        (Grid((10, 10), 1.0, (3.0, -4.0)), Detector(20), True),
    ],
)
def test_a_truncated_grid_is_not_covered(grid, detector, seen):
    assert ParallelBeam(equal_angles(16), detector).covers(grid) is seen


def test_covering_is_a_matter_of_the_views_there_are():
    grid = Grid((10, 20), 1.0, (0.0, 5.0))
    detector = Detector(21, 1.0, 5.0)
    assert ParallelBeam([0.0], detector).covers(grid)
    assert not ParallelBeam([0.0, math.pi], detector).covers(grid)
    assert not ParallelBeam([0.0], Detector(21, 1.0, -5.0)).covers(grid)


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize("angles", [np.arange(0, 180, 3.0), [0.0, 45.0, 90.0], [-170.0]])
def test_degrees_given_as_radians_are_refused(angles):
    message = (
        r"^`angles` must be in radians; got values up to \d+, which look like degrees\. "
        r"Convert them with numpy\.deg2rad\.$"
    )
    with pytest.raises(ValueError, match=message):
        ParallelBeam(angles, Detector(3))
    assert ParallelBeam(np.deg2rad(angles), Detector(3)).num_views == len(angles)


def test_some_turns_of_a_scanner_are_radians():
    assert ParallelBeam(np.linspace(0, 6 * math.pi, 50), Detector(3)).num_views == 50


@pytest.mark.parametrize(
    "angles, kind, message",
    [
        ([], ValueError, r"`angles` must not be empty; got ndarray of shape \(0,\)"),
        ([0.0, math.nan], ValueError, r"`angles` must be finite everywhere; got 1 NaN or infinite"),
        ([math.inf], ValueError, r"`angles` must be finite everywhere; got 1 NaN or infinite"),
        (0.5, TypeError, r"`angles` must be a list of numbers; got 0.5\.$"),
        ("east", TypeError, r"`angles` must be a list of numbers; got 'east'\.$"),
        (
            [[0.0], [1.0]],
            TypeError,
            r"`angles` must be a list of numbers; got \[\[0.0\], \[1.0\]\]",
        ),
    ],
)
def test_what_are_no_angles_is_refused(angles, kind, message):
    with pytest.raises(kind, match=message):
        ParallelBeam(angles, Detector(3))


def test_what_is_no_detector_is_refused():
    with pytest.raises(TypeError, match=r"^`detector` must be a Detector; got 64\.$"):
        ParallelBeam([0.0], 64)


def test_an_area_of_bins_makes_three_dimensions():
    beam = ParallelBeam([0.0, 1.0], Detector((4, 64), (2.0, 1.0), (0.5, 3.0)))
    assert beam.shape == (2, 4, 64) and beam[1:].shape == (1, 4, 64)
    assert beam.slice == ParallelBeam([0.0, 1.0], Detector(64, 1.0, 3.0))
    assert beam.field_of_view == beam.slice.field_of_view == 29.0
    assert ParallelBeam.from_dict(beam.to_dict()) == beam and eval(repr(beam)) == beam


def test_what_is_no_parallel_beam_is_refused():
    values = BEAM.to_dict() | {"beam": "cone"}
    with pytest.raises(ValueError, match=r"^`beam` must be one of 'parallel'; got cone\.$"):
        ParallelBeam.from_dict(values)


@pytest.mark.parametrize(
    "num_views, span, message",
    [(0, 1.0, "`num_views` must be at least 1"), (3, -1.0, "`span` must be above zero")],
)
def test_what_is_no_span_of_views_is_refused(num_views, span, message):
    with pytest.raises(ValueError, match=message):
        equal_angles(num_views, span=span)


# ------------------------------------------------------------------ some of the rays

FAN = FanBeam(BEAM.angles, BEAM.detector, 9.0, 4.0)
EITHER_BEAM = pytest.mark.parametrize("beam", [BEAM, FAN], ids=["parallel", "fan"])


def same_rays(given: Rays, every: Rays, views: np.ndarray, bins: np.ndarray) -> None:
    assert np.array_equal(given.points, every.points[views, bins])
    assert np.array_equal(given.directions, every.directions[views, bins])
    assert (given.begins is None) == (every.begins is None)
    if every.begins is not None:
        assert np.array_equal(given.begins, every.begins[views, bins])


@EITHER_BEAM
@pytest.mark.parametrize(
    "views, bins, numbers",
    [
        (None, [4, 1, 1], ([0, 1, 2, 3, 4], [4, 1, 1])),
        (np.s_[::-2], None, ([4, 2, 0], [0, 1, 2, 3, 4, 5])),
        (3, torch.tensor([5, 0]), ([3], [5, 0])),
        (np.array([True, False, False, True, False]), -1, ([0, 3], [5])),
    ],
    ids=str,
)
def test_rays_are_those_of_the_chosen_views_and_bins(beam, views, bins, numbers):
    chosen = beam.rays(views, bins)
    assert chosen.shape == (len(numbers[0]), len(numbers[1]))
    same_rays(chosen, beam.rays(), *np.ix_(*numbers))


@EITHER_BEAM
@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_pairs_of_views_and_bins_are_a_flat_list_of_rays(beam, kind):
    views, bins = [4, 0, 0, 2], [5, 1, 1, -1]
    chosen = beam.rays()[kind(views), kind(bins)]
    assert chosen.shape == (4,)
    same_rays(chosen, beam.rays(), views, bins)
    mask = np.zeros(beam.shape, dtype=bool)
    mask[[1, 3], [2, 0]] = True
    same_rays(beam.rays()[mask], beam.rays(), *mask.nonzero())


@EITHER_BEAM
@pytest.mark.parametrize(
    "views, bins, error, message",
    [
        (5, None, IndexError, r"^`views` must pick some of 5 .*; got 5\. index 5 is out of bounds"),
        (None, [0, 6], IndexError, r"^`bins` must pick some of 6 .*; got \[0, 6\]\. index 6"),
        ([True, False], None, IndexError, r"^`views` must pick some of 5 .*did not match"),
        (None, [0.5], IndexError, r"^`bins` must pick some of 6 .*; got \[0\.5\]"),
        (None, "all", IndexError, r"^`bins` must pick some of 6 .*; got 'all'"),
        ([], None, ValueError, r"^`views` must pick some of 5 .*; got \[\]"),
        (None, np.s_[6:], ValueError, r"^`bins` must pick some of 6 .*; got slice"),
        ([[0, 1]], None, ValueError, r"^`views` must pick some of 5"),
    ],
)
def test_rays_that_are_not_there_are_refused(beam, views, bins, error, message):
    with pytest.raises(error, match=message):
        beam.rays(views, bins)
    with pytest.raises(IndexError, match=r"`selection` must pick some of the rays of shape \(5, 6"):
        beam.rays()[[0, 5], [0, 0]]


@pytest.mark.parametrize(
    "parts, message",
    [
        ((np.zeros((3, 2)), np.ones((3, 2))), "`directions` must be unit vectors; got lengths"),
        ((np.zeros((3, 2)), np.eye(2)), r"`directions` must have the shape \(3, 2\) of the points"),
        ((np.zeros((2, 2)), np.eye(2), np.zeros(3)), r"`begins` must have the shape \(2,\) of the"),
    ],
)
def test_lines_that_are_none_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        Rays(*parts)


def test_rays_of_a_fan_begin_at_their_source():
    rays = FAN.rays()
    begins = rays.points + rays.begins[..., None] * rays.directions
    assert begins == pytest.approx(np.broadcast_to(FAN.sources()[:, None], begins.shape))
