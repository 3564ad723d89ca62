from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
import torch

from ctinr.data import Scan, simulated_scan
from ctinr.geometry import Detector, FanBeam, Grid, ParallelBeam
from tests.data.ellipses import beam, half_turn, projections
from tests.data.scans import example

GRID = Grid((10, 14), 0.5)


def scan(num_views=12, bins=16, **changes):
    arguments = {
        "sinogram": torch.arange(num_views * bins, dtype=torch.float32).reshape(num_views, bins),
        "geometry": beam(num_views, bins),
        "grid": GRID,
    }
    return Scan(**(arguments | changes))


def physical(angles=None, *, scale=1.0, center=127.5, bins=256, grid=None, **metadata):
    angles = half_turn(60) if angles is None else angles
    sinogram = torch.as_tensor(projections(angles, bins, center, scale=scale))
    geometry = ParallelBeam(angles, Detector(bins, 1.0, (bins - 1) / 2 - center))
    return Scan(sinogram, geometry, grid or Grid((200, 200)), metadata=metadata)


# ------------------------------------------------------------------ what is let in


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(value):
    sinogram = torch.zeros(12, 16)
    sinogram[2, 5] = value
    rule = r"`sinogram` must be finite everywhere; got 1 NaN or infinite .*the first at \(2, 5\)"
    with pytest.raises(ValueError, match=rule):
        scan(sinogram=sinogram)


def test_an_empty_sinogram_is_refused():
    with pytest.raises(ValueError, match=r"`sinogram` must not be empty; got .*\(0, 16\)"):
        scan(sinogram=torch.zeros(0, 16))


@pytest.mark.parametrize("shape", [(11, 16), (12, 15), (16, 12), (192,), (1, 12, 16)])
def test_a_sinogram_that_does_not_fit_the_geometry_is_refused(shape):
    rule = r"`sinogram` must have the shape \(12, 16\) of the geometry: 12 views and 16 bins; got"
    with pytest.raises(ValueError, match=rule):
        scan(sinogram=torch.zeros(shape))


def test_a_truth_that_does_not_fit_the_grid_is_refused():
    with pytest.raises(ValueError, match=r"`truth` must have the shape \(10, 14\) of the grid"):
        scan(truth=torch.zeros(14, 10))
    with pytest.raises(ValueError, match="`truth` must be finite everywhere"):
        scan(truth=torch.full((10, 14), torch.inf))


def test_a_grid_of_another_dimension_is_refused():
    with pytest.raises(ValueError, match="`grid` must have two axes"):
        scan(grid=Grid((4, 4, 4)))


@pytest.mark.parametrize(
    "changes, rule",
    [
        ({"sinogram": np.zeros((12, 16))}, r"`sinogram` must be a torch.Tensor.*torch.as_tensor"),
        ({"sinogram": torch.zeros(12, 16).int()}, "`sinogram` must be float32 or float64"),
        ({"sinogram": torch.zeros(12, 16).half()}, "`sinogram` must be float32 or float64"),
        ({"truth": [[0.0]]}, "`truth` must be a torch.Tensor"),
        ({"geometry": half_turn(12)}, "`geometry` must be a ParallelBeam"),
        ({"grid": (10, 14)}, "`grid` must be a Grid"),
        ({"metadata": {"views": {}}}, r"`metadata\['views'\]` must be text, a number"),
        ({"metadata": {"mixed": (1, "a")}}, r"`metadata\['mixed'\]` must be"),
        ({"metadata": {"photons": None}}, r"`metadata\['photons'\]` must .*not known"),
    ],
)
def test_things_of_another_type_are_refused(changes, rule):
    with pytest.raises(TypeError, match=rule):
        scan(**changes)


@pytest.mark.parametrize("key", ["", "a/b", ".", 3])
def test_keys_that_no_file_could_hold_are_refused(key):
    with pytest.raises(ValueError, match="`metadata` must have keys that are words"):
        scan(metadata={key: 1})


def test_metadata_become_plain_and_fixed():
    made = scan(metadata={"list": [1, 2], "number": np.float32(0.5), "yes": np.bool_(True)})
    assert dict(made.metadata) == {"list": (1, 2), "number": 0.5, "yes": True}
    assert type(made.metadata["number"]) is float
    with pytest.raises(TypeError):
        made.metadata["new"] = 1  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.grid = GRID  # type: ignore[misc]


