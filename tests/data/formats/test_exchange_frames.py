from __future__ import annotations

import numpy as np
import pytest
import torch

from ctinr.data import read_exchange
from tests.data import beamline
from tests.data.beamline import (
    BINS,
    CENTER,
    DARK,
    EXACT,
    ROWS,
    VIEWS,
    change,
    content,
)


@pytest.fixture
def path(tmp_path):
    beamline.write(tmp_path / "a.h5")
    return tmp_path / "a.h5"


def test_dark_frames_may_be_missing(path):
    for name in ("data", "data_white"):
        change(path, f"exchange/{name}", content(path, f"exchange/{name}") - np.float32(DARK))
    change(path, "exchange/data_dark")
    scan = read_exchange(path, slice=0)
    np.testing.assert_allclose(scan.sinogram.numpy(), EXACT[:, 0], atol=2e-4)
    assert any("no dark frame" in sentence for sentence in scan.warnings())


def test_transmissions_need_no_flat_field(path):
    change(path, "exchange/data", np.exp(-EXACT))
    change(path, "exchange/data_white")
    scan = read_exchange(path, slice=1)
    np.testing.assert_allclose(scan.sinogram.numpy(), EXACT[:, 1], atol=1e-5)
    assert any("no flat field" in sentence for sentence in scan.warnings())


def test_counts_without_a_flat_field_are_refused(path):
    change(path, "exchange/data_white")
    rule = r"field /exchange/data; got '.*a\.h5'\. `frames` must be transmissions where there is no"
    with pytest.raises(ValueError, match=rule):
        read_exchange(path, slice=0)


@pytest.mark.parametrize("name", ["data_white", "data_dark"])
def test_frames_of_another_size_are_refused(path, name):
    change(path, f"exchange/{name}", np.ones((6, ROWS, BINS - 1)))
    rule = rf"field /exchange/{name} has the rows and columns of /exchange/data; got '.*a\.h5'"
    with pytest.raises(ValueError, match=rule):
        read_exchange(path, slice=0)


def test_one_flat_frame_without_an_axis_of_frames_is_a_frame(path):
    expected = read_exchange(path, slice=2).sinogram
    change(path, "exchange/data_white", content(path, "exchange/data_white")[0])
    torch.testing.assert_close(read_exchange(path, slice=2).sinogram, expected)


def test_a_flat_field_of_zeros_is_refused(path):
    change(path, "exchange/data_white", np.zeros((6, ROWS, BINS)))
    rule = r"field /exchange/data_white; got '.*a\.h5'\. `white` must be brighter than dark in most"
    with pytest.raises(ValueError, match=rule):
        read_exchange(path, slice=0)


def test_dead_bins_are_filled_in_and_named(path):
    white = content(path, "exchange/data_white")
    white[:, :, [20, 90]] = DARK
    change(path, "exchange/data_white", white)
    scan = read_exchange(path, slice=0)
    assert scan.metadata["dead_bins"] == (20, 90)
    assert any("2 dead bins were filled in" in sentence for sentence in scan.warnings())
    expected = -np.log(np.exp(-EXACT[:, 0, [19, 21]]).mean(axis=1))
    np.testing.assert_allclose(scan.sinogram[:, 20].numpy(), expected, atol=2e-4)
    assert scan.metadata["center"] == pytest.approx(CENTER, abs=0.1)


def test_rays_without_light_get_half_a_count(path):
    data = content(path, "exchange/data")
    data[5:9, 0, 60] = DARK - 3
    change(path, "exchange/data", data)
    scan = read_exchange(path, slice=0)
    assert scan.metadata["floored_values"] == 4
    assert any("4 values without light" in sentence for sentence in scan.warnings())
    light = np.median(content(path, "exchange/data_white")[0, 0]) - DARK
    np.testing.assert_allclose(scan.sinogram[5:9, 60], np.log(light / 0.5), rtol=1e-3)


def test_counts_of_zero_are_refused(path):
    change(path, "exchange/data", np.zeros((VIEWS, ROWS, BINS)))
    rule = r"got '.*a\.h5'\. `frames` must count more than dark in every view; got 40"
    with pytest.raises(ValueError, match="usable field /exchange/data; " + rule):
        read_exchange(path, slice=0)


def test_negative_counts_are_refused(path):
    change(path, "exchange/data", -content(path, "exchange/data"))
    with pytest.raises(ValueError, match="`frames` must count more than dark in every view"):
        read_exchange(path, slice=0)


@pytest.mark.parametrize("name", ["data", "data_white", "data_dark"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_with_the_file_and_the_field(path, name, value):
    values = content(path, f"exchange/{name}")
    values[3, 0, 7] = value
    change(path, f"exchange/{name}", values)
    rule = rf"usable field /exchange/{name}; got '.*a\.h5'\. .* must be finite everywhere.*\(3, 7\)"
    with pytest.raises(ValueError, match=rule):
        read_exchange(path, slice=0)


@pytest.mark.parametrize("kind", [complex, "S8"])
@pytest.mark.parametrize("name", ["data", "data_white"])
def test_what_is_no_real_number_is_refused(path, name, kind):
    change(path, f"exchange/{name}", content(path, f"exchange/{name}").astype(kind))
    rule = rf"field /exchange/{name} holds real numbers; got '.*a\.h5' with values of type"
    with pytest.raises(ValueError, match=rule):
        read_exchange(path, slice=0)
