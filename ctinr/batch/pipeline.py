"""Threads around the computation: one that reads ahead, and one that writes behind."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
# How often a thread that waits looks whether it is still wanted, seconds.
GLANCE = 0.1
# Ends the line of items to be written: nothing that an item could be, or the thread would end early
# and leave those who wait for a place waiting for ever.
_END = object()


class ReadAhead(Generic[Item]):
    """Items that are made by a thread of their own, a few of them in advance.

    What making them raises is raised where they are taken. The thread ends with the block.

    Parameters
    ----------
    items : iterable
        What the thread goes through.
    waiting : int
        How many may wait at most.
    """

    def __init__(self, items: Iterable[Item], waiting: int) -> None:
        self._items = items
        self._line: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=waiting)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ctinr-reader")

    def __enter__(self) -> ReadAhead[Item]:
        self._thread.start()
        return self

    def __exit__(self, *reason: Any) -> None:
        self._left.set()
        self._thread.join()

    def __iter__(self) -> Iterator[Item]:
        while True:
            kind, item = self._line.get()
            if kind == "error":
                raise item
            if kind == "end":
                return
            yield item

    def _work(self) -> None:
        try:
            for item in self._items:
                if not self._offered("item", item):
                    return
            self._offered("end", None)
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            self._offered("error", error)

    def _offered(self, kind: str, item: Any) -> bool:
        """Wait for a place in the line and tell whether there was one before the block ended."""
        while not self._left.is_set():
            with contextlib.suppress(queue.Full):
                self._line.put((kind, item), timeout=GLANCE)
                return True
        return False


class WriteBehind(Generic[Item]):
    """Hands items to a function in a thread of its own, in order.

    What has been put is written even if the block fails or is interrupted. An error of the
    function is raised by the next `put`, or at the end of the block.

    Parameters
    ----------
    write : callable
        Takes one item.
    waiting : int
        How many may wait; then `put` does.
    """

    def __init__(self, write: Callable[[Item], None], waiting: int) -> None:
        self._write = write
        self._line: queue.Queue[Any] = queue.Queue(maxsize=waiting)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="ctinr-writer")

    def __enter__(self) -> WriteBehind[Item]:
        self._thread.start()
        return self

    def __exit__(self, kind: Any, *reason: Any) -> None:
        self._line.put(_END)
        self._thread.join()
        if kind is None:
            self._check()

    def put(self, item: Item) -> None:
        """Add an item to the line."""
        self._check()
        self._line.put(item)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (item := self._line.get()) is not _END:
            if self._error is None:
                try:
                    self._write(item)
                except BaseException as error:  # noqa: BLE001 - raised in the other thread
                    self._error = error
