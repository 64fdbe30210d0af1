"""Upkeep: what has to happen for the log to become unnecessary, while sessions work.

    1  pages that recovery would need old log for are written, a batch at a time: with the latch held only while
       the before-images are noted, while the pages are encoded and while they are handed to the system, not while the
       disk is waited for, which it is for the log and for the shadow
    2  the database file is made durable
    3  headers, then the checkpoint, then (circular logging) old logs go: `LogOwner.advance`

Which pages are due follows from JET_paramCheckpointDepthMax: recovery should not have to read more log than that.
Commits that nobody waited for reach the disk here too, and the reserve logs are made, and made anew when a full disk
has used them.

In an `Environment` with `background` a thread does it; without, it is done in `maintain`, between operations.
Source: log reference 5.2, 6.4; jet-api reference, parameters 24 and 41.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from engine.errors import EseError
from engine.format.segment import SEGMENT_SIZE
from engine.store.pool import FEWEST_PAGES
from engine.types import LgPos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.events import EventLog
    from engine.store.journal import Journal
    from engine.store.pages import StorePages
    from engine.store.pool import PagePool

BATCH_BYTES: Final = 256 * 1024
"""Pages written in one go, in bytes: as long as that may a session wait."""

_LAZY_SECONDS: Final = 0.5
"""A commit that nobody waited for is on the disk after this time."""

_WRITE_FAILED: Final = 482


class CheckpointOwner(Protocol):
    """Who has headers, checkpoint and logs."""

    def checkpoint_position(self) -> LgPos:
        """Return the present checkpoint."""

    def advance(self) -> None:
        """Move the checkpoint as far as it may go.  Called without the latch."""


class Upkeep:
    """One per running instance.

    `depth` gives the bytes of log that recovery may have to read, `room` the pages that the cache may hold; both may
    change while the instance runs.
    """

    def __init__(
        self,
        journal: Journal,
        pool: PagePool,
        owner: CheckpointOwner,
        events: EventLog,
        depth: Callable[[], int],
        room: Callable[[], int],
        *,
        background: bool,
    ) -> None:
        self._journal = journal
        self._pool = pool
        self._owner = owner
        self._events = events
        self._depth = depth
        self._room = room
        self._background = background
        self._mutex = threading.Lock()
        self._wake = threading.Condition(threading.Lock())
        self._wanted = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    # Asking for it.

    def want(self) -> None:
        """Say that a new generation has begun: pages may be due.  Called with any lock held; nothing is done here."""
        self._wanted = True
        if self._background:
            with self._wake:
                self._wake.notify()

    def begin(self) -> None:
        """Start the thread, if there is to be one; idempotent."""
        if self._background and self._thread is None and not self._stopped.is_set():
            self._thread = threading.Thread(target=self._run, name="ese-upkeep", daemon=True)
            self._thread.start()

    def between_operations(self) -> None:
        """Do what is due, where no thread does it.  Called without the latch."""
        if not self._background and (self._wanted or self._journal.writer.disk_full):
            self.work()

    def end(self) -> None:
        """Stop the thread and wait for it; idempotent."""
        self._stopped.set()
        with self._wake:
            self._wake.notify()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep it from touching any file meanwhile: databases come and go.  Never entered with the latch held."""
        with self._mutex:
            yield

    # Doing it.

    def work(self) -> None:
        """Write what is due until nothing is, and move the checkpoint.  Errors of log and files."""
        self._wanted = False
        self._pool.limit = max(FEWEST_PAGES, self._room())
        while self._batch():
            pass
        with self._mutex:
            for pages in list(self._pool.stores):
                pages.sync()
            self._owner.advance()
            if any(pages.worked for pages in self._pool.stores):
                # Work has to be ended and taken back even when the disk of the log is full one day.
                self._journal.writer.keep_reserves()

    def _batch(self) -> bool:
        """Write one batch of one database; False when nothing was due."""
        with self._mutex:
            journal = self._journal
            with journal.latch:
                chosen = self._choose()
                if chosen is None:
                    return False
                pages, pgnos = chosen
                newest = pages.log_images(pgnos)
            journal.wait_durable(newest)
            with journal.latch:
                flight = pages.take_off(pgnos)
            if flight is None:
                return False
            try:
                pages.protect(flight)
                with journal.latch:
                    pages.land(flight)
            finally:
                with journal.latch:
                    pages.call_back(flight)
            return True

    def _choose(self) -> tuple[StorePages, list[int]] | None:
        before, oldest = self._bound(), self._journal.oldest()
        # The checkpoint is the first byte of a generation.
        held = None if oldest is None else LgPos(oldest.generation, 1, 0)
        for pages in self._pool.stores:
            found = pages.due(before, max(1, BATCH_BYTES // pages.page_size), held)
            if found:
                return pages, found
        return None

    def _bound(self) -> LgPos:
        """Return the first byte of the generation from which on the log may be needed by recovery."""
        writer = self._journal.writer
        tip = writer.tip
        file_bytes = writer.header.file_segments * SEGMENT_SIZE
        generations = max(0, self._depth() - tip.segment * SEGMENT_SIZE) // file_bytes
        return LgPos(max(1, tip.generation - generations), 1, 0)

    def _run(self) -> None:
        while not self._stopped.is_set():
            with self._wake:
                if not self._wanted and not self._stopped.is_set():
                    self._wake.wait(_LAZY_SECONDS)
            if self._stopped.is_set() or self._journal.writer.failed:
                return
            try:
                self._journal.flush_lazy()
                if self._wanted or self._journal.writer.disk_full:
                    self.work()
            except EseError as error:
                # Pages stay changed and the checkpoint where it is; when the log failed nobody can go on anyway.
                offset = "" if error.offset is None else str(error.offset)
                self._events.report(_WRITE_FAILED, str(error.path), offset, "", str(error.code), "", error.message, "")
