"""The one fit: what it minimises, what it refuses, and that it is reproducible."""

from __future__ import annotations

import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.networks import BWReLU, Siren
from ctinr.operators import BlockAverage, Identity, Observation, Select
from ctinr.projectors import Projector
from ctinr.recon.fit import fit, fit_steps
from ctinr.recon.optimizers import AdamOnly, MuonAdam, constant, cosine
from ctinr.recon.penalties import TotalVariation
from ctinr.recon.rendering import render, render_grid
from ctinr.recon.short_products import apply_precision
from ctinr.recon.stages import Splitting, Stage

GRID = Grid((12, 16))


def network(family=None, seed=0, channels=1):
    family = family or BWReLU(width=24, depth=2)
    return family.build(2, channels, generator=torch.Generator().manual_seed(seed))


def smooth_image(grid=GRID):
    y, x = grid.coordinates().unbind(-1)
    return torch.exp(-4 * (x - 0.2) ** 2 - 6 * y**2)


@pytest.mark.parametrize("family", [BWReLU(width=32, depth=2), Siren(width=32, depth=2)])
def test_a_signal_is_fitted_through_the_identity(family):
    truth = smooth_image()
    before = network(family)
    start = (render_grid(before, GRID) - truth).norm() / truth.norm()
    data = Observation(Identity(GRID), truth)
    # In the same format on every machine: bfloat16 where it is fast would end a little earlier.
    result = fit(before, data, grid=GRID, iterations=150, precision="float32")
    assert (result.image - truth).norm() / truth.norm() < 0.05 < start
    assert result.losses[-1] < 1e-3 * result.losses[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "operator",
    [
        BlockAverage(GRID, 2),
        Select(GRID, torch.arange(192).reshape(12, 16) % 3 > 0),
        Projector(ParallelBeam(equal_angles(9), Detector(20)), GRID),
    ],
    ids=["super-resolution", "inpainting", "tomography"],
)
def test_every_operator_goes_through_the_same_fit(operator):
    data = operator(smooth_image())
    result = fit(network(), Observation(operator, data), grid=GRID, iterations=200)
    assert (operator(result.image) - data).norm() / data.norm() < 0.1


def test_several_observations_are_added():
    truth = smooth_image()
    top, bottom = torch.zeros(12, 16, dtype=torch.bool), torch.zeros(12, 16, dtype=torch.bool)
    top[:6], bottom[6:] = True, True
    halves = [Observation(Select(GRID, m), truth[m]) for m in (top, bottom)]
    stage = Stage(GRID, tuple(halves), 1)
    loss = next(fit_steps(network(), (stage,))).loss
    image = render_grid(network(), GRID)
    expected = sum((image[m] - truth[m]).square().mean() for m in (top, bottom))
    assert loss == pytest.approx(float(expected), rel=1e-5)


def test_the_same_seed_gives_the_same_bits():
    truth = Observation(Identity(GRID), smooth_image())
    first, second = (fit(network(), truth, grid=GRID, iterations=5) for _ in range(2))
    assert torch.equal(first.image, second.image) and first.losses == second.losses
    other = fit(network(seed=1), truth, grid=GRID, iterations=5)
    assert not torch.equal(first.image, other.image)


def test_a_penalty_changes_the_gradient():
    truth = Observation(Identity(GRID), smooth_image())
    plain = fit(network(), truth, grid=GRID, iterations=60)
    flat = fit(network(), truth, grid=GRID, iterations=60, penalty=TotalVariation(1.0))
    variation = TotalVariation(1.0)
    before, after = (variation(r.image, grid=GRID, network=network()) for r in (plain, flat))
    assert float(after) < 0.3 * float(before)


def test_every_stage_has_its_schedule_and_starts_its_optimisers_anew():
    built = []

    def optimizer(net):
        built.append(torch.optim.SGD(net.parameters(), lr=1e-3))
        return [built[-1]]

    observation = Observation(Identity(GRID), smooth_image())
    falling = Stage(GRID, (observation,), 4, schedule=lambda progress: 1 - progress)
    two = [Stage(GRID, (observation,), 2), falling]
    rates = []
    for _ in fit_steps(network(), two, optimizer=optimizer):
        rates.append(built[-1].param_groups[0]["lr"])
    assert len(built) == 2
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 7.5e-4, 5e-4, 2.5e-4])


def test_schedules():
    assert [constant(0.0), constant(0.9)] == [1.0, 1.0]
    assert cosine(0.0) == 1.0 and cosine(1.0) == pytest.approx(0.02)
    assert cosine(0.5) == pytest.approx(0.51)


def test_channels_come_first_and_pieces_do_not_change_the_image():
    net = network(channels=3)
    whole = render(net, GRID.coordinates())
    assert whole.shape == (3, 12, 16)
    assert torch.allclose(render_grid(net, GRID, points_at_once=7), whole, atol=1e-6)


def test_many_points_are_taken_in_parts_that_change_neither_values_nor_gradients():
    def gradients(points_at_once):
        net, kept = network(channels=2), []

        def keep(tensor):
            kept.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            image = render(net, GRID.coordinates(), points_at_once=points_at_once)
        image.square().sum().backward()
        return image, [parameter.grad for parameter in net.parameters()], sum(kept)

    (whole, exact, all_kept), (parts, summed, few_kept) = gradients(1 << 18), gradients(50)
    assert torch.allclose(parts, whole, atol=1e-6)
    for one, other in zip(exact, summed, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5 * float(one.abs().max()))
    # What waits for the backward pass is no longer the activations of all points.
    assert few_kept < 0.1 * all_kept


