from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from ctinr.data import Noise, read_image, read_scan, scan_from_image
from ctinr.geometry import Grid
from ctinr.projectors import Projector

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (12, 17), dtype=np.uint8)
DEEP = RANDOM.integers(0, 65536, (12, 17), dtype=np.uint16)
COLOUR = RANDOM.integers(0, 256, (12, 17, 4), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_grey_values_are_kept(tmp_path, suffix):
    PIL.Image.fromarray(GREY).save(tmp_path / f"a.{suffix}")
    image = read_image(tmp_path / f"a.{suffix}")
    assert image.dtype == np.float64
    np.testing.assert_array_equal(image, GREY)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_kept(tmp_path, suffix):
    PIL.Image.fromarray(DEEP).save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}"), DEEP)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_tiffs_of_other_kinds_are_read(tmp_path, dtype):
    values = (DEEP / 7 - 3000).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), values)


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_become_their_luminance(tmp_path, channels):
    PIL.Image.fromarray(COLOUR[..., :channels]).save(tmp_path / "a.png")
    expected = COLOUR[..., :3] @ np.array([0.2126, 0.7152, 0.0722])
    np.testing.assert_allclose(read_image(tmp_path / "a.png"), expected)


def test_transparency_is_left_out(tmp_path):
    PIL.Image.fromarray(COLOUR[..., :2]).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOUR[..., 0])


def test_palettes_and_bits_are_unpacked(tmp_path):
    PIL.Image.fromarray(GREY).convert("P").save(tmp_path / "p.png")
    np.testing.assert_allclose(read_image(tmp_path / "p.png"), GREY)
    PIL.Image.fromarray(GREY > 99).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), GREY > 99)


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
@pytest.mark.parametrize("kind", ["truncated", "another kind", "empty"])
def test_a_damaged_picture_is_named(tmp_path, suffix, kind):
    path = tmp_path / f"a.{suffix}"
    PIL.Image.fromarray(np.tile(GREY, (9, 9))).save(path)
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b""}.get(kind, b"text" * 99))
    with pytest.raises(OSError, match=rf"`path` must name a whole picture; got '.*a\.{suffix}'"):
        read_image(path)


def test_a_picture_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.png").touch()
    monkeypatch.setattr("PIL.Image.open", denied)
    with pytest.raises(PermissionError, match=r"a file that may be read; got '.*a\.png'\. Change"):
        read_image(tmp_path / "a.png")


def test_a_picture_too_large_to_be_one_is_refused(tmp_path, monkeypatch):
    PIL.Image.fromarray(DEEP).save(tmp_path / "a.png")
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 10)
    with pytest.raises(
        ValueError, match=r"`path` must name a picture of usual size; got '.*a\.png'"
    ):
        read_image(tmp_path / "a.png")


def test_several_pictures_are_refused(tmp_path):
    first = PIL.Image.fromarray(GREY)
    first.save(tmp_path / "a.tif", save_all=True, append_images=[first, first])
    with pytest.raises(ValueError, match=r"must name one picture; got '.*a\.tif' with 3 of them"):
        read_image(tmp_path / "a.tif")


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"`path` must name a file that exists; got '.*a\.png'"
    ):
        read_image(tmp_path / "a.png")


# ------------------------------------------------------------------ the standard protocol


def smooth():
    y, x = np.mgrid[:24, :30]
    return 40 + 100 * np.exp(-((y - 10) ** 2 + (x - 17) ** 2) / 60)


@pytest.mark.slow
def test_the_picture_is_the_truth_scaled_to_the_peak():
    scan = scan_from_image(smooth(), Projector, num_views=20, noise=Noise(1e12))
    assert float(scan.sinogram.max()) == pytest.approx(5.0, rel=0.02)
    ratio = scan.truth.numpy() / smooth()
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-5)
    assert scan.grid == Grid((24, 30), 1.0)
    assert scan.metadata["data_range"] == pytest.approx(float(np.ptp(scan.truth.numpy())))
    half = scan_from_image(smooth(), Projector, num_views=20, noise=Noise(1e12), peak=2.5)
    torch.testing.assert_close(half.truth, scan.truth / 2)


def test_the_data_are_not_those_of_the_operator_that_reconstructs():
    scan = scan_from_image(smooth(), Projector, num_views=20, noise=Noise(1e12))
    own = Projector(scan.geometry, scan.grid)(scan.truth)
    difference = float((scan.sinogram - own).norm() / own.norm())
    assert 1e-3 < difference < 0.05


def test_the_standard_has_a_counter_and_no_end_point():
    scan = scan_from_image(smooth(), Projector, num_views=20, noise=Noise())
    assert scan.metadata["photons"] == 1e5
    assert scan.metadata["protocol"] == "standard"
    np.testing.assert_allclose(scan.geometry.angles, np.arange(20) * np.pi / 20)
    assert scan.warnings() == ()
    other = scan_from_image(smooth(), Projector, num_views=20, noise=Noise(seed=1))
    assert not torch.equal(scan.sinogram, other.sinogram)


