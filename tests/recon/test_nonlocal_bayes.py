"""Non-local Bayes: what patches have in common stays, and noise goes."""

from __future__ import annotations

import math

import pytest
import torch

from ctinr.metrics import psnr
from ctinr.recon import nonlocal_bayes as module
from ctinr.recon.nonlocal_bayes import groups_of, nonlocal_bayes, shrunk
from phantoms import disk

DEVIATION = 0.1


def noise(shape, seed=0):
    return DEVIATION * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def stripes(shape=(64, 60), period=7.0):
    rows, columns = (torch.arange(size, dtype=torch.float32) for size in shape)
    return 0.5 + 0.5 * torch.sin((rows[:, None] + 0.6 * columns) * (2 * math.pi / period))


def test_noise_alone_goes():
    left = nonlocal_bayes(1 + noise((64, 64)), DEVIATION) - 1
    assert float(left.std()) < 0.5 * DEVIATION


@pytest.mark.parametrize("picture, gain", [("stripes", 5.0), ("disk", 6.0)])
def test_what_comes_again_stays(picture, gain):
    if picture == "stripes":
        image = stripes()
    else:
        image = torch.as_tensor(disk(20.0, 1.0).raster((64, 64), (1.0, 1.0))).float()
    noisy = image + noise(image.shape)
    better = nonlocal_bayes(noisy, DEVIATION)
    before, after = (psnr(each, image, data_range=1.0) for each in (noisy, better))
    assert after > before + gain


def test_an_image_without_noise_hardly_changes():
    image = stripes()
    assert float((nonlocal_bayes(image, 1e-3) - image).abs().max()) < 1e-3


@pytest.mark.parametrize("deviation", [1e-5, 1e-12, 1e-30])
def test_of_noise_beneath_rounding_nothing_is_taken(deviation):
    # Groups of few shapes have matrices that no factorisation in single precision survives.
    edges = torch.as_tensor(disk(20.0, 1.0).raster((64, 64), (1.0, 1.0))).float()
    for image in (stripes(), edges, 1e6 * stripes(), torch.ones(20, 20), 0.01 * noise((40, 40))):
        better = nonlocal_bayes(image, deviation)
        assert float((better - image).abs().max()) <= 1e-3 * float(image.abs().max())


def own_places(height, width):
    """The patches of which the like is sought, in an image whose patches end where it ends."""
    rows, columns = (
        torch.arange(0, size - module.PATCH + 1, module.STRIDE) for size in (height, width)
    )
    return (rows[:, None] * (width - module.PATCH + 1) + columns).flatten()


def test_patches_that_look_alike_are_found():
    """In stripes along an axis the like of a patch is any other at the same phase."""
    image = (torch.arange(64) % 5).float().expand(40, -1).contiguous()
    groups, across = groups_of(image)[0], 64 - module.PATCH + 1
    assert groups.shape[1] == module.ALIKE
    assert torch.equal(
        groups % across % 5, (own_places(40, 64) % across % 5)[:, None].expand_as(groups)
    )


def test_the_patch_itself_is_always_in_its_group():
    image = torch.rand((25, 31), generator=torch.Generator().manual_seed(0))
    groups = groups_of(image)[0]
    assert torch.equal(groups[:, 0], own_places(25, 31))
    assert all(len(set(group.tolist())) == module.ALIKE for group in groups)
    assert int(groups.min()) >= 0 and int(groups.max()) < (25 - 3) * (31 - 3)


def test_the_images_of_a_batch_are_denoised_one_by_one():
    images = torch.stack([stripes() + noise((64, 60)), 2 * stripes(period=9.0)])
    both = nonlocal_bayes(images[None], DEVIATION)
    assert both.shape == (1, *images.shape)
    for one, alone in zip(both[0], images, strict=True):
        assert torch.equal(one, nonlocal_bayes(alone, DEVIATION))


def test_values_and_noise_in_another_unit_are_the_same_image():
    image = stripes() + noise((64, 60))
    better = nonlocal_bayes(image, DEVIATION)
    assert torch.allclose(nonlocal_bayes(64 * image, 64 * DEVIATION), 64 * better, rtol=1e-4)
    # Of a brighter image the noise is the same.
    assert torch.allclose(nonlocal_bayes(image + 4, DEVIATION), better + 4, atol=1e-3)


def test_few_values_held_at_once_change_nothing(monkeypatch):
    image = stripes() + noise((64, 60))
    whole = nonlocal_bayes(image, DEVIATION)
    monkeypatch.setattr(module, "VALUES_AT_ONCE", 20000)
    assert torch.allclose(nonlocal_bayes(image, DEVIATION), whole, atol=1e-6)


def test_where_all_patches_are_the_same_no_cell_is_left_out():
    assert torch.equal(nonlocal_bayes(torch.zeros(48, 52), DEVIATION), torch.zeros(48, 52))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (4, 4), (5, 7), (33, 6)])
def test_small_and_uneven_images_keep_their_shape(shape):
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    better = nonlocal_bayes(image, DEVIATION)
    assert better.shape == shape and torch.isfinite(better).all()
    assert float((better - image).abs().max()) < 1


def test_groups_of_one_image_serve_another():
    image = stripes()
    noisy = image + noise(image.shape)
    guided = shrunk(noisy, groups_of(image), DEVIATION)
    assert psnr(guided, image, data_range=1.0) > psnr(noisy, image, data_range=1.0) + 5


@pytest.mark.parametrize("deviation", [0.0, -1.0, math.nan])
def test_a_deviation_that_is_none_is_refused(deviation):
    with pytest.raises(ValueError, match="`deviation` must be"):
        nonlocal_bayes(torch.zeros(8, 8), deviation)
