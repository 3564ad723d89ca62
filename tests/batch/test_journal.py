"""The journal: what was written is there, whatever happened after it."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from ctinr.batch.journal import Block, Journal
from tests.limits import little_room

SHAPE = (2, 3)


def images(first, last):
    values = np.arange(first, last, dtype=np.float32)[:, None, None]
    return values + np.linspace(0, 0.5, 6, dtype=np.float32).reshape(SHAPE)


def opened(path):
    return contextlib.closing(Journal(path, SHAPE))


def written(path, *blocks):
    with opened(path) as journal:
        for first, last, failed in blocks:
            journal.append(Block(first, last, failed), images(first, last))


def test_what_was_written_is_read_back(tmp_path):
    path = tmp_path / "journal"
    written(path, (4, 8, {5: "Dunkel — α"}), (0, 4, {}))
    with opened(path) as journal:
        assert list(journal.blocks) == [0, 4]
        assert journal.blocks[4] == Block(4, 8, {5: "Dunkel — α"})
        assert (journal.num_slices, journal.failed) == (8, {5: "Dunkel — α"})
        assert np.array_equal(journal.images(4), images(4, 8))
        journal.append(Block(8, 9, {}), images(8, 9))
    with opened(path) as journal:
        assert np.array_equal(journal.images(8), images(8, 9))


def test_nan_comes_back_as_the_bits_it_was(tmp_path):
    values = images(0, 2)
    values[1] = np.nan
    with opened(tmp_path / "journal") as journal:
        journal.append(Block(0, 2, {1: "why"}), values)
        assert journal.images(0).tobytes() == values.tobytes()


def test_cut_off_anywhere_the_last_block_is_gone_and_no_other(tmp_path):
    path = tmp_path / "journal"
    written(path, (0, 2, {}))
    whole = path.stat().st_size
    written(path, (2, 4, {3: "why"}))
    content = path.read_bytes()
    for length in range(whole, len(content)):
        path.write_bytes(content[:length])
        with opened(path) as journal:
            assert list(journal.blocks) == [0]
        assert path.stat().st_size == whole
    path.write_bytes(content[:-1])
    written(path, (2, 4, {3: "why"}))
    assert path.read_bytes() == content


@pytest.mark.parametrize("place", [3, 10, 40, -3])
def test_damage_ends_it_there(tmp_path, place):
    path = tmp_path / "journal"
    written(path, (0, 2, {}))
    whole = path.stat().st_size
    written(path, (2, 4, {}), (4, 6, {}))
    content = bytearray(path.read_bytes())
    content[whole + place if place > 0 else whole + whole + place] ^= 1
    path.write_bytes(content)
    with opened(path) as journal:
        assert list(journal.blocks) == [0]


def test_damage_after_it_was_opened_is_an_error(tmp_path):
    path = tmp_path / "journal"
    written(path, (0, 2, {}))
    with opened(path) as journal:
        with path.open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"x")
        with pytest.raises(OSError, match=r"`out` must hold what was written to it; got '.*', dam"):
            journal.images(0)


def test_a_full_disk_costs_no_block(tmp_path):
    path = tmp_path / "journal"
    written(path, (0, 2, {}))
    with opened(path) as journal:
        with little_room(path.stat().st_size + 40), pytest.raises(OSError, match="File too large"):
            journal.append(Block(2, 4, {}), images(2, 4))
        assert list(journal.blocks) == [0]
    written(path, (2, 4, {}))
    with opened(path) as journal:
        assert list(journal.blocks) == [0, 2]
        assert np.array_equal(journal.images(2), images(2, 4))
