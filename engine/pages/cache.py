"""A bounded cache of decoded pages, for replay and for live work.

The least recently used page goes first; a changed one is written on its way out.  A page is *pinned* while a
before-image of it is not in the log: it may not be written, so it stays, however full the cache is.

Pages are written through `write`, which the owner makes obey the write-ahead rule: what changed the page must be
durable in the log before the page is.

Source: log reference 3.2, 4.2, 6.3; database reference 2.2 (flush type).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format.page import FLUSH_TYPE_SHIFT, PageFlags
from engine.pages.mutable import MutablePage
from engine.pages.page_rules import assert_rules

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_CACHE_PAGES: Final = 4096
"""Decoded pages kept unless told otherwise."""

_UNREADABLE: Final = frozenset(
    (Err.ReadVerifyFailure, Err.ReadPgnoVerifyFailure, Err.PageNotInitialized, Err.FileIOBeyondEOF)
)
_FLUSH_TYPES: Final = 3


class PageCache:
    """The pages of one database, decoded for change: a `engine.redo.store.PageStore`.

    `read(pgno)` returns verified bytes or raises; `write(pgno, bytes)` takes a whole page.  With `tolerant` set a
    page that does not fit its record is noted in `mismatches` and skipped, because a later record may do away with
    the page; what is left there at the end of the required range is an error.
    """

    def __init__(
        self,
        path: str,
        page_size: int,
        *,
        read: Callable[[int], bytes | bytearray],
        write: Callable[[int, bytes | bytearray], None],
        capacity: int = DEFAULT_CACHE_PAGES,
    ) -> None:
        self.path = path
        self.page_size = page_size
        self.tolerant = False
        self.mismatches: dict[int, EseError] = {}
        self.rebuilt: dict[int, EseError] = {}
        """Pages that could not be read and were built anew from the log, with what was wrong."""
        self._read = read
        self._write = write
        self._capacity = max(16, capacity)
        self._pages: OrderedDict[int, MutablePage] = OrderedDict()
        self._dirty: set[int] = set()
        self._pins: dict[int, int] = {}
        self._unreadable: dict[int, EseError] = {}

    @property
    def dirty_pages(self) -> int:
        """Number of pages that are to be written."""
        return len(self._dirty)

    # PageStore.

    def load(self, pgno: int) -> MutablePage:
        """Return a page for change; errors of `read`, -357/-358 for a page that makes no sense."""
        page = self._pages.get(pgno)
        if page is not None:
            self._pages.move_to_end(pgno)
            return page
        page = MutablePage.decode(self._read(pgno), pgno, path=self.path)
        self._pages[pgno] = page
        self._shrink()
        return page

    def peek(self, pgno: int) -> MutablePage | None:
        """Return the page, None when it cannot be read; it is remembered why."""
        try:
            return self.load(pgno)
        except EseError as error:
            if error.code not in _UNREADABLE:
                raise
            self._unreadable[pgno] = error
            return None

    def put(self, page: MutablePage) -> None:
        """Take a page that was built anew."""
        error = self._unreadable.pop(page.pgno, None)
        if error is not None and error.code not in {Err.PageNotInitialized, Err.FileIOBeyondEOF}:
            self.rebuilt[page.pgno] = error
        self.mismatches.pop(page.pgno, None)
        self._pages[page.pgno] = page
        self._pages.move_to_end(page.pgno)
        self._dirty.add(page.pgno)
        self._shrink()

    def changed(self, page: MutablePage) -> None:
        """Note a change; -107 when the page was changed in another copy too, because one of the two would be lost."""
        pgno = page.pgno
        kept = self._pages.get(pgno)
        if kept is not page:
            # It was pushed out between being loaded and being changed: the change is in this object only.
            if kept is not None and pgno in self._dirty:
                raise EseError.from_code(Err.InternalError, "changed in two copies", path=self.path, page=pgno)
            self._pages[pgno] = page
        self._dirty.add(pgno)

    def mismatch(self, pgno: int, error: EseError) -> None:
        """Note the mismatch when `tolerant`, raise it otherwise; a page too new can never come right."""
        if not self.tolerant or error.code == Err.DbTimeTooNew:
            raise error
        self.mismatches.setdefault(pgno, error)

    # Pins and writing.

    def pin(self, pgno: int) -> None:
        """Keep a page unwritten."""
        self._pins[pgno] = self._pins.get(pgno, 0) + 1

    def unpin(self, pgno: int) -> None:
        """Take one pin back."""
        left = self._pins.get(pgno, 0) - 1
        if left > 0:
            self._pins[pgno] = left
        else:
            self._pins.pop(pgno, None)

    def flush(self) -> None:
        """Write every changed page in page order.  Pinned ones must not exist any more: -107 otherwise."""
        if self._dirty & self._pins.keys():
            raise EseError.from_code(Err.InternalError, "pages whose before-images are not logged", path=self.path)
        for pgno in sorted(self._dirty):
            self._write_page(self._pages[pgno])
        self._dirty.clear()

    def drop_from(self, first: int) -> None:
        """Forget pages `first` and up: the file was cut there."""
        for pgno in [each for each in self._pages if each >= first]:
            del self._pages[pgno]
            self._dirty.discard(pgno)
        for pgno in [each for each in self.mismatches if each >= first]:
            del self.mismatches[pgno]

    def forget(self, first: int, count: int) -> None:
        """Forget mismatches of pages `first` .. + `count` - 1: they were trimmed away."""
        for pgno in [each for each in self.mismatches if first <= each < first + count]:
            del self.mismatches[pgno]

    def _write_page(self, page: MutablePage) -> None:
        assert_rules(page)
        # Every write steps the page's write counter, as the engine does.
        step = (page.flags & PageFlags.FLUSH_TYPE) >> FLUSH_TYPE_SHIFT
        page.flags = int(page.flags & ~PageFlags.FLUSH_TYPE | (step % _FLUSH_TYPES + 1) << FLUSH_TYPE_SHIFT)
        self._write(page.pgno, page.encode())

    def _shrink(self) -> None:
        """Push out what was not used for longest; one changed page going takes its like with it in page order."""
        if len(self._pages) <= self._capacity:
            return
        kept = self._capacity * 3 // 4
        going: list[int] = []
        for pgno in self._pages:
            if len(self._pages) - len(going) <= kept:
                break
            if pgno not in self._pins:
                going.append(pgno)
        for pgno in sorted(going):
            # Only what was written may go: a write that fails leaves the page where it is.
            if pgno in self._dirty:
                self._write_page(self._pages[pgno])
                self._dirty.discard(pgno)
            del self._pages[pgno]
