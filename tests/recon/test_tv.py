"""Total variation: known minimisers, the gap as a bound, scales, batches and speed."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import torch

import phantoms
from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.metrics import psnr
from ctinr.operators import Gradient, Identity, Space
from ctinr.projectors import Projector
from ctinr.recon.fbp import fbp
from ctinr.recon.observers import Curve, OraclePSNR
from ctinr.recon.saddle import REACH, Saddle, data_metric, data_norm, filtered
from ctinr.recon.tv import tv, tv_steps


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scene(size=16, num_views=12, spacing=1.0):
    """A projector and the raster of a few ellipses, with values about 1."""
    grid = Grid((size, size), spacing)
    geometry = ParallelBeam(equal_angles(num_views), Detector(int(1.5 * size), spacing))
    shapes = phantoms.random_ellipses(3, 6, radius=0.45 * size * spacing, value=1.0)
    image = torch.as_tensor(shapes.raster(grid.shape, grid.spacing))
    return Projector(geometry, grid), image


WEIGHT = 0.5


@pytest.fixture(scope="module", params=[True, False], ids=["x >= 0", "any x"])
def solved(request):
    """A noisy problem, how it is posed, and its solution."""
    A, x = scene()
    y = A(x) + 0.3 * noise(*A.range.shape)
    options = {"weight": WEIGHT, "nonnegative": request.param}
    return A, y, options, tv(A, y, **options, iterations=1000, gap=1e-6)


def value(A, x, y, weight):
    """What is minimised, written out."""
    lengths = Gradient(A.domain)(x).norm(dim=-3)
    variation = float(lengths.sum()) * A.domain.cell_measure
    return float((A(x) - y).square().sum()) / 2 + weight * variation


# ------------------------------------------------------------------ known minimisers


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 3.0)])
def test_two_cells_move_towards_each_other_by_the_weight(spacing):
    """Minimise ½(a − 1)² + ½(b − 5)² + weight · measure · |b − a| / spacing: a = 1 + …"""
    grid = Grid((1, 2), spacing)
    y = torch.tensor([[1.0, 5.0]], dtype=torch.float64)
    result = tv(Identity(grid), y, weight=0.4, iterations=300, gap=1e-12)
    move = 0.4 * spacing[0]
    expected = torch.tensor([[1 + move, 5 - move]], dtype=torch.float64)
    torch.testing.assert_close(result.image, expected, rtol=0, atol=1e-5)
    assert result.losses[-1] == pytest.approx(move**2 + move * (4 - 2 * move), rel=1e-6)


@pytest.mark.slow
def test_a_heavy_weight_leaves_the_mean_and_a_light_one_the_data():
    y = 1 + 0.3 * noise(8, 9)
    space = Grid((8, 9))
    flat = tv(Identity(space), y, weight=10.0, iterations=3000, gap=1e-9).image
    torch.testing.assert_close(flat, y.mean().expand(8, 9), rtol=0, atol=0.01)
    same = tv(Identity(space), y, weight=1e-6, iterations=300, gap=1e-7).image
    torch.testing.assert_close(same, y.clamp(min=0), rtol=0, atol=1e-4)


def test_negative_values_only_where_they_are_allowed():
    y = noise(8, 9)
    free = tv(Identity(Grid((8, 9))), y, weight=0.05, nonnegative=False)
    held = tv(Identity(Grid((8, 9))), y, weight=0.05)
    assert free.image.min() < -0.5
    assert held.image.min() == 0


@pytest.mark.slow
def test_the_ramp_changes_the_way_and_not_the_end(solved):
    """The same operator with a range that is no beam is solved without the ramp, from zeros."""
    A, y, options, with_ramp = solved
    plain = Identity(Space(A.range.shape)) @ A
    without = tv(plain, y, **options, iterations=1000, gap=1e-6)
    assert with_ramp.stopped_by == without.stopped_by == "gap"
    assert (with_ramp.image - without.image).norm() < 5e-3 * with_ramp.image.norm()
    assert with_ramp.losses[-1] == pytest.approx(without.losses[-1], rel=1e-6)
    assert with_ramp.losses[-1] == pytest.approx(value(A, with_ramp.image, y, WEIGHT), rel=1e-9)


def test_no_small_change_makes_it_better(solved):
    A, y, options, best = solved
    least = best.losses[-1] * (1 - 1e-6)
    for seed in range(8):
        change = noise(16, 16, seed=seed) * (0.03 if seed % 2 else 1e-3)
        changed = best.image + change
        changed = changed.clamp(min=0) if options["nonnegative"] else changed
        assert value(A, changed, y, WEIGHT) > least
    for factor in (0.99, 1.01):
        assert value(A, factor * best.image, y, WEIGHT) > least * (1 + 1e-5)


# ------------------------------------------------------------------ the gap


def test_the_gap_bounds_what_could_still_be_gained(solved):
    A, y, options, best = solved
    least = best.losses[-1]
    steps = tv_steps(A, y, **options)
    for _, step in zip(range(150), steps, strict=False):
        distance = float((step.image - best.image).abs().max())
        factor = max(1.0, distance / (REACH * float(step.image.abs().max())))
        gained = (step.loss - least) / step.loss
        assert gained <= step.gap * factor + 1e-6
    assert step.gap < 1e-2, "a bound that never gets small says nothing"


def test_the_bound_is_below_every_image_within_reach():
    """Whatever the dual variables are, if the edges' are no longer than the radius."""
    A, x = scene(12, 7)
    y = A(x)
    for nonnegative in (True, False):
        saddle = Saddle(A, y[None], Gradient(A.domain), 0.7, nonnegative)
        rays = noise(1, *y.shape, seed=1)
        edges = saddle.shortened(noise(1, 2, 12, 12, seed=2))
        pull = A.T(rays) + saddle.gradient.T(edges)
        reach = torch.full((1, 1, 1), 0.2, dtype=torch.float64)
        bound = float(saddle.bound(x[None], rays, pull, reach))
        for seed in range(20):
            near = x[None] + 0.2 * noise(1, 12, 12, seed=seed).sign()
            near = saddle.allowed(near)
            assert bound <= float(saddle.primal(near, A(near)))


