"""The neural recipe: it reconstructs, chooses without the truth, and says what it did."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.metrics import psnr
from ctinr.networks import BWReLU, Siren
from ctinr.projectors import Projector
from ctinr.recon.fbp import fbp
from ctinr.recon.inr import inr
from ctinr.recon.observers import Curve, Watcher, relative_error
from ctinr.recon.recipe import Recipe
from ctinr.recon.run import Step
from ctinr.recon.selection import withhold_views
from phantoms import disk

SHORT = Recipe(warm=20, levels=((2, 20),), rounds=16, refit=6, weights=(3e-6,))
FAMILY = BWReLU(width=32, depth=2)
WIDE = BWReLU(width=96, depth=3)


class Kept(Watcher):
    """Keeps the image of one step of the last fit, counted from its end."""

    def __init__(self, place):
        self._place = place

    def begin(self, iterations):
        self._index = iterations + 1 + self._place

    def observe(self, step):
        if step.index == self._index:
            self.image = step.image.clone()


@pytest.fixture(scope="module")
def scan():
    grid = Grid((36, 40), 1.5, (2.0, -1.0))
    A = Projector(ParallelBeam(equal_angles(18), Detector(56, 1.5, 0.7)), grid)
    phantom = disk(18.0, 0.02, center=(2.0, -3.0)) + disk(6.0, 0.03, center=(-6.0, 4.0))
    rays = A.geometry.rays()
    y = torch.as_tensor(phantom.line_integrals(rays.points, rays.directions)).float()
    truth = phantom.raster(grid.shape, grid.spacing, grid.center)
    return A, y, torch.as_tensor(truth).float()


def test_it_beats_fbp_on_few_views(scan):
    A, y, truth = scan
    neural = inr(A, y, family=WIDE, recipe=SHORT)
    classical = fbp(A, y)
    own, other = (psnr(result.image, truth, data_range=0.05) for result in (neural, classical))
    assert own > other + 1.0
    assert neural.iterations == 20 + 22 * 20 and neural.method == "neural field"
    assert (neural.image >= 0).all()


def test_the_second_family_works_as_well(scan):
    A, y, truth = scan
    family = Siren(width=32, depth=2, omega_first=10.0, omega_hidden=10.0)
    neural = inr(A, y, family=family, recipe=SHORT)
    error = (neural.image - truth).norm() / truth.norm()
    assert error < 0.35
    assert "Siren" in neural.parameters["network"]


def test_the_choice_is_the_least_withheld_error_and_is_recorded(scan):
    A, y, _ = scan
    recipe = Recipe(warm=10, levels=((2, 20),), rounds=1, refit=1, weights=(1e-5, 1e-1))
    split = withhold_views(18, fraction=0.2, seed=3)
    result = inr(A, y, family=FAMILY, recipe=recipe, split=split)
    choice = result.record["choice"]
    assert list(choice["candidates"]) == [1e-5, 1e-1] and choice["value"] == 1e-5
    assert choice["errors"][0] < choice["errors"][1]
    # That of the full fit before it had seen those views, not that of the trial.
    assert result.record["withheld_error"] != choice["errors"][0]
    assert result.record["split"] == split.to_dict()
    assert 0 < result.record["iterations_part"] <= 1


def test_the_withheld_error_is_that_of_a_fit_that_did_not_see_those_views(scan):
    A, y, _ = scan
    split = withhold_views(18, fraction=0.2, seed=3)
    recipe = Recipe(warm=10, levels=((2, 10),), rounds=3, refit=2, weights=(1e-5,))

    def images_and_error(data):
        blind = Kept(-2 * 20)
        result = inr(A, data, family=FAMILY, recipe=recipe, split=split, observers=[blind])
        error = result.record["withheld_error"]
        withheld = A.restricted(split.withheld), data[list(split.withheld)]
        assert error == pytest.approx(relative_error(withheld[0], blind.image, withheld[1]))
        return blind.image, result.image, error

    altered = y.clone()
    altered[list(split.withheld)] *= 2
    (before, after, error), (same, other, larger) = map(images_and_error, (y, altered))
    # Until the refit nothing depends on the withheld views; after it everything does.
    assert torch.equal(before, same) and larger > error
    assert not torch.allclose(after, other, rtol=1e-2)


def test_the_units_of_the_data_do_not_matter(scan):
    A, y, _ = scan
    recipe = Recipe(warm=5, levels=((2, 5),), rounds=1, refit=1, weights=(1e-5,))
    one, other = (inr(A, factor * y, family=FAMILY, recipe=recipe) for factor in (1.0, 64.0))
    assert torch.allclose(64 * one.image, other.image, rtol=1e-3, atol=1e-4 * other.image.max())


def test_observers_see_images_on_the_grid_in_every_stage(scan):
    A, y, _ = scan
    shapes = []

    def measure(step: Step) -> float:
        shapes.append(tuple(step.image.shape))
        return step.loss

    recipe = Recipe(warm=2, levels=((4, 2), (2, 2)), rounds=1, refit=1, weights=(0.0,))
    inr(A, y, family=FAMILY, recipe=recipe, observers=[Curve(measure)])
    # A trial of 2 + 2 + 2, then 2 + 20 and a refit of 20.
    assert len(shapes) == 6 + 42 and set(shapes) == {(36, 40)}


def test_the_same_seed_gives_the_same_bits(scan):
    A, y, _ = scan
    recipe = Recipe(warm=3, levels=((2, 3),), rounds=1, refit=1, weights=(0.0,))
    images = [inr(A, y, family=FAMILY, recipe=recipe, seed=seed).image for seed in (0, 0, 1)]
    assert torch.equal(images[0], images[1]) and not torch.equal(images[0], images[2])


def test_an_interrupt_keeps_what_was_reached(scan):
    A, y, _ = scan

    class Impatient(Curve):
        def observe(self, step: Step) -> str | None:
            if step.index == 7:
                raise KeyboardInterrupt
            return None

    recipe = Recipe(warm=5, levels=((2, 5),), rounds=1, refit=1, weights=(0.0, 1e-5))
    result = inr(A, y, family=FAMILY, recipe=recipe, observers=[Impatient(lambda step: 0.0)])
    assert result.stopped_by == "interrupted" and result.iterations == 6
    assert np.isfinite(result.image.numpy()).all()


def test_an_interrupt_of_a_later_trial_keeps_the_best_one(scan):
    A, y, _ = scan

    class SecondFit(Watcher):
        fits = 0

        def begin(self, iterations: int) -> None:
            self.fits += 1

        def observe(self, step: Step) -> str | None:
            return "interrupted" if self.fits == 2 and step.index == 2 else None

    recipe = Recipe(warm=40, levels=((2, 60),), rounds=2, refit=1, weights=(1e-5, 2e-5))
    result = inr(A, y, family=FAMILY, recipe=recipe, observers=[SecondFit()])
    assert result.stopped_by == "interrupted" and result.iterations == 100
    # Two steps into the second trial the error is near 1; the record is of the image returned.
    assert relative_error(A, result.image, y) < 0.3
    assert result.parameters["weights"] == [1e-5]


def test_bad_arguments_are_named(scan):
    A, y, _ = scan
    broken = y.clone()
    broken[3, 4] = torch.nan
    with pytest.raises(ValueError, match=r"`y` must be finite everywhere.*\(3, 4\)"):
        inr(A, broken)
    with pytest.raises(ValueError, match=r"`y` must end with the shape \(18, 56\)"):
        inr(A, y[:, 1:])
    with pytest.raises(ValueError, match="`y` must be one sinogram"):
        inr(A, y[None])
    with pytest.raises(ValueError, match="`weights` must be at least 0"):
        Recipe(weights=(-1.0,))
    with pytest.raises(ValueError, match="`levels` must not be empty"):
        Recipe(levels=())
