"""Pictures to be fitted: every kind of file, what is refused, and the scaling there and back."""

from __future__ import annotations

import struct
import zlib

import h5py
import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from ctinr.data import Picture, read_picture
from ctinr.data.pictures import channels_last

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (6, 9), dtype=np.uint8)
DEEP = RANDOM.integers(0, 65536, (6, 9), dtype=np.uint16)
COLOUR = RANDOM.integers(0, 256, (6, 9, 3), dtype=np.uint8)
OPAQUE = np.full((6, 9, 1), 255, dtype=np.uint8)
SEEN_THROUGH = np.where(np.arange(9)[:, None] < 2, 7, 255).astype(np.uint8) + 0 * OPAQUE


def saved(path, values, **settings):
    PIL.Image.fromarray(values).save(path, **settings)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
@pytest.mark.parametrize("values", [GREY, COLOUR], ids=["grey", "colour"])
def test_channels_are_those_of_the_file_and_come_first(tmp_path, suffix, values):
    picture = read_picture(saved(tmp_path / f"a.{suffix}", values))
    assert picture.values.dtype == np.float64
    np.testing.assert_array_equal(channels_last(picture.values), values)
    assert (picture.black, picture.white) == (0, 255)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits(tmp_path, suffix):
    picture = read_picture(saved(tmp_path / f"a.{suffix}", DEEP))
    np.testing.assert_array_equal(picture.values, DEEP)
    assert (picture.black, picture.white) == (0, 65535)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_other_numbers_are_shown_from_their_least_to_their_largest(tmp_path, dtype):
    values = (DEEP / 7 - 3000).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values)
    np.save(tmp_path / "a.npy", values)
    for name in ("a.tif", "a.npy"):
        picture = read_picture(tmp_path / name)
        np.testing.assert_array_equal(picture.values, values)
        assert (picture.black, picture.white) == (values.min(), values.max())


def test_floating_point_colours(tmp_path):
    values = COLOUR.astype(np.float32) / 255
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    np.testing.assert_array_equal(channels_last(read_picture(tmp_path / "a.tif").values), values)


def test_palettes_are_colours_and_bits_are_none_and_one(tmp_path):
    PIL.Image.fromarray(GREY).convert("P").save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "p.png").values, [GREY] * 3)
    bits = read_picture(saved(tmp_path / "b.png", GREY > 99))
    np.testing.assert_array_equal(bits.values, GREY > 99)
    assert (bits.black, bits.white) == (0, 1)


@pytest.mark.parametrize("values", [GREY[..., None], COLOUR], ids=["grey", "colour"])
def test_an_opaque_alpha_channel_is_left_out_and_another_refused(tmp_path, values):
    saved(tmp_path / "a.png", np.concatenate([values, OPAQUE], -1))
    np.testing.assert_array_equal(
        read_picture(tmp_path / "a.png").values, np.moveaxis(values, -1, 0).squeeze()
    )
    saved(tmp_path / "b.png", np.concatenate([values, SEEN_THROUGH], -1))
    rule = r"must name a picture that is opaque; got '.*b\.png', of which 22\.2 % is not\. Put it"
    with pytest.raises(ValueError, match=rule):
        read_picture(tmp_path / "b.png")


@pytest.mark.parametrize("kind", ["P", "L", "RGB"])
def test_a_colour_that_is_declared_transparent_is_refused(tmp_path, kind):
    picture = PIL.Image.fromarray(COLOUR).convert(kind)
    first = picture.getpixel((0, 0))
    picture.save(tmp_path / "a.png", transparency=first)
    with pytest.raises(ValueError, match="`path` must name a picture that is opaque"):
        read_picture(tmp_path / "a.png")