# ------------------------------------------------------------------ selecting views


@pytest.mark.parametrize(
    "views, places",
    [
        (slice(2, 9, 3), (2, 5, 8)),
        ([7, 1], (7, 1)),
        (np.arange(12) > 9, (10, 11)),
        (torch.tensor([0, 4]), (0, 4)),
        (5, (5,)),
        (-1, (11,)),
    ],
)
def test_a_selection_keeps_data_and_angles_together(views, places):
    whole = scan(metadata={"title": "a"})
    part = whole[views]
    assert torch.equal(part.sinogram, whole.sinogram[list(places)])
    assert part.geometry.angles == tuple(whole.geometry.angles[place] for place in places)
    assert part.geometry.detector == whole.geometry.detector
    assert part.metadata == {"title": "a", "views": places}
    assert part.grid == whole.grid


def test_views_of_views_are_named_as_in_the_first_scan():
    assert scan()[2:][[0, 3]].metadata["views"] == (2, 5)


@pytest.mark.parametrize("views", [12, [0, 99], -13])
def test_views_that_there_are_not_are_refused(views):
    with pytest.raises(IndexError, match="`views` must select some of the 12 views"):
        scan()[views]


@pytest.mark.parametrize("views", [[], slice(5, 5), np.zeros(12, dtype=bool)])
def test_no_views_are_refused(views):
    with pytest.raises(ValueError, match="`views` must select at least one view"):
        scan()[views]


