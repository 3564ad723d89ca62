"""Shepp–Logan and FORBILD: the published numbers, the right way up."""

import math

import numpy as np
import pytest

from phantoms import WATER, forbild_head, forbild_thorax, shepp_logan

RANDOM = np.random.default_rng(11).uniform(-1, 1, (8000, 2))


def published(phantom, points, unit_length):
    """Return the values, in units of water, at points (x, y) of the table, where y is up."""
    return phantom.values(np.array(points) * [unit_length, -unit_length]) / WATER


@pytest.mark.parametrize(
    ("point", "original", "modified"),
    [
        ((0.0, 0.90), 2.0, 1.0),  # skull
        ((0.0, -0.80), 1.02, 0.2),  # brain
        ((0.22, 0.0), 1.00, 0.0),  # right ventricle
        ((-0.22, 0.0), 1.00, 0.0),  # left ventricle
        ((0.30, 0.25), 1.00, 0.0),  # their ends, which lean outwards at the top
        ((-0.33, 0.35), 1.00, 0.0),
        ((0.14, -0.25), 1.00, 0.0),
        ((0.0, 0.40), 1.03, 0.3),  # the large disk near the top
        ((0.0, -0.10), 1.03, 0.3),
        ((-0.08, -0.605), 1.03, 0.3),
        ((0.0, -0.605), 1.03, 0.3),
        ((0.06, -0.605), 1.03, 0.3),
        ((0.8, 0.8), 0.0, 0.0),
    ],
)
def test_values_of_shepp_logan(point, original, modified):
    old, new = shepp_logan(100.0), shepp_logan(100.0, "modified")
    assert published(old, [point], 100.0)[0] == pytest.approx(original, abs=1e-12)
    assert published(new, [point], 100.0)[0] == pytest.approx(modified, abs=1e-12)


def test_shepp_logan_fills_the_grid_it_is_made_for():
    assert shepp_logan().radius == pytest.approx(0.92 * 128)
    image = shepp_logan().raster((256, 256), 1.0)
    assert not image[[0, -1]].any()
    assert image[12].any()  # 128 · 0.92 = 117.8 mm: the skull begins in row 10


def test_shepp_logan_is_upright():
    # the large disk in the upper half; the ventricles, the larger on the left, part at the top
    image = shepp_logan(64.0, "modified", unit=1.0).raster((128, 128), 1.0)
    assert image[64 - 25, 64] == pytest.approx(0.3)
    assert image[64 + 25, 64] == pytest.approx(0.2)
    up, down = 64 - 12, 64 + 12
    row = np.abs(image) < 0.05
    assert np.flatnonzero(row[up, 24:64]).mean() < np.flatnonzero(row[down, 24:64]).mean() - 3
    assert row[up, 24:64].sum() > row[up, 64:104].sum() > 0


def test_mass_of_shepp_logan():
    phantom = shepp_logan(100.0, unit=1.0)
    expected = sum(term.weight * term.shape.area for term in phantom.terms)
    offsets, pitch = np.linspace(-100, 100, 20_001, retstep=True)
    lines = np.stack([offsets, 0 * offsets], -1)
    mass = phantom.line_integrals(lines, [0.0, 1.0]).sum() * pitch
    assert mass == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("point", "density"),
    [
        ((-4.7, 4.3), 1.060),
        ((4.7, 4.3), 1.060),
        ((-1.08, -9.0), 1.0525),
        ((1.08, -9.0), 1.0475),
        ((9.3 * math.cos(2.5), 11.7 * math.sin(2.5)), 1.8),
        ((1.0, 8.4), 0.0),
        ((0.0, 9.6), 1.8),
        ((0.3, 9.6), 0.0),
        ((1.9, 5.4), 1.8),
        ((-4.3, 6.8), 1.8),
        ((-5.5, 7.4), 1.8),  # the bone over the left eye rises outwards
        ((-5.5, 6.2), 1.050),
        ((0.0, -3.6), 1.045),
        ((6.39395, -6.39395), 1.055),
        ((1.1, 3.6), 1.8),
        ((0.0, 4.0), 1.050),
        ((0.2, -11.0), 1.8),  # the occipital bone narrows upwards
        ((-0.2, -11.0), 1.8),
        ((0.3, -11.0), 1.050),
        ((-0.3, -11.0), 1.050),
        ((0.0, -10.5), 1.8),
        ((0.1, -10.5), 1.050),
        ((0.0, 2.0), 1.050),
        ((12.0, 12.0), 0.0),
    ],
)
def test_densities_of_the_head(point, density):
    assert published(forbild_head(), [point], 10.0)[0] == pytest.approx(density, abs=1e-12)


@pytest.mark.parametrize("ear", [True, False])
@pytest.mark.parametrize("pattern", [True, False])
def test_the_head_is_made_of_eight_materials(ear, pattern):
    head = forbild_head(ear=ear, resolution_pattern=pattern)
    values = published(head, RANDOM * [9.7, 12.1], 10.0)
    materials = np.array([0, 1.045, 1.0475, 1.05, 1.0525, 1.055, 1.06, 1.8])
    assert np.abs(values[:, None] - materials).min(axis=1).max() < 1e-12
    assert len(np.unique(np.round(values, 6))) >= 7


def test_ear_and_resolution_pattern_of_the_head():
    height = 0.2 * math.sqrt(3)
    air = [(8.8, 0.0), (5.6, 0.0), (8.6, height), (5.8, -height), (6.0, 2 * height), (6.6, -1.039)]
    bone = [(8.6, 0.0), (8.4, height), (5.2, 0.0)]
    disks = [(-7.0, -1.0), (-7.0 + 0.24, -1.0), (-7.0, 0.44), (-6.92, -1.0 + 8 * 0.0312)]
    gaps = [(-7.0, -1.0 + 0.0357), (-6.96, -1.0)]
    full, plain = forbild_head(resolution_pattern=True), forbild_head(ear=False)
    assert published(full, air, 10.0) == pytest.approx(np.zeros(6), abs=1e-12)
    assert published(full, bone + disks, 10.0) == pytest.approx(np.full(7, 1.8), abs=1e-12)
    assert published(full, gaps, 10.0) == pytest.approx(np.full(2, 1.05), abs=1e-12)
    everything = air + bone + disks + gaps
    assert published(plain, everything, 10.0) == pytest.approx(np.full(15, 1.05), abs=1e-12)
    assert len(full.terms) == 18 + 53 + 80


@pytest.mark.parametrize("make", [forbild_head, forbild_thorax])
def test_water_scales_the_values(make):
    points = RANDOM * 100
    assert make(water=2.0).values(points) == pytest.approx(make(water=1.0).values(points) * 2)
    with pytest.raises(ValueError, match="`water` must be above zero; got 0"):
        make(water=0)


def test_bad_shepp_logan():
    with pytest.raises(ValueError, match="`contrast` must be one of 'original', 'modified'; got"):
        shepp_logan(contrast="high")
    with pytest.raises(ValueError, match="`radius` must be above zero; got -1"):
        shepp_logan(-1.0)
    with pytest.raises(ValueError, match="`unit` must be above zero"):
        shepp_logan(unit=0.0)
