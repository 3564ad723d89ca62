"""Filtered backprojection: the values inside, the weights of views, and where things land."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import phantoms
from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.operators import Identity, Space
from ctinr.operators.filters import WINDOWS
from ctinr.projectors import Projector
from ctinr.recon.fbp import backproject, fbp
from ctinr.recon.views import distinct_directions, view_weights

VALUE = 0.02


def measured(geometry, *, radius=30.0, center=(4.0, -6.0), dtype=torch.float64):
    """The exact line integrals of a disk; its centre is (x, y) in mm."""
    disk = phantoms.disk(radius, VALUE, center=center)
    rays = geometry.rays()
    return torch.as_tensor(disk.line_integrals(rays.points, rays.directions), dtype=dtype)


def distance(grid, center=(4.0, -6.0)):
    """How far every cell is from the disk's centre, mm."""
    return np.hypot(
        grid.cell_centers(0)[:, None] - center[1], grid.cell_centers(1)[None] - center[0]
    )


def mean_error(geometry, grid, **filters):
    """The mean inside the disk, relative to the truth, and outside, relative to the inside."""
    image = fbp(Projector(geometry, grid), measured(geometry), **filters).image.numpy()
    inside, outside = distance(grid) < 20, (distance(grid) > 36) & (distance(grid) < 44)
    return image[inside].mean() / VALUE - 1, image[outside].mean() / VALUE


SQUARE = Grid((90, 90), 1.0)


@pytest.mark.parametrize(
    "grid",
    [SQUARE, Grid((45, 61), (2.0, 1.5)), Grid((70, 50), 1.0, (-3.0, 5.0)), Grid((180, 30), 0.5)],
    ids=["square", "anisotropic", "off-centre", "narrow"],
)
@pytest.mark.parametrize(
    "detector",
    [Detector(120), Detector(80, 1.5), Detector(241, 0.5), Detector(140, 1.0, 10.0)],
    ids=["pitch 1", "pitch 1.5", "pitch 0.5", "offset"],
)
def test_the_value_inside_a_disk_is_right(detector, grid):
    inside, _ = mean_error(ParallelBeam(equal_angles(180), detector), grid)
    assert abs(inside) < 2e-3


@pytest.mark.parametrize("num_views", [60, 61, 180, 400])
@pytest.mark.parametrize("num_bins", [120, 121, 128])
def test_the_number_of_views_and_bins_does_not_matter(num_views, num_bins):
    geometry = ParallelBeam(equal_angles(num_views), Detector(num_bins))
    inside, outside = mean_error(geometry, SQUARE)
    assert abs(inside) < 3e-3
    assert abs(outside) < 3e-3, "a wrong ramp at frequency zero shifts every value"


@pytest.mark.parametrize(
    "angles",
    [
        np.linspace(0, math.pi, 100),
        equal_angles(200, span=2 * math.pi),
        equal_angles(201, span=2 * math.pi),
        np.arange(90) * math.pi / 90 - 1.0,
        np.arange(150) * 2.399963229728653,
        np.random.default_rng(3).permutation(equal_angles(120)),
        np.sort(np.random.default_rng(4).choice(equal_angles(360), 250, replace=False)),
        np.concatenate([np.linspace(0, 1, 150, endpoint=False), np.linspace(1, math.pi, 60)]),
    ],
    ids=["both ends", "360", "360 odd", "from -1", "golden", "shuffled", "holes", "two speeds"],
)
def test_any_views_will_do(angles):
    angles = np.mod(angles, 4 * math.pi)
    inside, outside = mean_error(ParallelBeam(angles, Detector(120)), SQUARE)
    assert abs(inside) < 4e-3
    assert abs(outside) < 5e-3


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("cutoff", [1.0, 0.5])
def test_windows_keep_the_value(window, cutoff):
    geometry = ParallelBeam(equal_angles(180), Detector(120))
    assert abs(mean_error(geometry, SQUARE, window=window, cutoff=cutoff)[0]) < 3e-3


