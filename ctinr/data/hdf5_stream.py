"""HDF5 files that are written as they grow, larger than the memory."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py


class Sink(io.FileIO):
    """A new file that keeps the first error of writing to it, and then takes all and keeps none.

    The HDF5 library ends the process where it cannot write when it closes a file. So it is told
    that it could; whoever fills the file asks with `check`.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, "w+")
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all the bytes, or remember why not."""
        whole = memoryview(data).cast("B")
        done = 0
        while self.error is None and done < len(whole):
            try:
                done += super().write(whole[done:]) or 0
            except OSError as error:
                self.error = error
        return len(whole)

    def truncate(self, size: int | None = None) -> int:
        """Change the size of the file, or remember why not."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return self.tell() if size is None else size

    def check(self) -> None:
        """Raise the error of an earlier write, if there was one."""
        if self.error is not None:
            raise self.error


@contextlib.contextmanager
def streamed(path: Path, **settings: Any) -> Iterator[tuple[h5py.File, Sink]]:
    """Give an HDF5 file to fill and the sink that it is written to.

    Raises
    ------
    OSError
        If it could not be written: at the end of the block, or where that calls `Sink.check`.
    """
    import h5py

    with Sink(str(path)) as sink:
        try:
            with h5py.File(sink, "w", **settings) as file:
                yield file, sink
        except (OSError, RuntimeError):
            # What the library stumbles over after a write that failed is not the cause.
            sink.check()
            raise
        sink.check()
