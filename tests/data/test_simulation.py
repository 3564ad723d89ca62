from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ctinr.data import Noise, projected_scan, simulate, simulated_scan
from ctinr.geometry import Detector, Grid, ParallelBeam
from ctinr.projectors import Projector
from tests.data.ellipses import half_turn

GRID = Grid((24, 20), 0.5)
BEAM = ParallelBeam(half_turn(10), Detector(36, 0.5))


def disk(points, directions):
    """Exact integrals of a disk of radius 4 mm about (1, −0.5), attenuation 0.2 per mm."""
    offset = points - np.array([1.0, -0.5])
    distance = offset[..., 0] * directions[..., 1] - offset[..., 1] * directions[..., 0]
    return 0.4 * np.sqrt(np.clip(16.0 - distance**2, 0, None))


# ------------------------------------------------------------------ noise


@pytest.mark.parametrize("photons", [200.0, 1e4, 1e6])
@pytest.mark.parametrize("integral", [0.0, 1.5])
def test_the_noise_is_that_of_counting(photons, integral):
    measured, _ = simulate(torch.full((200_000,), integral), Noise(photons))
    expected = math.sqrt(math.exp(integral) / photons)
    assert float(measured.double().std()) == pytest.approx(expected, rel=0.03)
    transmission = torch.exp(-measured.double())
    error = 5 * float(transmission.std()) / math.sqrt(200_000)
    assert float(transmission.mean()) == pytest.approx(math.exp(-integral), abs=error)


def test_electronic_noise_adds_its_variance():
    measured, _ = simulate(torch.zeros(200_000), Noise(1e4, electronic=100.0))
    assert float(measured.std()) == pytest.approx(math.sqrt(2e4) / 1e4, rel=0.02)


def test_the_noise_does_not_depend_on_other_values():
    """It is set by photons, not by the largest value of the image."""
    alone = simulate(torch.zeros(1000), Noise(1e3))[0].std()
    beside = simulate(torch.cat([torch.zeros(1000), torch.full((9,), 20.0)]), Noise(1e3))[0]
    assert float(beside[:1000].std()) == pytest.approx(float(alone), rel=1e-6)


def test_bins_that_count_nothing_get_the_floor_and_are_counted():
    integrals = torch.full((50, 4), 40.0)
    measured, floored = simulate(integrals, Noise(1e3))
    assert floored == 200
    torch.testing.assert_close(measured, torch.full((50, 4), math.log(1e3 / 0.5)))


def test_negative_counts_of_the_electronics_get_the_floor():
    measured, floored = simulate(torch.full((1000,), 30.0), Noise(100.0, electronic=5.0, floor=2.0))
    assert 500 < floored < 800
    assert float(measured.max()) == pytest.approx(math.log(100 / 2.0))


