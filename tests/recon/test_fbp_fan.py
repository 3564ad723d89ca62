"""Filtered backprojection of fans: values, the shares of rays, and scans that see too little."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import phantoms
from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, equal_angles
from ctinr.projectors import Projector
from ctinr.recon.fbp import backproject, fbp
from ctinr.recon.views import Arc, fan_shares
from tests.recon.test_fbp import SQUARE, VALUE, mean_error, measured

TURN = 2 * math.pi
BOTH = pytest.mark.parametrize("curved", [False, True], ids=["flat", "curved"])


def fan(angles, detector, *, curved, distances=(80.0, 40.0)):
    return FanBeam(angles, detector, *distances, curved=curved)


def short_span(detector, curved, more=0.0):
    """The half turn and the fan angle."""
    gamma = fan([0.0], detector, curved=curved).fan_angles()
    return math.pi + 2 * float(np.abs(gamma).max()) + more


# ------------------------------------------------------------------ values


@BOTH
@pytest.mark.parametrize(
    "detector",
    [
        Detector(200),
        Detector(133, 1.5),
        Detector(400, 0.5),
        Detector(201, 1.0, 10.0),
        Detector(120, 1.0, 38.0),
        Detector(120, 1.0, -38.0),
    ],
    ids=["pitch 1", "pitch 1.5", "pitch 0.5", "offset", "one side", "other side"],
)
@pytest.mark.parametrize(
    "grid",
    [SQUARE, Grid((45, 61), (2.0, 1.5)), Grid((70, 50), 1.0, (-3.0, 5.0))],
    ids=["square", "anisotropic", "off-centre"],
)
def test_the_value_inside_a_disk_is_right(grid, detector, curved):
    """The fan is 80 degrees wide: without the cosine, values would be per cents too large."""
    geometry = fan(equal_angles(180, span=TURN), detector, curved=curved)
    inside, _ = mean_error(geometry, grid)
    assert abs(inside) < 1e-3


@BOTH
@pytest.mark.parametrize("distances", [(80.0, 0.0), (75.0, 75.0), (500.0, 100.0)], ids=str)
def test_distances_do_not_matter(distances, curved):
    bins = round(100 * (1 + distances[1] / distances[0]) * (1.5 if distances[0] < 70 else 1.1))
    geometry = fan(equal_angles(240, span=TURN), Detector(bins), curved=curved, distances=distances)
    inside, outside = mean_error(geometry, SQUARE)
    assert abs(inside) < 1e-3
    assert abs(outside) < 4e-3


@BOTH
@pytest.mark.parametrize("more", [0.0, 0.1, 0.6, 1.5])
@pytest.mark.parametrize("begin", [0.0, 1.0, 5.0])
def test_the_length_of_a_scan_does_not_matter(more, begin, curved):
    detector = Detector(160)
    span = short_span(detector, curved, more)
    angles = begin + np.array(equal_angles(240, span=span))
    inside, outside = mean_error(fan(angles, detector, curved=curved), SQUARE)
    assert abs(inside) < 1e-3
    assert abs(outside) < 4e-3


@BOTH
@pytest.mark.parametrize(
    "angles",
    [
        equal_angles(121, span=TURN),
        np.linspace(0, TURN, 181),
        np.mod(np.arange(240) * 2.399963229728653, TURN),
        np.arange(360) * (2 * TURN / 360) - 3.0,
        np.random.default_rng(3).permutation(equal_angles(160, span=TURN)),
        np.random.default_rng(4).uniform(0, TURN, 400),
        np.concatenate([np.linspace(0, 2, 150, endpoint=False), np.linspace(2, TURN, 120)]),
    ],
    ids=["odd", "both ends", "golden", "two turns", "shuffled", "random", "two speeds"],
)
def test_any_views_of_a_turn_will_do(angles, curved):
    inside, outside = mean_error(fan(angles, Detector(200), curved=curved), SQUARE)
    assert abs(inside) < 1e-3
    assert abs(outside) < 5e-3


@BOTH
@pytest.mark.parametrize("scan", ["full", "short", "one side"])
def test_it_is_the_exact_inverse_that_finer_sampling_approaches(scan, curved):
    """A smooth object: the error falls with the square of the sampling."""
    errors = []
    for factor in (1, 2):
        grid = Grid((30 * factor, 30 * factor), 3.0 / factor)
        detector = Detector(60 * factor, 3.0 / factor)
        if scan == "one side":
            detector = Detector(40 * factor, 3.0 / factor, 36.0)
        span = short_span(detector, curved) if scan == "short" else TURN
        geometry = fan(equal_angles(180 * factor, span=span), detector, curved=curved)
        bump = phantoms.bump((36.0, 30.0), VALUE, center=(4.0, -5.0))
        rays = geometry.rays()
        y = torch.as_tensor(bump.line_integrals(rays.points, rays.directions))
        x, y_ = np.meshgrid(grid.cell_centers(1), grid.cell_centers(0))
        truth = torch.as_tensor(bump.values(np.stack([x, y_], axis=-1)))
        image = fbp(Projector(geometry, grid), y).image
        errors.append(float((image - truth).norm() / truth.norm()))
    assert errors[1] < 0.3 * errors[0]
    assert errors[1] < 2e-3


@BOTH
def test_a_source_that_is_far_away_gives_the_parallel_beam(curved):
    detector, angles = Detector(120), equal_angles(60, span=TURN)
    y = measured(ParallelBeam(angles, detector))
    wanted = fbp(Projector(ParallelBeam(angles, detector), SQUARE), y, window="hann").image
    far = FanBeam(angles, detector, 1e7, 0.0, curved=curved)
    given = fbp(Projector(far, SQUARE), y, window="hann").image
    assert float((given - wanted).abs().max()) < 1e-4 * VALUE


@BOTH
@pytest.mark.parametrize("window", ["hann", "cosine"])
def test_windows_keep_the_value_and_smooth(window, curved):
    geometry = fan(equal_angles(180, span=TURN), Detector(200), curved=curved)
    assert abs(mean_error(geometry, SQUARE, window=window, cutoff=0.6)[0]) < 3e-3
    A = Projector(geometry, SQUARE)
    y = torch.randn(A.range.shape, generator=torch.Generator().manual_seed(0))
    assert fbp(A, y, window=window).image.std() < 0.7 * fbp(A, y).image.std()


@BOTH
def test_a_batch_is_a_loop_and_single_precision_is_close_to_double(curved):
    A = Projector(fan(equal_angles(40, span=TURN), Detector(160), curved=curved), Grid((60, 57)))
    y = torch.stack([measured(A.range), measured(A.range, radius=20.0)])
    image = fbp(A, y).image
    assert image.shape == (2, 60, 57)
    for item in range(2):
        torch.testing.assert_close(image[item], fbp(A, y[item]).image)
    single = fbp(A, y.float()).image
    assert single.dtype == torch.float32
    assert float((single - image).abs().max()) < 1e-4 * VALUE


@BOTH
def test_backprojection_is_a_weighted_sum_of_what_cells_see(curved):
    """Views that are linear in u are read exactly, wherever cells, bins and angles lie."""
    rng = np.random.default_rng(0)
    grid = Grid((7, 11), (1.3, 0.8), (2.0, -1.5))
    geometry = FanBeam(rng.uniform(0, 6, 9), Detector(40, 0.9, 1.7), 20.0, 9.0, curved=curved)
    level, slope = rng.normal(size=(2, 9))
    sinogram = torch.as_tensor(level[:, None] + slope[:, None] * geometry.detector.bin_centers())
    y, x = grid.cell_centers(0)[:, None], grid.cell_centers(1)[None]
    expected = np.zeros(grid.shape)
    for view, part in enumerate(Arc.of(geometry.angles).weights):
        angle, (from_x, from_y) = geometry.angles[view], geometry.sources()[view]
        beside = (x - from_x) * math.cos(angle) + (y - from_y) * math.sin(angle)
        away = (y - from_y) * math.cos(angle) - (x - from_x) * math.sin(angle)
        u = 29 * (np.arctan2(beside, away) if curved else beside / away)
        length = np.hypot(beside, away) if curved else away
        expected += part * (20 / length) ** 2 * (level[view] + slope[view] * u)
    given = backproject(sinogram, geometry, grid)
    torch.testing.assert_close(given, torch.as_tensor(expected))


# ------------------------------------------------------------------ shares and arcs


@pytest.mark.parametrize(
    "num_views, offset", [(120, 0.0), (120, 7.0), (120, -7.0), (79, 0.0), (100, 0.0)]
)
def test_the_shares_of_a_line_add_up_to_one(num_views, offset):
    """Views two bins apart: the line of every ray is that of another ray, or of none."""
    step = math.pi / 60
    detector = Detector(19, 0.5 * step * 30, offset * 0.5 * step * 30)
    geometry = FanBeam(np.arange(num_views) * step, detector, 20.0, 10.0, curved=True)
    shares = fan_shares(geometry, reach=6.0)
    first = round(float(geometry.fan_angles()[0]) / (0.5 * step))
    for view, k in np.ndindex(geometry.shape):
        gamma = first + k
        other_view, other = (view + 60 - gamma) % 120, -gamma - first
        met = other_view < num_views and 0 <= other < 19
        assert shares[view, k] + (shares[other_view, other] if met else 0) == pytest.approx(1)
    assert shares.min() >= 0


def test_the_central_ray_of_a_short_scan_has_parkers_weight():
    geometry = fan(
        equal_angles(200, span=short_span(Detector(101), False)), Detector(101), curved=False
    )
    share, delta = fan_shares(geometry, 60.0)[:, 50], geometry.fan_angles()[-1]
    begun = np.array(geometry.angles) + (geometry.angles[1] - geometry.angles[0]) / 2
    early = begun < 2 * delta
    assert share[early] == pytest.approx(np.sin(math.pi / 4 * begun[early] / delta) ** 2)
    assert share[(begun > 2 * delta) & (begun < math.pi)] == pytest.approx(1)


def test_every_ray_of_a_full_turn_has_half_its_line():
    geometry = fan(equal_angles(7, span=TURN), Detector(30), curved=True)
    assert (fan_shares(geometry, 40.0) == 0.5).all()
    # an offset that leaves the object in sight on both sides changes nothing
    geometry = fan(equal_angles(7, span=TURN), Detector(60, 1.0, 5.0), curved=True)
    assert (fan_shares(geometry, 15.0) == 0.5).all()


@pytest.mark.parametrize("begin", [0.0, 1.0, 6.0])
def test_an_arc_is_the_turn_without_its_gap(begin):
    arc = Arc.of(begin + np.array([0.2, 0.0, 0.1, 0.4]))
    assert not arc.is_full
    assert math.remainder(arc.begin - begin + 0.05, TURN) == pytest.approx(0, abs=1e-8)
    assert arc.length == pytest.approx(0.05 + 0.4 + 0.1)
    assert arc.weights == pytest.approx([0.15, 0.1, 0.1, 0.2])
    assert arc.weights.sum() == pytest.approx(arc.length)


def test_views_all_around_are_a_full_turn():
    for angles in (equal_angles(3, span=TURN), equal_angles(50, span=2 * TURN), [0.0, math.pi]):
        arc = Arc.of(angles)
        assert arc.is_full
        assert arc.weights == pytest.approx(TURN / len(angles))
    assert not Arc.of([1.0]).is_full


# ------------------------------------------------------------------ what cannot be had


def test_scans_that_see_too_little_are_refused():
    remedy = r" Methods that iterate \(tv, sirt, cgls\) make do with less\.$"
    y = torch.ones(90, 160)
    for angles in (equal_angles(90), equal_angles(90, span=1.0)):
        A = Projector(fan(angles, Detector(160), curved=False), SQUARE)
        rule = r"^`A` must have views over a half turn and the fan angle, 247\.\d+ degrees; got "
        with pytest.raises(ValueError, match=rule + r"views over .* degrees\." + remedy):
            fbp(A, y)
    lopsided = Detector(160, 1.0, 70.0)
    A = Projector(fan(equal_angles(90, span=4.5), lopsided, curved=False), SQUARE)
    with pytest.raises(ValueError, match=r"^`A` must have views over a full turn, as its detector"):
        fbp(A, y)
    A = Projector(fan(equal_angles(90, span=TURN), Detector(160, 1.0, 90.0), curved=True), SQUARE)
    with pytest.raises(ValueError, match=r"^`A` must have a detector that reaches past the shadow"):
        fbp(A, y)
