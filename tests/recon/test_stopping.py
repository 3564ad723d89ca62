"""Rules that stop without the truth and without withheld rays."""

from __future__ import annotations

import pytest
import torch

from ctinr import Detector, Grid, ParallelBeam, Projector, cgls, equal_angles
from ctinr.data.simulation import Noise, simulate
from ctinr.recon.observers import Curve
from ctinr.recon.run import Step, run
from ctinr.recon.stopping import Discrepancy, WindowedVariance, photon_deviation
from phantoms import shepp_logan

GRID = Grid((48, 48))
A = Projector(ParallelBeam(equal_angles(40), Detector(68)), GRID)
TRUTH = torch.from_numpy(shepp_logan(radius=22.0).raster(GRID.shape, 1.0)).float() * 3
PHOTONS = 3e3


@pytest.fixture(scope="module")
def measured() -> torch.Tensor:
    values, _ = simulate(A(TRUTH), Noise(photons=PHOTONS, seed=1))
    return values.float()


def error(image: torch.Tensor) -> float:
    return float((image - TRUTH).square().mean().sqrt())


def test_the_deviation_is_that_of_simulated_counts() -> None:
    p = torch.linspace(0.0, 2.0, 4)[:, None].expand(4, 20_000)
    y, _ = simulate(p, Noise(photons=1e3, electronic=8.0, seed=0))
    expected = photon_deviation(p[:, 0], 1e3, electronic=8.0)
    # The deviation of 20,000 values is known to half a percent, the first order is right to two.
    torch.testing.assert_close(y.std(1).to(expected), expected, rtol=0.03, atol=0)


def test_the_truth_has_a_discrepancy_of_one(measured: torch.Tensor) -> None:
    rule = Discrepancy(A, measured, photon_deviation(measured, PHOTONS), level=0.5)
    assert rule.observe(Step(1, 0.0, TRUTH)) is None
    assert rule.values == [pytest.approx(1.0, abs=0.03)]


def test_least_squares_stop_before_they_fit_the_noise(measured: torch.Tensor) -> None:
    rule = Discrepancy(A, measured, photon_deviation(measured, PHOTONS))
    stopped = cgls(A, measured, iterations=100, observers=(rule,))
    assert stopped.stopped_by == "discrepancy"
    assert rule.values[-1] <= 1 < rule.values[-2]
    errors = Curve(lambda step: error(step.image))
    cgls(A, measured, iterations=60, observers=(errors,))
    assert error(stopped.image) < 1.1 * min(errors.values)
    assert error(stopped.image) < 0.4 * errors.values[-1]


def test_the_variance_is_least_where_steps_agree() -> None:
    noise = torch.randn(200, 30, 30, generator=torch.Generator().manual_seed(0))

    def images():
        # Settles until step 100; from then on it moves away again.
        for index in range(1, 201):
            distance = abs(index - 100) / 100
            yield Step(index, 0.0, 1 + distance + 0.1 * distance * noise[index - 1])

    rule = WindowedVariance(window=10, patience=30)
    stopped = run(images(), 200, (rule,))
    assert stopped.stopped_by == "windowed variance"
    # The window ends there, and half of it has been before.
    assert 100 <= rule.best <= 110
    assert stopped.iterations == rule.best + 30
    assert rule.indices[0] == 10


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda y: photon_deviation(y, 0), "`photons` must be above zero; got 0"),
        (lambda y: photon_deviation(y, 1, electronic=-1), "`electronic` must be at least 0; got"),
        (lambda y: Discrepancy(A, y, 0.0), "`deviation` must be above zero and finite everywhere"),
        (lambda y: Discrepancy(A, y[1:], 1.0), "`y` must end with the shape"),
        (lambda y: Discrepancy(A, y, 1.0, level=0), "`level` must be above zero; got 0"),
        (lambda y: Discrepancy(A, y, 1.0, every=0), "`every` must be at least 1; got 0"),
        (lambda y: WindowedVariance(window=1), "`window` must be at least 2; got 1"),
        (lambda y: WindowedVariance(patience=0), "`patience` must be at least 1; got 0"),
    ],
)
def test_bad_input(make, text: str, measured: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=text):
        make(measured)