def deep_png(path, values, kind):
    """Write 16 bits in colour, which Pillow does not."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    parts = (b"IHDR" + head, b"IDAT" + zlib.compress(rows), b"IEND")
    chunks = [struct.pack(">I", len(p) - 4) + p + struct.pack(">I", zlib.crc32(p)) for p in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


@pytest.mark.parametrize("kind, channels", [(2, 3), (4, 2), (6, 4)])
def test_deep_colours_are_kept_or_refused(tmp_path, kind, channels):
    values = RANDOM.integers(0, 65536, (6, 9, channels), dtype=np.uint16)
    rule = r"of 8 bits, or of 16 in grey or TIFF; got '.*a\.png' in colours, or with transparency"
    with pytest.raises(ValueError, match=rule):
        read_picture(deep_png(tmp_path / "a.png", values, kind))
    if channels == 3:
        tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
        picture = read_picture(tmp_path / "a.tif")
        np.testing.assert_array_equal(channels_last(picture.values), values)
        assert picture.white == 65535


def test_a_transparent_value_of_sixteen_bits_is_refused(tmp_path):
    saved(tmp_path / "a.png", DEEP, transparency=int(DEEP[0, 0]))
    rule = r"that is opaque; got '.*a\.png' with a transparent value"
    with pytest.raises(ValueError, match=rule):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["CMYK", "LAB"])
def test_colours_that_need_a_profile_are_refused(tmp_path, mode):
    PIL.Image.new(mode, (9, 6), (1, 2, 3, 4)[: len(mode)]).save(tmp_path / "a.tif")
    rule = rf"in grey or in red, green and blue; got '.*a\.tif' in {mode}\. Convert it"
    with pytest.raises(ValueError, match=rule):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", ["gif", "tif", "png"])
def test_several_pictures_are_refused(tmp_path, suffix):
    first, second = PIL.Image.fromarray(GREY), PIL.Image.fromarray(255 - GREY)
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second])
    with pytest.raises(ValueError, match=r"must name one picture; got '.*' with 2 of them"):
        read_picture(tmp_path / f"a.{suffix}")


def test_a_picture_that_was_taken_sideways_is_turned_upright(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    saved(tmp_path / "a.png", GREY, exif=exif)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").values, np.rot90(GREY, -1))


@pytest.mark.parametrize(
    "values, rule",
    [
        (GREY[:1, :1], "`values` must have two rows and columns"),
        (GREY[:1], "`values` must have two rows and columns"),
        (GREY[:, :1], "`values` must have two rows and columns"),
        (GREY * 0 + 7, "`values` must not all be equal; got 7 everywhere. A constant cannot be sc"),
        (np.where(GREY > 50, np.nan, 1.0), "`values` must be finite everywhere"),
        (np.where(GREY > 50, np.inf, 1.0), "`values` must be finite everywhere"),
    ],
)
def test_values_that_cannot_be_fitted(tmp_path, values, rule):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(ValueError, match=rf"that can be fitted; got '.*a\.npy'\. {rule}"):
        read_picture(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", [(9,), (3, 6, 9), (6, 9, 5), (2, 6, 9, 3), ()])
def test_arrays_of_other_shapes(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.ones(shape))
    with pytest.raises(ValueError, match=rf"values of shape \({', '.join(map(str, shape))}"):
        read_picture(tmp_path / "a.npy")


def test_arrays_of_other_types(tmp_path):
    np.save(tmp_path / "a.npy", GREY + 1j)
    with pytest.raises(
        ValueError, match=r"a picture of real numbers; got '.*' with values of type"
    ):
        read_picture(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array([["a", None]], dtype=object), allow_pickle=True)
    with pytest.raises(OSError, match=r"`path` must name a whole NPY file; got '.*b\.npy'"):
        read_picture(tmp_path / "b.npy")
    (tmp_path / "c.npy").write_bytes(b"text" * 99)
    with pytest.raises(OSError, match=r"`path` must name a whole NPY file; got '.*c\.npy'"):
        read_picture(tmp_path / "c.npy")


def test_fields_of_hdf5_files(tmp_path):
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["entry/image"], file["angles"] = DEEP, np.arange(4.0)
    picture = read_picture(tmp_path / "one.h5")
    np.testing.assert_array_equal(picture.values, DEEP)
    assert picture.white == 65535
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["grey"], file["colour"] = GREY, COLOUR
    with pytest.raises(
        ValueError, match=r"hold one picture; got '.*' with colour, grey\. Name the"
    ):
        read_picture(tmp_path / "two.h5")
    np.testing.assert_array_equal(read_picture(tmp_path / "two.h5", field="grey").values, GREY)
    with pytest.raises(ValueError, match="`path` must name a file with the field /gray"):
        read_picture(tmp_path / "two.h5", field="gray")
    with pytest.raises(ValueError, match="`field` must be left out unless the file is HDF5"):
        read_picture(saved(tmp_path / "a.png", GREY), field="grey")


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must name a file that exists; got '.*a\.png'"):
        read_picture(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"`path` must end in \.png, .*; got '.*a\.docx'"):
        read_picture(tmp_path / "a.docx")


def test_scaling_there_and_back(tmp_path):
    values = np.array(
        [[[-3.0, 5.0], [1.0, 2.0]], [[0.0, 1.0], [2.0, 3.0]], [[4.0, 4.0], [0.0, 1.0]]]
    )
    picture = Picture(values, -3.0, 5.0)
    scaled = picture.scaled()
    assert scaled.dtype == torch.float32 and (scaled.min(), scaled.max()) == (0, 1)
    # All channels alike: a zero is three eighths of the way, in each.
    assert float(scaled[1, 0, 0]) == float(scaled[2, 1, 0]) == 0.375
    np.testing.assert_allclose(picture.restored(scaled), values, atol=1e-6)
    larger = picture.restored(torch.full((3, 4, 4), 2.0))
    assert larger.dtype == np.float32 and (larger == 13.0).all()


def test_what_is_shown_is_clipped_to_black_and_white():
    picture = Picture(GREY.astype(float), 0.0, 255.0)
    shown = picture.shown(np.array([[-5.0, 0.0], [254.6, 300.0]]))
    assert shown.dtype == np.uint8 and shown.tolist() == [[0, 0], [255, 255]]
    np.testing.assert_array_equal(picture.shown(picture.values), GREY)