@pytest.mark.parametrize("total, wanted", [(180, 60), (180, 180), (12, 4), (12, 1)])
def test_every_nth_view_is_kept_where_the_number_divides(total, wanted):
    views = scan(total).with_views(wanted).metadata["views"]
    assert views == tuple(range(0, total, total // wanted))


@pytest.mark.parametrize("total, wanted", [(181, 60), (100, 99), (7, 5)])
def test_views_are_spread_where_the_number_does_not_divide(total, wanted):
    views = np.array(scan(total).with_views(wanted).metadata["views"])
    steps = np.diff(np.append(views, total))
    assert len(set(views.tolist())) == wanted
    assert steps.max() - steps.min() <= 1
    assert np.abs(views - np.arange(wanted) * total / wanted).max() <= 0.5


def test_more_views_than_there_are_are_refused():
    with pytest.raises(ValueError, match=r"`num_views` must be at most 12, .*; got 13"):
        scan().with_views(13)


# ------------------------------------------------------------------ what is odd about a scan


def only(scan):
    (sentence,) = scan.warnings()
    return sentence


def test_a_good_scan_has_no_warnings():
    assert physical().warnings() == ()
    assert physical(center=110.0).warnings() == ()
    assert physical(center=90.0).warnings() == ()
    assert physical().with_views(7).warnings() == ()


def test_what_was_noted_comes_first():
    warnings = physical(scale=2.0, warnings=("One.", "Two.")).warnings()
    assert warnings[:2] == ("One.", "Two.")
    assert len(warnings) == 3


def test_a_truncated_object_is_told():
    assert "wider than the detector (truncation)" in only(physical(scale=1.6))
    # In a few views and on one side only: the long axis of the object sticks out.
    assert "(truncation)" in only(physical(scale=1.0, center=86.0))


def test_an_object_that_ends_just_before_the_detector_is_not_truncated():
    def disk(center):
        chord = (1 - ((torch.arange(256) - center) / 126.4) ** 2).clamp(min=0).sqrt()
        return dataclasses.replace(physical(), sinogram=(4 * chord).repeat(60, 1))

    # Its edge is so steep that the mean of the outermost 2 % alone would tell of a truncation.
    assert float(disk(127.5).sinogram[:, :5].mean()) > 0.05 * 4
    assert disk(127.5).warnings() == ()
    assert "(truncation)" in only(disk(125.0))


def test_a_detector_too_narrow_for_the_grid_is_told():
    sentence = only(physical(scale=0.2, grid=Grid((500, 500))))
    assert "only the disk of radius 128 mm" in sentence
    assert "reaches 250 mm" in sentence


def test_views_that_repeat_are_told():
    sentence = only(physical(np.linspace(0, np.pi, 60)))
    assert sentence.startswith("1 of the 60 views repeat another one")
    assert "view 59 repeats view 0" in sentence
    assert "59 distinct views" in sentence
    assert "30 of the 60 views" in only(physical(half_turn(60, 2 * np.pi)))


def test_missing_angles_are_told():
    assert "leave out 61.3° of the half turn" in only(physical(half_turn(90, np.deg2rad(120))))


def fan_scan(angles):
    def disk(points, directions):
        across = points[..., 0] * directions[..., 1] - points[..., 1] * directions[..., 0]
        return 0.04 * np.sqrt(np.clip(40.0**2 - across**2, 0, None))

    beam = FanBeam(angles, Detector(150, 1.5), 200.0, 100.0)
    return simulated_scan(disk, beam, Grid((50, 50), 2.0), bin_samples=1)


def test_a_fan_needs_a_half_turn_and_its_own_angle():
    assert fan_scan(half_turn(60, 2 * np.pi)).warnings() == ()
    assert fan_scan(half_turn(60, np.deg2rad(220))).warnings() == ()
    sentence = only(fan_scan(half_turn(60, np.pi)))
    assert sentence.startswith("The views cover 180° of the turn and a fan needs")
    assert "its own angle, 209°: some lines" in sentence


def test_opposite_views_of_a_fan_repeat_nothing():
    angles = np.append(half_turn(60, 2 * np.pi), 0.0)
    assert "1 of the 61 views repeat another one; view 60 repeats" in only(fan_scan(angles))


def test_radians_that_were_taken_for_degrees_are_told():
    assert "radians already" in only(physical(np.deg2rad(half_turn(60))))
    assert "radians already" not in only(physical(np.deg2rad(half_turn(60)))[:8])
    assert "radians already" not in only(physical(half_turn(60, np.deg2rad(20))))


def test_data_without_anything_in_them_are_told():
    assert only(scan(sinogram=torch.zeros(12, 16))) == (
        "All values are 0: there is nothing to reconstruct."
    )


def test_a_few_missing_views_are_told_and_one_is_not():
    assert physical()[np.delete(np.arange(60), 7)].warnings() == ()
    assert "leave out 9° of the half turn" in only(physical()[np.delete(np.arange(60), [7, 8])])


@pytest.mark.parametrize("photons", [1.0, 2e4])
def test_values_without_the_logarithm_are_told(photons):
    whole = physical()
    raw = dataclasses.replace(whole, sinogram=photons * torch.exp(-whole.sinogram))
    assert only(raw) == (
        "The values look like counts or transmissions, not line integrals: take −log first."
    )


@pytest.mark.parametrize("level", [1.0, 35.0])
def test_truncated_line_integrals_are_not_taken_for_intensities(level):
    whole = physical(simulated=True)
    raised = dataclasses.replace(whole, sinogram=level * (1 + whole.sinogram))
    assert "(truncation)" in only(raised)


def test_impossibly_large_values_are_told_unless_simulated():
    whole = physical()
    large = dataclasses.replace(whole, sinogram=whole.sinogram * 40)
    assert "beyond 30 no photon passes" in only(large)
    assert dataclasses.replace(large, metadata={"simulated": True}).warnings() == ()


def test_a_wrong_sign_is_told():
    whole = physical()
    assert "Most values are negative" in only(
        dataclasses.replace(whole, sinogram=-whole.sinogram - 0.3)
    )


def test_it_says_what_it_is():
    assert repr(scan(metadata={"title": "Tooth"})).startswith("Scan('Tooth', 12 views x 16 bins")
    assert "truth unknown" in repr(scan())
    assert "truth known" in repr(scan(truth=torch.zeros(10, 14)))


def test_a_scan_can_be_pickled_and_copied():
    made = example()
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert torch.equal(again.sinogram, made.sinogram)
        assert torch.equal(again.truth, made.truth)
        assert (again.geometry, again.grid) == (made.geometry, made.grid)
        assert again.metadata == made.metadata