def test_without_a_counter_the_data_are_exact():
    exact = scan_from_image(smooth(), Projector, num_views=20)
    assert "photons" not in exact.metadata
    many = scan_from_image(smooth(), Projector, num_views=20, noise=Noise(1e12))
    torch.testing.assert_close(exact.sinogram, many.sinogram, atol=1e-3, rtol=0)
    again = scan_from_image(smooth(), Projector, num_views=20)
    assert torch.equal(exact.sinogram, again.sinogram)


def test_the_detector_sees_the_diagonal():
    detector = scan_from_image(smooth(), Projector, num_views=5).geometry.detector
    assert detector.pitch == (1.0,)
    assert detector.shape[0] >= np.hypot(24, 30)


# ------------------------------------------------------------------ the paper's protocol


def test_the_paper_s_data_are_exact_and_of_the_same_operator():
    scan = scan_from_image(smooth(), Projector, num_views=20, protocol="paper")
    assert (float(scan.truth.min()), float(scan.truth.max())) == (0.0, 1.0)
    np.testing.assert_allclose(scan.geometry.angles, np.linspace(0, np.pi, 20))
    own = Projector(scan.geometry, scan.grid)(scan.truth)
    torch.testing.assert_close(scan.sinogram, own, rtol=1e-5, atol=1e-5)
    assert scan.metadata["data_range"] == 1.0
    assert "photons" not in scan.metadata


def test_the_paper_s_protocol_says_what_is_wrong_with_it():
    scan = scan_from_image(smooth(), Projector, num_views=20, protocol="paper")
    crime, repeated = scan.warnings()
    assert "(inverse crime)" in crime
    assert "view 19 repeats view 0" in repeated


@pytest.mark.parametrize("name, value", [("noise", Noise()), ("peak", 3.0)])
def test_the_paper_s_protocol_has_no_noise_and_no_peak(name, value):
    rule = f"`{name}` must be left out with protocol='paper'"
    with pytest.raises(ValueError, match=rule):
        scan_from_image(smooth(), Projector, num_views=20, protocol="paper", **{name: value})


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ValueError, match="`protocol` must be one of 'standard', 'paper'; got new"):
        scan_from_image(smooth(), Projector, num_views=20, protocol="new")


@pytest.mark.parametrize(
    "image, rule",
    [
        (smooth()[None], r"`image` must have the axes \(y, x\)"),
        (np.where(smooth() > 120, np.nan, 1.0), "`image` must be finite everywhere"),
        (np.ones((5, 5)), "`image` must show something; got equal values"),
        (smooth() - 60, "`image` must be zero or above, as attenuations are; got values from -19"),
    ],
)
def test_pictures_that_are_no_objects_are_refused(image, rule):
    with pytest.raises(ValueError, match=rule):
        scan_from_image(image, Projector, num_views=20)


def test_a_file_whose_picture_is_no_object_is_named(tmp_path):
    PIL.Image.fromarray(smooth().astype(np.float32) - 60).save(tmp_path / "a.tif")
    rule = r"picture that can be scanned; got '.*a\.tif'\. `image` must be zero or above"
    with pytest.raises(ValueError, match=rule):
        scan_from_image(tmp_path / "a.tif", Projector, num_views=20)
    scan = scan_from_image(tmp_path / "a.tif", Projector, num_views=20, protocol="paper")
    assert float(scan.truth.min()) == 0.0


# ------------------------------------------------------------------ read_scan


@pytest.fixture
def path(tmp_path):
    PIL.Image.fromarray(DEEP).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_picture_becomes_a_scan(path):
    scan = read_scan(path, num_views=9, project=Projector, noise=Noise(seed=3), protocol=None)
    expected = scan_from_image(DEEP.astype(float), Projector, num_views=9, noise=Noise(seed=3))
    assert torch.equal(scan.sinogram, expected.sinogram)
    assert (scan.metadata["title"], scan.metadata["source"]) == ("a", "a.png")


def test_a_picture_needs_an_operator(path):
    with pytest.raises(
        TypeError, match=r"`project` must be given .* none for '.*a\.png'.*Projector"
    ):
        read_scan(path, num_views=9)


def test_a_picture_needs_a_number_of_views(path):
    with pytest.raises(
        TypeError, match=r"`num_views` must be given to scan a picture; got none for"
    ):
        read_scan(path, project=Projector)


def test_options_of_other_kinds_are_refused(path):
    rule = r"`slice` must be left out for a picture; got 3 for '.*a\.png'"
    with pytest.raises(ValueError, match=rule):
        read_scan(path, num_views=9, project=Projector, slice=3)


def test_unknown_options_are_refused(path):
    with pytest.raises(
        TypeError, match="`slices` must be one of angles, center, detector_distance"
    ):
        read_scan(path, num_views=9, project=Projector, slices=3)


def test_a_file_of_an_unknown_kind_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(ValueError, match=r"must name one of: ctinr scan .*picture; got '.*a\.txt'"):
        read_scan(tmp_path / "a.txt")
