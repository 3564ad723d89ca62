"""Sounds to be fitted: every kind of WAV file, what is refused, and the scaling there and back."""

from __future__ import annotations

import struct
import wave

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from ctinr.data import Sound, read_sound
from ctinr.data.sounds import write_sound

PARTS = np.array([0.0, 0.5, -0.25, -1.0, 0.125])


def packed(path, values, *, width, channels=1):
    """Write whole numbers of so many bytes by Python's own writer."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(8000)
        file.writeframes(
            b"".join(int(v).to_bytes(width, "little", signed=width > 1) for v in values)
        )
    return path


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_whole_numbers_are_parts_of_full_scale(tmp_path, width):
    values = PARTS * 2 ** (8 * width - 1) + 128 * (width == 1)
    sound = read_sound(packed(tmp_path / "a.wav", values, width=width))
    assert sound.rate == 8000 and sound.values.dtype == np.float64
    np.testing.assert_array_equal(sound.values, PARTS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_point_is_taken_as_it_is(tmp_path, dtype):
    wavfile.write(tmp_path / "a.WAV", 44100, (3 * PARTS).astype(dtype))
    sound = read_sound(tmp_path / "a.WAV")
    np.testing.assert_array_equal(sound.values, 3 * PARTS)
    assert sound.peak == 3.0 and sound.seconds == 5 / 44100


def test_channels_come_first(tmp_path):
    both = np.stack([PARTS, PARTS[::-1]], axis=-1)
    packed(tmp_path / "a.wav", (both * 2**15).ravel(), width=2, channels=2)
    np.testing.assert_array_equal(read_sound(tmp_path / "a.wav").values, both.T)


def test_what_is_written_is_read_again(tmp_path):
    values = np.stack([PARTS, 1.5 * PARTS])
    write_sound(tmp_path / "a.wav", values, 22050)
    found = read_sound(tmp_path / "a.wav")
    assert found.rate == 22050
    np.testing.assert_array_equal(found.values, values)
    assert wavfile.read(tmp_path / "a.wav")[1].dtype == np.float32


def test_scaling_there_and_back():
    sound = Sound(0.25 * PARTS, 8000)
    assert torch.equal(sound.scaled(), torch.as_tensor(PARTS).float())
    np.testing.assert_array_equal(sound.restored(sound.scaled()), 0.25 * PARTS)


@pytest.mark.parametrize(
    "values, rule",
    [
        ([0.0, 0.0, 0.0], "`values` must not all be zero; got silence. Silence cannot be scaled"),
        ([0.5], "`values` must be two samples or more"),
        ([], "`values` must be two samples or more"),
        ([0.1, np.nan], "`values` must be finite everywhere"),
        ([0.1, np.inf], "`values` must be finite everywhere"),
    ],
)
def test_sounds_that_cannot_be_fitted(tmp_path, values, rule):
    wavfile.write(tmp_path / "a.wav", 8000, np.array(values, dtype=np.float32))
    with pytest.raises(ValueError, match=rf"can be fitted; got '.*a\.wav'\. {rule}"):
        read_sound(tmp_path / "a.wav")


def test_a_sound_that_ends_too_early_is_damaged(tmp_path):
    whole = packed(tmp_path / "a.wav", PARTS * 2**14, width=2).read_bytes()
    for name, part in (("b.wav", whole[:-3]), ("c.wav", whole[:20]), ("d.wav", b"text" * 30)):
        (tmp_path / name).write_bytes(part)
        with pytest.raises(OSError, match=rf"`path` must name a whole WAV file; got '.*{name}'"):
            read_sound(tmp_path / name)


def test_more_than_sound_in_a_file_is_no_damage(tmp_path):
    whole = packed(tmp_path / "a.wav", PARTS * 2**15, width=2).read_bytes()
    whole += b"cue " + struct.pack("<I", 4) + b"\0" * 4
    whole = whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]
    (tmp_path / "a.wav").write_bytes(whole)
    np.testing.assert_array_equal(read_sound(tmp_path / "a.wav").values, PARTS)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must name a file that exists; got '.*a\.wav'"):
        read_sound(tmp_path / "a.wav")
    with pytest.raises(ValueError, match=r"`path` must end in \.wav; got '.*a\.mp3'\. Convert it"):
        read_sound(tmp_path / "a.mp3")
