"""Planes of volumes: which cells they hold, and where they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ctinr.data import Scan
from ctinr.geometry import ConeBeam, Detector, Grid, equal_angles
from ctinr.recon.run import Reconstruction
from ctinr.report import Comparison, Cost, figures, measure, range_of_truth
from ctinr.report.html import viewer_data
from ctinr.report.planes import planes, shown_plane
from ctinr.report.preview import scan_figure
from ctinr.report.window import grey_window

VOLUME = Grid((4, 5, 7), (1.0, 2.0, 3.0), (0.5, -1.0, 10.0))


def test_a_picture_is_its_own_plane():
    grid = Grid((5, 7), (2.0, 3.0), (-1.0, 10.0))
    (plane,) = planes(grid)
    image = np.arange(35.0).reshape(5, 7)
    assert plane.of(image) is image
    assert plane.grid == grid and plane.name == ""
    # Row 0 is at the top, whose y is least.
    assert plane.placement == {"extent": (-0.5, 20.5, 4.0, -6.0), "origin": "upper"}


def test_planes_of_a_volume_go_through_its_middle():
    z, y, x = (VOLUME.cell_centers(axis) for axis in range(3))
    place = z[:, None, None] * 100 + y[:, None] * 10 + x
    first, second, third = planes(VOLUME)
    assert np.array_equal(first.of(place), place[2])
    assert np.array_equal(second.of(place), place[:, 2])
    assert np.array_equal(third.of(place), place[:, :, 3])
    assert [plane.name for plane in planes(VOLUME)] == ["z = 1 mm", "y = −1 mm", "x = 10 mm"]
    assert first.grid == VOLUME.slice and shown_plane(VOLUME) == first
    assert second.grid == Grid((4, 7), (1.0, 3.0), (0.5, 10.0))


@pytest.mark.parametrize("axis", [1, 2])
def test_z_is_upwards(axis):
    placed = planes(VOLUME)[axis].placement
    # The first row of the array, of the least z, is at the bottom.
    assert placed["origin"] == "lower" and placed["extent"][2:] == (-1.5, 2.5)


@pytest.fixture
def volumes():
    """Return a comparison of two volumes, the truth being one value a plane of z."""
    grid, circle = Grid((12, 13, 14), 2.0), equal_angles(6, span=2 * np.pi)
    cone = ConeBeam(circle, Detector((8, 9), 4.0), 90.0, 30.0)
    truth = torch.arange(12.0)[:, None, None] * torch.ones(grid.shape) - 1e-12
    scan = Scan(torch.zeros(cone.shape), cone, grid, truth)
    data_range = range_of_truth(truth)
    rows = tuple(
        measure(
            name,
            Reconstruction(truth + error, method=name),
            cost=Cost(1.0, 10**8, True),
            truth=truth,
            data_range=data_range,
        )
        for name, error in (("fdk", 0.5), ("tv", -0.25))
    )
    return Comparison(scan, rows, data_range)


def test_images_of_a_volume_are_its_three_planes(volumes):
    figure = figures.images(volumes)
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 9
    shapes = [axes.images[0].get_array().shape for axes in panels[:3]]
    assert shapes == [(13, 14), (12, 14), (12, 13)]
    assert float(panels[3].images[0].get_array().mean()) == pytest.approx(6.5)
    assert "planes z = 1 mm, y = 0 mm, x = 1 mm" in figure.get_supxlabel()
    errors = [axes for axes in figures.errors(volumes).axes if axes.images]
    assert [float(axes.images[0].get_array().mean()) for axes in errors] == pytest.approx(
        [0.5] * 3 + [-0.25] * 3
    )


def test_the_profile_and_the_viewer_show_the_middle_slice(volumes):
    lines = {line.get_label(): line for line in figures.profile(volumes).axes[1].lines}
    assert set(lines["FDK"].get_ydata()) == {6.5} and len(lines["TV"].get_xdata()) == 14
    data = viewer_data(volumes)
    assert data["shape"] == [13, 14] and data["extent"] == [26.0, 28.0]
    assert [image["label"] for image in data["images"]] == ["Truth", "FDK", "TV"]


def test_numbers_of_a_volume_are_of_all_its_cells(volumes):
    fdk, tv = (row.metrics for row in volumes.rows)
    assert set(fdk) == {"psnr", "rmse"}
    assert (fdk["rmse"], tv["rmse"]) == pytest.approx((0.5, 0.25))


def test_the_rest_of_a_zero_is_a_zero(volumes):
    assert str(grey_window(volumes)).startswith("0 to 11 ")


@pytest.mark.parametrize("truth", [True, False])
def test_the_preview_of_a_volume_shows_a_view_and_three_planes(volumes, truth):
    scan = volumes.scan if truth else replace(volumes.scan, truth=None)
    axes = scan_figure(scan).axes
    assert len(axes) == (4 if truth else 1)
    assert axes[0].images[0].get_array().shape == (8, 9)
    assert axes[0].get_title(loc="left") == "View 3"
