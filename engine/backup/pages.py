"""The pages of a database as a backup copies them: every one verified, in page order, while the file is in use.

    header | header | page 1 | page 2 | … | page N | trailer

Both header pages come from the header in memory, with `bkinfo_full_cur` set, so the copy says what it is; the
file's own are not read.  Pages are read in batches, as large as the buffer, and checked at once.  A batch that
fails is read again as a whole, up to 16 times, after 100, 200, … 1600 ms: a page that somebody was writing when it
was read is right the next time.  A page with one wrong bit is put right in the copy.  A page of zeros was never
used and is copied as it is.  The trailer is made when the last page has been read.

Events: 474 checksum wrong, 475 page of another number, 544 lost write (each time it is read), 399 corrected, 493 right
at last.
Source: jet-api reference R19, R29, R30; log reference 7.6; database reference 1.7.
"""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.backup.result import CorrectedUnit
from engine.backup.target import signed_hex
from engine.errors import ChecksumError, Err, EseError
from engine.format.checksum import BadUnit, correct_page, verify_batch
from engine.monitor import Cell

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from engine.backup.lost_writes import LostWriteCheck
    from engine.env import Environment
    from engine.events import EventLog
    from engine.files.base import File
    from engine.format.checksum_batch import PageBatchResult
    from engine.monitor import Monitor

READS: Final = 17
"""A chunk is read once and then up to 16 times more."""
HEADER_PAGES: Final = 2
TRAILER_PAGES: Final = 1

CHECKSUM_MISMATCH: Final = 474
PAGE_NUMBER_MISMATCH: Final = 475
CORRECTED: Final = 399
TRANSIENT_READ_ERROR: Final = 493
CATEGORY: Final = 3
"""Page events of a backup belong to logging and recovery, not to the cache."""

_RETRIED: Final = frozenset({Err.DiskIO, Err.DiskReadVerificationFailure, Err.FileIOBeyondEOF})


class CopyWatch(NamedTuple):
    """What a source reports to, and asks, while it reads."""

    env: Environment
    events: EventLog
    monitor: Monitor
    check: Callable[[], None]
    """Raises when the backup must stop; called between reads."""
    corrected: list[CorrectedUnit]