def test_it_stops_at_the_gap_or_after_the_iterations():
    A, x = scene()
    y = A(x) + 0.3 * noise(*A.range.shape)
    gaps = Curve(lambda step: step.gap)
    stopped = tv(A, y, weight=1.0, gap=1e-2, observers=[gaps])
    assert stopped.stopped_by == "gap"
    assert gaps.values[-1] <= 1e-2 < min(gaps.values[:-1])
    assert tv(A, y, weight=1.0, iterations=7).stopped_by == "iterations"


# ------------------------------------------------------------------ scales


def test_units_do_not_matter():
    """Data and weight times a number, or lengths and 1 / values: the same picture."""
    A, x = scene()
    y = A(x) + 0.3 * noise(*A.range.shape)
    image = tv(A, y, weight=0.5, iterations=30).image
    scaled = tv(A, 1e-3 * y, weight=0.5e-3, iterations=30).image
    torch.testing.assert_close(scaled, 1e-3 * image)
    finer, _ = scene(spacing=0.1)
    small = tv(finer, y, weight=0.5, iterations=30).image
    torch.testing.assert_close(small, 10 * image)


def test_the_weight_means_the_same_on_a_finer_grid():
    """TV is an integral: a box has its height times its perimeter, whatever the cells."""
    variations = []
    for size in (40, 80):
        grid = Grid((size, size // 2), (40 / size, 80 / size))
        box = phantoms.box((12.0, 8.0), 0.5).raster(grid.shape, grid.spacing)
        saddle = Saddle(Identity(grid), torch.zeros(1, *grid.shape), Gradient(grid), 1.0, True)
        image = torch.as_tensor(box, dtype=torch.float32)[None]
        data = 0.5 * float(image.square().sum())
        variations.append((float(saddle.primal(image, image)) - data) * grid.cell_measure)
    assert variations == pytest.approx([0.5 * 80, 0.5 * 80], rel=0.03)


# ------------------------------------------------------------------ how it runs


@pytest.mark.parametrize("noisy", [False, True])
def test_few_projections_are_enough(noisy):
    A, x = scene(64, 30)
    y = A(x) + (0.3 * noise(*A.range.shape) if noisy else 0)
    weight = 1.0 if noisy else 0.1
    curve = OraclePSNR(x, data_range=1.0, every=10)
    tv(A, y, weight=weight, iterations=60, observers=[curve])
    limit = psnr(tv(A, y, weight=weight, iterations=200).image, x, data_range=1.0)
    assert limit > psnr(fbp(A, y).image, x, data_range=1.0) + 3
    # Without noise the limit is nearly the truth; what counts is that the error is out of sight.
    assert curve.values[-1] > (limit - 0.05 if noisy else 50.0)


def test_a_batch_is_a_loop():
    A, x = scene(16, 9)
    y = torch.stack([A(x), 100 * A(x.flip(0)) + noise(*A.range.shape)]).reshape(2, 1, 9, 24)
    together = tv(A, y, weight=0.5, iterations=25)
    assert together.image.shape == (2, 1, 16, 16)
    alone = [tv(A, item[0], weight=0.5, iterations=25) for item in y]
    for image, single in zip(together.image, alone, strict=True):
        torch.testing.assert_close(image[0], single.image)
    assert together.losses[-1] == pytest.approx(sum(single.losses[-1] for single in alone))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_item_can_have_its_own_weight(dtype):
    A, x = scene(16, 9)
    y = (A(x) + 0.3 * noise(*A.range.shape)).to(dtype)
    weights = torch.tensor([[2.0, 0.05], [0.5, 0.3]])
    together = tv(A, y.expand(2, 2, *y.shape), weight=weights, iterations=25)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-11
    alone = [tv(A, y, weight=weight, iterations=25) for weight in weights.flatten().tolist()]
    for image, single in zip(together.image.flatten(0, 1), alone, strict=True):
        torch.testing.assert_close(image, single.image, rtol=tolerance, atol=tolerance)
    sums = [sum(values) for values in zip(*(single.losses for single in alone), strict=True)]
    assert together.losses == pytest.approx(sums, rel=tolerance)
    assert together.parameters["weight"] == weights.tolist()
    # items that differ by their weight alone do differ
    assert (alone[0].image - alone[1].image).norm() > 0.1 * alone[1].image.norm()


def test_volumes_can_have_their_own_weights_too():
    space = Grid((4, 5, 6))
    y = 1 + noise(4, 5, 6)
    weights = torch.tensor([0.5, 0.1], dtype=torch.float64)
    both = tv(Identity(space), y.expand(2, *y.shape), weight=weights, iterations=20)
    for image, weight in zip(both.image, weights.tolist(), strict=True):
        alone = tv(Identity(space), y, weight=weight, iterations=20)
        torch.testing.assert_close(image, alone.image)


def test_the_gap_is_that_of_the_item_that_is_farthest_off():
    A, x = scene(16, 9)
    y = A(x) + 0.3 * noise(*A.range.shape)
    weights = torch.tensor([2.0, 0.05], dtype=torch.float64)
    both = list(islice(tv_steps(A, y.expand(2, *y.shape), weight=weights), 20))
    heavy, light = (list(islice(tv_steps(A, y, weight=w), 20)) for w in weights.tolist())
    largest = [max(one.gap, other.gap) for one, other in zip(heavy, light, strict=True)]
    assert [step.gap for step in both] == pytest.approx(largest, rel=1e-9)


def test_a_batch_stops_when_its_last_item_does():
    space = Grid((6, 6))
    easy, hard = torch.zeros(6, 6), 1 + noise(6, 6).float()
    alone = tv(Identity(space), hard, weight=0.3, gap=1e-3)
    both = tv(Identity(space), torch.stack([easy, hard]), weight=0.3, gap=1e-3)
    assert alone.stopped_by == both.stopped_by == "gap"
    assert both.iterations == alone.iterations > 1


def test_it_goes_on_from_an_image():
    A, x = scene()
    y = A(x) + 0.3 * noise(*A.range.shape)
    cold = tv(A, y, weight=0.5, gap=1e-4)
    warm = tv(A, y, weight=0.5, gap=1e-4, initial=cold.image)
    assert warm.iterations < cold.iterations
    assert (warm.image - cold.image).norm() < 2e-2 * x.norm()


def test_single_precision_arguments_left_alone_and_plain_parameters():
    A, x = scene(16, 9)
    y = A(x).float()
    start = torch.full((16, 16), -1.0)
    kept = y.clone(), start.clone()
    result = tv(A, y, weight=0.1, iterations=3, initial=start)
    assert result.image.dtype == torch.float32
    assert torch.equal(y, kept[0])
    assert torch.equal(start, kept[1])
    assert result.method == "TV"
    assert dict(result.parameters) == {
        "weight": 0.1,
        "nonnegative": True,
        "iterations": 3,
        "gap": 1e-4,
    }
    steps = tv_steps(A, y, weight=0.1)
    first = next(steps).image
    before = first.clone()
    next(steps)
    assert torch.equal(first, before)


def test_data_of_zeros_give_an_empty_image():
    A, _ = scene(16, 9)
    result = tv(A, torch.zeros(A.range.shape), weight=0.1)
    assert not result.image.any()
    assert result.stopped_by == "gap"


def test_the_norm_is_a_bound_but_not_a_loose_one():
    A, _ = scene()
    y = torch.zeros(A.range.shape, dtype=torch.float64)
    x = noise(*A.domain.shape)
    for _ in range(150):
        x = A.T(filtered(A(x / x.norm()), data_metric(A, y)))
    assert float(x.norm()) <= data_norm(A, y) < 1.1 * float(x.norm())
    plain = Identity(Space(A.range.shape)) @ A
    exact = float(np.linalg.norm(A.as_matrix().numpy(), 2) ** 2)
    assert exact <= data_norm(plain, y) < 1.1 * exact


@pytest.mark.parametrize(
    "arguments, error, text",
    [
        ({"weight": -1.0}, ValueError, "`weight` must be above zero; got -1.0"),
        ({"weight": 0.0}, ValueError, "`weight` must be above zero; got 0.0"),
        ({"weight": math.nan}, ValueError, "`weight` must be finite"),
        ({"weight": torch.ones(2)}, ValueError, r"`weight` must be one number, or one for each it"),
        (
            {"y": torch.zeros(2, 9, 24), "weight": torch.tensor([1.0, -0.5])},
            ValueError,
            "`weight` must be above zero; got one of -0.5",
        ),
        (
            {"y": torch.zeros(2, 9, 24), "weight": torch.tensor([1.0, math.nan])},
            ValueError,
            "`weight` must be finite everywhere",
        ),
        ({"gap": 0.0}, ValueError, "`tolerance` must be above zero"),
        ({"iterations": 0}, ValueError, "`iterations` must be at least 1"),
        ({"y": torch.zeros(9, 23)}, ValueError, r"`y` must end with the shape \(9, 24\)"),
        ({"y": torch.full((9, 24), math.nan)}, ValueError, "`y` must be finite everywhere"),
        ({"y": torch.zeros(0, 9, 24)}, ValueError, "`y` must not be empty"),
        ({"initial": torch.zeros(3, 3)}, ValueError, r"`initial` must have the shape \(16, 16\)"),
    ],
)
def test_bad_arguments_are_named(arguments, error, text):
    A, _ = scene(16, 9)
    with pytest.raises(error, match=text):
        tv(A, **{"y": torch.zeros(9, 24), "weight": 1.0, "iterations": 2, **arguments})


def test_images_must_be_on_a_grid():
    with pytest.raises(TypeError, match="`A` must map images, its domain being a Grid"):
        tv(Identity(Space((4, 4))), torch.zeros(4, 4), weight=1.0)
