"""A raster is the mean over cells, placed as a grid is."""

import math
import tracemalloc

import numpy as np
import pytest

from phantoms import Box, Ellipse, HalfPlane, Phantom, Solid, bump, disk

CUT = Phantom(
    (
        Solid(1.0, Ellipse.of((10.0, -5.0), (40.0, 22.0), 0.4), (HalfPlane.facing(0.9, 12.0),)),
        Solid(-0.4, Box.of((0.0, 3.0), (9.0, 14.0), -0.7), (HalfPlane.facing(-2.0, 4.0),)),
    )
)


def test_raster_follows_the_conventions_of_the_grid():
    # a disk right of and below the middle: large column, large row
    image = disk(6.0, 1.0, center=(20.0, 10.0)).raster((31, 61), (2.0, 1.0))
    rows, columns = np.nonzero(image)
    assert (rows.mean() - 15) * 2.0 == pytest.approx(10.0, abs=1e-9)
    assert (columns.mean() - 30) * 1.0 == pytest.approx(20.0, abs=1e-9)
    # the same disk in the middle of a grid that is centred on it, (y, x)
    centred = disk(6.0, 1.0, center=(20.0, 10.0)).raster((9, 17), (2.0, 1.0), (10.0, 20.0))
    assert centred == pytest.approx(centred[::-1, ::-1], abs=1e-12)
    assert centred.sum() == pytest.approx(image.sum(), rel=1e-12)


def test_cells_are_weighted_by_the_area_that_is_covered():
    half = Phantom((Solid(3.0, Box.of((0.0, 0.0), (2.0, 1.5))),)).raster((5, 5), 1.0)
    row = np.array([0.5, 1.0, 1.0, 1.0, 0.5])
    assert half == pytest.approx(3.0 * np.outer([0, 1, 1, 1, 0], row), abs=1e-14)


def test_raster_is_plain_supersampling():
    sides, center, sub = (1.7, 2.3), (4.0, -6.0), 5
    image = CUT.raster((40, 37), sides, center, supersampling=sub)
    y = (np.arange(40 * sub) - (40 * sub - 1) / 2) * sides[0] / sub + center[0]
    x = (np.arange(37 * sub) - (37 * sub - 1) / 2) * sides[1] / sub + center[1]
    fine = CUT.values(np.stack(np.meshgrid(x, y), axis=-1))
    assert fine.any()
    assert image == pytest.approx(fine.reshape(40, sub, 37, sub).mean(axis=(1, 3)), abs=1e-12)


def test_raster_converges_to_the_area():
    centers = np.random.default_rng(8).uniform(-0.5, 0.5, (12, 2))
    disks = [disk(10.0, 1.0, center=(float(x), float(y))) for x, y in centers]
    errors = [
        np.mean(
            [
                abs(phantom.raster((25, 25), 1.0, supersampling=sub).sum() / (100 * math.pi) - 1)
                for phantom in disks
            ]
        )
        for sub in (1, 4, 16)
    ]
    # counting points in a disk errs by less than one point in each row
    assert errors[0] > 4 * errors[1] > 16 * errors[2]
    assert errors[2] < 2e-4


def test_raster_outside_the_phantom_is_empty():
    assert not disk(10.0).raster((7, 9), 1.0, (500.0, 0.0)).any()


@pytest.mark.parametrize("phantom", [disk(500.0), bump((500.0, 500.0))], ids=["disk", "bump"])
def test_raster_needs_little_more_than_its_result(phantom):
    tracemalloc.start()
    try:
        image = phantom.raster((1000, 700), 1.0, supersampling=3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < image.nbytes + 16e6