def test_windows_smooth_and_a_callable_is_a_window():
    A = Projector(ParallelBeam(equal_angles(60), Detector(120)), SQUARE)
    y = torch.randn(A.range.shape, generator=torch.Generator().manual_seed(0))
    noise = [float(fbp(A, y, window=window).image.std()) for window in WINDOWS]
    assert noise[0] == max(noise)
    assert noise[-1] == min(noise)
    assert noise[-1] < 0.5 * noise[0]

    def cubed(fraction):
        return (1 - fraction) ** 3

    own = fbp(A, y, window=cubed)
    assert own.image.std() < noise[-1]
    assert own.parameters["window"] == "cubed"
    hann = fbp(A, y, window=WINDOWS["hann"]).image
    torch.testing.assert_close(hann, fbp(A, y, window="hann").image)


def test_it_is_the_exact_inverse_that_finer_sampling_approaches():
    """A smooth object: the error falls with the square of the sampling."""
    errors = []
    for factor in (1, 2):
        grid = Grid((30 * factor, 30 * factor), 3.0 / factor)
        geometry = ParallelBeam(equal_angles(90 * factor), Detector(40 * factor, 3.0 / factor))
        bump = phantoms.bump((36.0, 30.0), VALUE, center=(4.0, -5.0))
        rays = geometry.rays()
        y = torch.as_tensor(bump.line_integrals(rays.points, rays.directions))
        x, y_ = np.meshgrid(grid.cell_centers(1), grid.cell_centers(0))
        truth = torch.as_tensor(bump.values(np.stack([x, y_], axis=-1)))
        image = fbp(Projector(geometry, grid), y).image
        errors.append(float((image - truth).norm() / truth.norm()))
    assert errors[1] < 0.28 * errors[0]
    assert errors[1] < 2.2e-3


def test_corners_that_the_detector_does_not_reach_are_empty():
    """The object's shadow fits on the detector; the filter's tail goes on past it."""
    geometry = ParallelBeam(equal_angles(120), Detector(84))
    grid = Grid((84, 84))
    corners = distance(grid, (0.0, 0.0)) > 46
    image = fbp(Projector(geometry, grid), measured(geometry, center=(4.0, -6.0))).image
    assert abs(float(image[torch.as_tensor(corners)].mean())) < 2e-3 * VALUE


# ------------------------------------------------------------------ backprojection


def test_backprojection_interpolates_linearly_at_the_cell_centres():
    """Views that are linear in u are read exactly, wherever cells, bins and angles lie."""
    rng = np.random.default_rng(0)
    grid = Grid((7, 11), (1.3, 0.8), (2.0, -1.5))
    geometry = ParallelBeam(rng.uniform(0, 7, 9), Detector(40, 0.9, 1.7))
    level, slope = rng.normal(size=(2, 9))
    sinogram = torch.as_tensor(level[:, None] + slope[:, None] * geometry.detector.bin_centers())
    angles, weights = np.asarray(geometry.angles), view_weights(geometry.angles)
    y, x = (grid.cell_centers(axis)[:, None] for axis in (0, 1))
    u = (y * np.sin(angles))[:, None] + (x * np.cos(angles))[None]
    expected = torch.as_tensor((weights * (level + slope * u)).sum(-1))
    torch.testing.assert_close(backproject(sinogram, geometry, grid), expected)


def test_cells_that_a_view_does_not_see_get_nothing_from_it():
    geometry = ParallelBeam([0.0], Detector(4))
    image = backproject(torch.ones(1, 4), geometry, Grid((1, 8)))
    expected = math.pi * torch.tensor([[0.0, 0, 1, 1, 1, 1, 0, 0]])
    torch.testing.assert_close(image, expected)
    far = backproject(torch.ones(1, 4), geometry, Grid((1, 2), 1.0, (0.0, 1e6)))
    assert not far.any()


def test_a_batch_is_a_loop_and_the_input_is_left_alone():
    A = Projector(ParallelBeam(equal_angles(12), Detector(30)), Grid((20, 17)))
    y = torch.randn(2, 3, 12, 30, generator=torch.Generator().manual_seed(0))
    before = y.clone()
    image = fbp(A, y.mT.contiguous().mT, window="hann").image
    assert image.shape == (2, 3, 20, 17)
    for index in np.ndindex(2, 3):
        torch.testing.assert_close(image[index], fbp(A, y[index], window="hann").image)
    assert torch.equal(y, before)


