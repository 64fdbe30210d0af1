"""Where pages are read from: a file, or replayed pages above a file.

Every page that leaves a source has been verified; a single flipped bit is put right in memory and noted.
Pages come as `engine.format.page.Page` over bytes that no one changes, so they may be kept.

Source: database reference 1.1, 2.3; architecture, "Evidence read".
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from typing import IO, TYPE_CHECKING, Final, Protocol

from engine.errors import Err, EseError
from engine.files.oserror import from_os_error
from engine.format.checksum import verify_batch
from engine.format.page import Page, page_offset
from engine.page_reading import read_verified

if TYPE_CHECKING:
    from engine.page_reading import File

DEFAULT_CACHE_BYTES: Final = 32 * 1024 * 1024
"""Bytes of pages that a source keeps unless told otherwise."""

_READ_AHEAD_BYTES: Final = 1024 * 1024
_SPILL: Final = "the temporary file of replayed pages"


class PageSource(Protocol):
    """Read access to the pages of one database."""

    @property
    def path(self) -> str:
        """Path of the database file."""

    @property
    def page_size(self) -> int:
        """Bytes a page."""

    @property
    def last_page(self) -> int:
        """Last page that can be asked for: what the file has room for, or what replay has added."""

    def page(self, pgno: int) -> Page:
        """Return a page.

        -1018 or -1118 for its checksum, -1019 when it is blank, -4001 when it lies beyond the end, -327 for number 0.
        """

    def prefetch(self, first: int, count: int) -> None:
        """Read pages that will be asked for soon; damaged ones show when they are asked for."""


class FilePages:
    """The pages of a database file, kept up to `cache_bytes`.  The file is the caller's to close."""

    def __init__(self, file: File, page_size: int, *, cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self.file = file
        self.page_size = page_size
        self.path = file.path
        self.last_page = max(0, file.size() // page_size - 2)
        self.corrected: list[int] = []
        """Pages in which one bit was put right in memory, each once, however often it is read."""
        self._put_right: set[int] = set()
        self._kept: OrderedDict[int, Page] = OrderedDict()
        self._most = max(16, cache_bytes // page_size)
        self._ahead = max(1, _READ_AHEAD_BYTES // page_size)

    def page(self, pgno: int) -> Page:
        """Return a page, see `PageSource`."""
        found = self._kept.get(pgno)
        if found is not None:
            self._kept.move_to_end(pgno)
            return found
        page = Page(self.read(pgno), pgno, path=self.path)
        self._keep(pgno, page)
        return page

    def read(self, pgno: int) -> bytes | bytearray:
        """Return the bytes of a page, read now; they are the caller's.  Errors as `page`."""
        corrected: list[int] = []
        data = read_verified(self.file, pgno, self.page_size, corrected)
        if corrected and pgno not in self._put_right:
            self._put_right.add(pgno)
            self.corrected.append(pgno)
        return data

    def prefetch(self, first: int, count: int) -> None:
        """Read up to 1 MiB of pages in one piece."""
        count = min(count, self._ahead, self._most // 2, self.last_page - first + 1)
        if count < 1 or first < 1 or all(pgno in self._kept for pgno in range(first, first + count)):
            return
        size = self.page_size
        data = self.file.read_at(page_offset(first, size), count * size)
        count = len(data) // size
        if not count:
            return
        data = data[: count * size]
        bad = {each.number for each in verify_batch(data, first, size).bad}
        for index in range(count):
            pgno = first + index
            piece = data[index * size : (index + 1) * size]
            if pgno not in bad and pgno not in self._kept and any(piece[:40]):
                self._keep(pgno, Page(piece, pgno, path=self.path))

    def _keep(self, pgno: int, page: Page) -> None:
        self._kept[pgno] = page
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


class SpilledPages:
    """Replayed pages above an untouched file: what replay has written lies in an unnamed temporary file.

    Nothing is written where the evidence is.  `write` takes a whole page with its checksum; `close` frees the file.
    What lies in the file behind a `cut` is gone, also when the database grows over it again.  -1808, -1022 … when the
    temporary file cannot be used.
    """

    def __init__(self, base: FilePages) -> None:
        self.base = base
        self.path = base.path
        self.page_size = base.page_size
        self.last_page = base.last_page
        self._below = base.last_page
        """Last page that is still as the file has it."""
        self._slots: dict[int, int] = {}
        self._next_slot = 0
        self._spill: IO[bytes] | None = None
        self._kept: OrderedDict[int, Page] = OrderedDict()

    @property
    def replayed(self) -> int:
        """Number of pages that differ from the file."""
        return len(self._slots)

    def page(self, pgno: int) -> Page:
        """Return a page, replayed if there is such a one."""
        slot = self._slots.get(pgno)
        if slot is None:
            self._must_be_below(pgno)
            return self.base.page(pgno)
        found = self._kept.get(pgno)
        if found is not None:
            self._kept.move_to_end(pgno)
            return found
        found = self._kept[pgno] = Page(self._read(slot), pgno, path=self.path)
        if len(self._kept) > max(16, DEFAULT_CACHE_BYTES // self.page_size):
            self._kept.popitem(last=False)
        return found

    def _must_be_below(self, pgno: int) -> None:
        if pgno > self._below:
            detail = "the page lies beyond the end of the database"
            raise EseError.from_code(Err.FileIOBeyondEOF, detail, path=self.path, page=pgno)

    def prefetch(self, first: int, count: int) -> None:
        """Read ahead in the file below."""
        self.base.prefetch(first, count)

    def read(self, pgno: int) -> bytes | bytearray:
        """Return the bytes of a page for change."""
        slot = self._slots.get(pgno)
        if slot is not None:
            return self._read(slot)
        self._must_be_below(pgno)
        return self.base.read(pgno)

    def write(self, pgno: int, data: bytes | bytearray) -> None:
        """Take a replayed page."""
        slot = self._slots.get(pgno)
        if slot is None:
            slot = self._next_slot
        try:
            if self._spill is None:
                self._spill = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - lives as long as the overlay
            self._spill.seek(slot * self.page_size)
            written = self._spill.write(data)
        except OSError as error:
            raise self._failed(error) from error
        if written != len(data):
            raise EseError.from_code(Err.DiskFull, f"{_SPILL}: no room for a page", path=self.path, page=pgno)
        if slot == self._next_slot:
            self._slots[pgno] = slot
            self._next_slot += 1
        self._kept.pop(pgno, None)
        self.last_page = max(self.last_page, pgno)

    def replayed_in(self, first: int, count: int) -> frozenset[int]:
        """Return the numbers of the replayed pages among `count` from `first` on."""
        return frozenset(pgno for pgno in range(first, first + count) if pgno in self._slots)

    def written(self) -> list[int]:
        """Return the numbers of the replayed pages, ascending."""
        return sorted(each for each in self._slots if each <= self.last_page)

    def cut(self, last_page: int) -> None:
        """End the database after `last_page`."""
        self.last_page = last_page
        self._below = min(self._below, last_page)
        for pgno in [each for each in self._slots if each > last_page]:
            del self._slots[pgno]
            self._kept.pop(pgno, None)

    def grow(self, last_page: int) -> None:
        """Let the database reach to `last_page`."""
        self.last_page = max(self.last_page, last_page)

    def close(self) -> None:
        """Free the temporary file; idempotent."""
        if self._spill is not None:
            self._spill.close()
            self._spill = None

    def _read(self, slot: int) -> bytes:
        if self._spill is None:
            raise EseError.from_code(Err.InternalError, "the replayed pages were closed", path=self.path)
        try:
            self._spill.seek(slot * self.page_size)
            return self._spill.read(self.page_size)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> EseError:
        return from_os_error(error, self.path, doing=_SPILL)
