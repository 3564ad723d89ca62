"""Sizes of memory, and how many slices they are enough for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctinr.batch.budget import Flow, flow_within, parse_bytes, slice_bytes
from ctinr.batch.stack import Identity, Stack
from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles


def stack(*, stored=10**6, along_chunk=1):
    geometry = ParallelBeam(equal_angles(100), Detector(128))
    file = Identity("a.h5", 1, 2, (100, 64, 128))
    sizes = {"stored_bytes": stored, "along_chunk": along_chunk}
    return Stack(Path("a.h5"), "ctinr", geometry, Grid((64, 96, 96)), file, **sizes)


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2 * 10**9), ("500 mb", 5 * 10**8), ("1.5GiB", 3 * 2**29), ("7", 7), (".5kB", 500)],
)
def test_sizes(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "2 apples", "-1GB", "1e3MB"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="`memory_budget` must be a size such as 2GB"):
        parse_bytes(text)
    with pytest.raises(ValueError, match="`memory_budget` must be above zero"):
        parse_bytes("0MB")


def test_blocks_begin_at_multiples_wherever_one_begins():
    flow = Flow(block=4, band=8)
    assert flow.blocks(0, 10) == [(0, 4), (4, 8), (8, 10)]
    assert flow.blocks(3, 9) == [(3, 4), (4, 8), (8, 9)]
    assert flow.blocks(5, 6) == [(5, 6)]


@pytest.mark.parametrize("budget", [3 * 10**7, 10**8, 10**9])
def test_what_goes_together_fits(budget):
    given = stack()
    flow = flow_within(budget, given, "fbp", side_by_side=8)
    assert 1 <= flow.block <= 8 and flow.band >= flow.block
    assert flow.block * slice_bytes(given, "fbp") <= budget / 2
    assert (3 * flow.block + 2 * flow.band) * given.stored_bytes <= budget / 2
    assert flow_within(2 * budget, given, "fbp", side_by_side=8).block >= flow.block


@pytest.mark.parametrize(("chunk", "band"), [(1, 33), (10, 30), (50, 50), (200, 200), (300, 238)])
def test_chunks_are_read_once_where_there_is_room(chunk, band):
    assert flow_within(10**9, stack(along_chunk=chunk), "fbp", side_by_side=8).band == band


def test_too_little_is_said_with_what_is_needed():
    with pytest.raises(ValueError, match=r"`memory_budget` must be at least (\d+) MB") as failure:
        flow_within(10**6, stack(), "tv", side_by_side=8)
    need = int(str(failure.value).split("at least ")[1].split(" MB")[0]) + 1
    assert flow_within(need * 10**6, stack(), "tv", side_by_side=8).block == 1
