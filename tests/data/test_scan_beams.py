"""Scans of every geometry: what is let in, views selected, and what is odd about volumes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from ctinr.data import Scan
from ctinr.geometry import ConeBeam, Detector, Grid, ParallelBeam, VectorBeam, equal_angles
from phantoms import ball
from tests.data.scans import BEAMS, of_beam

TURN = 2 * np.pi


@pytest.mark.parametrize("kind", BEAMS)
def test_a_selection_keeps_data_and_rays_together(kind):
    whole = of_beam(kind, photons=tuple(range(1, 8)))
    part = whole[[5, 2]]
    assert torch.equal(part.sinogram, whole.sinogram[[5, 2]])
    assert part.geometry == whole.geometry[[5, 2]]
    assert part.geometry.rays().points[0] == pytest.approx(whole.geometry.rays().points[5])
    assert (part.metadata["photons"], part.metadata["views"]) == ((6, 3), (20, 10))
    assert part.truth is whole.truth
    assert whole.with_views(3).geometry == whole.geometry[[0, 2, 5]]


def test_one_number_of_photons_is_that_of_every_view():
    assert of_beam("cone-flat", photons=1e4)[:2].metadata["photons"] == 1e4


@pytest.mark.parametrize(
    ("photons", "rule"),
    [
        ((1.0, 2.0), "be one for each of the 7 views; got 2 of them"),
        ((1.0,) * 6 + (0.0,), "be above zero; got 0.0"),
        (-3.0, "be above zero; got -3.0"),
        (float("inf"), "be finite; got inf"),
    ],
)
def test_photons_that_cannot_be_are_refused(photons, rule):
    with pytest.raises(ValueError, match=rf"`metadata\['photons'\]` must {rule}"):
        of_beam("helix", photons=photons)


def test_places_of_other_views_are_refused():
    rule = r"`metadata\['views'\]` must be one for each of the 7 views; got 3 of them"
    with pytest.raises(ValueError, match=rule):
        of_beam("parallel", views=(0, 1, 2))


def test_it_says_what_it_is():
    assert "7 views x 4 x 9 bins, Grid(shape=(3, 5, 6)" in repr(of_beam("vectors-3d"))


@pytest.mark.parametrize(
    ("kind", "grid", "rule"),
    [
        ("cone-flat", Grid((5, 6)), "`grid` must have three axes, as it is an area"),
        ("vectors", Grid((3, 5, 6)), "`grid` must have two axes, as the detector is a line"),
    ],
)
def test_a_grid_of_another_dimension_is_refused(kind, grid, rule):
    with pytest.raises(ValueError, match=rule):
        dataclasses.replace(of_beam(kind), grid=grid, truth=None)


def test_a_sinogram_of_another_shape_is_refused():
    rule = r"`sinogram` must have the shape \(7, 4, 9\) of the geometry: 7 views and 4 x 9 bins"
    with pytest.raises(ValueError, match=rule):
        dataclasses.replace(of_beam("helix"), sinogram=torch.zeros(7, 9, 4))


# ------------------------------------------------------------------ what is odd about volumes

GRID = Grid((40, 40, 40), 1.0)


def cone(angles, rows=90, bins=90, pitch=1.0, **helix):
    return ConeBeam(angles, Detector((rows, bins), pitch), 80.0, 40.0, **helix)


def scanned(geometry, grid=GRID, radius=18.0, center=(0.0, 0.0, 0.0), **metadata):
    rays = geometry.rays()
    values = ball(radius, 0.05, center=center).line_integrals(rays.points, rays.directions)
    return Scan(torch.as_tensor(values), geometry, grid, metadata=metadata)


def only(scan):
    (sentence,) = scan.warnings()
    return sentence


CIRCLE = equal_angles(36, span=TURN)
AREA = Detector((40, 50), 1.0)
GOOD = {
    "cone": cone(CIRCLE),
    "helix": cone(np.linspace(-9, 9, 100), helical_pitch=20.0),
    "parallel": ParallelBeam(equal_angles(36), AREA),
    "vectors": VectorBeam.of(cone(CIRCLE)),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_scan_has_no_warnings(kind):
    assert scanned(GOOD[kind]).warnings() == ()


@pytest.mark.parametrize("kind", ["helix", "vectors"])
def test_views_that_cannot_be_judged_are_not(kind):
    # One turn of a helix repeats no view of the one before, and vectors may go anywhere.
    views = {"helix": slice(0, 20), "vectors": [0, 0, 1, 2, 3]}[kind]
    assert scanned(GOOD[kind][views]).warnings() == ()


@pytest.mark.parametrize("kind", GOOD)
def test_an_object_wider_than_the_detector_is_told(kind):
    geometry = GOOD[kind]
    narrow = dataclasses.replace(
        geometry, detector=Detector((geometry.detector.shape[0], 30), geometry.detector.pitch)
    )
    told = scanned(narrow, Grid((40, 20, 20), 1.0)).warnings()
    assert [text for text in told if "(truncation)" in text]


def test_an_object_longer_than_the_detector_is_no_truncation():
    assert scanned(cone(CIRCLE, rows=60)).warnings() == ()
    assert scanned(ParallelBeam(equal_angles(36), Detector((32, 50), 1.0))).warnings() == ()


def test_noise_in_many_rows_is_no_truncation():
    scan, random = scanned(GOOD["cone"]), torch.Generator().manual_seed(0)
    noise = 0.05 * torch.randn(scan.sinogram.shape, generator=random)
    assert dataclasses.replace(scan, sinogram=scan.sinogram + noise).warnings() == ()


@pytest.mark.parametrize(
    ("geometry", "reach"),
    [
        (cone(CIRCLE, rows=30), "from -10 to 10 mm"),
        (ParallelBeam(equal_angles(36), Detector((20, 50), 1.0, (3.0, 0.0))), "from -7 to 13 mm"),
    ],
)
def test_rows_that_see_little_of_the_grid_are_told(geometry, reach):
    sentence = only(scanned(geometry))
    assert f"see z {reach} on the axis of rotation" in sentence
    assert "grid reaches from -20 to 20 mm" in sentence


def test_a_grid_wider_than_the_field_of_view_is_told_of_a_helix_too():
    for kind in ("cone", "helix"):
        assert "only the disk of radius" in only(scanned(GOOD[kind], Grid((40, 90, 90), 1.0)))


def test_views_of_a_circle_are_judged_as_those_of_a_fan():
    again = cone(np.append(CIRCLE, 0.0))
    assert "1 of the 37 views repeat another one; view 36 repeats" in only(scanned(again))
    short = cone(equal_angles(30, span=np.pi))
    assert "The views cover 180° of the turn" in only(scanned(short))
    assert "leave out" in only(scanned(ParallelBeam(equal_angles(30, span=2.0), AREA)))


def test_counts_of_a_volume_are_told():
    scan = scanned(GOOD["cone"])
    counts = dataclasses.replace(scan, sinogram=2e4 * torch.exp(-scan.sinogram))
    assert "take −log first" in only(counts)
