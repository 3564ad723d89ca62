"""Threads around the computation."""

import pytest

from ctinr.batch.pipeline import WriteBehind


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