def test_single_precision_is_close_to_double():
    geometry = ParallelBeam(equal_angles(50), Detector(400, 0.25))
    A = Projector(geometry, Grid((200, 200), 0.4))
    y = measured(geometry)
    double, single = fbp(A, y).image, fbp(A, y.float()).image
    assert double.dtype == torch.float64
    assert single.dtype == torch.float32
    assert float((single - double).abs().max()) < 1e-4 * VALUE


def test_the_result_says_how_it_was_made():
    A = Projector(ParallelBeam(equal_angles(5), Detector(9)), Grid((6, 6)))
    result = fbp(A, torch.ones(5, 9), window="hann", cutoff=0.5)
    assert result.method == "FBP"
    assert dict(result.parameters) == {"window": "hann", "cutoff": 0.5}
    assert result.stopped_by == "direct"
    assert not result.image.requires_grad


# ------------------------------------------------------------------ weights of views


def test_equal_views_weigh_the_same_and_all_weights_add_up_to_a_half_turn():
    np.testing.assert_allclose(view_weights(equal_angles(7)), math.pi / 7)
    np.testing.assert_allclose(view_weights(equal_angles(8, span=2 * math.pi)), math.pi / 8)
    np.testing.assert_allclose(view_weights([0.3]), math.pi)
    for seed in range(5):
        angles = np.random.default_rng(seed).uniform(-9, 9, 20)
        assert view_weights(angles).sum() == pytest.approx(math.pi)


def test_a_view_stands_for_half_the_way_to_its_neighbours_modulo_pi():
    weights = view_weights([0.1, 0.5, 1.5, 3.0])
    gap = math.pi - 2.9
    expected = [(0.4 + gap) / 2, (0.4 + 1.0) / 2, (1.0 + 1.5) / 2, (1.5 + gap) / 2]
    np.testing.assert_allclose(weights, expected)


def test_views_of_one_direction_share_its_weight():
    both_ends = view_weights(np.linspace(0, math.pi, 5))
    np.testing.assert_allclose(both_ends, np.array([0.5, 1, 1, 1, 0.5]) * math.pi / 4)
    thrice = view_weights([0.0, 1.0, 1.0 + math.pi, 1.0 - math.pi, 2.0])
    np.testing.assert_allclose(thrice[1:4], view_weights([0.0, 1.0, 2.0])[1] / 3)


def test_directions_are_modulo_pi():
    directions, index = distinct_directions([3.0, -0.5, 3.0 - math.pi, math.pi, 0.0])
    np.testing.assert_allclose(directions, [0.0, math.pi - 0.5, 3.0])
    assert index.tolist() == [2, 1, 2, 0, 0]


# ------------------------------------------------------------------ errors

SMALL = Projector(ParallelBeam(equal_angles(5), Detector(9)), Grid((6, 6)))


@pytest.mark.parametrize(
    "y, error, text",
    [
        (np.ones((5, 9)), TypeError, "`y` must be a torch.Tensor; got ndarray"),
        (torch.ones(5, 9, dtype=torch.int64), TypeError, "`y` must be torch.float32 or"),
        (torch.ones(5, 8), ValueError, r"`y` must end with the shape \(5, 9\)"),
        (torch.ones(9), ValueError, r"`y` must end with the shape \(5, 9\)"),
        (torch.full((5, 9), math.nan), ValueError, "`y` must be finite everywhere; got 45 NaN"),
        (torch.ones(0, 5, 9), ValueError, "`y` must not be empty"),
    ],
)
def test_bad_data_are_named(y, error, text):
    with pytest.raises(error, match=text):
        fbp(SMALL, y)


def test_bad_filters_and_operators_are_named():
    y = torch.ones(5, 9)
    with pytest.raises(ValueError, match=r"`window` must be one of 'ram-lak', .*; got '?box"):
        fbp(SMALL, y, window="box")
    with pytest.raises(ValueError, match=r"`cutoff` must lie in \(0, 1\]; got 0"):
        fbp(SMALL, y, cutoff=0)
    with pytest.raises(TypeError, match=r"`A` must be a projector.*; got an operator on Space"):
        fbp(Identity(Space((5, 9))), y)
    with pytest.raises(ValueError, match=r"`sinogram` must end with the shape \(5, 9\)"):
        backproject(torch.ones(5, 8), SMALL.geometry, Grid((6, 6)))
    with pytest.raises(ValueError, match="`grid` must have two axes"):
        backproject(y, SMALL.geometry, Grid((6, 6, 6)))
