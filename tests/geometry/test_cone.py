"""The cone beam: where sources, bins and rays are, and what is no cone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ctinr.geometry import ConeBeam, Detector, FanBeam, Grid, equal_angles

AREA = Detector((4, 5), (1.5, 1.2), (0.3, -0.2))
HELIX = ConeBeam([-4.0, 0.3, 2.0, 7.5], AREA, 50.0, 30.0, helical_pitch=6.0)
KINDS = {
    "circle": ConeBeam([0.3, 2.0], AREA, 50.0, 30.0),
    "curved": ConeBeam([0.3, 2.0], AREA, 50.0, 30.0, curved=True),
    "helix": HELIX,
    "curved-helix": ConeBeam([1.0, 9.0], AREA, 50.0, 30.0, curved=True, helical_pitch=-4.0),
}


@pytest.fixture(params=KINDS)
def cone(request):
    return KINDS[request.param]


def test_a_ray_runs_from_its_source_to_its_bin(cone):
    rays, u, v = cone.rays(), AREA.bin_centers(), AREA.bin_centers(0)
    assert rays.shape == cone.shape == (cone.num_views, 4, 5)
    for view, angle in enumerate(cone.angles):
        across, along = np.array(
            [[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0]]
        )
        height = np.array([0, 0, cone.helical_pitch * angle / (2 * math.pi)])
        source = height - 50 * along
        for j, i in np.ndindex(4, 5):
            gamma = u[i] / 80
            bent = source + 80 * (math.cos(gamma) * along + math.sin(gamma) * across)
            end = bent if cone.curved else height + 30 * along + u[i] * across
            way = end + np.array([0, 0, v[j]]) - source
            given = rays[view, j, i]
            np.testing.assert_allclose(given.points, source, atol=1e-12)
            np.testing.assert_allclose(given.directions, way / np.linalg.norm(way), atol=1e-12)
            assert given.begins == 0


def test_the_plane_of_a_circle_is_a_fan():
    for curved in (False, True):
        row = Detector((1, 7), (1.0, 1.3), (0.0, 0.4))
        cone = ConeBeam([0.3, 2.0], row, 50.0, 30.0, curved=curved)
        fan = FanBeam([0.3, 2.0], row.line, 50.0, 30.0, curved=curved)
        assert cone.slice == fan
        rays, plane = cone.rays(), fan.rays()
        np.testing.assert_allclose(rays.directions[:, 0, :, :2], plane.directions, atol=1e-12)
        assert not rays.directions[..., 2].any()
        assert cone.field_of_view == fan.field_of_view
        assert cone.magnification == 1.6


def test_it_is_a_value(cone):
    assert eval(repr(cone)) == cone
    assert ConeBeam.from_dict(cone.to_dict()) == cone
    assert len({cone, eval(repr(cone))}) == 1
    assert cone[1:].angles == cone.angles[1:] and cone[1:].shape[0] == cone.num_views - 1
    assert cone[-1].angles == (cone.angles[-1],)
    np.testing.assert_array_equal(cone[1:].sources(), cone.sources()[1:])


def test_views_and_bins_are_picked(cone):
    every, some = cone.rays(), cone.rays([1, 0], slice(1, None, 2))
    np.testing.assert_allclose(some.directions, every.directions[[1, 0]][:, :, 1::2], atol=1e-15)
    with pytest.raises(IndexError, match=r"^`views` must pick some of"):
        cone.rays(9)


def test_a_helix_goes_on_counting():
    assert HELIX.heights() == pytest.approx(6 * np.array(HELIX.angles) / (2 * math.pi))
    long = ConeBeam([200.0], AREA, 50.0, 30.0, helical_pitch=1.0)
    assert long.slice.angles[0] == pytest.approx(200 % (2 * math.pi))
    with pytest.raises(ValueError, match="`angles` must be in radians; got values up to 360"):
        ConeBeam([0.0, 360.0], AREA, 50.0, 30.0, helical_pitch=1.0)
    with pytest.raises(ValueError, match="`angles` must be in radians; got values up to 40"):
        ConeBeam([0.0, 40.0], AREA, 50.0, 30.0)


@pytest.mark.parametrize(
    "grid, covered",
    [
        (Grid((4, 8, 8)), True),
        (Grid((8, 8, 8)), False),  # nearer to the source its ends are seen larger
        (Grid((4, 24, 24)), False),
        (Grid((4, 8, 8), 1.0, (3.0, 0.0, 0.0)), False),
    ],
)
def test_it_says_whether_a_volume_is_covered(grid, covered):
    cone = ConeBeam(equal_angles(9, span=2 * math.pi), Detector((8, 30)), 50.0, 30.0)
    assert cone.covers(grid) == covered


def test_a_helix_covers_what_it_turns_around():
    angles = np.arange(-40, 41) * math.pi / 10
    low, high = (Detector((rows, 30)) for rows in (8, 14))
    for detector, covered in ((low, False), (high, True)):
        helix = ConeBeam(angles, detector, 50.0, 30.0, helical_pitch=6.0)
        assert helix.covers(Grid((16, 8, 8))) == covered
    assert not helix.covers(Grid((20, 8, 8)))


@pytest.mark.parametrize(
    "arguments, more, kind, message",
    [
        (([0.0], Detector(3), 5.0, 5.0), {}, ValueError, "`detector` must be an area of bins"),
        (([0.0], AREA, 5.0, -1.0), {}, ValueError, "`detector_distance` must be at least 0"),
        (([0.0], AREA, 0.0, 5.0), {}, ValueError, "`source_distance` must be above zero"),
        (([], AREA, 5.0, 5.0), {}, ValueError, "`angles` must not be empty"),
        (([0.0], AREA, 5.0, 5.0), {"curved": 1}, TypeError, "`curved` must be True or False"),
        (
            ([0.0], AREA, 5.0, 5.0),
            {"helical_pitch": math.nan},
            ValueError,
            "`helical_pitch` must be finite",
        ),
        (
            ([0.0], Detector((3, 90)), 5.0, 5.0),
            {"curved": True},
            ValueError,
            "`detector` must stay within a quarter turn of the central ray",
        ),
    ],
)
def test_what_is_no_cone_is_refused(arguments, more, kind, message):
    with pytest.raises(kind, match=f"^{message}"):
        ConeBeam(*arguments, **more)