@pytest.mark.usefixtures("native_bfloat16")
def test_precision_is_recorded_and_bfloat16_differs_a_little():
    truth = Observation(Identity(GRID), smooth_image())
    exact = fit(network(), truth, grid=GRID, iterations=2, precision="float32")
    short = fit(network(), truth, grid=GRID, iterations=2, precision="bfloat16")
    assert exact.parameters["precision"] == "float32"
    assert short.parameters["precision"] == "bfloat16"
    assert not torch.equal(exact.image, short.image)
    assert (exact.image - short.image).norm() < 0.06 * exact.image.norm()
    assert short.image.dtype == torch.float32


def test_bad_arguments_are_named():
    truth = Observation(Identity(GRID), smooth_image())
    with pytest.raises(ValueError, match="`precision` must be one of"):
        apply_precision(network(), "half")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`observations` must act on images of the grid's shape"):
        fit(network(), truth, grid=Grid((4, 4)), iterations=1)
    with pytest.raises(ValueError, match="`iterations` must be at least 1"):
        fit(network(), truth, grid=GRID, iterations=0)
    with pytest.raises(ValueError, match="`observations` must not be empty"):
        fit(network(), (), grid=GRID, iterations=1)
    with pytest.raises(ValueError, match="`rate` must be above zero"):
        MuonAdam(rate=0.0)
    with pytest.raises(ValueError, match="`weight` must be"):
        TotalVariation(-1.0)


def test_total_variation_of_a_step_is_its_height_per_width():
    image = torch.zeros(10, 20)
    image[:, 10:] = 3.0
    grid = Grid((10, 20), 0.5)
    value = TotalVariation(2.0, smoothing=1e-9)(image, grid=grid, network=network())
    # One cell in twenty has the gradient 3 / 0.5.
    assert float(value) == pytest.approx(2.0 * 6.0 / 20, rel=1e-5)


@pytest.mark.slow
def test_splitting_regresses_to_what_the_data_step_returns():
    truth = smooth_image()
    seen = []

    def data_step(image):
        seen.append(image)
        return truth

    net = network(BWReLU(width=32, depth=2))
    stage = Splitting(GRID, data_step, rounds=6, steps=40, part=0.5, schedule=cosine)
    steps = list(fit_steps(net, (stage,)))
    assert len(steps) == stage.iterations == 240 and len(seen) == 6
    assert (render_grid(net, GRID) - truth).norm() / truth.norm() < 0.05
    # The image of a step is the one that the last data step saw.
    assert torch.equal(steps[45].image, seen[1])


@pytest.mark.slow
def test_splitting_with_the_inverse_as_data_step_solves_the_problem():
    truth, gain = smooth_image(), 0.8
    net = network(BWReLU(width=32, depth=2))

    def data_step(image):
        return image + gain * (truth - image)

    for _ in fit_steps(net, (Splitting(GRID, data_step, rounds=8, steps=40, part=1.0),)):
        pass
    assert (render_grid(net, GRID) - truth).norm() / truth.norm() < 0.1


def test_the_data_step_sees_the_running_mean_of_the_network():
    def first_images(inertia):
        seen = []

        def data_step(image):
            seen.append(image)
            return smooth_image()

        stage = Splitting(GRID, data_step, rounds=2, steps=1, inertia=inertia)
        net = network()
        steps = fit_steps(net, (stage,), optimizer=AdamOnly(0.1))
        start = render_grid(net, GRID)
        next(steps)
        moved = render_grid(net, GRID)
        next(steps)
        return start, moved, seen

    start, moved, (first, second) = first_images(inertia=0.0)
    assert torch.equal(first, start) and torch.equal(second, moved)
    start, moved, (first, second) = first_images(inertia=0.999)
    assert torch.equal(first, start)
    # A thousandth of the way, not all of it.
    assert (second - start).norm() < 0.05 * (moved - start).norm()


def test_a_splitting_ends_when_it_is_enough():
    shown = []

    def enough(image):
        shown.append(image)
        return len(shown) == 3

    ended = Splitting(GRID, lambda image: smooth_image(), rounds=9, steps=4, enough=enough)
    after = Stage(GRID, (Observation(Identity(GRID), smooth_image()),), 2)
    steps = list(fit_steps(network(), (ended, after)))
    assert [step.index for step in steps] == list(range(1, 2 * 4 + 2 + 1))
    assert torch.equal(shown[1], steps[4].image)


def test_a_splitting_of_nothing_is_refused():
    with pytest.raises(ValueError, match="`rounds` must be at least 1"):
        Splitting(GRID, lambda image: image, rounds=0)
    with pytest.raises(ValueError, match=r"`part` must lie in \(0, 1\]"):
        Splitting(GRID, lambda image: image, rounds=1, part=2.0)
    with pytest.raises(ValueError, match=r"`inertia` must lie in \[0, 1\)"):
        Splitting(GRID, lambda image: image, rounds=1, inertia=1.0)
