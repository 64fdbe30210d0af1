"""A file read from end to end in large batches, looked at by two threads, the results handed out in order.

    reader 1   batch 0, 2, 4 ...   read, work        one queue each, so
    reader 2   batch 1, 3, 5 ...   read, work        the consumer takes turns

Reading and the checksums of numpy release the interpreter lock, so two processors are used; with one, or with
a file of one batch, everything happens in order on the calling thread.  Memory is one buffer a reader, whatever
the size of the file: a reader goes on with its buffer at once, unless the result says that the consumer wants to
see the bytes; then it waits for the buffer to come back.

A read that fails does not end the walk: the batch comes with the error, and the consumer decides.
"""

from __future__ import annotations

import itertools
import os
import queue
import threading
from collections.abc import Callable  # noqa: TC003 - fields of a NamedTuple may be looked up at run time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from engine.errors import EseError
from engine.files.buffers import io_buffer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.files.base import File

BATCH_SIZE: Final = 4 << 20
"""Bytes of a batch: a multiple of every page size."""

READERS: Final = 2
AHEAD: Final = 16
"""Results that a reader may be ahead of the consumer."""

T = TypeVar("T")


class Batch(NamedTuple, Generic[T]):
    """`length` bytes of a file from `offset` on, and what `work` made of them.

    `data` holds the bytes, until the next batch is asked for, when the result was worth keeping them; else it is
    empty.  With `error` set nothing could be read: `data` is scratch space of the right length, `result` is None.
    """

    offset: int
    length: int
    data: memoryview
    result: T | None = None
    error: EseError | None = None


class Task(NamedTuple, Generic[T]):
    """What to do with each batch: `work` gets its offset and bytes; `keep` tells from the result whether to keep them.

    `work` is called in any thread and in any order; what it raises is raised to the consumer.
    """

    work: Callable[[int, memoryview], T]
    keep: Callable[[T], bool]


class _Reader(threading.Thread, Generic[T]):
    """Reads every `READERS`-th batch from `first` on and works on it, until the end, a failure, or `stop`."""

    def __init__(self, file: File, size: int, first: int, task: Task[T]) -> None:
        super().__init__(name=f"verify-reader-{first}", daemon=True)
        self.filled: queue.SimpleQueue[Batch[T] | BaseException] = queue.SimpleQueue()
        self._credits: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._returned: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._file = file
        self._size = size
        self._first = first
        self._task = task
        self._stopped = False
        for _ in range(AHEAD):
            self._credits.put(True)

    def done_with(self, batch: Batch[T]) -> None:
        """Take back what the consumer has finished with."""
        if len(batch.data):
            self._returned.put(True)
        self._credits.put(True)

    def stop(self) -> None:
        """Make the thread end and wait for it."""
        self._stopped = True
        # Whichever it waits for.
        self._returned.put(False)
        self._credits.put(False)
        self.join()

    def run(self) -> None:
        try:
            buffer = io_buffer(BATCH_SIZE)
            for offset in range(self._first * BATCH_SIZE, self._size, READERS * BATCH_SIZE):
                if not self._credits.get() or self._stopped:
                    return
                batch = _read(self._file, offset, buffer[: min(BATCH_SIZE, self._size - offset)], self._task)
                self.filled.put(batch)
                if len(batch.data) and not self._returned.get():
                    return
        except BaseException as error:  # noqa: BLE001 - raised again by the consuming thread
            self.filled.put(error)


def _read(file: File, offset: int, buffer: memoryview, task: Task[T]) -> Batch[T]:
    """Fill `buffer` from the file, short only at its end, and work on it."""
    count = 0
    try:
        while count < len(buffer):
            more = file.read_into_at(offset + count, buffer[count:])
            if not more:
                break
            count += more
    except EseError as error:
        return Batch(offset, len(buffer), buffer, error=error)
    data = buffer[:count]
    result = task.work(offset, data)
    return Batch(offset, count, data if task.keep(result) else data[:0], result)


@contextmanager
def read_batches(file: File, size: int, task: Task[T]) -> Iterator[Iterator[Batch[T]]]:
    """Give the batches of the first `size` bytes of a file in order; a short one when it became shorter meanwhile.

    On leaving the with-block no thread touches the file any more.
    """
    if size <= BATCH_SIZE or (os.cpu_count() or 1) < READERS:
        yield _alone(file, size, task)
        return
    readers = [_Reader(file, size, index, task) for index in range(READERS)]
    for each in readers:
        each.start()
    try:
        yield _in_order(readers, -(-size // BATCH_SIZE))
    finally:
        for each in readers:
            each.stop()


def _alone(file: File, size: int, task: Task[T]) -> Iterator[Batch[T]]:
    buffer = io_buffer(min(size, BATCH_SIZE))
    for offset in range(0, size, BATCH_SIZE):
        yield _read(file, offset, buffer[: min(BATCH_SIZE, size - offset)], task)


def _in_order(readers: list[_Reader[T]], count: int) -> Iterator[Batch[T]]:
    for reader in itertools.islice(itertools.cycle(readers), count):
        batch = reader.filled.get()
        if isinstance(batch, BaseException):
            raise batch
        yield batch
        reader.done_with(batch)
