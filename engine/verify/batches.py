"""A file read from end to end in large batches, one read ahead of the one being looked at.

A second thread reads while the first computes checksums; both release the interpreter lock.  Memory is the
`BUFFERS` buffers, whatever the size of the file.  A batch is valid until the next one is asked for.

A read that fails does not end the walk: the batch comes with the error, and the consumer decides.
"""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import EseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.files.base import File

BATCH_SIZE: Final = 4 << 20
"""Bytes of a batch: a multiple of every page size."""

BUFFERS: Final = 3


class Batch(NamedTuple):
    """Bytes of a file from `offset` on.  With `error` set nothing could be read, and `data` is scratch space."""

    offset: int
    data: memoryview
    error: EseError | None = None


class _Reader(threading.Thread):
    """Fills buffers in file order until the end, a failure of the program, or `stop`."""

    def __init__(self, file: File, size: int) -> None:
        super().__init__(name="verify-reader", daemon=True)
        self.free: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self.filled: queue.SimpleQueue[Batch | BaseException | None] = queue.SimpleQueue()
        self._file = file
        self._size = size
        for _ in range(BUFFERS):
            self.free.put(memoryview(bytearray(min(BATCH_SIZE, size))))

    def stop(self) -> None:
        """Make the thread end and wait for it."""
        self.free.put(None)
        self.join()

    def run(self) -> None:
        try:
            for offset in range(0, self._size, BATCH_SIZE):
                buffer = self.free.get()
                if buffer is None:
                    return
                batch = _read(self._file, offset, buffer[: min(BATCH_SIZE, self._size - offset)])
                self.filled.put(batch)
                if batch.error is None and offset + len(batch.data) < min(offset + BATCH_SIZE, self._size):
                    break
        except BaseException as error:  # noqa: BLE001 - raised again by the consuming thread
            self.filled.put(error)
        self.filled.put(None)


def _read(file: File, offset: int, buffer: memoryview) -> Batch:
    try:
        count = file.read_into_at(offset, buffer)
    except EseError as error:
        return Batch(offset, buffer, error)
    return Batch(offset, buffer[:count])


@contextmanager
def read_ahead(file: File, size: int) -> Iterator[Iterator[Batch]]:
    """Give the batches of the first `size` bytes of a file; fewer when it became shorter meanwhile.

    On leaving the with-block the second thread has ended and no longer touches the file.
    """
    if size <= BATCH_SIZE:
        # Starting a thread would take longer than reading.
        yield iter([_read(file, 0, memoryview(bytearray(size)))] if size else [])
        return
    reader = _Reader(file, size)
    reader.start()
    try:
        yield _consume(reader)
    finally:
        reader.stop()


def _consume(reader: _Reader) -> Iterator[Batch]:
    while (batch := reader.filled.get()) is not None:
        if isinstance(batch, BaseException):
            raise batch
        whole = batch.data.obj
        yield batch
        reader.free.put(memoryview(whole))