def test_the_seed_decides():
    integrals = torch.linspace(0, 3, 500)
    first, again, other = (simulate(integrals, Noise(1e3, seed=seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_nothing_is_seeded_globally():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    simulate(torch.zeros(10), Noise(10.0))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_and_input_are_kept(dtype):
    integrals = torch.linspace(0, 3, 12, dtype=dtype).reshape(3, 4)
    before = integrals.clone()
    for noise in (None, Noise(1e3)):
        measured, _ = simulate(integrals, noise)
        assert measured.dtype == dtype
        assert measured.data_ptr() != integrals.data_ptr()
    assert torch.equal(integrals, before)
    assert torch.equal(simulate(integrals)[0], integrals)


def test_line_integrals_with_nan_are_refused():
    with pytest.raises(ValueError, match="`line_integrals` must be finite everywhere"):
        simulate(torch.tensor([0.0, torch.nan]), Noise())


@pytest.mark.parametrize(
    "changes, rule",
    [
        ({"photons": 0}, "`photons` must be above zero; got 0"),
        ({"photons": math.inf}, "`photons` must be finite"),
        ({"electronic": -1.0}, "`electronic` must be zero or above; got -1"),
        ({"floor": 0.0}, "`floor` must be above zero"),
        ({"seed": -1}, "`seed` must be at least 0"),
    ],
)
def test_a_counter_that_cannot_be_is_refused(changes, rule):
    with pytest.raises(ValueError, match=rule):
        Noise(**changes)


# ------------------------------------------------------------------ from exact line integrals


def test_a_scan_holds_exact_line_integrals():
    scan = simulated_scan(disk, BEAM, GRID, bin_samples=1)
    rays = BEAM.rays()
    expected = torch.as_tensor(disk(rays.points, rays.directions), dtype=torch.float32)
    torch.testing.assert_close(scan.sinogram, expected, rtol=0, atol=1e-7)
    assert scan.geometry == BEAM
    assert scan.metadata == {"source": "simulation", "simulated": True}


def test_a_bin_counts_the_photons_of_its_width():
    many = 64
    fine = ParallelBeam(BEAM.angles, Detector(36 * many, 0.5 / many))
    rays = fine.rays()
    intensity = np.exp(-disk(rays.points, rays.directions)).reshape(10, 36, many).mean(axis=-1)
    scan = simulated_scan(disk, BEAM, GRID, bin_samples=many)
    np.testing.assert_allclose(scan.sinogram.numpy(), -np.log(intensity), atol=1e-6)
    # One ray through the middle of a bin is another thing at the edge of the disk.
    middle = simulated_scan(disk, BEAM, GRID, bin_samples=1)
    assert float((middle.sinogram - scan.sinogram).abs().max()) > 0.01


def test_line_integrals_too_large_for_the_exponential_survive():
    scan = simulated_scan(lambda p, d: 2000 * disk(p, d), BEAM, GRID, bin_samples=4)
    assert bool(torch.isfinite(scan.sinogram).all())
    assert float(scan.sinogram.max()) > 2500


def test_views_are_handled_in_parts(monkeypatch):
    whole = simulated_scan(disk, BEAM, GRID)
    monkeypatch.setattr("ctinr.data.simulation.RAYS", 3 * 36 * 4)
    assert torch.equal(simulated_scan(disk, BEAM, GRID).sinogram, whole.sinogram)


def test_what_was_done_is_recorded():
    truth = np.linspace(0.1, 0.4, 480).reshape(24, 20)
    noise = Noise(300.0, electronic=2.0, seed=7)
    scan = simulated_scan(lambda p, d: 8 * disk(p, d), BEAM, GRID, truth=truth, noise=noise)
    assert scan.metadata["photons"] == 300.0
    assert scan.metadata["electronic_noise"] == 2.0
    assert scan.metadata["seed"] == 7
    assert scan.metadata["floor"] == 0.5
    assert scan.metadata["data_range"] == pytest.approx(0.3)
    assert scan.metadata["floored_values"] > 0
    assert f"{scan.metadata['floored_values']} counts below 0.5 photons" in scan.warnings()[0]
    torch.testing.assert_close(scan.truth, torch.as_tensor(truth, dtype=torch.float32))


def test_integrals_of_another_shape_are_refused():
    with pytest.raises(
        ValueError, match=r"`line_integrals_of` must .* shape \(10, 144\) of its rays"
    ):
        simulated_scan(lambda points, directions: np.zeros(points.shape), BEAM, GRID)


# ------------------------------------------------------------------ from a picture on a finer grid


def picture(factor):
    random = torch.Generator().manual_seed(0)
    return 0.1 * torch.rand(24 * factor, 20 * factor, generator=random)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_picture_is_projected_on_its_own_grid(factor):
    image = picture(factor)
    scan = projected_scan(Projector, image, geometry=BEAM, grid=GRID)
    fine = ParallelBeam(BEAM.angles, Detector(36 * factor, 0.5 / factor))
    projected = Projector(fine, GRID.refine(factor))(image.double())
    expected = -torch.log(torch.exp(-projected).unflatten(-1, (36, factor)).mean(-1))
    torch.testing.assert_close(scan.sinogram, expected.float(), rtol=1e-5, atol=1e-6)
    mean = image.unflatten(0, (24, factor)).unflatten(2, (20, factor)).mean((1, 3))
    torch.testing.assert_close(scan.truth, mean)
    assert scan.warnings() == ()


def test_the_operator_that_reconstructs_must_not_make_the_data():
    rule = r"`image` must be on a grid at least twice as fine as \(24, 20\).*inverse_crime=True"
    with pytest.raises(ValueError, match=rule):
        projected_scan(Projector, picture(1), geometry=BEAM, grid=GRID)


def test_the_inverse_crime_is_named():
    image = picture(1)
    scan = projected_scan(Projector, image, geometry=BEAM, grid=GRID, inverse_crime=True)
    torch.testing.assert_close(scan.sinogram, Projector(BEAM, GRID)(image), rtol=1e-5, atol=1e-6)
    assert "(inverse crime)" in scan.warnings()[0]


@pytest.mark.parametrize("shape", [(48, 41), (72, 40), (48, 40, 1), (12, 10)])
def test_a_picture_on_another_grid_is_refused(shape):
    with pytest.raises(ValueError, match="`image` must be on a grid at least twice as fine"):
        projected_scan(Projector, torch.zeros(shape), geometry=BEAM, grid=GRID)


def test_a_picture_with_nan_is_refused():
    image = picture(2)
    image[3, 3] = torch.nan
    with pytest.raises(ValueError, match="`image` must be finite everywhere"):
        projected_scan(Projector, image, geometry=BEAM, grid=GRID)
