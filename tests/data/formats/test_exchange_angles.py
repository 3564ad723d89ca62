from __future__ import annotations

import numpy as np
import pytest

from ctinr.data import read_exchange
from tests.data import beamline
from tests.data.beamline import ANGLES, change
from tests.data.ellipses import half_turn


@pytest.fixture
def path(tmp_path):
    beamline.write(tmp_path / "a.h5")
    return tmp_path / "a.h5"


def test_angles_may_be_in_radians(path):
    change(path, "exchange/theta", ANGLES, units="rad")
    np.testing.assert_allclose(read_exchange(path, slice=0).geometry.angles, ANGLES)


def test_angles_without_unit_are_degrees(path):
    change(path, "exchange/theta")
    change(path, "exchange/theta", np.rad2deg(ANGLES))
    np.testing.assert_allclose(read_exchange(path, slice=0).geometry.angles, ANGLES)


def test_radians_that_claim_to_be_degrees_are_refused(path):
    change(path, "exchange/theta", ANGLES, units="degrees")
    rule = r"field /exchange/theta is in degrees, as it claims; got '.*a\.h5' with angles up to "
    with pytest.raises(ValueError, match=rule + r"3\.063, which look like radians.*angles=…"):
        read_exchange(path, slice=0)


def test_degrees_that_claim_to_be_radians_are_refused(path):
    change(path, "exchange/theta", np.rad2deg(ANGLES), units="radians")
    with pytest.raises(
        ValueError, match=r"is in radians, as it claims.*175\.5, which look like deg"
    ):
        read_exchange(path, slice=0)


def test_degrees_passed_as_radians_are_refused(path):
    with pytest.raises(ValueError, match=r"`angles` must be in radians; got .* look like degrees"):
        read_exchange(path, slice=0, angles=np.rad2deg(ANGLES).tolist())


def test_angles_that_are_not_finite_are_refused(path):
    change(path, "exchange/theta", np.where(ANGLES > 2, np.nan, ANGLES))
    rule = r"usable field /exchange/theta; got '.*a\.h5'\. `angles` must be finite everywhere"
    with pytest.raises(ValueError, match=rule):
        read_exchange(path, slice=0)


def test_half_of_the_half_turn_is_not_enough_to_find_the_axis(path):
    change(path, "exchange/theta", np.rad2deg(ANGLES) / 2, units="degrees")
    rule = r"usable field /exchange/theta; got '.*a\.h5'\. `angles` must cover a half turn"
    with pytest.raises(ValueError, match=rule):
        read_exchange(path, slice=0)


def test_an_unknown_unit_is_refused(path):
    change(path, "exchange/theta", ANGLES, units="turns")
    with pytest.raises(
        ValueError, match=r"degrees or radians; got '.*a\.h5' with the units 'turns'"
    ):
        read_exchange(path, slice=0)


def test_angles_that_are_missing_have_to_be_said(path):
    change(path, "exchange/theta")
    rule = r"the field /exchange/theta; got '.*a\.h5' without it\. .*angles=equal_angles\(40\)"
    with pytest.raises(ValueError, match=rule):
        read_exchange(path, slice=0)
    scan = read_exchange(path, slice=0, angles=ANGLES.tolist())
    assert scan.geometry.angles == tuple(ANGLES)


def test_another_number_of_angles_is_refused(path):
    change(path, "exchange/theta", np.rad2deg(half_turn(50)))
    with pytest.raises(ValueError, match=r"each of the 40 views; got '.*a\.h5' with 50 angles"):
        read_exchange(path, slice=0)
    with pytest.raises(ValueError, match="`angles` must have one angle for each of the 40 views"):
        read_exchange(path, slice=0, angles=[0.0, 1.0])
