from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ctinr.data import Scan, binned, cropped
from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam
from tests.data.ellipses import half_turn, projections

ANGLES = half_turn(30)


def scan(bins=120, center=52.0, *, fan=False):
    detector = Detector(bins, 0.5, ((bins - 1) / 2 - center) * 0.5)
    beam = FanBeam(ANGLES, detector, 200.0, 100.0) if fan else ParallelBeam(ANGLES, detector)
    values = torch.as_tensor(projections(ANGLES, bins, center, scale=0.4))
    metadata = {"center": center, "dead_bins": (3,), "title": "a"}
    return Scan(values, beam, Grid((60, 60), 1.0), metadata=metadata)


@pytest.mark.parametrize("fan", [False, True])
@pytest.mark.parametrize("factor", [2, 3])
def test_the_middle_of_a_wide_bin_is_that_of_its_parts(fan, factor):
    fine = scan(fan=fan)
    wide = binned(fine, factor)
    centers = fine.geometry.detector.bin_centers().reshape(-1, factor).mean(axis=1)
    np.testing.assert_allclose(wide.geometry.detector.bin_centers(), centers)
    place = np.interp(0.0, centers, np.arange(len(centers)))
    assert wide.metadata["center"] == pytest.approx(place)
    assert "dead_bins" not in wide.metadata
    assert (wide.grid, wide.geometry.angles) == (fine.grid, fine.geometry.angles)


def test_intensities_are_averaged():
    fine = scan()
    wide = binned(fine, 4).sinogram
    light = np.exp(-fine.sinogram.numpy()).reshape(30, 30, 4).mean(axis=2)
    np.testing.assert_allclose(wide, -np.log(light), atol=1e-12)
    dense = replace(fine, sinogram=fine.sinogram + 1000.0)
    np.testing.assert_allclose(binned(dense, 4).sinogram, wide + 1000.0)


def test_one_bin_of_one_changes_nothing():
    fine = scan()
    again = binned(fine, 1)
    torch.testing.assert_close(again.sinogram, fine.sinogram)
    assert again.geometry == fine.geometry


@pytest.mark.parametrize("fan", [False, True])
def test_the_rays_of_a_part_stay_where_they_were(fan):
    whole = scan(fan=fan)
    part = cropped(whole, 10, 111)
    centers = whole.geometry.detector.bin_centers()[10:111]
    np.testing.assert_allclose(part.geometry.detector.bin_centers(), centers, atol=1e-12)
    assert torch.equal(part.sinogram, whole.sinogram[:, 10:111])
    assert part.metadata["center"] == 42.0
    assert part.metadata["title"] == "a"


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"`factor` must divide the 120 bins; got 7\. Crop"):
        binned(scan(), 7)
    with pytest.raises(ValueError, match="`stop` must be at most 120, the number of bins; got 121"):
        cropped(scan(), 0, 121)
    with pytest.raises(ValueError, match="`first` must be less than 9, where the bins stop; got 9"):
        cropped(scan(), 9, 9)
