"""Plug-and-play: between least squares and a denoiser, with its variance given or chosen."""

from __future__ import annotations

import math

import pytest
import torch

from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam, equal_angles
from ctinr.metrics import psnr
from ctinr.operators import Identity
from ctinr.projectors import Projector
from ctinr.recon.neural_field.data_steps import ENDINGS
from ctinr.recon.nonlocal_bayes import nonlocal_bayes
from ctinr.recon.observers import Curve, Watcher, relative_error
from ctinr.recon.plug_and_play import pnp
from ctinr.recon.selection import split_views
from ctinr.recon.tuned import tuned_tv
from ctinr.recon.tuned_pnp import tuned_pnp
from phantoms import disk, shepp_logan

DEVIATION = 0.02


def scanned(beam="parallel", num_views=30):
    grid, detector = Grid((54, 54)), Detector(80, 1.0)
    geometry = {
        "parallel": lambda: ParallelBeam(equal_angles(num_views), detector),
        "fan": lambda: FanBeam(equal_angles(num_views, span=2 * math.pi), detector, 120.0, 0.0),
    }[beam]()
    A = Projector(geometry, grid)
    head, rays = shepp_logan(radius=26.0), geometry.rays()
    y = torch.as_tensor(head.line_integrals(rays.points, rays.directions)).float()
    y = y + DEVIATION * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    return A, y, torch.as_tensor(head.raster(grid.shape, grid.spacing)).float()


@pytest.mark.slow
@pytest.mark.parametrize("beam", ["parallel", "fan"])
def test_it_beats_total_variation_without_the_truth(beam):
    A, y, truth = scanned(beam)
    own, other = tuned_pnp(A, y), tuned_tv(A, y)
    quality = [psnr(result.image, truth, data_range=float(truth.max())) for result in (own, other)]
    assert quality[0] > quality[1] + 1
    assert own.method == "plug-and-play" and (own.image >= 0).all()


@pytest.mark.slow
def test_the_choice_is_recorded():
    A, y, _ = scanned()
    split = split_views(A.geometry, seed=3)
    result = tuned_pnp(A, y, split=split)
    choice = result.record["choice"]
    tried = dict(zip(choice["candidates"], choice["errors"], strict=True))
    assert {prior for prior, _ in tried} == {"nonlocal"} and len(tried) > 2
    assert choice["value"] == ("nonlocal", result.parameters["variance"])
    assert result.record["split"] == split.to_dict()
    # The one of the image after the steps that the last ones of all views are like.
    assert result.record["withheld_error"] == pytest.approx(tried[choice["value"]], rel=0.1)
    assert result.record["withheld_error"] not in tried.values()
    lasts = [(len(parts), parts[0], parts[-1]) for parts in ENDINGS.values()]
    assert tuple(result.parameters[name] for name in ("iterations", "first", "last")) in lasts
    # The noise of a ray, within a factor that the misfit of few views explains.
    assert 0.2 < result.parameters["variance"] / DEVIATION**2 < 5


def test_of_an_identity_it_is_the_denoiser_at_last():
    """Where each cell is measured, large variances leave the prior and small ones the data."""
    image = torch.as_tensor(disk(14.0, 0.02).raster((40, 40), (1.0, 1.0))).float()
    noisy = image + 0.002 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    same = Identity(Grid((40, 40)))
    found = [
        pnp(same, noisy, variance=variance, iterations=12, initial=noisy).image
        for variance in (1e-12, 4e-6)
    ]
    assert torch.allclose(found[0], noisy.clamp(min=0), atol=2e-5)
    before, after = (psnr(each, image, data_range=0.02) for each in (noisy, found[1]))
    assert after > before + 5
    assert psnr(nonlocal_bayes(noisy, 0.002), image, data_range=0.02) > before + 5


def test_the_larger_the_variance_the_less_of_the_data_is_explained():
    A, y, _ = scanned()
    errors = [
        relative_error(A, pnp(A, y, variance=variance, iterations=12).image, y)
        for variance in (1e-5, 1e-3, 1e-1)
    ]
    assert errors == sorted(errors) and errors[2] > 1.5 * errors[0]


def test_the_unit_of_the_data_does_not_matter():
    A, y, _ = scanned()
    image = pnp(A, y, variance=1e-4, iterations=6).image
    # Ten times as dense, with noise ten times as large.
    dense = pnp(A, 10 * y, variance=1e-2, iterations=6).image
    assert torch.allclose(dense, 10 * image, rtol=1e-2, atol=1e-3 * float(dense.max()))


def test_short_steps_stay_near_where_they_start():
    A, y, truth = scanned()
    start = 0.9 * truth
    given = {"variance": 1e-4, "iterations": 4, "initial": start}
    away = [
        float((pnp(A, y, first=first, last=first / 2, **given).image - start).norm())
        for first in (0.001, 0.01, 0.1)
    ]
    assert away[0] < 0.5 * away[1] < away[2]


def test_views_without_an_analytic_image_are_no_hindrance():
    A, _, truth = scanned()
    arc = ParallelBeam(tuple(0.12 * view for view in range(14)), A.geometry.detector)
    A = Projector(arc, A.domain)
    found = pnp(A, A(truth), variance=1e-6, iterations=10)
    assert found.iterations == 10 and relative_error(A, found.image, A(truth)) < 0.02


def test_a_batch_is_reconstructed_side_by_side():
    A, y, _ = scanned()
    start = A.T(y) / 50
    both = pnp(
        A, torch.stack([y, y]), variance=1e-4, iterations=5, initial=torch.stack([start] * 2)
    )
    alone = pnp(A, y, variance=1e-4, iterations=5, initial=start)
    assert torch.allclose(both.image[0], both.image[1])
    assert torch.allclose(both.image[0], alone.image, atol=1e-2 * float(alone.image.max()))


@pytest.mark.slow
def test_observers_see_the_trials_and_may_end_them():
    A, y, _ = scanned()
    seen: list[int] = []
    curve = Curve(lambda step: seen.append(step.index) or 0.0)
    found = tuned_pnp(A, y, observers=[curve])
    last = found.parameters["iterations"]
    assert seen[-last:] == [*range(1, last + 1)] and len(seen) > 100

    class Ends(Watcher):
        fits = 0

        def begin(self, iterations):
            self.fits += 1

        def observe(self, step):
            return "interrupted" if self.fits > 2 else None

    ended = tuned_pnp(A, y, observers=[Ends()])
    assert ended.stopped_by == "interrupted" and torch.isfinite(ended.image).all()


@pytest.mark.slow
def test_zeros_give_zeros():
    A, y, _ = scanned()
    assert not pnp(A, torch.zeros_like(y), variance=1e-4, iterations=3).image.any()
    assert not tuned_pnp(A, torch.zeros_like(y)).image.any()


def test_bad_arguments_are_named():
    A, y, _ = scanned()
    with pytest.raises(ValueError, match="`variance` must be above zero"):
        pnp(A, y, variance=0.0)
    for name in ("first", "last"):
        with pytest.raises(ValueError, match=f"`{name}` must be above zero"):
            pnp(A, y, variance=1.0, **{name: 0.0})
    with pytest.raises(ValueError, match="`y` must be finite everywhere"):
        pnp(A, y * torch.nan, variance=1.0)
    with pytest.raises(ValueError, match="`initial` must have the shape"):
        pnp(A, y, variance=1.0, initial=torch.zeros(3, 3))
    with pytest.raises(ValueError, match="`y` must be one sinogram"):
        tuned_pnp(A, y[None])
