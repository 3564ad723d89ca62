"""Planes of volumes: which cells they hold, and where they are."""

from __future__ import annotations

import numpy as np
import pytest

from ctinr.geometry import Grid
from ctinr.report.planes import planes, shown_plane

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
