from __future__ import annotations

import numpy as np
import pytest

from ctinr.data import remove_outliers
from tests.data.ellipses import half_turn, projections

COUNTS = 2e4 * np.exp(-projections(half_turn(60), 128, 60.0, scale=0.5))
PLACES = ([3, 17, 40], [20, 64, 100])


def test_zingers_are_replaced_and_everything_else_is_kept():
    values = COUNTS.copy()
    values[PLACES] = 6e4
    cleaned, number = remove_outliers(values, 2e4)
    assert number == 3
    np.testing.assert_allclose(cleaned[PLACES], COUNTS[PLACES], rtol=0.1)
    untouched = np.ones_like(values, dtype=bool)
    untouched[PLACES] = False
    assert np.array_equal(cleaned[untouched], values[untouched])


def test_a_dark_spot_is_an_outlier_too():
    values = COUNTS.copy()
    values[17, 5] = 0.0
    cleaned, number = remove_outliers(values, 1e4)
    assert number == 1
    assert cleaned[17, 5] == pytest.approx(2e4, rel=0.01)


def test_an_object_is_none():
    assert remove_outliers(COUNTS, 0.5e4)[1] == 0


def test_rows_of_an_area_do_not_help_each_other():
    area = np.stack([COUNTS, 3 * COUNTS], axis=1)
    area[17, 0, 64] = 6e4
    cleaned, number = remove_outliers(area, 2e4)
    assert number == 1
    assert cleaned[17, 0, 64] == pytest.approx(COUNTS[17, 64], rel=0.1)


def test_a_wider_window_takes_wider_zingers():
    values = COUNTS.copy()
    values[30, 60:63] = values[31, 60:63] = 6e4
    assert remove_outliers(values, 2e4)[1] < 6
    assert remove_outliers(values, 2e4, size=5)[1] == 6


def test_what_is_no_window_is_refused():
    with pytest.raises(ValueError, match="`size` must be odd; got 4"):
        remove_outliers(COUNTS, 1.0, size=4)
    with pytest.raises(ValueError, match="`difference` must be above zero"):
        remove_outliers(COUNTS, 0.0)
    with pytest.raises(ValueError, match=r"`values` must have the axes \(angle, u\) or"):
        remove_outliers(COUNTS[0], 1.0)
    with pytest.raises(ValueError, match="`values` must be finite everywhere"):
        remove_outliers(np.full((5, 5), np.inf), 1.0)
