"""The copy: the calling thread reads and verifies, a second one writes.

    calling thread   source.read_into(buffer) -> CRC32C -> queue        (numpy, CRC and reads release the lock)
    writing thread   queue -> write_at -> start write-back -> drop what is four buffers behind

Memory is the pool's four buffers whatever the file's size.  Letting the cache keep the whole copy is what makes
a plain copy slow, so what has been written is pushed out and dropped while the copy goes on, and the fsync at
the end has little left to do.  A file that fits one buffer is written by the calling thread: starting another
would take longer.

The callback of a backup and every check for cancellation run on the calling thread, between chunks, with no
lock held.
Source: performance reference; jet-api reference R1, R51.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from engine.backup.crc import crc32c

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.files.base import File

BUFFER_SIZE: Final = 4 << 20
BUFFERS: Final = 4
_WINDOW: Final = 4
"""Chunks of the copy that stay in the cache, being written out."""


class ChunkSource(Protocol):
    """Bytes of a file of the set, verified as they are handed out."""

    @property
    def total(self) -> int:
        """Bytes in all."""

    def read_into(self, buffer: memoryview) -> int:
        """Put the next bytes into `buffer`, as many as fit in whole units, and return the count; 0 at the end."""


class Copied(NamedTuple):
    """What was written: bytes and their CRC32C."""

    size: int
    crc32c: int


class BufferPool:
    """The fixed buffers of one backup, made at first use and used again for every file."""

    def __init__(self, size: int = BUFFER_SIZE, count: int = BUFFERS) -> None:
        self.size = size
        self.count = count
        self._buffers: list[bytearray] = []

    def take(self, count: int, size: int) -> list[memoryview]:
        """Return `count` buffers of `size` bytes; valid until the next call."""
        while len(self._buffers) < count:
            self._buffers.append(bytearray())
        for index in range(count):
            if len(self._buffers[index]) < size:
                self._buffers[index] = bytearray(size)
        return [memoryview(each)[:size] for each in self._buffers[:count]]


class _Writer(threading.Thread):
    """Writes the chunks it is given, in order; keeps the first failure and then only hands buffers back."""

    def __init__(self, file: File, buffers: list[memoryview]) -> None:
        super().__init__(name="backup-writer", daemon=True)
        self.free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        for each in buffers:
            self.free.put(each)
        self.failure: BaseException | None = None
        self._file = file
        self._filled: queue.SimpleQueue[tuple[memoryview, int, int] | None] = queue.SimpleQueue()
        self._written: list[tuple[int, int]] = []

    def put(self, buffer: memoryview, length: int, offset: int) -> None:
        """Hand over a filled buffer."""
        self._filled.put((buffer, length, offset))

    def finish(self) -> None:
        """Wait until everything handed over is written."""
        self._filled.put(None)
        self.join()

    def run(self) -> None:
        while (item := self._filled.get()) is not None:
            buffer, length, offset = item
            if self.failure is None:
                try:
                    self._write(buffer[:length], offset)
                except BaseException as error:  # noqa: BLE001 - raised again by the calling thread
                    self.failure = error
            self.free.put(buffer)

    def _write(self, data: memoryview, offset: int) -> None:
        self._file.write_at(offset, data)
        self._file.start_writeback(offset, len(data))
        self._written.append((offset, len(data)))
        if len(self._written) > _WINDOW:
            self._file.drop_cache(*self._written.pop(0))


def copy_stream(source: ChunkSource, file: File, pool: BufferPool, on_chunk: Callable[[int], None]) -> Copied:
    """Copy all of `source` to `file` and make it durable; `on_chunk` gets the count of bytes after each chunk.

    An exception of `source`, of `on_chunk` or of writing ends the copy; the file is left for the caller to remove.
    """
    if source.total <= pool.size:
        return _copy_inline(source, file, pool, on_chunk)
    writer = _Writer(file, pool.take(pool.count, pool.size))
    writer.start()
    crc = done = 0
    try:
        while writer.failure is None:
            buffer = writer.free.get()
            count = source.read_into(buffer)
            if not count:
                break
            crc = crc32c(buffer[:count], crc)
            writer.put(buffer, count, done)
            done += count
            on_chunk(count)
    finally:
        writer.finish()
    if writer.failure is not None:
        raise writer.failure
    # The file must be on disk before the manifest says it is.
    file.fsync()
    file.drop_cache(0, done)
    return Copied(done, crc)


def _copy_inline(source: ChunkSource, file: File, pool: BufferPool, on_chunk: Callable[[int], None]) -> Copied:
    crc = done = 0
    buffer = pool.take(1, source.total)[0]
    # Asked once even when there is nothing: an empty log is an error, and the source says so.
    while count := source.read_into(buffer):
        crc = crc32c(buffer[:count], crc)
        file.write_at(done, buffer[:count])
        done += count
        on_chunk(count)
    # The file must be on disk before the manifest says it is.
    file.fsync()
    return Copied(done, crc)
