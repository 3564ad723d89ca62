"""Detectors: where bins are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ctinr.geometry import Detector

DETECTORS = [Detector(5), Detector(4, 0.3, -1.7), Detector((3, 6), (0.5, 0.25), (1.0, 1 / 3))]
EVERY = pytest.mark.parametrize("detector", DETECTORS, ids=repr)


@EVERY
def test_a_detector_is_what_its_repr_and_its_dictionary_say(detector):
    assert eval(repr(detector)) == detector
    assert Detector.from_dict(detector.to_dict()) == detector
    assert hash(eval(repr(detector))) == hash(detector)
    assert detector != Detector(detector.shape, 17.0)


def test_bins_are_spaced_by_the_pitch_around_the_offset():
    detector = Detector(4, 0.5, 10.0)
    assert detector == Detector((4,), (0.5,), (10.0,))
    assert detector.bin_centers().tolist() == [9.25, 9.75, 10.25, 10.75]
    assert detector.extent == (2.0,)


@pytest.mark.parametrize("bins, center", [(9, 4.0), (9, 3.2), (640, 296.7), (4, 0.0)])
def test_the_offset_puts_the_axis_of_rotation_on_a_bin(bins, center):
    pitch = 0.7
    detector = Detector(bins, pitch, ((bins - 1) / 2 - center) * pitch)
    assert np.interp(0.0, detector.bin_centers(), np.arange(bins)) == pytest.approx(center)


def test_an_area_detector_has_rows_and_columns():
    detector = Detector((2, 3), (2.0, 0.5), (1.0, 0.0))
    assert detector.bin_centers(axis=0).tolist() == [0.0, 2.0]
    assert detector.bin_centers(axis=1).tolist() == [-0.5, 0.0, 0.5]
    assert detector.extent == (4.0, 1.5)


@EVERY
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_coarse_bin_stands_on_the_bins_it_is_made_of(detector, factor):
    coarse = detector.coarsen(factor)
    for axis, n in enumerate(detector.shape):
        fine = detector.bin_centers(axis)
        # bins past the far edge, where the factor does not divide, go on at the same pitch
        missing = -n % factor
        more = fine[-1] + detector.pitch[axis] * np.arange(1, missing + 1)
        blocks = np.concatenate([fine, more]).reshape(-1, factor)
        assert coarse.bin_centers(axis) == pytest.approx(blocks.mean(axis=1))


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        ((2.5,), TypeError, "`shape` must be a whole number; got 2.5."),
        ((0,), ValueError, "`shape` must be at least 1; got 0."),
        (((2, 3, 4),), ValueError, r"`shape` must have 1 or 2 axes; got \(2, 3, 4\)."),
        ((8, -1.0), ValueError, "`pitch` must be above zero; got -1.0."),
        ((8, 0), ValueError, "`pitch` must be above zero; got 0(.0)?."),
        ((8, math.inf), ValueError, "`pitch` must be finite; got inf."),
        ((8, "1.0"), TypeError, "`pitch` must be one real number; got '1.0'."),
        ((8, 1.0, math.nan), ValueError, "`offset` must be finite; got nan."),
        (
            (8, (1.0, 1.0)),
            ValueError,
            r"`pitch` must be one number or one for each of the 1 axes; got \(1.0, 1.0\).",
        ),
    ],
)
def test_what_is_no_detector_is_refused(arguments, kind, message):
    with pytest.raises(kind, match=f"^{message}$"):
        Detector(*arguments)
