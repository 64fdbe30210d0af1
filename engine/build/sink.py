"""Where finished pages go: batches of neighbouring pages, checksummed together and written in the background.

A stream collects consecutive pages in a buffer; a page that does not follow ends the batch.  Checksums of a whole
batch are computed at once (numpy) and written by one worker thread, which overlaps with composing the next batch:
both numpy and the write release the interpreter lock.  At most two batches wait, so memory is bounded by
(streams + 2) buffers.  With `threaded=False` everything happens in order in the caller's thread, for tests that
count operations.

Hot path: `PageStream.put`.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from engine.format.checksum import set_batch_checksums, set_page_checksum
from engine.format.page import page_offset

if TYPE_CHECKING:
    from engine.files.base import File

BATCH_BYTES: Final = 2 << 20
_MOST_WAITING: Final = 2
FIRST_DBTIME: Final = 11


class PageSink:
    """Takes whole pages with zero checksums, gives them checksums and a place in the file."""

    def __init__(self, file: File, page_size: int, *, batch_bytes: int = BATCH_BYTES, threaded: bool = True) -> None:
        self.file = file
        self.page_size = page_size
        self.batch_pages = max(1, batch_bytes // page_size)
        self.dbtime = FIRST_DBTIME - 1
        """Highest update counter handed out."""
        self.pages_written = 0
        self._worker = ThreadPoolExecutor(1, "ese-build") if threaded else None
        self._waiting: deque[Future[bytearray]] = deque()
        self._spare: list[bytearray] = []

    def next_dbtime(self) -> int:
        """Return the next update counter."""
        self.dbtime += 1
        return self.dbtime

    def stream(self) -> PageStream:
        """Return a new stream; flush it before the sink is finished."""
        return PageStream(self)

    def write_page(self, pgno: int, page: bytes) -> None:
        """Write one page at once."""
        data = bytearray(page)
        set_page_checksum(data, pgno)
        self.file.write_at(page_offset(pgno, self.page_size), data)
        self.pages_written += 1

    def buffer(self) -> bytearray:
        """Return an empty batch buffer."""
        return self._spare.pop() if self._spare else bytearray(self.batch_pages * self.page_size)

    def submit(self, buffer: bytearray, count: int, first: int) -> None:
        """Write `count` pages from `buffer` at page `first`; the buffer comes back by itself."""
        self.pages_written += count
        if self._worker is None:
            self._spare.append(self._write(buffer, count, first))
            return
        while len(self._waiting) >= _MOST_WAITING:
            self._spare.append(self._waiting.popleft().result())
        self._waiting.append(self._worker.submit(self._write, buffer, count, first))

    def finish(self) -> None:
        """Wait until all batches are written; raises what the worker met."""
        while self._waiting:
            self._spare.append(self._waiting.popleft().result())

    def close(self) -> None:
        """Stop the worker; pending batches are dropped or done, errors of a failed build are not repeated."""
        if self._worker is not None:
            self._worker.shutdown(wait=True, cancel_futures=True)
        self._waiting.clear()
        self._spare.clear()

    def _write(self, buffer: bytearray, count: int, first: int) -> bytearray:
        size, offset = count * self.page_size, page_offset(first, self.page_size)
        with memoryview(buffer) as whole, whole[:size] as view:
            set_batch_checksums(view, first, self.page_size)
            self.file.write_at(offset, view)
        # Begin writing out now, so that the final fsync has little left to do.
        self.file.start_writeback(offset, size)
        return buffer


class PageStream:
    """A run of consecutive pages on its way to the sink.  Holds a buffer only while it holds pages."""

    __slots__ = ("_buffer", "_count", "_first", "_page_size", "_sink", "_size")

    def __init__(self, sink: PageSink) -> None:
        self._sink = sink
        self._page_size = sink.page_size
        self._size = sink.batch_pages
        self._buffer = bytearray()
        self._first = 0
        self._count = 0

    def put(self, pgno: int, page: bytes) -> None:
        """Add a page; it should follow the one before it."""
        count = self._count
        if not count or pgno != self._first + count or count == self._size:
            self.flush()
            self._buffer = self._sink.buffer()
            self._first, count = pgno, 0
        at = count * self._page_size
        self._buffer[at : at + self._page_size] = page
        self._count = count + 1

    def flush(self) -> None:
        """Hand over what is collected."""
        if self._count:
            self._sink.submit(self._buffer, self._count, self._first)
            self._buffer = bytearray()
            self._first = self._count = 0
