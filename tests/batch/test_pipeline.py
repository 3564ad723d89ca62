"""Threads around the computation: order, errors carried over, nothing left running."""

from __future__ import annotations

import threading
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from ctinr.batch import open_stack
from ctinr.batch.blocks import rows_of
from ctinr.batch.budget import Flow
from ctinr.batch.pipeline import ReadAhead, WriteBehind
from ctinr.batch.rows import FORMATS
from ctinr.batch.stack import Stack
from ctinr.data.hdf5_ahead import Ahead
from tests.batch.stacks import write

BLOCKS, FLOW = [(0, 4), (4, 8), (12, 16), (16, 20)], Flow(4, 6)


@pytest.fixture
def stack(tmp_path):
    return open_stack(write(tmp_path / "a.h5", 20))


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("ctinr")]


def broken_at(number, kind, monkeypatch):
    """Let slices from that number on not be read."""
    whole = Stack.stored

    def stored(self, first, last, **given):
        for place, row in enumerate(whole(self, first, last, **given), first):
            if place == number:
                raise kind
            yield row

    monkeypatch.setattr(Stack, "stored", stored)


def test_blocks_come_in_order_and_whole_chunks_are_read(stack, monkeypatch):
    asked, form = [], FORMATS["ctinr"]

    def rows(file, first, last):
        asked.append((first, last))
        return form.rows(file, first, last)

    expected = list(stack.read(0, 20))
    monkeypatch.setattr("ctinr.batch.stack.FORMATS", {**FORMATS, "ctinr": replace(form, rows=rows)})
    found = list(rows_of(stack, BLOCKS, FLOW))
    assert [first for first, _ in found] == [first for first, _ in BLOCKS]
    for (first, last), (_, rows) in zip(BLOCKS, found, strict=True):
        assert torch.equal(torch.stack(rows), torch.stack(expected[first:last]))
    assert asked == [(0, 6), (6, 8), (12, 18), (18, 20)]
    assert threads() == []


@pytest.mark.parametrize("kind", [OSError("the disk is gone"), KeyboardInterrupt()])
def test_an_error_of_reading_comes_after_what_was_read(stack, monkeypatch, kind):
    broken_at(14, kind, monkeypatch)
    found, rows = [], rows_of(stack, BLOCKS, FLOW)
    with pytest.raises(type(kind)):
        found.extend(first for first, _ in rows)
    assert found == [0, 4]
    assert threads() == []


def test_an_error_of_what_is_made_of_rows_ends_the_reading(stack, monkeypatch):
    monkeypatch.setattr(Stack, "integrals", lambda self, row: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(rows_of(stack, BLOCKS, FLOW))
    assert threads() == []


def test_who_has_enough_leaves_nothing_running(stack):
    with ReadAhead(rows_of(stack, BLOCKS, FLOW), 1) as ahead:
        assert next(iter(ahead))[0] == 0
    # While the items are still at hand, so that nothing ends by being forgotten.
    assert ahead is not None and threads() == []


@pytest.mark.parametrize(("chunks", "first"), [(None, 4), ((4, 3, 5), 3)], ids=["lines", "chunks"])
def test_what_is_asked_for_in_advance_is_what_will_be_read(tmp_path, monkeypatch, chunks, first):
    asked, values = [], np.arange(8 * 9 * 5, dtype=np.float32).reshape(8, 9, 5)
    monkeypatch.setattr("os.posix_fadvise", lambda *given: asked.append(given[1:3]), raising=False)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=values, chunks=chunks)
    with h5py.File(path) as file:
        Ahead(file["a"], 1).expect(4, 6)
    content = path.read_bytes()
    found = b"".join(content[begin : begin + size] for begin, size in asked)
    assert sorted(np.frombuffer(found, np.float32)) == sorted(values[:, first:6].ravel())


def test_damage_within_a_stack_names_the_file_and_the_field(stack):
    content = bytearray(stack.path.read_bytes())
    with h5py.File(stack.path) as file:
        at = file["sinogram"].id.get_chunk_info(0).byte_offset
    content[at + 8] ^= 255
    stack.path.write_bytes(content)
    with pytest.raises(OSError, match=r"a\.h5', whose field /sinogram cannot be read"):
        list(stack.read(0, 20))


def test_what_is_written_may_be_anything_and_keeps_its_order():
    written = []
    with WriteBehind(written.append, waiting=1) as writer:
        for item in (1, None, (), 2, 3, 4):
            writer.put(item)
    assert written == [1, None, (), 2, 3, 4]


def test_an_error_of_the_writer_does_not_leave_the_others_waiting():
    def fail(item):
        raise OSError(f"no room for {item}")

    with pytest.raises(OSError, match="no room for 0"), WriteBehind(fail, waiting=1) as writer:
        for item in range(10):
            writer.put(item)
