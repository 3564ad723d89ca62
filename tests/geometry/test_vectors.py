"""Views given as vectors: the same rays as those of other beams, and any others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ctinr.geometry import ConeBeam, Detector, FanBeam, Grid, ParallelBeam, VectorBeam, equal_angles

LINE, AREA = Detector(5, 1.2, 0.4), Detector((4, 5), (1.5, 1.2), (0.3, -0.2))
BEAMS = {
    "parallel": ParallelBeam([0.3, 2.0, -1.0], LINE),
    "fan": FanBeam([0.3, 2.0, -1.0], LINE, 50.0, 30.0),
    "stack": ParallelBeam([0.3, 2.0, -1.0], AREA),
    "helix": ConeBeam([-4.0, 0.3, 7.5], AREA, 50.0, 30.0, helical_pitch=6.0),
}
HELIX = VectorBeam.of(BEAMS["helix"])


@pytest.fixture(params=BEAMS)
def beam(request):
    return BEAMS[request.param]


def test_the_rays_are_those_of_the_beam_they_are_made_of(beam):
    given, wanted = VectorBeam.of(beam).rays(), beam.rays()
    assert given.shape == VectorBeam.of(beam).shape == beam.shape
    np.testing.assert_allclose(given.directions, wanted.directions, atol=1e-14)
    # The points are others, on the same lines.
    apart = given.points - wanted.points
    beside = apart - (apart * wanted.directions).sum(-1, keepdims=True) * wanted.directions
    np.testing.assert_allclose(beside, 0, atol=1e-13)


def test_it_is_a_value(beam):
    vectors = VectorBeam.of(beam)
    assert eval(repr(vectors)) == vectors
    assert VectorBeam.from_dict(vectors.to_dict()) == vectors
    assert len({vectors, eval(repr(vectors))}) == 1
    assert vectors[[2, 0]] == VectorBeam.of(beam[[2, 0]])
    assert vectors[1].num_views == 1
    every, some = vectors.rays(), vectors.rays([2], slice(1, None, 2))
    np.testing.assert_array_equal(some.directions, every.directions[[2]][..., 1::2, :])


def test_sources_are_given_where_there_are_any(beam):
    vectors = VectorBeam.of(beam)
    if vectors.parallel:
        assert vectors.sources().shape == (0, len(beam.shape))
    else:
        np.testing.assert_allclose(vectors.sources(), beam.sources(), atol=1e-14)


def test_a_detector_is_turned_about_its_own_axes():
    """At θ = 0 they are x, z and y: a roll goes from x to z, a tilt lays z over to −y."""
    flat = VectorBeam.of(ConeBeam([0.0], AREA, 50.0, 30.0))
    cosine, sine = math.cos(0.1), math.sin(0.1)
    rolled, tilted, skewed = (
        flat.turned_detector(**{turn: 0.1}) for turn in ("roll", "tilt", "skew")
    )
    np.testing.assert_allclose(rolled.u_axes[0], [cosine, 0, sine], atol=1e-15)
    np.testing.assert_allclose(rolled.v_axes[0], [-sine, 0, cosine], atol=1e-15)
    np.testing.assert_allclose(tilted.u_axes[0], [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(tilted.v_axes[0], [0, -sine, cosine], atol=1e-15)
    np.testing.assert_allclose(skewed.u_axes[0], [cosine, -sine, 0], atol=1e-15)
    np.testing.assert_allclose(skewed.v_axes[0], [0, 0, 1], atol=1e-15)
    # One angle a view, all turns together: still two unit vectors at right angles.
    turned = HELIX.turned_detector(roll=[0.1, 0.2, 0.3], tilt=0.4, skew=-0.7)
    u, v = np.array(turned.u_axes), np.array(turned.v_axes)
    np.testing.assert_allclose((u * v).sum(-1), 0, atol=1e-15)
    np.testing.assert_allclose([(u * u).sum(-1), (v * v).sum(-1)], 1, atol=1e-15)
    assert (turned.origins, turned.centers) == (HELIX.origins, HELIX.centers)


def test_it_says_whether_the_corners_are_seen():
    turn = equal_angles(7, span=2 * math.pi)
    cone = VectorBeam.of(ConeBeam(turn, Detector((8, 30)), 50.0, 30.0))
    assert cone.covers(Grid((4, 8, 8)))
    assert not cone.covers(Grid((6, 8, 8)))
    assert not cone.covers(Grid((4, 30, 30)))
    # Behind the source there is no shadow.
    assert not cone[0].covers(Grid((4, 4, 4), 1.0, (0.0, -90.0, 0.0)))
    stack = VectorBeam.of(ParallelBeam([0.0, math.pi / 2], Detector((6, 20), 1.0, (2.0, 0.0))))
    assert stack.covers(Grid((6, 20, 20), 1.0, (2.0, 0.0, 0.0)))
    assert not stack.covers(Grid((6, 20, 20)))
    assert VectorBeam.of(ParallelBeam([0.0], Detector(9))).covers(Grid((30, 9)))


X, Y, Z = np.eye(3)[:, None]


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        (([[0, -9, 0]], 9 * Y, X, None, LINE), ValueError, "`origins` must have the shape"),
        ((-9 * Y, 9 * Y, X, Z, LINE), ValueError, "`v_axes` must be None for a line of bins"),
        ((-9 * Y, 9 * Y, X, None, AREA), (TypeError, ValueError), "`v_axes` must"),
        ((-9 * Y, 9 * Y, X, Z, 5), TypeError, "`detector` must be a Detector"),
        ((["far"], 9 * Y, X, Z, AREA), TypeError, "`origins` must be numbers"),
        ((-9 * Y, [[0, math.nan, 0]], X, Z, AREA), ValueError, "`centers` must be finite"),
        ((-9 * Y, np.ones((2, 3)), X, Z, AREA), ValueError, "`centers` must have one for"),
        ((-9 * Y, 9 * Y, 2 * X, Z, AREA), ValueError, "`u_axes` must be unit vectors"),
        ((-9 * Y, 9 * Y, X, X, AREA), ValueError, "`origins` must span with the axes"),
        ((-9 * X, 9 * X, X, Z, AREA), ValueError, "`origins` must span with the axes"),
        ((9 * Y, 9 * Y, X, Z, AREA), ValueError, "`origins` must span with the axes"),
        ((np.zeros((0, 3)), 9 * Y, X, Z, AREA), ValueError, "`origins` must have the shape"),
    ],
)  # fmt: skip
def test_what_are_no_views_is_refused(arguments, kind, message):
    with pytest.raises(kind, match=f"^{message}"):
        VectorBeam(*arguments)


def test_what_vectors_do_not_describe_is_refused():
    curved = ConeBeam([0.0], AREA, 50.0, 30.0, curved=True)
    with pytest.raises(ValueError, match=r"^`geometry` must have a flat detector"):
        VectorBeam.of(curved)
    with pytest.raises(ValueError, match=r"^`tilt` must be one angle or one for each of the 3"):
        HELIX.turned_detector(tilt=[0.1, 0.2])
    with pytest.raises(ValueError, match=r"^`detector` must be an area to turn"):
        VectorBeam.of(BEAMS["fan"]).turned_detector(roll=0.1)