class DatabaseSource:
    """A database file as the stream of bytes that goes into the set."""

    def __init__(
        self,
        file: File,
        header_page: bytes,
        last_page: int,
        trailer: Callable[[], bytes],
        watch: CopyWatch,
        lost_writes: LostWriteCheck | None = None,
        guard: AbstractContextManager[object] | None = None,
    ) -> None:
        """`guard` is held while a piece is read: meanwhile no page of the file is written."""
        self._file = file
        self._guard = nullcontext() if guard is None else guard
        self._lost_writes = lost_writes
        self._header_page = header_page
        self._trailer = trailer
        self._watch = watch
        self._at = 0
        self.page_size = len(header_page)
        self.last_page = last_page
        self.units = last_page + HEADER_PAGES + TRAILER_PAGES

    @property
    def total(self) -> int:
        """Bytes of the copy: headers, pages and trailer."""
        return self.units * self.page_size

    @property
    def done(self) -> int:
        """Bytes handed out so far."""
        return self._at * self.page_size

    def close(self) -> None:
        """Close the file and its flush map; idempotent."""
        self._file.close()
        if self._lost_writes is not None:
            self._lost_writes.close()

    def read_into(self, buffer: memoryview) -> int:
        """Fill `buffer` with the next whole pages, verified; 0 at the end.

        -1018, -1118, -1119, -1021, -1022, -4001 when a page stays wrong or unreadable; nothing is handed out then.
        """
        size = self.page_size
        room = min(len(buffer) // size, self.units - self._at)
        filled = 0
        while filled < room and self._at + filled < HEADER_PAGES:
            buffer[filled * size : (filled + 1) * size] = self._header_page
            filled += 1
        first = self._at + filled - HEADER_PAGES + 1
        pages = min(room - filled, self.last_page - first + 1)
        if pages > 0:
            self._read_pages(buffer[filled * size : (filled + pages) * size], first)
            filled += pages
        if filled < room:
            buffer[filled * size : (filled + 1) * size] = self._trailer()
            filled += 1
        self._at += filled
        return filled * size

    def _read_pages(self, view: memoryview, first: int) -> None:
        """Read the pages `first` … that fill `view`, again and again until they are right."""
        watch = self._watch
        failures, since = 0, watch.env.now()
        while True:
            try:
                self._read_once(view, first)
                break
            except EseError as error:
                if not isinstance(error, ChecksumError) and error.code not in _RETRIED:
                    raise
                failures += 1
                if failures >= READS:
                    self._count_bad(error)
                    raise
            watch.check()
            watch.env.sleep(0.1 * failures * watch.env.read_retry_delay)
            watch.check()
        if failures:
            seconds = (watch.env.now() - since).total_seconds()
            watch.events.report(
                TRANSIENT_READ_ERROR,
                self._file.path,
                _offset_text((first + 1) * self.page_size),
                _length_text(len(view)),
                str(failures),
                f"{seconds:g}",
            )

    def _read_once(self, view: memoryview, first: int) -> None:
        offset = (first + 1) * self.page_size
        with self._guard:
            count = self._file.read_into_at(offset, view)
        if count < len(view):
            raise EseError.from_code(
                Err.FileIOBeyondEOF,
                f"the file ends {len(view) - count} bytes early",
                path=self._file.path,
                offset=offset + count,
            )
        result = verify_batch(view, first, self.page_size)
        for bad in result.bad:
            if not bad.correctable:
                raise self._bad_page(bad)
        for bad in result.bad:
            at = (bad.number - first) * self.page_size
            correct_page(view[at : at + self.page_size], bad.number)
            self._report_corrected(bad)
        if self._lost_writes is not None:
            self._lost_writes.look(view, self.page_size, result)
        self._count(result)

    def _bad_page(self, bad: BadUnit) -> EseError:
        path, offset = self._file.path, (bad.number + 1) * self.page_size
        where = (path, _offset_text(offset), _length_text(self.page_size), signed_hex(bad.code))
        if bad.code == Err.ReadPgnoVerifyFailure:
            event = PAGE_NUMBER_MISMATCH
            found = bad.claimed if bad.claimed is not None else 0
            self._watch.events.report(event, *where, _page_text(bad.number), _page_text(found), category=CATEGORY)
        else:
            event = CHECKSUM_MISMATCH
            sums = (f"[{bad.stored:016x}]", f"[{bad.computed:016x}]")
            self._watch.events.report(event, *where, *sums, _page_text(bad.number), category=CATEGORY)
        return EseError.from_code(
            bad.code,
            path=path,
            page=bad.number,
            offset=offset,
            stored=bad.stored,
            computed=bad.computed,
            event_id=event,
        )

    def _report_corrected(self, bad: BadUnit) -> None:
        path = self._file.path
        for bit in bad.bits:
            self._watch.events.report(
                CORRECTED,
                path,
                _offset_text((bad.number + 1) * self.page_size),
                _length_text(self.page_size),
                str(bit),
                _page_text(bad.number),
                category=CATEGORY,
            )
        self._watch.corrected.append(CorrectedUnit(path, "page", bad.number, bad.bits))

    def _count_bad(self, error: EseError) -> None:
        if error.page is not None:
            self._watch.monitor.pages_bad += 1
            self._watch.monitor.mark_pages(error.page, 1, Cell.BAD)

    def _count(self, result: PageBatchResult) -> None:
        monitor, first = self._watch.monitor, result.first_pgno
        blank = result.blank_count
        monitor.pages_verified += result.count - blank
        monitor.pages_blank += blank
        monitor.pages_corrected += len(result.bad)
        if not blank:
            monitor.mark_pages(first, result.count, Cell.VERIFIED)
        else:
            import numpy as np  # noqa: PLC0415 - takes 0.15 s, and only a copy needs it

            edges = [0, *(np.flatnonzero(np.diff(result.blank)) + 1).tolist(), result.count]
            for begin, end in pairwise(edges):
                state = Cell.FREE if result.blank[begin] else Cell.VERIFIED
                monitor.mark_pages(first + begin, end - begin, state)
        for bad in result.bad:
            monitor.mark_pages(bad.number, 1, Cell.CORRECTED)


def size_text(size: int) -> str:
    """Return a file size as event 220 has it: "776 Kb", "2 Mb"."""
    return f"{size >> 20} Mb" if size > 1 << 20 else f"{size >> 10} Kb"


def _offset_text(offset: int) -> str:
    return f"{offset} (0x{offset:016x})"


def _length_text(length: int) -> str:
    return f"{length} (0x{length:08x})"


def _page_text(number: int) -> str:
    return f"{number} (0x{number:X})"
