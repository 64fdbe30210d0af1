"""A file read from end to end in large batches, looked at by two threads, handed out in order.

    reader 1   batch 0, 2, 4 ...   read, work        one queue each, so
    reader 2   batch 1, 3, 5 ...   read, work        the consumer takes turns

Reading and the checksums of numpy release the interpreter lock, so two processors are used; with one, or with
a file of one batch, everything happens in order on the calling thread.  Memory is one buffer a reader, whatever
the size of the file.  A batch is valid until the next one is asked for.

A read that fails does not end the walk: the batch comes with the error, and the consumer decides.
"""

from __future__ import annotations

import itertools
import os
import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from engine.errors import EseError
from engine.files.buffers import io_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.files.base import File

BATCH_SIZE: Final = 4 << 20
"""Bytes of a batch: a multiple of every page size."""

READERS: Final = 2
BUFFERS: Final = 1
"""Buffers of one reader.  More would only push the pages out of the processor cache: taking a result is quick."""

T = TypeVar("T")


class Batch(NamedTuple, Generic[T]):
    """Bytes of a file from `offset` on, and what `work` made of them.

    With `error` set nothing could be read: `data` is scratch space of the right length, `result` is None.
    `whole` is the buffer that `data` lies in.
    """

    offset: int
    data: memoryview
    whole: memoryview
    result: T | None = None
    error: EseError | None = None


class _Reader(threading.Thread, Generic[T]):
    """Reads every `READERS`-th batch from `first` on and works on it, until the end, a failure, or `stop`."""

    def __init__(self, file: File, size: int, first: int, work: Callable[[int, memoryview], T]) -> None:
        super().__init__(name=f"verify-reader-{first}", daemon=True)
        self.free: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self.filled: queue.SimpleQueue[Batch[T] | BaseException] = queue.SimpleQueue()
        self._file = file
        self._size = size
        self._first = first
        self._work = work
        for _ in range(BUFFERS):
            self.free.put(io_buffer(BATCH_SIZE))

    def stop(self) -> None:
        """Make the thread end and wait for it."""
        self.free.put(None)
        self.join()

    def run(self) -> None:
        try:
            for offset in range(self._first * BATCH_SIZE, self._size, READERS * BATCH_SIZE):
                buffer = self.free.get()
                if buffer is None:
                    return
                length = min(BATCH_SIZE, self._size - offset)
                self.filled.put(_read(self._file, offset, buffer, length, self._work))
        except BaseException as error:  # noqa: BLE001 - raised again by the consuming thread
            self.filled.put(error)


def _read(file: File, offset: int, buffer: memoryview, length: int, work: Callable[[int, memoryview], T]) -> Batch[T]:
    count = 0
    try:
        while count < length:
            more = file.read_into_at(offset + count, buffer[count:length])
            if not more:
                break
            count += more
    except EseError as error:
        return Batch(offset, buffer[:length], buffer, error=error)
    data = buffer[:count]
    return Batch(offset, data, buffer, work(offset, data))


@contextmanager
def read_batches(file: File, size: int, work: Callable[[int, memoryview], T]) -> Iterator[Iterator[Batch[T]]]:
    """Give the batches of the first `size` bytes of a file in order; a short one when it became shorter meanwhile.

    `work` gets the offset and the bytes of each batch that could be read, in any thread, in any order; what it
    raises is raised to the consumer.  On leaving the with-block no thread touches the file any more.
    """
    if size <= BATCH_SIZE or (os.cpu_count() or 1) < READERS:
        yield _alone(file, size, work)
        return
    readers = [_Reader(file, size, index, work) for index in range(READERS)]
    for each in readers:
        each.start()
    try:
        yield _in_order(readers, -(-size // BATCH_SIZE))
    finally:
        for each in readers:
            each.stop()


def _alone(file: File, size: int, work: Callable[[int, memoryview], T]) -> Iterator[Batch[T]]:
    buffer = io_buffer(min(size, BATCH_SIZE))
    for offset in range(0, size, BATCH_SIZE):
        yield _read(file, offset, buffer, min(BATCH_SIZE, size - offset), work)


def _in_order(readers: list[_Reader[T]], count: int) -> Iterator[Batch[T]]:
    for reader in itertools.islice(itertools.cycle(readers), count):
        batch = reader.filled.get()
        if isinstance(batch, BaseException):
            raise batch
        yield batch
        reader.free.put(batch.whole)
